"""Channels and blocks of events in SQL: what is written and read, without a thread or a loop."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from ...errors import Fenced
from ..base import Bounds, Cursor, Draft, Entry
from ..run_store import Fence

BLOCK_EVENTS = 32
"""Most events of one block. Readers rely on it to find the block that holds a seq; it is part of the schema."""

BLOCK_OVERHEAD_BYTES = 64
"""What a block costs in the file beside its body, roughly."""

PAGE_BYTES = 1024 * 1024
"""A page of events ends early beyond this, so that large events do not fill the memory."""

BLOCK_BYTES = 256 * 1024
"""Beyond this a block takes no further event, so that none is dropped, or read, for long."""

TRIM_BLOCKS = 1000
"""Most blocks that one transaction drops: appends wait meanwhile."""

ERASED_BLOCKS, ERASED_BYTES = 200, 512 * 1024
"""The same of one run."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[str | None, str, bytes]]).decode
_run_of: Callable[[Draft], str] = itemgetter(0)


class Block(NamedTuple):
    """Neighbouring events of one run, encoded; `offset` is the place of the first in its batch, from 0."""

    offset: int
    events: int
    run_id: str
    shared: bool
    size: int
    body: bytes


class ChannelRow:
    """What the writer knows of a channel in the file."""

    __slots__ = ("epoch", "first", "id", "last")

    def __init__(self, id_: int, epoch: str, first: int, last: int) -> None:
        self.id, self.epoch, self.first, self.last = id_, epoch, first, last

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.epoch, self.first, self.last)


class Dropped(NamedTuple):
    """What went: how many bytes, and what is left of the channel; None if it is gone as a whole.

    `is_part`: More is to go, in further transactions, between which others append.
    """

    size: int
    bounds: Bounds | None
    is_part: bool = False


def make_blocks(channel: str, drafts: Sequence[Draft]) -> list[Block]:
    """Encode a batch: its neighbours of one run together, `BLOCK_EVENTS` at most."""
    blocks: list[Block] = []
    offset = 0
    for run_id, same in groupby(drafts, _run_of):
        for part in _parts(same):
            body = _encode([draft[1:] for draft in part])
            size = len(body) + len(run_id) + BLOCK_OVERHEAD_BYTES
            blocks.append(Block(offset, len(part), run_id, run_id != channel, size, body))
            offset += len(part)
    return blocks


def _parts(drafts: Iterable[Draft]) -> Iterator[list[Draft]]:
    """Yield neighbours that become one block."""
    part: list[Draft] = []
    size = 0
    for draft in drafts:
        if len(part) == BLOCK_EVENTS or size > BLOCK_BYTES:
            yield part
            part, size = [], 0
        part.append(draft)
        size += len(draft.data)
    if part:
        yield part


@lru_cache(maxsize=16)
def _insert_sql(count: int) -> str:
    # The guards stand in the statement, so that it needs no transaction around it: a channel that
    # somebody else has written to, or a fence that fell, makes the key NULL, which fails as a whole.
    values = ",".join(["(?,?,?,?,?,?,?,?,?,?)"] * count)
    return f"""
        INSERT INTO blocks (channel, first, last, run, shared, bytes, body)
        SELECT CASE WHEN column9 IS NULL OR column10 = (SELECT token FROM runs WHERE run_id = column9)
               THEN channels.id END, column3, column4, column5, column6, column7, column8
        FROM (VALUES {values}) LEFT JOIN channels ON id = column1 AND channels.last = column2
        WHERE column1 IS NOT NULL
        """  # noqa: S608 - only a number goes in


