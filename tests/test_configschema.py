"""The JSON Schema for editors says what the loader does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from orchestrator.configschema import json_schema
from orchestrator.settings import SETTINGS

from .agentfolder import OFFLINE, OPENAI, Folder

SHIPPED = Path(__file__).parent.parent / "agents_config"


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
    for model in SETTINGS.values():
        assert set(definitions[model.__name__]["properties"]) == set(model.model_fields)
