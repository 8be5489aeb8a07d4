"""One suite for every `EventLog`."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.errors import GapError
from orchestrator.eventlog import Cursor, Draft, EventLog, parse_cursor
from orchestrator.eventlog.base import Entry, Take
from tests.support.patience import soon

from .stores import STORES, Clock


def draft(n: int, run_id: str = "run_1") -> Draft:
    return Draft(run_id, "a", "token", b'{"n":%d}' % n)


@pytest.fixture(params=sorted(STORES))
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventLog]:
    async with STORES[request.param](tmp_path, Clock()) as store:
        yield store


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


async def test_no_entry_is_for_the_garbage_collector(log: EventLog) -> None:
    """It would stop every stream while it walks over a log of millions."""
    added = await log.append("c", [draft(1)])
    read = await log.read("c", await start_of(log), most=4)
    assert not any(gc.is_tracked(entry) for entry in added + read)


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


async def test_a_reader_at_the_end_is_handed_what_this_process_appends(log: EventLog) -> None:
    """No task wakes for it, nothing comes twice, and one who has no room just then reads for itself."""
    await log.append("c", [draft(1)])
    epoch = (await start_of(log)).epoch
    handed: dict[str, list[int]] = {"takes": [], "refuses": [], "behind": []}

    def taking(name: str) -> Take:
        def take(entries: list[Entry]) -> bool:
            handed[name] += [entry.seq for entry in entries]
            return name == "takes"

        return take

    waiting = {
        name: asyncio.ensure_future(log.wait("c", Cursor(epoch, 1), 30, take=taking(name)))
        for name in ("takes", "refuses")
    }
    await asyncio.sleep(0)
    await log.append("c", [draft(2), draft(3)])
    assert await soon(waiting["refuses"])
    await log.append("c", [draft(4)])
    # A store that hears of it from elsewhere first wakes the reader, who reads it for himself.
    assert handed["takes"] == [2, 3, 4] or (handed["takes"] in ([], [2, 3]) and waiting["takes"].done())
    assert handed["refuses"] in ([], [2, 3])
    assert log.cluster() is not None or handed["takes"] == [2, 3, 4]
    assert await log.wait("c", Cursor(epoch, 2), 30, take=taking("behind"))
    assert not handed["behind"]
    await log.erase("c", "run_1")
    assert await soon(waiting["takes"])


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


async def test_one_run_is_read_alone_in_pages_whoever_else_is_in_its_channel(log: EventLog) -> None:
    for n in range(1, 13):
        await log.append("c", [draft(n, f"run_{n % 3}"), draft(n, f"run_{n % 3}")])
    first = await log.read_run("c", "run_1", None, most=3)
    assert [entry.seq for entry in first] == [1, 2, 7]
    rest = await log.read_run("c", "run_1", Cursor(first[-1].epoch, 7), most=9)
    assert [entry.seq for entry in rest] == [8, 13, 14, 19, 20]
    assert {entry.run_id for entry in first + rest} == {"run_1"}
    assert await log.read_run("c", "run_1", Cursor(first[-1].epoch, 20), most=9) == []
    assert [e.seq for e in await log.read_run("c", "run_1", Cursor(first[-1].epoch, 10), most=1)] == [13]
    await log.append("c", [draft(13, "run_1")])
    assert [e.seq for e in await log.read_run("c", "run_1", Cursor(first[-1].epoch, 20), most=9)] == [25]
    assert await log.read_run("c", "run_9", None, most=9) == []
    assert await log.read_run("nothing", "run_1", None, most=9) == []


async def test_one_run_is_read_alone_also_in_a_channel_of_its_name(log: EventLog) -> None:
    """A client may call its channel as another run is called."""
    for n in range(1, 251):
        await log.append("run_1", [draft(n, "run_1" if n in (2, 249) else "run_2")])
    found = await log.read_run("run_1", "run_1", None, most=9)
    found += await log.read_run("run_1", "run_1", Cursor(found[-1].epoch, found[-1].seq), most=9)
    assert [entry.seq for entry in found] == [2, 249]


async def test_a_cursor_that_does_not_fit_is_a_gap_for_one_runs_reader_too(log: EventLog) -> None:
    await log.append("c", [draft(n, f"run_{n % 2}") for n in range(1, 101)])
    start = await start_of(log)
    for cursor, reason in ((Cursor("zzzz9999", 1), "epoch"), (Cursor(start.epoch, 101), "ahead")):
        with pytest.raises(GapError) as caught:
            await log.read_run("c", "run_1", cursor, most=9)
        assert caught.value.reason == reason
    await log.shrink(log.size // 2)
    with pytest.raises(GapError):
        await log.read_run("c", "run_1", start, most=9)
    left = [entry.seq for entry in await log.read_run("c", "run_1", None, most=500)]
    first = (await log.open("c")).first
    assert left == [seq for seq in range(first, 101) if seq % 2]


async def test_what_is_left_of_an_erased_run_is_nothing_and_of_others_all(log: EventLog) -> None:
    await log.append("c", [draft(n, f"run_{n % 2}") for n in range(1, 11)])
    assert len(await log.read_run("c", "run_1", None, most=9)) == 5
    await log.erase("c", "run_1")
    assert await log.read_run("c", "run_1", None, most=9) == []
    assert [entry.seq for entry in await log.read_run("c", "run_0", None, most=9)] == [2, 4, 6, 8, 10]


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
    await log.append("c", [draft(101)])
    assert await log.open("c") == bounds._replace(last=101)


async def test_size_returns_to_nothing(log: EventLog) -> None:
    await log.append("c", [draft(n) for n in range(50)])
    assert log.size > 0
    await log.erase("c", "run_1")
    assert log.size == 0


async def test_entries_come_back_as_they_were_drafted(log: EventLog) -> None:
    """Whatever a batch holds: several runs, the run's own events, more events than a store writes at once."""
    runs = ["c", "c", "run_2", "c"]
    drafts = [
        Draft(
            runs[n // 100 % 4], None if n % 7 == 0 else f"a{n % 3}", f"t{n % 5}", b'{"n":%d,"\xc3\xa4":1}' % n
        )
        for n in range(1000)
    ]
    added = await log.append("c", drafts)
    found: list[Draft] = []
    cursor = await start_of(log)
    while page := await log.read("c", cursor, most=77):
        assert [entry.seq for entry in page] == list(range(cursor.seq + 1, cursor.seq + 1 + len(page)))
        found += [Draft(entry.run_id, entry.agent_id, entry.type, entry.data) for entry in page]
        cursor = Cursor(page[-1].epoch, page[-1].seq)
    assert found == drafts
    assert [Draft(e.run_id, e.agent_id, e.type, e.data) for e in added] == drafts


async def test_batch_of_nothing_changes_nothing(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    assert await log.append("c", []) == []
    assert (await log.open("c")).last == 1


async def test_writers_at_once_share_a_channel_without_a_hole(log: EventLog) -> None:
    """Each batch stays together and in its writer's order."""

    async def write(name: str) -> list[int]:
        return [e.seq for n in range(25) for e in await log.append("c", [draft(n, name), draft(n, name)])]

    taken = await asyncio.gather(*(write(f"run_{n}") for n in range(8)))
    assert sorted(seq for seqs in taken for seq in seqs) == list(range(1, 401))
    assert all(
        second == first + 1 for seqs in taken for first, second in zip(seqs[::2], seqs[1::2], strict=True)
    )
    for n, seqs in enumerate(taken):
        page = await log.read("c", await start_of(log), most=400)
        assert [entry.seq for entry in page if entry.run_id == f"run_{n}"] == seqs


async def test_followers_see_every_entry_once_while_it_is_written(log: EventLog) -> None:
    """No wake-up is lost between a read and a wait, wherever the two writers happen to be."""
    total = 601

    async def write(name: str) -> None:
        for n in range(100):
            await log.append("c", [draft(3 * n + k, name) for k in range(3)])
            if n % 10 == 0:
                await asyncio.sleep(0)

    async def follow(most: int) -> list[int]:
        cursor, seen = await start_of(log), []
        while len(seen) < total:
            page = await log.read("c", cursor, most=most)
            if page:
                cursor = Cursor(page[-1].epoch, page[-1].seq)
                seen += [entry.seq for entry in page]
            else:
                assert await log.wait("c", cursor, 20), f"nobody woke the reader at {cursor.seq}"
        return seen

    await log.append("c", [draft(0, "run_0")])
    *_, first, second, third = await asyncio.gather(
        write("run_1"), write("run_2"), follow(1), follow(50), follow(1000)
    )
    assert first == second == third == list(range(1, total + 1))


async def test_reader_behind_an_erased_end_waits_until_there_is_more(log: EventLog) -> None:
    """The newest entries may be erased ones: that is neither something to read nor a reason to spin."""
    await log.append("c", [draft(1, "run_1"), draft(2, "run_2")])
    start = await start_of(log)
    await log.erase("c", "run_2")
    assert (await log.open("c")).last == 2
    at_one = Cursor(start.epoch, 1)
    assert await log.read("c", at_one, most=9) == []
    assert not await log.wait("c", at_one, 0.01)
    assert await log.read("c", Cursor(start.epoch, 2), most=9) == []
    waiting = asyncio.ensure_future(log.wait("c", at_one, 5))
    await asyncio.sleep(0)
    await log.append("c", [draft(3, "run_1")])
    assert await waiting
    assert [entry.seq for entry in await log.read("c", at_one, most=9)] == [3]


async def test_reader_of_an_erased_channel_is_woken_and_told(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    at_end = Cursor((await start_of(log)).epoch, 1)
    waiting = asyncio.ensure_future(log.wait("c", at_end, 20))
    await asyncio.sleep(0)
    await log.erase("c", "run_1")
    assert await waiting
    with pytest.raises(GapError):
        await log.read("c", at_end, most=1)


async def test_cancelled_append_is_in_the_log_or_not_but_never_in_part(log: EventLog) -> None:
    await log.append("c", [draft(0)])
    writing = asyncio.ensure_future(log.append("c", [draft(n) for n in range(1, 41)]))
    await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    (after,) = await log.append("c", [draft(99)])
    assert after.seq in (2, 42)
    assert len(await log.read("c", await start_of(log), most=99)) == after.seq


async def test_starting_again_does_nothing(log: EventLog) -> None:
    await log.append("c", [draft(1)])
    await log.start()
    assert (await log.open("c")).last == 1


async def test_shrinking_takes_from_the_largest_channel_first(log: EventLog) -> None:
    await log.append("small", [draft(n) for n in range(64)])
    for _ in range(10):
        await log.append("large", [draft(n) for n in range(64)])
    await log.shrink(log.size // 2)
    assert (await log.open("small")).first == 1
    assert (await log.open("large")).first > 1


@pytest.mark.parametrize(
    "text",
    ["", "-1", "abc-1", "abcd-", "abcd-01", "abcd--1", "abcd-+1", "abcd-1 ", " abcd-1", "ABCD-1", "abcd-1\n",
     "abcd-9223372036854775808", "abcd-" + "9" * 8000, "abcd-١", "\x00", "äbcd-1", "abcd-1-2", "a" * 17 + "-1"],
)  # fmt: skip
def test_strange_cursors_are_malformed(text: str) -> None:
    assert parse_cursor(text) is None
