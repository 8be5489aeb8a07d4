"""A run that no worker takes tells its readers that it waits, and goes on as any other once one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.eventlog import open_log, queued_status
from orchestrator.eventlog.run_list import RunQuery
from orchestrator.eventlog.run_store import OwnedRun
from orchestrator.framing.a2a import A2aFraming
from orchestrator.framing.base import Subscriber
from orchestrator.framing.responses import ResponsesFraming
from orchestrator.run.spec import StartRequest
from orchestrator.supervisor import failover, peers
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.patience import PATIENCE_SECONDS

from ..support.spine import ScriptedRegistry, read


async def words(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "here"


@pytest.mark.parametrize("keys", [{}, {"blind": True}])
async def test_a_run_that_waits_for_a_worker_says_so(
    keys: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failover, "QUEUED_SECONDS", 0.05)
    monkeypatch.setattr(queued_status, "QUEUED_SECONDS", 0.05)
    monkeypatch.setattr(peers, "BUSY_SECONDS", 0.02)
    log = open_log(f"sqlite:///{tmp_path}/log.db")
    registry = ScriptedRegistry({"a": words, "b": words})
    await registry.load()
    async with Supervisor(registry, log, cluster=log.cluster()) as supervisor:
        busy = True
        monkeypatch.setattr(type(supervisor._admission), "is_busy", property(lambda _: busy))
        run, _ = await supervisor.start(StartRequest("hi", ("a", "b"), **keys))
        run_id = run.spec.run_id
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(await log.read_run(run_id, run_id, None, most=9)) < 3:
                await asyncio.sleep(0.02)
        waiting = await supervisor.get(run_id)
        assert waiting.snapshot().status == "queued"
        assert [row.status for row in (await supervisor.page(RunQuery(5, status="queued"))).runs] == [
            "queued"
        ]
        responses = ResponsesFraming(Subscriber(run_id=run_id, titles={}, options={}))
        task = A2aFraming(Subscriber(run_id=run_id, titles={}, options={}))
        page = await log.read_run(run_id, run_id, None, most=9)
        assert responses.entries(page).count(b"event: response.queued") == 1
        assert task.entries(page).count(b"TASK_STATE_SUBMITTED") == 2  # the task itself, and that it waits
        assert responses.response()["status"] == "queued"
        assert task.task()["status"] == {"state": "TASK_STATE_SUBMITTED"}
        assert {one.status for one in waiting.participants.values()} == {"queued"}
        busy = False
        seen = await read(supervisor, run)  # type: ignore[arg-type]  # executed elsewhere
        told = [event for event in seen if event.type == "status"]
        assert {event.agent_id for event in told} == set(waiting.participants)
        assert {event.data["status"] for event in told} == {"queued"}
        assert {event.data.get("detail") for event in told} == {"waiting for a worker"}
        types = [event.name for event in seen]
        for agent_id in waiting.participants:
            assert types.index(f"{agent_id}.status") < types.index(f"{agent_id}.started")
        assert seen[-1].data["status"] == "completed"
        assert (await supervisor.page(RunQuery(5, status="queued"))).runs == []
        # What has ended, or is another's by now, is left alone.
        await supervisor._executor.report_queued(OwnedRun(run_id, 1))
        await supervisor._executor.report_queued(OwnedRun("run_of_nobody", 1))
    await log.aclose()