def insert_blocks(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Add blocks as one statement; rows come from `block_rows`.

    Raises:
        sqlite3.IntegrityError: Another process wrote to a channel, or a fence fell; nothing was added.
    """
    count = 1 << (len(rows) - 1).bit_length()  # few forms of the statement, so that they stay prepared
    flat = [value for row in rows for value in row]
    db.execute(_insert_sql(count), flat + [None] * (10 * (count - len(rows))))


def block_rows(
    channel: ChannelRow, last: int, blocks: Iterable[Block], fence: Fence | None
) -> list[tuple[Any, ...]]:
    """Place *blocks* behind *last*, for a statement that finds the channel as *channel* says."""
    run, token = (None, None) if fence is None else fence
    known, id_ = channel.last, channel.id
    return [
        (id_, known, last + b.offset + 1, last + b.offset + b.events, b.run_id, b.shared, b.size, b.body,
         run, token)
        for b in blocks
    ]  # fmt: skip


def find_channel(db: sqlite3.Connection, name: str) -> ChannelRow | None:
    """Look a channel up; None if it has no entry."""
    with closing(db.execute("SELECT id, epoch, first, last FROM channels WHERE name = ?", (name,))) as rows:
        row = rows.fetchone()
    return None if row is None else ChannelRow(*row)


def make_channel(db: sqlite3.Connection, name: str, epoch: str) -> ChannelRow:
    """Make an empty channel, inside a transaction that fills it."""
    made = db.execute("INSERT INTO channels (name, epoch) VALUES (?, ?)", (name, epoch))
    return ChannelRow(made.lastrowid or 0, epoch, 1, 0)


def check_fence(db: sqlite3.Connection, fence: Fence) -> None:
    """Raise Fenced unless *fence* still stands; a run that was forgotten has none."""
    with closing(db.execute("SELECT token FROM runs WHERE run_id = ?", (fence.run_id,))) as rows:
        row = rows.fetchone()
    if row is None:
        raise Fenced(f"run {fence.run_id!r} is not in the log any more")
    if row[0] != fence.token:
        raise Fenced(f"another worker owns run {fence.run_id!r} now")


def read_page(
    db: sqlite3.Connection, name: str, after: Cursor, most: int
) -> tuple[Bounds | None, list[Entry]]:
    """Return the channel's bounds (None: not there) and the entries behind *after*, of one moment.

    Whether *after* fits the bounds is the caller's to check; if it does not, the entries mean nothing.
    """
    db.execute("BEGIN")
    try:
        channel = find_channel(db, name)
        if channel is None:
            return None, []
        found = db.execute(
            "SELECT first, run, body FROM blocks WHERE channel = ? AND first > ? AND last > ? ORDER BY first",
            (channel.id, after.seq - BLOCK_EVENTS, after.seq),
        )
        with closing(found) as rows:
            return channel.bounds, _unpack(channel.epoch, rows, after.seq, most)
    finally:
        db.execute("COMMIT")


def read_run_page(
    db: sqlite3.Connection, name: str, run_id: str, after: int, most: int
) -> tuple[Bounds | None, list[Entry]]:
    """Return as `read_page` does, of one run alone; its blocks are found by the index of shared ones.

    In a channel blocks are numbered in the order of their seqs.
    """
    if name == run_id:
        which, place = "NOT shared", "first > ? AND channel = ?"
        begin: tuple[int, ...] = (after - BLOCK_EVENTS,)
    else:
        which = "shared"
        place = "n >= ifnull((SELECT n FROM blocks WHERE first <= ? AND channel = ? ORDER BY first DESC LIMIT 1), 0)"
        begin = (after,)
    sql = f"""
        SELECT first, run, body FROM blocks
        WHERE run = ? AND {which} AND last > ? AND {place} AND channel = ? ORDER BY n
        """  # noqa: S608 - only our own words go in
    db.execute("BEGIN")
    try:
        channel = find_channel(db, name)
        if channel is None:
            return None, []
        with closing(db.execute(sql, (run_id, after, *begin, channel.id, channel.id))) as rows:
            return channel.bounds, _unpack(channel.epoch, rows, after, most)
    finally:
        db.execute("COMMIT")


def _unpack(epoch: str, rows: Iterable[tuple[int, str, bytes]], after: int, most: int) -> list[Entry]:
    entries: list[Entry] = []
    size = 0
    for first, run, body in rows:
        for seq, (agent_id, type_, data) in enumerate(_decode(body), first):
            if seq > after:
                entries.append(Entry(epoch, seq, run, agent_id, type_, data))
        size += len(body)
        if len(entries) >= most or size >= PAGE_BYTES:
            break
    return entries[:most]


def read_bounds(db: sqlite3.Connection, name: str) -> Bounds | None:
    """Return what a channel holds; None if it has no entry."""
    channel = find_channel(db, name)
    return None if channel is None else channel.bounds


def total_bytes(db: sqlite3.Connection) -> int:
    """Add up what the channels and the runs' records hold."""
    sql = "SELECT (SELECT coalesce(sum(bytes), 0) FROM channels) + (SELECT coalesce(sum(length(record)), 0) FROM runs)"
    with closing(db.execute(sql)) as rows:
        (size,) = rows.fetchone()
    return int(size)


def largest_channels(db: sqlite3.Connection) -> list[tuple[str, int]]:
    """Return names and bytes, the largest first."""
    with closing(db.execute("SELECT name, bytes FROM channels ORDER BY bytes DESC")) as rows:
        return rows.fetchall()


def erase_run(db: sqlite3.Connection, name: str, run_id: str) -> Dropped:
    """Drop a run's blocks, or the oldest of them, and the channel with its last block, inside a transaction."""
    channel = find_channel(db, name)
    if channel is None:
        return Dropped(0, None)
    if (part := _erase_part(db, channel, name, run_id)) is not None:
        return part
    before = _bytes_of(db, channel.id)
    which = "shared" if name != run_id else "NOT shared"  # the index is of shared ones alone
    db.execute(f"DELETE FROM blocks WHERE channel = ? AND run = ? AND {which}", (channel.id, run_id))  # noqa: S608
    after = _bytes_of(db, channel.id)
    if after:
        return Dropped(before - after, channel.bounds)
    db.execute("DELETE FROM channels WHERE id = ?", (channel.id,))
    return Dropped(before, None)


def _erase_part(db: sqlite3.Connection, channel: ChannelRow, name: str, run_id: str) -> Dropped | None:
    """Drop a run's oldest blocks, up to `ERASED_BYTES`; None if it has no more than that."""
    which, order = ("NOT shared", "first") if name == run_id else ("shared", "n")
    sql = f"SELECT n, last, bytes FROM blocks WHERE channel = ? AND run = ? AND {which} ORDER BY {order} LIMIT ?"  # noqa: S608
    with closing(db.execute(sql, (channel.id, run_id, ERASED_BLOCKS + 1))) as rows:
        blocks = rows.fetchall()
    dropped: list[tuple[int]] = []
    freed = upto = 0
    for n, last, size in blocks:
        if freed > ERASED_BYTES or len(dropped) == ERASED_BLOCKS:
            break
        freed, upto = freed + size, last
        dropped.append((n,))
    if len(dropped) == len(blocks):
        return None
    db.executemany("DELETE FROM blocks WHERE n = ?", dropped).close()
    if name == run_id:
        db.execute("UPDATE channels SET first = ? WHERE id = ?", (upto + 1, channel.id))
        channel.first = upto + 1
    return Dropped(freed, channel.bounds, is_part=True)


def trim_channel(db: sqlite3.Connection, name: str, excess: int) -> Dropped:
    """Drop the oldest blocks until *excess* bytes are gone, or `TRIM_BLOCKS`, but never the newest one."""
    channel = find_channel(db, name)
    if channel is None:
        return Dropped(0, None)
    found = db.execute(
        "SELECT first, last, bytes FROM blocks WHERE channel = ? ORDER BY first LIMIT ?",
        (channel.id, TRIM_BLOCKS + 1),
    )
    with closing(found) as rows:
        blocks = rows.fetchall()
    freed = upto = 0
    for _, last, size in blocks[:-1]:
        if freed >= excess:
            break
        freed, upto = freed + size, last
    if upto:
        db.execute("DELETE FROM blocks WHERE channel = ? AND first <= ?", (channel.id, upto))
        db.execute("UPDATE channels SET first = ? WHERE id = ?", (upto + 1, channel.id))
        channel.first = upto + 1
    return Dropped(freed, channel.bounds)


def _bytes_of(db: sqlite3.Connection, channel: int) -> int:
    with closing(db.execute("SELECT bytes FROM channels WHERE id = ?", (channel,))) as rows:
        (size,) = rows.fetchone()
    return int(size)
