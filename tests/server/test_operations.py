"""Covers `orchestrator/server/routes/operations.py`: liveness, readiness, metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from orchestrator.backends.base import AgentInput
from orchestrator.eventlog import MemoryLog
from orchestrator.server.app import create_app
from orchestrator.server.app_keys import LOADED, SIBLINGS, SUPERVISOR
from orchestrator.server.sibling_metrics import ALONE, SiblingMetrics
from tests.support.spine import ScriptedRegistry


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


class UnsteadyLog(MemoryLog):
    answers_now = True

    @property
    def available(self) -> bool:
        return self.answers_now


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    client = await aiohttp_client(
        create_app(registry=ScriptedRegistry({"a": answers}), event_log=UnsteadyLog())
    )
    await client.app[LOADED]
    return client


async def readiness(client: TestClient[Any, Any]) -> tuple[int, str | None]:
    async with client.get("/readyz") as answer:
        return answer.status, answer.headers.get("Retry-After")


async def test_a_process_that_answers_lives_whatever_else_is_wrong(client: TestClient[Any, Any]) -> None:
    """An orchestrator that restarted it because the store is unavailable would only make things worse."""
    client.app[SUPERVISOR].log.answers_now = False
    client.app[SUPERVISOR].refuse_new()
    assert (await client.get("/healthz")).status == 200


async def test_it_is_ready_while_runs_can_be_started(client: TestClient[Any, Any]) -> None:
    assert await readiness(client) == (200, None)
    client.app[SUPERVISOR].log.answers_now = False
    assert await readiness(client) == (503, "1")
    client.app[SUPERVISOR].log.answers_now = True
    assert await readiness(client) == (200, None)
    client.app[SUPERVISOR].refuse_new()
    assert await readiness(client) == (503, "5")


async def test_it_is_not_ready_before_its_agents_are_loaded(aiohttp_client: AiohttpClient) -> None:
    class Never(ScriptedRegistry):
        async def load(self) -> None:
            await asyncio.Event().wait()

    client = await aiohttp_client(create_app(registry=Never({"a": answers})))
    assert await readiness(client) == (503, "1")


async def test_metrics_are_prometheus_text_and_kept_by_nobody(client: TestClient[Any, Any]) -> None:
    async with client.get("/metrics") as answer:
        text = await answer.text()
        assert answer.content_type == "text/plain"
        assert answer.headers["Cache-Control"] == "no-store"
    assert "# TYPE orchestrator_" in text


async def test_one_of_several_workers_answers_for_all_unless_it_is_asked_for_its_own(
    aiohttp_client: AiohttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def render(self: SiblingMetrics, own: bytes) -> bytes:
        asked.append(own)
        return b"summed\n"

    monkeypatch.setattr(SiblingMetrics, "render", render)
    app = create_app(agents={"a": answers})
    app[SIBLINGS] = SiblingMetrics(tmp_path)
    client = await aiohttp_client(app)
    assert await (await client.get("/metrics")).text() == "summed\n"
    assert await (await client.get(f"/metrics?{ALONE}")).text() != "summed\n"
    assert len(asked) == 1
