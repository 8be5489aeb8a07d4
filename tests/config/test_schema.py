"""The JSON Schema for editors says what the loader does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from orchestrator.backends.registry import settings_classes
from orchestrator.config.schema import json_schema, panel_schema
from orchestrator.panels.settings import PanelSettings
from tests.support.commands import orchestrate

from ..support.agentfolder import OFFLINE, OPENAI, Folder

SHIPPED = Path(__file__).parents[2] / "agents_config"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    Draft202012Validator.check_schema(json_schema())
    return Draft202012Validator(json_schema())


def as_data(text: str) -> Any:
    """The file as an editor sees it: with its references, not with their values."""
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.name)
def test_the_shipped_files_fit_the_schema(schema: Draft202012Validator, path: Path) -> None:
    schema.validate(as_data(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        OFFLINE,
        OFFLINE + "agent_id: x\nenabled: ${env:E:-auto}\ndefault: ${env:D}\ncoalesce_ms: ${env:C:-3}",
        OPENAI + "agent: m:a",
        OPENAI + "model: m\nmodel_settings: {temperature: '${env:T:-0.5}', reasoning: {effort: low}}",
        OPENAI + "model: m\nlimits: {timeout_s: 3, max_cost: '${env:T:-1}'}\nprices: {input: 1, output: 2}",
        OPENAI + "model: m\nmcp_servers: [{command: c}]",
        OPENAI + "model: m\napi: ${env:A:-responses}\nbase_url: ${env:B:-http://x}\ntools: ['${env:T:-m:f}']",
        "backend: letta\nletta_agent_id: x\nbackground: false",
        "backend: function\nstream: m:f",
    ],
)
def test_what_loads_fits_the_schema(folder: Folder, schema: Draft202012Validator, text: str) -> None:
    folder.load({"D": "true"}, a=text)
    schema.validate(as_data(text))


@pytest.mark.parametrize(
    "text",
    [
        "title: x",
        "backend: nonsense",
        OFFLINE + "nope: 1",
        OFFLINE + "limits: {nope: 1}",
        OFFLINE + "limits: {timeout_s: 0}",
        OFFLINE + "limits: {timeout_s: 'soon'}",
        OFFLINE + "enabled: maybe",
        OFFLINE + "agent_id: Big One",
        OFFLINE + "agent_id: run",
        OFFLINE + "tools: [clock]",
        OPENAI,
        OPENAI + "agent: m:a\nmodel: m",
        OPENAI + "model: m\nmodel_settings: {temperture: 1}",
        OPENAI + "model: m\nbase_url: ftp://x",
        "backend: letta",
        "backend: function",
    ],
)
def test_what_does_not_load_does_not_fit_the_schema(
    folder: Folder, schema: Draft202012Validator, text: str
) -> None:
    folder.problems(a=text)
    assert not schema.is_valid(as_data(text))


def test_the_schema_knows_every_key_and_is_json() -> None:
    definitions = json.loads(json.dumps(json_schema()))["$defs"]
    for model in settings_classes().values():
        assert set(definitions[model.__name__]["properties"]) == set(model.model_fields)


# ── panels ────────────────────────────────────────────────────────────────────────────────────

MODERATED = "method: moderator\nmembers: [a, b]\nmoderator: c\n"


@pytest.fixture(scope="module")
def panels() -> Draft202012Validator:
    Draft202012Validator.check_schema(panel_schema())
    return Draft202012Validator(panel_schema())


@pytest.fixture
def panel_folder(folder: Folder) -> Folder:
    (folder.path / "panels").mkdir()
    for agent_id in "abc":
        (folder.path / f"{agent_id}.yaml").write_text(OFFLINE)
    return folder


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("panels/*.yaml")), ids=lambda path: path.name)
def test_the_shipped_panels_fit_the_schema(panels: Draft202012Validator, path: Path) -> None:
    panels.validate(as_data(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        MODERATED,
        MODERATED
        + "start_when: all\nrevise: true\nrounds: 16\nlayers: 3\nvalid: x\ntitle: T\ndescription: d",
        MODERATED + "start_when: {quorum: 2, deadline_s: 0.5, all: true}\npanel_id: other",
        MODERATED + "start_when: {all: false, quorum: 1}\nlimits: {max_input_chars: 9, stage_timeout_s: 0.1}",
        MODERATED + "prompt: '{question} {answers} {missing} {} {a b}'",
        MODERATED
        + "prompt: 'in ${env:N:-x}'\nrounds: ${env:R:-3}\nlayers: ${env:L:-2}\nrevise: ${env:V:-yes}",
        "method: judge\nmembers: [a, b]\nmoderator: {agent: c, fallback: [a], attempts: 1}",
        "method: moderator\nmembers: [a]\nmoderator: {agent: c, fallback: b}",
        "method: rank\nmembers: [a, b, c]",
        "method: rank\nmembers: [a, b, c]\nmoderator: c",
        "method: vote\nmembers: [a, b]",
        "method: debate\nmembers: [a, b]",
        "method: layers\nmoderator: c\nlayers: [[a, b], [c]]",
        "method: layers\nmoderator: c\nmembers: [a, b]",
        "method: my_module:my_method\nmembers: [a]\nmoderator: c",
    ],
)
def test_a_panel_that_loads_fits_the_schema(
    panel_folder: Folder, panels: Draft202012Validator, text: str
) -> None:
    (panel_folder.path / "panels" / "p.yaml").write_text(text)
    assert len(panel_folder.load().panels) == 1
    panels.validate(as_data(text))


@pytest.mark.parametrize(
    "text",
    [
        "members: [a]",
        "method: nonsense\nmembers: [a]",
        "method: vote",
        "method: my_module:my_method",
        "method: vote\nmembers: []",
        "method: vote\nmembers: [a]",
        "method: vote\nmembers: [a, a]",
        "method: vote\nmembers: a",
        "method: vote\nmembers: [a, b]\nmoderator: c",
        "method: rank\nmembers: [a, b]",
        "method: moderator\nmembers: [a]",
        "method: layers\nmoderator: c",
        "method: layers\nmoderator: c\nlayers: 2",
        MODERATED + "nope: 1",
        MODERATED + "panel_id: Big One",
        MODERATED + "start_when: soon",
        MODERATED + "start_when: {all: false}",
        MODERATED + "start_when: {quorum: 0}",
        MODERATED + "start_when: {later: 1}",
        MODERATED + "prompt: 'x {answer}'",
        MODERATED + "prompt: ''",
        MODERATED + "revise: 1",
        MODERATED + "rounds: 17",
        MODERATED + "rounds: 0",
        MODERATED + "layers: 17",
        MODERATED + "layers: [a]",
        MODERATED + "layers: [[]]",
        MODERATED + "limits: {max_input_chars: 0}",
        MODERATED + "limits: {nope: 0}",
        "method: moderator\nmembers: [a]\nmoderator: BIG",
        "method: moderator\nmembers: [a]\nmoderator: [c]",
        "method: moderator\nmembers: [a]\nmoderator: {fallback: [c]}",
        "method: moderator\nmembers: [a]\nmoderator: {agent: c, attempts: 0}",
    ],
)
def test_a_panel_that_does_not_load_does_not_fit_the_schema(
    panel_folder: Folder, panels: Draft202012Validator, text: str
) -> None:
    (panel_folder.path / "panels" / "p.yaml").write_text(text)
    assert panel_folder.problems()
    assert not panels.is_valid(as_data(text))


@pytest.mark.parametrize(
    ("arguments", "schema"), [((), json_schema), (("agent",), json_schema), (("panel",), panel_schema)]
)
def test_the_command_prints_the_schema_that_is_asked_for(arguments: tuple[str, ...], schema: Any) -> None:
    assert json.loads(orchestrate("schema", *arguments).stdout) == schema()


def test_the_schema_of_a_panel_knows_every_key_and_is_json() -> None:
    schema = json.loads(json.dumps(panel_schema()))
    assert set(schema["properties"]) == set(PanelSettings.model_fields)
    assert all(
        "description" in each
        for name, each in schema["properties"].items()
        if name not in ("description", "limits")
    )
