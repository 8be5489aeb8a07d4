"""Covers `orchestrator/eventlog/gap.py`: the states that stand for what was missed, at once or one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Draft
from orchestrator.eventlog.gap import Gap
from orchestrator.eventlog.subscription import follow
from orchestrator.eventlog.view import View
from orchestrator.events import Snapshot


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


def ended(last: str, run_id: str) -> Snapshot:
    return Snapshot(run_id, "c", None, "hi", "completed", 1, 2, last, {})


async def test_states_that_come_one_by_one_are_told_one_by_one(log: MemoryLog) -> None:
    """Those of a whole channel at once filled memory, for each reader again."""
    entries = await log.append("c", [Draft("run_1", "a", "token", b"{}")] * 5)
    made: list[int] = []

    async def each() -> AsyncGenerator[Snapshot, None]:
        for n, entry in enumerate(entries):
            made.append(n)
            yield ended(entry.id, f"run_{n}")

    async def states() -> AsyncGenerator[Snapshot, None]:
        return each()

    async with aclosing(
        follow(log, View("c", runs=frozenset(f"run_{n}" for n in range(4))), "nonsense", states)
    ) as items:
        for n in range(4):
            gap = await anext(items)
            assert isinstance(gap, Gap)
            assert [state.run_id for state in gap.snapshots] == [f"run_{n}"]
            assert (gap.is_first, gap.is_last) == (n == 0, n == 3)
            assert len(made) <= n + 3
    assert gap.cursor.seq == 5
    assert gap.seen == {f"run_{n}": n + 1 for n in range(4)}


async def test_a_channel_without_a_state_has_a_gap_all_the_same(log: MemoryLog) -> None:
    async def states() -> AsyncGenerator[Snapshot, None]:
        async def each() -> AsyncGenerator[Snapshot, None]:
            for state in ():
                yield state

        return each()

    async with aclosing(follow(log, View("c"), "nonsense", states)) as items:
        gap = await anext(items)
    assert isinstance(gap, Gap)
    assert (gap.snapshots, gap.is_first, gap.is_last) == ([], True, True)
