"""Covers `orchestrator/supervisor/failover.py`: lost runs go on, once, and no living worker's."""

from __future__ import annotations

import asyncio
import time
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.run_store import OwnedRun, RunRecord
from orchestrator.supervisor import failover as failover_module
from orchestrator.supervisor.failover import Failover
from orchestrator.telemetry.observer import Observer


class Executing:
    """The runs that this worker executes, as far as failover needs them."""

    def __init__(self) -> None:
        self.resumed: list[RunRecord] = []
        self.told: list[str] = []
        self.here: set[str] = set()
        self.fails = False
        self.at_once = self.most_at_once = 0

    @property
    def running(self) -> int:
        return len(self.here)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self.here

    async def report_queued(self, waiting: OwnedRun) -> None:
        self.told.append(waiting.run_id)

    async def resume(self, record: RunRecord) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.fails and record.run_id == "run_1":
            raise RuntimeError("cannot go on")
        self.resumed.append(record)


class Admitting:
    def __init__(self) -> None:
        self.draining = False
        self.starting: set[str] = set()

    def is_starting(self, run_id: str) -> bool:
        return run_id in self.starting


class Beating:
    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.is_fresh = True


class Taken(Observer):
    count = 0

    def run_taken_over(self) -> None:
        self.count += 1


class Cluster:
    def __init__(self) -> None:
        self.offered: list[str] = []

    async def offer_work(self, run_id: str) -> None:
        self.offered.append(run_id)


class Rig:
    def __init__(
        self, cluster: Cluster | None = None, *, log: MemoryLog | None = None, worker: str = "w"
    ) -> None:
        self.log = log or MemoryLog()
        self.executing = Executing()
        self.admission = Admitting()
        self.observer = Taken()
        self.heartbeat = Beating(worker)
        self.failover = Failover(
            self.log, cast(Any, self.executing), cast(Any, self.admission), cast(Any, self.heartbeat),
            self.observer, cluster=cast(Any, cluster),
        )  # fmt: skip

    async def record(self, run_id: str, owner: str) -> None:
        await self.log.create_run(
            RunRecord(
                run_id=run_id, channel=run_id, message="hi", agents=["a"], conversation_id=None,
                on_disconnect="cancel", created_at=int(time.time() * 1000), owner=owner,
            )
        )  # fmt: skip

    @property
    def resumed(self) -> list[tuple[str, str, int]]:
        return [(r.run_id, r.owner, r.token) for r in self.executing.resumed]


async def test_what_workers_left_that_are_no_more_goes_on_here_once() -> None:
    rig = Rig()
    await rig.record("run_1", "dead")
    await rig.record("run_2", "alive")
    await rig.log.beat("alive", 1000)
    rig.failover._dead_since = {"dead": -1e9}
    await rig.failover.look()
    rig.executing.here.add("run_1")
    await rig.failover.look()
    assert rig.resumed == [("run_1", "w", 2)]
    assert rig.observer.count == 1


async def test_a_draining_worker_takes_nothing_over() -> None:
    rig = Rig()
    rig.admission.draining = True
    await rig.record("run_1", "dead")
    await rig.failover.look()
    assert rig.resumed == []


async def test_whoever_cannot_be_heard_judges_nobody() -> None:
    """A store that takes no write for longer than a lease lets everybody fall silent, and nobody die."""
    rig = Rig()
    await rig.record("run_1", "silent")
    rig.heartbeat.is_fresh = False
    await rig.failover.look()
    assert rig.resumed == []
    rig.heartbeat.is_fresh = True
    await rig.failover.look()
    assert len(rig.resumed) == 1


async def test_one_that_cannot_go_on_does_not_hold_the_others_up() -> None:
    rig = Rig()
    rig.executing.fails = True
    for run_id in ("run_1", "run_2"):
        await rig.record(run_id, "dead")
    with capture_logs() as logs:
        await rig.failover.look()
    assert [run_id for run_id, _, _ in rig.resumed] == ["run_2"]
    [line] = [line for line in logs if line["event"] == "takeover_failed"]
    assert "RuntimeError: cannot go on" in line["stack"]


async def test_so_many_are_taken_over_at_once_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand at once would keep the loop from this worker's own runs, and from its beat."""
    monkeypatch.setattr(failover_module, "AT_ONCE", 16)
    rig = Rig()
    for n in range(100):
        await rig.record(f"run_{n}", "dead")
    await rig.failover.look()
    assert len(rig.resumed) == 100
    assert 1 < rig.executing.most_at_once <= 16


async def test_a_worker_that_was_only_slow_keeps_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lease is looked at again before each few claims: a long list is old by its end."""
    monkeypatch.setattr(failover_module, "AT_ONCE", 16)
    rig = Rig()
    for n in range(50):
        await rig.record(f"run_{n}", "slow")
    resume = rig.executing.resume

    async def wakes_up(record: RunRecord) -> None:
        await rig.log.beat("slow", 1000)
        await resume(record)

    rig.executing.resume = wakes_up  # type: ignore[method-assign]
    await rig.failover.look()
    assert 0 < len(rig.resumed) <= 16
    taken = len(rig.resumed)
    await rig.failover.look()
    assert len(rig.resumed) == taken


async def test_the_survivors_share_what_was_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes its own part, none tries what is another's; whoever cannot is not waited for for ever."""
    log = MemoryLog()
    rigs = [Rig(log=log, worker=f"w{n}") for n in range(3)]
    for n in range(3):
        await log.beat(f"w{n}", 1000)
    for n in range(90):
        await rigs[0].record(f"run_{n}", "dead")
    for rig in rigs[:2]:
        await rig.failover.look()
    parts = [{run_id for run_id, _, _ in rig.resumed} for rig in rigs]
    assert len(parts[0] | parts[1]) == len(parts[0]) + len(parts[1]) < 90
    assert all(part for part in parts[:2])
    monkeypatch.setattr(failover_module, "SHARE_SECONDS", -1)
    await rigs[0].failover.look()
    assert sum(len(rig.resumed) for rig in rigs) == 90


async def test_own_runs_that_nobody_executes_are_recovered_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client left in the middle of its POST. One that is just being started is not adrift."""
    rig = Rig()
    rig.admission.starting.add("run_2")
    rig.executing.here.add("run_3")
    for run_id in ("run_1", "run_2", "run_3"):
        await rig.record(run_id, "w")
    await rig.failover.look()
    assert rig.resumed == []
    monkeypatch.setattr(failover_module, "ADRIFT_SECONDS", 0.0)
    await rig.failover.look()
    assert rig.resumed == [("run_1", "w", 2)]


async def test_work_that_no_worker_took_is_offered_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failover_module, "ADRIFT_SECONDS", 0.0)
    cluster = Cluster()
    rig = Rig(cluster)
    await rig.record("run_1", "w")
    await rig.failover.look()
    assert cluster.offered == ["run_1"]
    assert rig.resumed == []


async def test_work_that_waits_for_a_worker_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at once: mostly a worker takes it within milliseconds."""
    rig = Rig(Cluster())
    await rig.record("run_1", "w")
    await rig.failover.look()
    assert rig.executing.told == []
    monkeypatch.setattr(failover_module, "QUEUED_SECONDS", 0.0)
    for _ in range(3):
        await rig.failover.look()
    assert rig.executing.told == ["run_1"]
    alone = Rig()
    await alone.record("run_2", "w")
    await alone.failover.look()
    assert alone.executing.told == []
