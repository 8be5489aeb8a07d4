"""Covers `orchestrator/eventlog/subscription.py`: the one way to read, from any cursor to the end."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from orchestrator.errors import Gone, LogUnavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Draft, Entry
from orchestrator.eventlog.gap import REQUESTED_CHARS, Gap
from orchestrator.eventlog.subscription import IDLE, Idle, follow, parse_names
from orchestrator.eventlog.view import View
from orchestrator.events import PANEL, RunStatus, Snapshot
from tests.support.patience import eventually, soon


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


def draft(n: int, run_id: str = "run_1", agent_id: str | None = "a", type_: str = "token") -> Draft:
    return Draft(run_id, agent_id, type_, b'{"n":%d}' % n)


DONE = Draft("run_1", None, "done", b"{}")
RUN = View("run_1", "run_1")


def snapshot(last: str | None = None, status: RunStatus = "running", run_id: str = "run_1") -> Snapshot:
    return Snapshot(
        run_id=run_id, channel="c", conversation_id=None, message="hi", status=status, created_at=1, ended_at=None,
        last_event_id=last, agents={}, panel=None,
    )  # fmt: skip


class Reader:
    """Collects what a subscriber is told."""

    def __init__(self, log: MemoryLog, view: View = RUN, after: str | None = None, **keys: Any) -> None:
        self.told: list[Snapshot] = keys.pop("told", [])
        self.items: list[Any] = []
        self._follow = follow(log, view, after, self._snapshots, **keys)

    async def _snapshots(self) -> list[Snapshot]:
        return self.told

    async def read(self, until: Callable[[], object] | None = None) -> list[Any]:
        async def collect() -> None:
            async with aclosing(self._follow) as items:
                async for item in items:
                    self.items.append(item)
                    if until is not None and until():
                        return

        await soon(collect())
        return self.items

    @property
    def seqs(self) -> list[int]:
        return [entry.seq for item in self.items if isinstance(item, list) for entry in item]

    @property
    def gaps(self) -> list[Gap]:
        return [item for item in self.items if isinstance(item, Gap)]


async def test_a_replay_and_what_comes_later_are_one_and_end_with_the_run(log: MemoryLog) -> None:
    await log.append("run_1", [draft(1), draft(2)])
    reader = Reader(log)
    reading = asyncio.ensure_future(reader.read())
    for drafts in ([draft(3)], [draft(4), DONE]):
        await asyncio.sleep(0.01)
        await log.append("run_1", drafts)
    await reading
    assert reader.seqs == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("after", range(5))
async def test_a_cursor_goes_on_exactly_behind_it(log: MemoryLog, after: int) -> None:
    await log.append("run_1", [draft(n) for n in range(1, 5)] + [DONE])
    epoch = (await log.open("run_1")).epoch
    reader = Reader(log, after=f"{epoch}-{after}")
    await reader.read()
    assert reader.seqs == list(range(after + 1, 6))


async def test_a_reader_at_the_end_is_told_nothing_more(log: MemoryLog) -> None:
    await log.append("run_1", [draft(1), DONE])
    epoch = (await log.open("run_1")).epoch
    assert await Reader(log, after=f"{epoch}-2").read() == []


async def test_filters_keep_the_runs_own_events_and_its_panels(log: MemoryLog) -> None:
    await log.append("run_1", [draft(1), draft(2, agent_id="b"), draft(3, agent_id=PANEL), draft(4, agent_id=None),
                               draft(5), DONE])  # fmt: skip
    reader = Reader(log, View("run_1", "run_1", agents=frozenset({"a"})))
    await reader.read()
    assert reader.seqs == [1, 3, 4, 5, 6]


async def test_others_of_the_channel_are_left_out_and_their_end_is_not_ours(log: MemoryLog) -> None:
    other = Draft("run_2", None, "done", b"{}")
    await log.append("c", [draft(1), draft(2, "run_2"), other, draft(4), DONE])
    reader = Reader(log, View("c", "run_1"))
    await reader.read()
    assert reader.seqs == [1, 4, 5]
    some = Reader(log, View("c", runs=frozenset({"run_2"})))
    await some.read(until=lambda: len(some.seqs) == 2)
    assert some.seqs == [2, 3]


@pytest.mark.parametrize(
    ("after", "reason"),
    [("nonsense", "malformed"), ("other-3", "epoch"), ("", None), ("{epoch}-99", "ahead")],
)
async def test_a_cursor_that_cannot_be_used_is_told_with_the_state(
    log: MemoryLog, after: str, reason: str | None
) -> None:
    """A notice, the snapshot, and then what the snapshot lacks."""
    entries = await log.append("run_1", [draft(n) for n in range(1, 4)])
    after = after.replace("{epoch}", entries[0].epoch)
    reader = Reader(log, after=after or None, told=[snapshot(entries[1].id)])
    reading = asyncio.ensure_future(reader.read())
    await eventually(lambda: reader.gaps or reader.seqs)
    await log.append("run_1", [DONE])
    await reading
    if reason is None:
        assert (reader.gaps, reader.seqs) == ([], [1, 2, 3, 4])
        return
    (gap,) = reader.gaps
    assert (gap.notice.reason, gap.notice.requested) == (reason, after)
    assert (gap.notice.earliest, gap.notice.latest) == (entries[0].id, entries[2].id)
    assert [each.last_event_id for each in gap.snapshots] == [entries[1].id]
    assert reader.seqs == [3, 4]


async def test_a_strange_cursor_is_said_back_shortened_and_clean(log: MemoryLog) -> None:
    reader = Reader(log, after="\udcff" + "x" * 5000, told=[snapshot(status="completed")])
    (gap,) = await reader.read()
    assert gap.notice.requested == "\ufffd" + "x" * (REQUESTED_CHARS - 1)


async def test_trimmed_events_are_a_gap_also_in_the_middle(log: MemoryLog) -> None:
    small = MemoryLog(max_channel_bytes=2000)
    await small.start()
    await small.append("run_1", [draft(1)])
    reader = Reader(small, told=[])
    seen = asyncio.Event()

    async def read() -> None:
        async with aclosing(reader._follow) as items:
            async for item in items:
                reader.items.append(item)
                if not seen.is_set():
                    seen.set()
                    for n in range(2, 200):
                        (entry,) = await small.append("run_1", [draft(n)])
                    reader.told = [snapshot(entry.id)]
                    await small.append("run_1", [DONE])
                elif isinstance(item, list):
                    return

    await soon(read())
    (gap,) = reader.gaps
    assert gap.notice.reason == "trimmed"
    assert reader.seqs == [1, 200]
    await small.aclose()


async def test_the_notice_of_a_gap_is_no_older_than_the_states_that_come_with_it(log: MemoryLog) -> None:
    """Agents talk on while the states are made."""
    await log.append("run_1", [draft(1)])

    async def states() -> list[Snapshot]:
        (entry,) = await log.append("run_1", [draft(2)])
        return [snapshot(entry.id, "completed")]

    async with aclosing(follow(log, RUN, "nonsense", states)) as items:
        gap = await anext(items)
    assert isinstance(gap, Gap)
    assert gap.notice.latest == gap.snapshots[0].last_event_id


async def test_after_a_gap_the_end_of_an_ended_run_is_its_snapshot(log: MemoryLog) -> None:
    entries = await log.append("run_1", [draft(1), DONE])
    reader = Reader(log, after="nonsense", told=[snapshot(entries[-1].id, "completed")])
    await reader.read()
    assert (len(reader.gaps), reader.seqs) == (1, [])


async def test_silence_is_told_again_and_again(log: MemoryLog) -> None:
    """Also to those who filter out what others say."""
    reader = Reader(log, View("c", agents=frozenset({"nobody"})), heartbeat_s=0.02)
    talking = asyncio.ensure_future(chatter(log))
    await reader.read(until=lambda: len(reader.items) == 3)
    talking.cancel()
    assert reader.items == [IDLE] * 3
    assert isinstance(IDLE, Idle)


async def chatter(log: MemoryLog) -> None:
    for n in range(10_000):
        await log.append("c", [draft(n)])
        await asyncio.sleep(0.002)


async def test_a_reader_of_a_run_that_was_deleted_hears_of_it(log: MemoryLog) -> None:
    async def gone() -> list[Snapshot]:
        raise Gone("Run 'run_1' was deleted.")

    await log.append("run_1", [draft(1)])
    items = follow(log, RUN, None, gone, heartbeat_s=0.01)
    assert [entry.seq for entry in await soon(anext(items))] == [1]

    async def wait_in_vain() -> None:
        async for _ in items:
            pass

    with pytest.raises(Gone):
        await soon(wait_in_vain())


async def test_a_silent_reader_stays_while_the_states_cannot_be_read(log: MemoryLog) -> None:
    """The silence is the log's own: whoever was cut then would come back to a log that is still unavailable."""

    class Unreadable(Reader):
        async def _snapshots(self) -> list[Snapshot]:
            raise LogUnavailable("unavailable")

    await log.append("run_1", [draft(1)])
    reader = Unreadable(log, heartbeat_s=0.01)
    reading = asyncio.ensure_future(reader.read())
    await eventually(lambda: reader.items[1:3] == [IDLE, IDLE])
    await log.append("run_1", [DONE])
    await soon(reading)
    assert reader.seqs == [1, 2]


