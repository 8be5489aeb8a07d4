"""A variable's value, and a secret, appear in no message and in no repr."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.backends.letta.settings import LettaSettings
from orchestrator.config.yamlfile import MAX_SECRET_BYTES

from ..support.agentfolder import OFFLINE, OPENAI, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


SECRET = "hunter2-marker"
SECRET_PLACES = [
    "agent_id: ${env:S} x",
    "backend: ${env:S}",
    "enabled: ${env:S}",
    "default: ${env:S}",
    "coalesce_ms: ${env:S}",
    "limits: ${env:S}",
    "limits: {timeout_s: '${env:S}'}",
    "retry: {attempts: '${env:S}'}",
    "api: ${env:S}",
    "base_url: ${env:S}",
    "base_url: 'http://[${env:S}'",
    "instructions_file: ${env:S}",
    "model_settings: ${env:S}",
    "model_settings: {temperature: '${env:S}'}",
    "tools: ${env:S}",
    "tools: ['${env:S}']",
    "handoffs: ['${env:S}']",
    "mcp_servers: ['${env:S}']",
    "mcp_servers: [{url: '${env:S}'}]",
    "mcp_servers: [{url: 'http://x', args: ['${env:S}']}]",
    "agent: ${env:S}",
    "agent: a:${env:S}\nmodel: ${env:S}",
    "transport: ${env:S}",
    "unknown: ${env:S}",
    "title: [1, '${env:S}']",
]


@pytest.mark.parametrize("place", SECRET_PLACES)
@pytest.mark.parametrize("value", [SECRET, f"-1 {SECRET}", f"é[{SECRET}", f"{SECRET}\nx"])
def test_a_variables_value_is_in_no_message(folder: Folder, place: str, value: str) -> None:
    head = "" if place.startswith("backend") else OPENAI
    model = "" if place.startswith("agent:") else "\nmodel: m"
    handoff = {"b": OFFLINE + "agent_id: hunter2-marke"}  # near enough to be suggested
    found = folder.problems({"S": value}, a=head + place + model, **handoff)
    assert [p for p in found if p.key]
    assert SECRET not in "\n".join(map(str, found))


@pytest.mark.parametrize("value", ["-77", "0.0077e0x", "nan"])
def test_a_variables_number_is_in_no_message(folder: Folder, value: str) -> None:
    found = folder.problem(OFFLINE + "limits: {timeout_s: '${env:S}'}", {"S": value})
    assert found.key == "limits.timeout_s"
    assert value not in str(found).removeprefix(found.file)


def test_two_ids_from_variables_that_clash_do_not_show(folder: Folder) -> None:
    text = OFFLINE + "agent_id: ${env:S}"
    (found,) = folder.problems({"S": "hunter2"}, a=text, b=text)
    assert found.key == "agent_id"
    assert "hunter2" not in found.message
    assert "a.yaml" in found.message


def test_secrets_do_not_show_in_reprs(folder: Folder) -> None:
    text = f"""
model: m
api_key: {SECRET}
model_settings: {{extra_headers: {{K: {SECRET}}}}}
mcp_servers: [{{command: c, env: {{K: {SECRET}}}}}, {{url: "http://x", headers: {{K: {SECRET}}}}}]
"""
    config = folder.load(a=OPENAI + text, b=f"backend: letta\nletta_agent_id: i\napi_key: {SECRET}")
    far = f"url: http://x\nheaders: {{Authorization: {SECRET}}}\nbackend: "
    remote = f"backend: remote\nurl: http://x\nagent: a\ntoken: {SECRET}"
    others = folder.load(a=f"{far}a2a", b=f"{far}ag-ui", c=remote)
    assert SECRET not in repr(others)
    assert SECRET not in repr(config)
    assert SECRET not in "".join(map(str, config.agents.values()))


def test_a_secret_of_the_wrong_type_is_not_shown(folder: Folder) -> None:
    found = folder.problem(OPENAI + "model: m\napi_key: 123456")
    assert (found.key, found.message) == ("api_key", "should be text; put it in quotes")


def test_errors_raised_while_building_by_hand_hide_their_input() -> None:
    with pytest.raises(ValidationError) as caught:
        LettaSettings(agent_id="a", letta_agent_id="i", api_key=123456)  # type: ignore[arg-type]  # wrong on purpose
    assert "123456" not in str(caught.value)


@pytest.mark.parametrize("name", ["key", "{folder}/key", "deeper/../key"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_may_be_in_a_file_of_its_own(folder: Folder, name: str, end: str) -> None:
    """As they are mounted into containers; a relative name is looked for beside the agent's own file."""
    (folder.path / "deeper").mkdir(exist_ok=True)
    (folder.path / "key").write_bytes(f"{SECRET}{end}".encode())
    where = name.format(folder=folder.path)
    config = folder.load(a=OPENAI + f"model: m\nbase_url: http://x\napi_key: ${{file:{where}}}")
    assert config.agents["a"].api_key.get_secret_value() == SECRET
    found = folder.problems(a=OPENAI + f"model: m\napi: ${{file:{where}}}")
    assert SECRET not in "\n".join(map(str, found))


@pytest.mark.parametrize("kind", ["missing", "empty", "pipe", "folder", "large", "bytes"])
def test_a_file_that_cannot_be_read_is_a_problem_with_its_line(folder: Folder, kind: str) -> None:
    path = folder.path / "key"
    match kind:
        case "empty":
            path.write_bytes(b"\n")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "large":
            path.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
        case "bytes":
            path.write_bytes(b"\xff")
    text = OPENAI + "model: m\napi_key: ${file:key}"
    (found,) = folder.problems(a=text)
    assert (found.key, found.line) == ("api_key", text.count("\n") + 1)
    assert "the file key cannot be read" in found.message
    config = folder.load(a=text + "\nenabled: auto", b=OFFLINE)
    assert ["the file key cannot be read" in skipped.reason for skipped in config.skipped] == [True]
    assert (
        folder.load(a=text.replace("key}", "key:-other}")).agents["a"].api_key.get_secret_value() == "other"
    )
