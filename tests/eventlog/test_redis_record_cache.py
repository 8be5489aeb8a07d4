"""Records that a process keeps beside Redis: of what it executes all, of what it has offered as many as fit."""

from __future__ import annotations

from orchestrator.eventlog.redis.record_cache import OFFERED_BYTES, RecordCache
from orchestrator.eventlog.run_store import RunRecord


def record(run_id: str, size: int = 0) -> RunRecord:
    return RunRecord(run_id, run_id, "m" * size, ["a"], None, "continue", 1, "w")


def test_offered_run_is_nobodys_until_it_is_claimed() -> None:
    records = RecordCache()
    records.keep(record("run_1"))
    assert "run_1" in records
    records.offer("run_1")
    assert "run_1" not in records
    assert records.get("run_1") is None
    kept = records.offered("run_1")
    assert kept is not None
    records.keep(kept)
    assert records.get("run_1") is kept
    assert records.offered("run_1") is None


def test_records_of_runs_that_others_execute_are_not_kept_for_ever() -> None:
    """Each run that another worker took left its images in the memory of the one that it was sent to."""
    records = RecordCache()
    for n in range(10):
        records.keep(record(f"run_{n}", OFFERED_BYTES // 3))
        records.offer(f"run_{n}")
    assert [n for n in range(10) if records.offered(f"run_{n}")] == [8, 9]
    records.drop("run_9")
    records.keep(record("run_10", OFFERED_BYTES // 3))
    records.offer("run_10")
    assert [n for n in range(11) if records.offered(f"run_{n}")] == [8, 10]
