"""Who waits for whom at the one thread that writes the file: no append for somebody's megabytes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.errors import GapError
from orchestrator.eventlog.base import Cursor, Draft
from orchestrator.eventlog.run_store import RetentionBounds
from orchestrator.eventlog.sqlite import blocks, conversations, wal_checkpoints
from orchestrator.eventlog.sqlite import log as sqlite_log
from orchestrator.eventlog.sqlite.blocks import erase_run, make_blocks
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import parse_address
from orchestrator.eventlog.sqlite.writer import LARGE_BYTES
from tests.support.patience import eventually

from ..support.sqlite_process import batch


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SQLiteLog]:
    log = SQLiteLog(parse_address(f"sqlite:///{tmp_path}/log.db"))
    await log.start()
    yield log
    await log.aclose()


async def test_small_writes_go_between_large_ones(log: SQLiteLog) -> None:
    """Of what waits, one large write goes at a time, and all small ones before the next of them."""
    order: list[str] = []
    gate, reached = threading.Event(), threading.Event()

    def stop(_: object) -> None:
        reached.set()
        gate.wait()

    blocking = asyncio.ensure_future(log.write(stop))
    await asyncio.to_thread(reached.wait)
    waiting = [
        asyncio.ensure_future(
            log._write(lambda _, name=f"{kind}{n}": order.append(name), size=size)  # type: ignore[misc]
        )
        for n in range(3)
        for kind, size in (("large", LARGE_BYTES + 1), ("small", 0))
    ]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(blocking, *waiting)
    assert order == ["large0", "small0", "small1", "small2", "large1", "large2"]


async def test_checkpoints_are_made_beside_the_writer(
    log: SQLiteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file grows though no commit brings the write-ahead log into it."""
    monkeypatch.setattr(wal_checkpoints, "CHECKPOINT_BYTES", 64 * 1024)
    before = log.path.stat().st_size
    for _ in range(8):
        await log.append("c", [Draft("run_1", "a", "token", b"x" * 20_000)])
    await eventually(lambda: log.path.stat().st_size > before + 100_000)


@pytest.mark.parametrize("channel", ["run_1", "shared"])
async def test_long_run_is_forgotten_in_portions(
    log: SQLiteLog, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    monkeypatch.setattr(blocks, "ERASED_BLOCKS", 4)
    for _ in range(10):
        await log.append(channel, batch(1, 3, "run_1"))
    bounds = await log.open(channel)
    part = await log.write(lambda db: erase_run(db, channel, "run_1"))
    assert part.is_part
    assert part.size > 0
    log.changed_elsewhere(channel)
    if channel == "run_1":
        with pytest.raises(GapError, match="trimmed"):
            await log.read(channel, Cursor(bounds.epoch, 0), most=100)
    else:
        assert len(await log.read(channel, Cursor(bounds.epoch, 0), most=100)) == 6 * 3
    await log.erase(channel, "run_1")
    assert (await log.open(channel)).last == 0


def test_block_ends_when_it_is_large() -> None:
    drafts = [Draft("run_1", "a", "data", b"x" * 100_000) for _ in range(10)]
    made = make_blocks("run_1", drafts)
    assert [block.events for block in made] == [3, 3, 3, 1]
    assert [block.offset for block in made] == [0, 3, 6, 9]


async def test_tidying_goes_in_portions_to_its_end(log: SQLiteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "TIDIED_BYTES", 100)
    for n in range(20):
        await log.add_turn(f"talk_{n}", "a", b"t" * 90, keep=9)
    bounds = RetentionBounds(3600, 5 * 90, 1000)
    assert await log.write(lambda db: conversations.tidy(db, bounds, log.now()))
    left = sum([bool(await log.turns(f"talk_{n}", "a")) for n in range(20)])
    assert 5 < left < 20
    await log.tidy(bounds)
    assert [n for n in range(20) if await log.turns(f"talk_{n}", "a")] == [*range(15, 20)]


async def test_sums_follow_what_is_kept(log: SQLiteLog) -> None:
    """Tidying adds nothing up: what it goes by is right after every kind of change."""
    for n in range(4):
        for _ in range(3):
            await log.add_turn(f"talk_{n}", "a", b"t" * 10, keep=2)
        await log.add_turn(f"talk_{n}", "b", b"u" * 7, keep=9)
    await log.drop_turns("talk_1", lambda turn: turn.startswith(b"u"))
    await log.forget_conversation("talk_2")
    kept = await log.ask(
        lambda db: db.execute(
            "SELECT (SELECT sum(length(turn)) FROM turns), (SELECT count(*) FROM conversations)"
        ).fetchone()
    )
    totals = dict(await log.ask(lambda db: db.execute("SELECT what, total FROM totals").fetchall()))
    assert (totals["turn bytes"], totals["conversations"]) == kept == (27 + 20 + 27, 3)


async def test_waiting_while_a_look_is_under_way_begins_no_second_one(
    log: SQLiteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wait in that moment began a chain of looks that never ended: after a while, dozens a second."""
    monkeypatch.setattr(sqlite_log, "LOOK_SECONDS", 0.02)
    writer = log._writer
    assert writer is not None
    held: list[object] = []
    monkeypatch.setattr(writer, "put", held.append)
    cursor = Cursor((await log.open("c")).epoch, 0)
    await log.wait("c", cursor, 0.1)
    first = asyncio.ensure_future(log.wait("c", cursor, 0.1))
    await eventually(lambda: bool(held))
    await first
    for _ in range(5):
        await log.wait("c", cursor, 0.04)
    assert len(held) == 1
