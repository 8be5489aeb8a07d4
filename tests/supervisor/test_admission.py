"""Covers `orchestrator/supervisor/admission.py`: how many runs a worker takes, and whether it takes any."""

from __future__ import annotations

from typing import Any, cast

from orchestrator.errors import LimitReached, Unavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor.admission import Admission
from orchestrator.telemetry.observer import Observer


class Run:
    def __init__(self, status: str) -> None:
        self.status = status


def admitting(runs: dict[str, Run], max_runs: int = 2) -> Admission:
    return Admission(cast(Any, runs), RunLimits(max_runs=max_runs))


def test_a_run_counts_once_from_its_start_to_its_end() -> None:
    runs: dict[str, Run] = {}
    admission = admitting(runs)
    with admission.starting("run_1"):
        assert admission.is_starting("run_1")
        assert admission.running == 1
        runs["run_1"] = Run("running")
        assert admission.running == 1
    assert not admission.is_starting("run_1")
    runs["run_2"] = Run("running")
    assert admission.is_busy
    refusal = admission.refusal()
    assert isinstance(refusal, LimitReached)
    assert "2 runs" in str(refusal)
    runs["run_1"].status = "completed"
    assert (admission.running, admission.is_busy, admission.refusal()) == (1, False, None)


def test_a_draining_worker_takes_nothing_more() -> None:
    admission = admitting({})
    assert not admission.draining
    admission.refuse_new()
    assert admission.draining
    assert admission.is_busy
    assert isinstance(admission.refusal(), Unavailable)


async def test_workers_that_share_their_work_count_all_of_it() -> None:
    """Runs that wait for a worker count too, so that 429 comes before the queue is hopeless."""

    class Cluster:
        work = 3

        async def count_work(self) -> int:
            return self.work

    log, cluster = MemoryLog(), Cluster()
    await log.beat("w1", 1000)
    await log.beat("w2", 1000)
    admission = admitting({"run_1": Run("running"), "run_2": Run("running")})
    assert admission.refusal() is not None
    await admission.look(cast(Any, cluster), log, Observer())
    assert admission.refusal() is None, "the other worker has room"
    assert admission.is_busy
    admission.note_let_in()
    refusal = admission.refusal()
    assert isinstance(refusal, LimitReached)
    assert "4 runs" in str(refusal)
    cluster.work = 1
    await admission.look(cast(Any, cluster), log, Observer())
    assert admission.refusal() is None
