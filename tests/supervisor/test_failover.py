"""Covers `orchestrator/supervisor/failover.py` and `retention.py`: what is done again and again for all runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from orchestrator.agent.attempt import Stop
from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor import failover as janitor_module
from orchestrator.supervisor.failover import Failover
from orchestrator.telemetry.observer import Observer
from tests.support.patience import eventually


class Executing:
    """The runs that this worker executes, as far as the cleaning needs them."""

    def __init__(self) -> None:
        self.draining = False
        self.gone_on: list[RunRecord] = []
        self.here: dict[str, Any] = {}
        self.fails = False

    def items(self) -> Any:
        return self.here.items()

    def find(self, run_id: str) -> Any:
        return self.here.get(run_id)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self.here

    async def resume(self, record: RunRecord) -> None:
        if self.fails and record.run_id == "run_1":
            raise RuntimeError("cannot go on")
        self.gone_on.append(record)


class Present:
    def __init__(self) -> None:
        self.left: list[str] = []

    async def abandoned(self, runs: Any) -> list[str]:
        return self.left


class UnsteadyLog(MemoryLog):
    refusals = 0
    rounds = 0
    owner = "w"

    async def beat(self, worker: str, seconds: float) -> None:
        self.rounds += worker == self.owner
        if self.refusals:
            self.refusals -= 1
            raise LogUnavailable("away")
        await super().beat(worker, seconds)


class Taken(Observer):
    count = 0
    bytes = -1

    def run_taken_over(self) -> None:
        self.count += 1

    def log_bytes(self, size: int) -> None:
        self.bytes = size


class Cluster:
    def __init__(self) -> None:
        self.offered: list[str] = []

    async def offer_work(self, run_id: str) -> None:
        self.offered.append(run_id)


class Rig:
    def __init__(self, cluster: Cluster | None = None, **limits: Any) -> None:
        self.log = UnsteadyLog()
        self.executing = Executing()
        self.present = Present()
        self.observer = Taken()
        self.starting: set[str] = set()
        self.forgotten: list[tuple[str, str]] = []
        self.janitor = Failover(
            self.log, cast(Any, self.executing), cast(Any, self.present), self.observer, worker="w",
            limits=RunLimits(**limits), starting=self.starting, cluster=cast(Any, cluster), forget=self.forget,
        )  # fmt: skip

    async def forget(self, run_id: str, why: str) -> None:
        self.forgotten.append((run_id, why))
        await self.log.forget_run(run_id, why)

    async def record(self, run_id: str, owner: str, *, ended_s: float | None = None) -> None:
        now = int(time.time() * 1000)
        await self.log.create_run(
            RunRecord(
                run_id=run_id, channel=run_id, message="hi", agents=["a"], conversation_id=None,
                on_disconnect="cancel", created_at=now, owner=owner,
            )
        )  # fmt: skip
        if ended_s is not None:
            await self.log.end_run(Fence(run_id, 1), "completed", now - int(ended_s * 1000))

    async def rounds(self, count: int = 2) -> None:
        """Wait until so many rounds have been done from the beginning to the end."""
        target = self.log.rounds + count + 1
        await eventually(lambda: self.log.rounds >= target)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor_module, "JANITOR_SECONDS", 0.005)


@asynccontextmanager
async def cleaning(rig: Rig) -> AsyncIterator[None]:
    task = asyncio.ensure_future(rig.janitor.clean())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_it_shows_again_and_again_that_this_worker_lives() -> None:
    rig = Rig()
    async with cleaning(rig):
        await rig.rounds()
        assert "w" in await rig.log.living()
        assert rig.observer.bytes == rig.log.size


async def test_what_workers_left_that_are_no_more_goes_on_here_once() -> None:
    rig = Rig()
    await rig.record("run_1", "dead")
    await rig.record("run_2", "alive")
    await rig.log.beat("alive", 1000)
    async with cleaning(rig):
        await eventually(lambda: rig.executing.gone_on)
        rig.executing.here["run_1"] = object()
        await rig.rounds()
    assert [(r.run_id, r.owner, r.token) for r in rig.executing.gone_on] == [("run_1", "w", 2)]
    assert rig.observer.count == 1


async def test_a_draining_worker_takes_nothing_over() -> None:
    rig = Rig()
    rig.executing.draining = True
    await rig.record("run_1", "dead")
    async with cleaning(rig):
        await rig.rounds()
    assert rig.executing.gone_on == []


async def test_one_that_cannot_go_on_does_not_hold_the_others_up() -> None:
    rig = Rig()
    rig.executing.fails = True
    for run_id in ("run_1", "run_2"):
        await rig.record(run_id, "dead")
    with capture_logs() as logs:
        async with cleaning(rig):
            await eventually(lambda: rig.executing.gone_on)
    assert rig.executing.gone_on[0].run_id == "run_2"
    [line] = [line for line in logs if line["event"] == "takeover_failed"][:1]
    assert "RuntimeError: cannot go on" in line["stack"]


async def test_own_runs_that_nobody_executes_are_recovered_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client left in the middle of its POST. One that is just being started is not adrift."""
    monkeypatch.setattr(janitor_module, "ADRIFT_SECONDS", 0.1)
    rig = Rig()
    rig.starting.add("run_2")
    rig.executing.here["run_3"] = _Run()
    for run_id in ("run_1", "run_2", "run_3"):
        await rig.record(run_id, "w")
    async with cleaning(rig):
        await eventually(lambda: rig.executing.gone_on)
    assert [(r.run_id, r.token) for r in rig.executing.gone_on] == [("run_1", 2)]


