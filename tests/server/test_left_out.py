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
    asked = ["run", "hi", "--agents", "paid", "--config", str(folder_of(tmp_path))]
    with pytest.raises(InvalidRequest, match="paid is left out, for PAID_"):
        cli.main(asked, prog_name="orchestrator", standalone_mode=False)
