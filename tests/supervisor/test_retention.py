"""Covers `orchestrator/supervisor/retention.py`: what is forgotten, when, and by whom."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from orchestrator.agent.attempt import Stop
from orchestrator.errors import Gone
from orchestrator.eventlog import Cursor, Draft, MemoryLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.run.channels import SYSTEM_CHANNEL
from orchestrator.run.stored import StoredRuns
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor.retention import Retention
from orchestrator.telemetry.observer import Observer


class Executing:
    def __init__(self) -> None:
        self.here: dict[str, Any] = {}

    def find(self, run_id: str) -> Any:
        return self.here.get(run_id)

    def release(self, run_id: str) -> None:
        self.here.pop(run_id, None)


class Sizes(Observer):
    bytes = -1

    def log_bytes(self, size: int) -> None:
        self.bytes = size


class Rig:
    def __init__(self, log: MemoryLog | None = None, **limits: Any) -> None:
        self.log = log or MemoryLog()
        self.executing = Executing()
        self.observer = Sizes()
        self.retention = Retention(
            self.log,
            cast(Any, self.executing),
            StoredRuns(self.log),
            self.observer,
            limits=RunLimits(**limits),
        )

    async def record(self, run_id: str, *, ended_s: float | None = None) -> None:
        now = int(time.time() * 1000)
        await self.log.create_run(
            RunRecord(
                run_id=run_id, channel=run_id, message="hi", agents=["a"], conversation_id=None,
                on_disconnect="continue", created_at=now, owner="w",
            )
        )  # fmt: skip
        await self.log.append(run_id, [Draft(run_id, None, "done", b"{}")])
        await self.log.append(SYSTEM_CHANNEL, [Draft(run_id, None, "done", b"{}")])
        if ended_s is not None:
            await self.log.end_run(Fence(run_id, 1), "completed", now - int(ended_s * 1000))

    async def kept(self) -> list[str]:
        return [record.run_id for record in await self.log.list_runs(limit=100)]


async def test_ended_runs_expire_by_age() -> None:
    rig = Rig(retention_s=60)
    await rig.record("run_old", ended_s=61)
    await rig.record("run_new", ended_s=30)
    await rig.record("run_running")
    await rig.retention.expire()
    assert await rig.kept() == ["run_running", "run_new"]
    with pytest.raises(Gone, match="has expired"):
        await rig.log.find_run("run_old")
    assert rig.observer.bytes == rig.log.size


async def test_ended_runs_expire_by_number_the_oldest_first() -> None:
    rig = Rig(retention_s=1e6, max_kept_runs=1)
    for age, run_id in ((30, "run_1"), (20, "run_2"), (10, "run_3")):
        await rig.record(run_id, ended_s=age)
    await rig.retention.expire()
    assert await rig.kept() == ["run_3"]


async def test_ended_runs_expire_by_bytes_and_then_events_do() -> None:
    rig = Rig(retention_s=1e6, max_log_bytes=1)
    await rig.record("run_1", ended_s=10)
    await rig.record("run_2")
    await rig.retention.expire()
    assert await rig.kept() == ["run_2"]


async def test_a_run_that_is_deleted_is_cancelled_first_and_leaves_no_event() -> None:
    rig = Rig()
    stops: list[Stop] = []

    class Running:
        def cancel(self, stop: Stop) -> None:
            stops.append(stop)

    await rig.record("run_1")
    await rig.record("run_2")
    rig.executing.here["run_1"] = Running()
    await rig.retention.forget("run_1")
    assert stops == [Stop("was deleted")]
    assert rig.executing.here == {}
    bounds = await rig.log.open(SYSTEM_CHANNEL)
    left = await rig.log.read(SYSTEM_CHANNEL, Cursor(bounds.epoch, 0), most=9)
    assert [entry.run_id for entry in left] == ["run_2"]
    with pytest.raises(Gone):
        await rig.retention.forget("run_1")


async def test_two_workers_may_expire_the_same_runs() -> None:
    """Each has its list before the other begins; what the other was faster with is passed over."""
    log = MemoryLog()
    first, second = Rig(log, retention_s=60), Rig(log, retention_s=60)
    for n in range(10):
        await first.record(f"run_{n}", ended_s=100)
    listed = await log.ended_runs(before=int(time.time() * 1000), limit=100)
    await first.retention.expire()
    await second.retention._expire(listed)
    assert await first.kept() == []
