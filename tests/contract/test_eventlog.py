"""One suite for every `EventLog`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrator.errors import GapError
from orchestrator.eventlog import Cursor, Draft, EventLog, MemoryLog, parse_cursor


def draft(n: int, run_id: str = "run_1") -> Draft:
    return Draft(run_id, "a", "token", b'{"n":%d}' % n)


@pytest.fixture(params=["memory"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    store = MemoryLog()
    yield store
    await store.aclose()


async def start_of(log: EventLog, channel: str = "c") -> Cursor:
    return Cursor((await log.open(channel)).epoch, 0)


async def test_seq_counts_from_one_without_a_hole(log: EventLog) -> None:
    first = await log.append("c", [draft(1), draft(2)])
    second = await log.append("c", [draft(3)])
    assert [entry.seq for entry in first + second] == [1, 2, 3]
    assert len({entry.epoch for entry in first + second}) == 1
    assert parse_cursor(first[0].id) == Cursor(first[0].epoch, 1)


async def test_read_returns_what_comes_after_the_cursor_in_pages(log: EventLog) -> None:
    await log.append("c", [draft(n) for n in range(1, 11)])
    start = await start_of(log)
    page = await log.read("c", start, most=4)
    assert [entry.data for entry in page] == [b'{"n":%d}' % n for n in range(1, 5)]
    rest = await log.read("c", Cursor(start.epoch, 4), most=100)
    assert [entry.seq for entry in rest] == [5, 6, 7, 8, 9, 10]
    assert await log.read("c", Cursor(start.epoch, 10), most=4) == []


async def test_channels_do_not_mix(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    await log.append("d", [draft(2), draft(3)])
    assert len(await log.read("c", await start_of(log, "c"), most=9)) == 1
    assert (await log.open("d")).last == 2


async def test_cursor_ahead_of_the_log_or_of_another_epoch_is_a_gap(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    start = await start_of(log)
    with pytest.raises(GapError) as ahead:
        await log.read("c", Cursor(start.epoch, 2), most=1)
    assert (ahead.value.reason, ahead.value.latest) == ("ahead", f"{start.epoch}-1")
    with pytest.raises(GapError) as epoch:
        await log.read("c", Cursor("zzzz9999", 1), most=1)
    assert epoch.value.reason == "epoch"


async def test_wait_ends_with_an_append_or_with_its_time(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    start = await start_of(log)
    assert await log.wait("c", start, 5)
    caught_up = Cursor(start.epoch, 1)
    assert not await log.wait("c", caught_up, 0.01)
    waiting = [asyncio.ensure_future(log.wait("c", caught_up, 5)) for _ in range(3)]
    await asyncio.sleep(0)
    await log.append("c", [draft(2)])
    assert await asyncio.gather(*waiting) == [True, True, True]


async def test_waiting_reader_may_be_cancelled(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    waiting = asyncio.ensure_future(log.wait("c", Cursor((await start_of(log)).epoch, 1), 5))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await log.append("c", [draft(2)])


async def test_erased_run_is_gone_and_the_others_keep_their_ids(log: EventLog) -> None:
    await log.append("c", [draft(1, "run_1"), draft(2, "run_2"), draft(3, "run_1"), draft(4, "run_2")])
    start = await start_of(log)
    await log.erase("c", "run_1")
    assert [entry.seq for entry in await log.read("c", start, most=9)] == [2, 4]
    assert [entry.seq for entry in await log.read("c", start, most=1)] == [2]
    assert not await log.wait("c", Cursor(start.epoch, 4), 0.01)
    await log.append("c", [draft(5, "run_2")])
    assert [entry.seq for entry in await log.read("c", Cursor(start.epoch, 2), most=9)] == [4, 5]


async def test_channel_without_entries_begins_a_new_epoch(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    before = await start_of(log)
    await log.erase("c", "run_1")
    await log.append("c", [draft(1)])
    with pytest.raises(GapError):
        await log.read("c", Cursor(before.epoch, 1), most=9)


async def test_shrinking_drops_the_oldest_and_says_so(log: EventLog) -> None:
    await log.append("c", [draft(n) for n in range(1, 101)])
    start = await start_of(log)
    await log.shrink(log.size // 2)
    bounds = await log.open("c")
    assert 1 < bounds.first < bounds.last == 100
    with pytest.raises(GapError) as caught:
        await log.read("c", start, most=9)
    assert caught.value.reason == "trimmed"
    assert caught.value.earliest == f"{start.epoch}-{bounds.first}"
    page = await log.read("c", Cursor(start.epoch, bounds.first - 1), most=500)
    assert [entry.seq for entry in page] == list(range(bounds.first, 101))


async def test_size_returns_to_nothing(log: EventLog) -> None:
    await log.append("c", [draft(n) for n in range(50)])
    assert log.size > 0
    await log.erase("c", "run_1")
    assert log.size == 0


@pytest.mark.parametrize(
    "text",
    ["", "-1", "abc-1", "abcd-", "abcd-01", "abcd--1", "abcd-+1", "abcd-1 ", " abcd-1", "ABCD-1", "abcd-1\n",
     "abcd-9223372036854775808", "abcd-" + "9" * 8000, "abcd-١", "\x00", "äbcd-1", "abcd-1-2", "a" * 17 + "-1"],
)  # fmt: skip
def test_strange_cursors_are_malformed(text: str) -> None:
    assert parse_cursor(text) is None