async def test_an_end_that_was_never_logged_here_ends_the_reading_all_the_same(log: MemoryLog) -> None:
    """Its snapshot says that it has ended, and holds no more than the reader has seen."""
    (entry,) = await log.append("run_1", [draft(1)])
    reader = Reader(log, heartbeat_s=0.01, told=[snapshot(entry.id, "failed")])
    await reader.read()
    assert reader.seqs == [1]


@pytest.mark.parametrize("after", [None, "elsewhere-9"])
async def test_a_reader_that_waits_holds_nothing_of_what_it_was_told(
    log: MemoryLog, after: str | None
) -> None:
    """A state may be megabytes, and readers of it wait for as long as their run does."""

    async def snapshots() -> list[Snapshot]:
        return [snapshot()]

    await log.append("run_1", [draft(1), draft(2)])
    async with aclosing(follow(log, RUN, after, snapshots)) as items:
        item = await anext(items)
        assert isinstance(item, Gap if after else list)
        waits = asyncio.ensure_future(anext(items))
        await eventually(lambda: log._channels["run_1"].readers)
        assert sys.getrefcount(item) == 2  # here, and by the call itself
        waits.cancel()
        await asyncio.wait((waits,))


async def test_cancelling_loses_nothing(log: MemoryLog) -> None:
    await log.append("run_1", [draft(1)])
    reader = Reader(log)
    reading = asyncio.ensure_future(reader.read())
    await eventually(lambda: reader.seqs)
    reading.cancel()
    await asyncio.wait((reading,))
    await log.append("run_1", [draft(2), DONE])
    again = Reader(log, after=f"{(await log.open('run_1')).epoch}-{reader.seqs[-1]}")
    await again.read()
    assert reader.seqs + again.seqs == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, None), ("", set()), ("a", {"a"}), (" a , b,,a ", {"a", "b"})],
)
def test_names_in_a_query(text: str | None, names: set[str] | None) -> None:
    assert parse_names(text) == names