async def test_work_that_no_worker_took_is_offered_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(janitor_module, "ADRIFT_SECONDS", 0.05)
    cluster = Cluster()
    rig = Rig(cluster)
    await rig.record("run_1", "w")
    async with cleaning(rig):
        await eventually(lambda: cluster.offered)
    assert cluster.offered[0] == "run_1"
    assert rig.executing.gone_on == []


class _Run:
    def __init__(self) -> None:
        self.spec = None
        self.stops: list[Stop] = []

    def cancel(self, stop: Stop) -> None:
        self.stops.append(stop)


async def test_abandoned_runs_are_cancelled() -> None:
    rig = Rig()
    run = _Run()
    rig.executing.here["run_1"] = run
    rig.present.left = ["run_1", "run_gone"]
    async with cleaning(rig):
        await eventually(lambda: run.stops)
    assert run.stops[0] == Stop("abandoned")


async def test_ended_runs_expire_by_age() -> None:
    rig = Rig(retention_s=60)
    await rig.record("run_old", "w", ended_s=61)
    await rig.record("run_new", "w", ended_s=30)
    async with cleaning(rig):
        await rig.rounds()
    assert rig.forgotten == [("run_old", "has expired")]


async def test_ended_runs_expire_by_number_the_oldest_first() -> None:
    rig = Rig(retention_s=1e6, max_kept_runs=1)
    for age, run_id in ((30, "run_1"), (20, "run_2"), (10, "run_3")):
        await rig.record(run_id, "w", ended_s=age)
    async with cleaning(rig):
        await eventually(lambda: len(rig.forgotten) == 2)
        await rig.rounds()
    assert [run_id for run_id, _ in rig.forgotten] == ["run_1", "run_2"]


async def test_an_unavailable_store_and_a_fault_end_no_cleaning() -> None:
    rig = Rig(retention_s=60)
    await rig.record("run_old", "w", ended_s=61)
    rig.log.refusals = 2
    forget, calls = rig.forget, 0

    async def breaks_first(run_id: str, why: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError("broken")
        await forget(run_id, why)

    rig.janitor._forget = breaks_first
    with capture_logs() as logs:
        async with cleaning(rig):
            await eventually(lambda: rig.forgotten)
    events = [line["event"] for line in logs]
    assert (events.count("store_away"), events.count("janitor_failed")) == (2, 1)
