"""An agent that is left out for what it lacks is shown as such, wherever somebody looks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from orchestrator.cli import cli
from orchestrator.config import load_config
from orchestrator.errors import InvalidRequest
from orchestrator.server.app import create_app
from tests.support.probe import Answer, ProblemServer, fetch


def folder_of(path: Path) -> Path:
    folder = path / "agents_config"
    folder.mkdir()
    (folder / "free.yaml").write_text("backend: function\nstream: tests.support.service:steady\n")
    keys = "url: ${env:PAID_URL}\nheaders: {Authorization: '${env:PAID_KEY}'}\n"
    (folder / "paid.yaml").write_text(f"backend: a2a\nenabled: auto\n{keys}")
    (folder / "panels").mkdir()
    (folder / "panels" / "both.yaml").write_text("method: race\nmembers: [free, paid]\n")
    return folder


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient[Any, Any]]:
    async with TestClient(ProblemServer(create_app(load_config(folder_of(tmp_path), {})))) as made:
        yield made


async def test_it_is_listed_with_what_it_lacks(client: TestClient[Any, Any]) -> None:
    listed = (await fetch(client, "GET", "/v1/agents")).json
    assert [agent["agent_id"] for agent in listed["agents"]] == ["free"]
    (found,) = listed["left_out"]
    assert found["agent_id"] == "paid"
    assert set(found["reason"].removesuffix(" are not set").split(" and ")) == {"PAID_KEY", "PAID_URL"}


async def test_a_panel_that_needs_it_is_listed_with_what_it_lacks(client: TestClient[Any, Any]) -> None:
    listed = (await fetch(client, "GET", "/v1/panels")).json
    assert listed["panels"] == []
    (found,) = listed["left_out"]
    assert found["panel_id"] == "both"
    assert "agent 'paid' is left out" in found["reason"]
    assert "PAID_KEY" in found["reason"]


ASKED = [{"role": "user", "content": "hi"}]
TOLD = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}}
UI = [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]
RUN = {
    "threadId": "t",
    "runId": "r",
    "messages": [{"id": "m", **ASKED[0]}],
    "tools": [],
    "context": [],
    "state": {},
}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/runs", {"message": "hi", "panel": "both"}),
        ("/v1/chat/completions", {"model": "panel:both", "messages": ASKED}),
        ("/v1/responses", {"model": "panel:both", "input": "hi"}),
        ("/v1/a2a/panel:both/message:send", TOLD),
        ("/v1/ag-ui/panel:both", RUN),
        ("/v1/ai-sdk/chat", {"id": "c", "panel": "both", "messages": UI}),
        ("/v1/mcp", {**CALL, "params": {"name": "ask_both", "arguments": {"message": "hi"}}}),
        ("/v1/mcp", {**CALL, "params": {"name": "ask", "arguments": {"message": "hi", "agents": ["paid"]}}}),
        ("/v1/responses", {"model": "paid", "input": "hi"}),
        ("/v1/ag-ui/paid", RUN),
        ("/v1/ai-sdk/chat", {"id": "c", "agents": ["paid"], "messages": UI}),
    ],
)
async def test_every_dialect_says_why(client: TestClient[Any, Any], path: str, body: dict[str, Any]) -> None:
    headers = {"A2A-Version": "1.0", "Accept": "application/json"}
    answer: Answer = await fetch(client, "POST", path, json=body, headers=headers)
    text = answer.body.decode()
    assert "'paid' is left out" in text
    assert "PAID_KEY" in text
    assert "There is no" not in text


@pytest.mark.parametrize("model", ["paid", "panel:both"])
@pytest.mark.parametrize("path", ["/v1/models/{}", "/v1/a2a/{}/.well-known/agent-card.json"])
async def test_nobody_says_that_it_does_not_exist(
    client: TestClient[Any, Any], path: str, model: str
) -> None:
    answer = await fetch(client, "GET", path.format(model))
    assert answer.status == 404
    assert "cannot be asked: " in answer.body.decode()
    assert "PAID_KEY" in answer.body.decode()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/runs", {"message": "hi", "agents": ["paid"]}),
        ("/v1/runs", {"message": "hi", "panel": {"method": "race", "members": ["free", "paid"]}}),
        ("/v1/chat/completions", {"model": "paid", "messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/a2a/paid/message:send", {"message": {"parts": [{"text": "hi"}]}}),
    ],
)
async def test_a_request_that_names_it_hears_why(
    client: TestClient[Any, Any], path: str, body: dict[str, Any]
) -> None:
    answer: Answer = await fetch(client, "POST", path, json=body, headers={"A2A-Version": "1.0"})
    assert answer.status in (404, 422)
    text = answer.body.decode()
    assert "agent 'paid' is left out: " in text
    assert "PAID_KEY" in text
    assert "no agent 'paid'" not in text
    assert "There is no" not in text


async def test_it_cannot_join_a_run_and_hears_why(client: TestClient[Any, Any]) -> None:
    run_id = (await fetch(client, "POST", "/v1/runs", json={"message": "hi"})).json["run_id"]
    answer = await fetch(client, "POST", f"/v1/runs/{run_id}/agents", json={"agent_id": "paid"})
    assert answer.status == 422
    assert "is left out" in answer.body.decode()


def test_the_command_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAID_KEY", "PAID_URL"):
        monkeypatch.delenv(name, raising=False)
    folder, questions = str(folder_of(tmp_path)), tmp_path / "questions.txt"
    questions.write_text('"hi"\n')
    for words, said in (
        (["run", "hi", "--agents", "paid"], "paid is left out, for PAID_"),
        (["run", "hi", "--panel", "both"], "both is left out, for agent 'paid' is left out .PAID_"),
        (["compare", str(questions), "--agents", "free,paid"], "paid is left out, for PAID_"),
    ):
        with pytest.raises(InvalidRequest, match=said):
            cli.main([*words, "--config", folder], prog_name="orchestrator", standalone_mode=False)
