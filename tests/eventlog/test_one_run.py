"""What it costs to read one run of a channel that many share, counted: nothing of it depends on the others."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from orchestrator.eventlog.base import Cursor, Draft, Entry
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.sqlite.blocks import read_run_page
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import connect, parse_address
from orchestrator.eventlog.subscription import follow, history
from orchestrator.eventlog.view import View

from ..support.patience import PATIENCE_SECONDS
from ..support.redis_server import RedisServer, redis_server

FEW, MANY, OWN = 20, 600, 12


def draft(run_id: str, type_: str = "token") -> Draft:
    return Draft(run_id, None if type_ == "done" else "a", type_, b"{}")


async def fill(log: MemoryLog | SQLiteLog | RedisLog, channel: str, others: int) -> None:
    """Let the middle one of many runs say something now and then."""
    for n in range(OWN):
        for _ in range(others // OWN // 10 + 1):
            await log.append(channel, [draft(f"other_{m}") for m in range(10)])
        await log.append(channel, [draft("mine", "done" if n == OWN - 1 else "token")])


async def whole(log: MemoryLog | SQLiteLog | RedisLog, channel: str) -> list[Entry]:
    found: list[Entry] = []
    while page := await log.read_run(
        channel, "mine", Cursor(found[-1].epoch, found[-1].seq) if found else None, most=5
    ):
        found += page
    return found


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path / "redis") as running:
        yield running


async def test_on_redis_commands_and_bytes(server: RedisServer) -> None:
    log, costs = RedisLog(server.url, patience_s=PATIENCE_SECONDS), []
    for channel, others in (("few", FEW), ("many", MANY)):
        await fill(log, channel, others)
        await log.read_run(channel, "mine", None, most=1)
        before = await server.ask("INFO", "commandstats")
        assert len(await whole(log, channel)) == OWN
        after = await server.ask("INFO", "commandstats")
        names = ("evalsha", "xrange", "lrange", "llen")
        costs.append([_calls(after, name) - _calls(before, name) for name in names])
    await log.aclose()
    # The task that ticks each second may come between.
    assert all(abs(few - many) <= 1 for few, many in zip(*costs, strict=True)), costs


def _calls(told: dict[str, dict[str, int]], name: str) -> int:
    return told.get(f"cmdstat_{name}", {"calls": 0})["calls"]


async def test_on_redis_entries_of_an_earlier_release_are_found_too(server: RedisServer) -> None:
    """It keeps no list of a run's entries; the channel is looked through for them, a page at a time."""
    log = RedisLog(server.url, patience_s=PATIENCE_SECONDS)
    for n in range(450):
        await log.append("room", [draft("mine" if n in (3, 420) else "other")])
    meta = log.keys.channel("room").meta
    await server.ask("HDEL", meta, "placed", "unplaced")
    await server.ask("DEL", meta.removesuffix("meta") + "of:mine")
    await log.append("room", [draft("mine", "done")])
    assert [entry.seq for entry in await whole(log, "room")] == [4, 421, 451]
    await log.aclose()


async def test_on_sqlite_steps(tmp_path: Path) -> None:
    address = parse_address(f"sqlite:///{tmp_path / 'log.db'}")
    log, costs = SQLiteLog(address), []
    for channel, others in (("few", FEW), ("many", MANY)):
        await fill(log, channel, others)
        assert len(await whole(log, channel)) == OWN
        with closing(connect(address.path, read_only=True)) as db:
            costs.append(
                [_steps(db, channel, after) for after in (0, OWN * (others // OWN // 10 * 10 + 11) // 2)]
            )
    await log.aclose()
    assert all(abs(few - many) <= 60 for few, many in zip(*costs, strict=True)), costs


def _steps(db: sqlite3.Connection, channel: str, after: int) -> int:
    """Return how many steps of SQLite's machine a page takes, each row of which takes some."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    db.set_progress_handler(count, 1)
    _, page = read_run_page(db, channel, "mine", after, 5)
    assert len(page) == 5
    return taken


class Counted(list[Entry]):
    """Entries that count how many of them are looked at."""

    seen = 0

    def __getitem__(self, key: object) -> Entry:  # type: ignore[override]
        self.seen += 1
        return super().__getitem__(key)  # type: ignore[index,return-value]


async def test_in_memory_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryLog()
    await fill(log, "room", MANY)
    await log.read_run("room", "mine", None, most=1)
    entries = log._channels["room"].entries = Counted(log._channels["room"].entries)
    assert len(await whole(log, "room")) == OWN == entries.seen


async def test_a_reader_of_one_run_is_given_no_others_events() -> None:
    """From the first event to its end, from a cursor, and for what such a reader has seen."""
    handed: list[int] = []

    class Watched(MemoryLog):
        async def read(self, channel: str, after: Cursor, *, most: int) -> list[Entry]:
            page = await super().read(channel, after, most=most)
            handed.append(len(page))
            return page

    log = Watched()
    await fill(log, "room", MANY)
    view = View("room", run_id="mine")
    own = [entry.seq for entry in await whole(log, "room")]
    epoch = (await log.open("room")).epoch

    async def no_states() -> list[object]:
        return []

    for requested, expected in ((None, own), (f"{epoch}-{own[3] + 1}", own[4:])):
        async with aclosing(follow(log, view, requested, no_states)) as items:  # type: ignore[arg-type]
            seen = [entry.seq async for item in items for entry in item]  # type: ignore[union-attr]
        assert seen == expected
    async with aclosing(history(log, view, f"{epoch}-{own[7]}")) as pages:
        assert [entry.seq async for page in pages for entry in page] == own[:8]
    assert sum(handed) <= 1, "but for a look at the cursor"


async def test_a_reader_who_has_caught_up_hears_what_comes_then() -> None:
    log = MemoryLog()
    await log.append("room", [draft("other"), draft("mine"), draft("other")])
    view = View("room", run_id="mine")

    async def no_states() -> list[object]:
        return []

    async with aclosing(follow(log, view, None, no_states)) as items:  # type: ignore[arg-type]
        assert [entry.seq for entry in await anext(items)] == [2]  # type: ignore[union-attr]
        coming = anext(items)
        await log.append("room", [draft("other"), draft("mine", "done")])
        assert [entry.seq for entry in await coming] == [5]  # type: ignore[union-attr]
        with pytest.raises(StopAsyncIteration):
            await anext(items)