@pytest.mark.parametrize("seed", range(6))
async def test_what_the_sink_takes_and_what_is_yielded_are_all_events_once_and_in_order(
    log: MemoryLog, seed: int
) -> None:
    """A sink refuses whenever its socket has no room; the reader then looks for itself, from where it stands."""
    chance = random.Random(seed)
    heard: list[str] = []
    taken: list[bool] = []

    def sink(entries: list[Entry]) -> bool:
        taken.append(chance.random() < 0.6)
        if taken[-1]:
            heard.extend(entry.id for entry in entries)
        return taken[-1]

    view = View("c", "run_1")
    reader = Reader(log, view, sink=sink)
    told: list[str] = []

    async def read() -> None:
        async with aclosing(reader._follow) as items:
            async for item in items:
                assert isinstance(item, list)
                heard.extend(entry.id for entry in item)

    reading = asyncio.ensure_future(read())
    for n in range(60):
        drafts = [draft(n, chance.choice(["run_1", "run_2"])) for _ in range(chance.randint(1, 3))]
        told += [entry.id for entry in await log.append("c", drafts) if entry.run_id == "run_1"]
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
    told.append((await log.append("c", [DONE]))[0].id)
    await soon(reading)
    assert heard == told
    assert {True, False} == set(taken)


async def test_a_sink_that_fails_fails_its_reader_at_most_never_the_writer(log: MemoryLog) -> None:
    def sink(entries: list[Entry]) -> bool:
        raise RuntimeError("broken")

    reader = Reader(log, sink=sink)
    reading = asyncio.ensure_future(reader.read())
    for n in range(3):
        await asyncio.sleep(0.01)
        assert len(await log.append("run_1", [draft(n)])) == 1
    await log.append("run_1", [DONE])
    await soon(reading)
    assert [entry.seq for page in reader.items for entry in page] == [1, 2, 3, 4]
