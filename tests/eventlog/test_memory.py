"""What is particular to the log in memory: its bounds."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.eventlog import Cursor, Draft, MemoryLog
from orchestrator.eventlog.base import Entry
from orchestrator.eventlog.memory import log as memory
from orchestrator.eventlog.run_store import RetentionBounds
from tests.support.patience import soon


async def test_channel_beyond_its_bytes_loses_its_oldest_entries() -> None:
    log = MemoryLog(max_channel_bytes=50_000)
    for _ in range(200):
        await log.append("c", [Draft("run_1", "a", "token", b"x" * 400)])
    bounds = await log.open("c")
    assert log.size <= 50_000
    assert bounds.last == 200
    assert bounds.first > 100


async def test_channel_that_nobody_used_is_not_kept() -> None:
    """Names that clients make up must not fill the memory."""
    log = MemoryLog()
    for n in range(10):
        bounds = await log.open(f"c{n}")
        await log.wait(f"c{n}", Cursor(bounds.epoch, 0), 0.001)
    assert not log._channels


class Crowd:
    """Readers that take what comes in the turn in which it is handed to them."""

    def __init__(self, log: MemoryLog, count: int) -> None:
        self.log = log
        self.heard: list[list[int]] = [[] for _ in range(count)]
        self.turn = 0
        self.most = 0
        self._turn_of: list[int] = []

    def take(self, n: int, entries: list[Entry]) -> bool:
        self.heard[n] += [entry.seq for entry in entries]
        self._turn_of.append(self.turn)
        self.most = max(self.most, self._turn_of.count(self.turn))
        return True

    async def watch(self, group: asyncio.TaskGroup) -> list[asyncio.Task[bool]]:
        """Let all wait at the channel's end."""
        bounds = await self.log.open("c")
        here = Cursor(bounds.epoch, bounds.last)
        waits = [
            group.create_task(self.log.wait("c", here, 60, take=lambda added, n=n: self.take(n, added)))
            for n in range(len(self.heard))
        ]
        await asyncio.sleep(0)
        return waits

    async def until(self, last: int) -> None:
        """Count turns of the loop until everybody has heard *last*."""
        while any(not heard or heard[-1] < last for heard in self.heard):
            await asyncio.sleep(0)
            self.turn += 1


async def append(log: MemoryLog, count: int) -> None:
    for _ in range(count):
        await log.append("c", [Draft("run_1", "a", "token", b"{}")])


@pytest.mark.parametrize("readers", [1, memory.READERS_PER_TURN, 1000])
async def test_no_turn_of_the_loop_serves_more_readers_than_it_may(readers: int) -> None:
    """A thousand writes to sockets in one turn would let everybody else wait; each reader hears all once, in order."""
    log = MemoryLog()
    await append(log, 1)
    crowd = Crowd(log, readers)
    async with asyncio.TaskGroup() as group:
        waits = await crowd.watch(group)
        await append(log, 1)
        assert sum(map(bool, crowd.heard)) == min(readers, memory.READERS_PER_TURN)
        for _ in range(20):
            await asyncio.sleep(0)
            crowd.turn += 1
            await append(log, 1)
        await crowd.until(22)
        for wait in waits:
            wait.cancel()
    # The test counts a turn after the log's part of it, so that two parts may look like one.
    assert crowd.most <= 2 * memory.READERS_PER_TURN
    assert all(heard == list(range(2, 23)) for heard in crowd.heard)


async def test_who_leaves_or_is_far_behind_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "READERS_PER_TURN", 2)
    monkeypatch.setattr(memory, "MOST_HANDED", 3)
    log = MemoryLog()
    await append(log, 1)
    crowd = Crowd(log, 6)
    async with asyncio.TaskGroup() as group:
        waits = await crowd.watch(group)
        await append(log, 1)
        waits[3].cancel()
        await append(log, 4)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [heard[:1] for heard in crowd.heard] == [[2], [2], [], [], [], []]
        assert await waits[2], "it reads for itself, having missed more than is handed on at once"
        for wait in waits:
            wait.cancel()


async def test_what_was_erased_or_trimmed_meanwhile_is_handed_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "READERS_PER_TURN", 1)
    for spoil in ("erase", "trim"):
        log = MemoryLog()
        await append(log, 1)
        crowd = Crowd(log, 3)
        async with asyncio.TaskGroup() as group:
            waits = await crowd.watch(group)
            await append(log, 2)
            if spoil == "erase":
                await log.erase("c", "run_1")
            else:
                await log.shrink(0)
            assert await soon(waits[2])
            for wait in waits:
                wait.cancel()
        assert crowd.heard[2] == [], spoil


async def test_a_long_run_of_a_shared_channel_is_erased_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten thousands of entries all at once would hold up every stream; what others do meanwhile stands."""
    monkeypatch.setattr(memory, "ERASED_AT_ONCE", 10)
    log = MemoryLog()
    await log.append("c", [Draft(f"run_{n % 2}", "a", "token", b"x") for n in range(100)])
    both = [asyncio.create_task(log.erase("c", "run_0")) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in both)
    await log.append("c", [Draft("run_1", "a", "token", b"late")])
    await log.shrink(log.size - 10 * (2 + memory.ENTRY_OVERHEAD_BYTES))
    await asyncio.gather(*both)
    bounds = await log.open("c")
    kept = await log.read("c", Cursor(bounds.epoch, bounds.first - 1), most=200)
    assert {entry.run_id for entry in kept} == {"run_1"}
    assert kept[-1].data == b"late"
    for run_id in ("run_1", "run_0"):
        await log.erase("c", run_id)
    assert (log.size, log._channels) == (0, {})


async def test_turns_beyond_the_bound_go_at_once_once_it_is_known() -> None:
    """A crowd brings more before somebody tidies again than all of them may have."""
    log = MemoryLog()
    await log.tidy(RetentionBounds(3600, 2500, 100))
    for n in range(4):
        await log.add_turn(f"talk{n}", "a", b"x" * 1000, keep=9)
    assert [len(await log.turns(f"talk{n}", "a")) for n in range(4)] == [0, 0, 1, 1]
    await log.add_turn("large", "a", b"x" * 5000, keep=9)
    assert [len(await log.turns(name, "a")) for name in ("talk3", "large")] == [0, 1], "the newest stays"
