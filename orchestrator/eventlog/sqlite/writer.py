"""The one thread that writes the file: whatever waits becomes one transaction (group commit).

Owns the writing connection and what it knows of channels. Readers and wake-ups are elsewhere.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from typing import Any, Generic, NamedTuple, TypeVar

from ...errors import Fenced, LogError, LogUnavailable, RequestError
from ..base import Bounds, Draft, new_epoch
from ..run_store import Fence
from .blocks import (
    Block,
    ChannelRow,
    block_rows,
    check_fence,
    find_channel,
    insert_blocks,
    make_blocks,
    make_channel,
)
from .rollback_check import RollbackCheck
from .wal_checkpoints import WRITE_BYTES, WalCheckpoints

T = TypeVar("T")

GROUP_OPS = 256
"""Most writes of one transaction, so that none waits long for the others."""

GROUP_BYTES = 256 * 1024
"""No further write joins a transaction that has as much."""

LARGE_BYTES = 64 * 1024
"""A job of more is a transaction by itself, between two groups: a token must not wait for several images."""

STATEMENT_BLOCKS = 128
"""Most blocks of one statement."""

KNOWN_CHANNELS = 10_000
"""Channels whose end the writer remembers: a memory guard."""


class Appended(NamedTuple):
    """The place of a batch that was written; `bounds` are the channel's after it."""

    bounds: Bounds
    first: int


class Append:
    """A batch that wants into the log. `epoch` is for a channel that has to be made."""

    __slots__ = ("blocks", "channel", "drafts", "epoch", "fence", "future", "size")

    def __init__(
        self,
        channel: str,
        epoch: str | None,
        drafts: Sequence[Draft],
        fence: Fence | None,
        future: asyncio.Future[Any],
    ) -> None:
        self.channel, self.epoch, self.drafts, self.fence, self.future = channel, epoch, drafts, fence, future
        self.blocks: list[Block] = make_blocks(channel, drafts)
        self.size = sum([block.size for block in self.blocks])


class Job(Generic[T]):
    """Anything else that is written: `work` runs inside the transaction, `apply` on the loop after it.

    `touches` names the channel that the writer must look at anew afterwards, `size` what it writes or frees, roughly.
    One that `writes` nothing says nothing about whether the file can be written.
    """

    __slots__ = ("apply", "future", "size", "touches", "work", "writes")

    def __init__(
        self,
        work: Callable[[sqlite3.Connection], T],
        future: asyncio.Future[T],
        apply: Callable[[T], None] | None = None,
        touches: str | None = None,
        *,
        size: int = 0,
        writes: bool = True,
    ) -> None:
        self.work, self.future, self.apply, self.touches = work, future, apply, touches
        self.size, self.writes = size, writes


Write = Append | Job[Any]
Outcome = Any
"""Placed for an Append, what the work returned for a Job, or the exception of either."""

Settle = Callable[[list[tuple[Write, Outcome]]], None]


class SqliteWriter:
    """Commits what it is given, in order, and hands the outcomes to *settle* on the loop.

    Args:
        db: Belongs to the writer from now on; closed at its end.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        lineage: RollbackCheck,
        loop: asyncio.AbstractEventLoop,
        settle: Settle,
        checkpoints: WalCheckpoints,
    ) -> None:
        self._db = db
        self._lineage = lineage
        self._checkpoints = checkpoints
        self._loop = loop
        self._settle = settle
        self._waiting: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._small: deque[Write] = deque()
        self._large: deque[Write] = deque()
        self._is_large_next = False
        self._ending = False
        self._known: dict[str, ChannelRow] = {}
        self._spent: set[str] = set()
        self._data_version = self._read_data_version()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def put(self, write: Write) -> None:
        """Queue a write; its outcome comes to *settle*."""
        self._waiting.put(write)

    def close(self) -> None:
        """Commit what waits, then close the file. Blocks."""
        self._waiting.put(None)
        self._thread.join()

    def look(self, _: sqlite3.Connection) -> bool:
        """Return, as a Job's work, whether another process has written since the last look."""
        seen, self._data_version = self._data_version, self._read_data_version()
        if seen == self._data_version:
            return False
        self._known.clear()
        return True

    # ── the thread ───────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            while group := self._next_group():
                outcomes = self._commit(group)
                # A loop that is closed already has nobody left who could be notified.
                with suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._settle, list(zip(group, outcomes, strict=True)))
                self._checkpoints.note(sum(2 * write.size + WRITE_BYTES for write in group))
        finally:
            self._checkpoints.close()
            with suppress(sqlite3.Error):
                self._lineage.end(self._db)
            self._db.close()

    def _next_group(self) -> list[Write]:
        """Wait for a write, and take those that go into one transaction with it; empty at the end.

        In turn the small ones that wait, in their order, and one that is large.
        """
        self._sort_waiting()
        if self._large and (self._is_large_next or not self._small):
            self._is_large_next = False
            return [self._large.popleft()]
        self._is_large_next = True
        group: list[Write] = []
        size = 0
        while self._small and len(group) < GROUP_OPS and size < GROUP_BYTES:
            write = self._small.popleft()
            group.append(write)
            size += write.size
        return group

    def _sort_waiting(self) -> None:
        """Wait until there is a write or the end, then take all that waits out of the queue."""
        with suppress(queue.Empty):
            while not self._ending:
                write = self._waiting.get(block=not self._small and not self._large)
                if write is None:
                    self._ending = True
                elif isinstance(write, Job) and write.size > LARGE_BYTES:
                    self._large.append(write)
                else:
                    self._small.append(write)

    def _commit(self, group: list[Write]) -> Sequence[Outcome]:
        """Write the group as one transaction: all of it, or nothing and an error for each."""
        try:
            self._lineage.check_place()
            try:
                outcomes = self._at_once(group) or self._in_turn(group)
            except sqlite3.IntegrityError:
                # Another process has written, or a fence fell: once more, with what is there now.
                self._forget()
                outcomes = self._in_turn(group)
            self._witness(group)
            return outcomes
        except Exception as exc:  # noqa: BLE001 - whatever it is, nobody may wait for ever
            # What a commit that failed has left is looked at anew before the next append.
            self._forget()
            return [unavailable(exc)] * len(group)

    def _witness(self, group: list[Write]) -> None:
        """Note where the log ends now, for whoever opens the file next."""
        for write in reversed(group):
            if isinstance(write, Append):
                if (channel := self._known.get(write.channel)) is not None:
                    self._lineage.note(channel.id, channel.last)
                    return
            elif write.touches is not None:
                self._lineage.note_dropped(self._db)
                return

    def _at_once(self, group: list[Write]) -> list[Outcome]:
        """Commit a group of plain appends as one statement; empty if it is no such group.

        Each statement gives up the interpreter's lock, and a busy loop gives it back late: one
        statement instead of three and more is what keeps appends fast beside it.
        """
        rows: list[tuple[Any, ...]] = []
        placed: list[Outcome] = []
        ends: dict[str, int] = {}
        for write in group:
            if not isinstance(write, Append) or (channel := self._known.get(write.channel)) is None:
                return []
            last = ends.get(write.channel, channel.last)
            rows += block_rows(channel, last, write.blocks, write.fence)
            ends[write.channel] = end = last + len(write.drafts)
            placed.append(Appended(Bounds(channel.epoch, channel.first, end), last + 1))
        if len(rows) > STATEMENT_BLOCKS:
            return []
        insert_blocks(self._db, rows)
        for name, end in ends.items():
            self._known[name].last = end
        return placed

    def _in_turn(self, group: list[Write]) -> list[Outcome]:
        self._db.execute("BEGIN IMMEDIATE")
        outcomes = [
            self._append(write) if isinstance(write, Append) else self._work(write) for write in group
        ]
        self._db.execute("COMMIT")
        return outcomes

    def _append(self, write: Append) -> Outcome:
        if write.fence is not None:
            try:
                check_fence(self._db, write.fence)
            except Fenced as exc:
                return exc
        channel = self._channel(write)
        first = channel.last + 1
        rows = block_rows(channel, channel.last, write.blocks, None)
        for start in range(0, len(rows), STATEMENT_BLOCKS):
            part = [(row[0], channel.last, *row[2:]) for row in rows[start : start + STATEMENT_BLOCKS]]
            insert_blocks(self._db, part)
            channel.last = part[-1][3]
        return Appended(channel.bounds, first)

    def _channel(self, write: Append) -> ChannelRow:
        channel = self._known.get(write.channel) or find_channel(self._db, write.channel)
        if channel is None:
            # A name for an incarnation is used once, also if it was proposed before the last one went.
            epoch = write.epoch if write.epoch and write.epoch not in self._spent else new_epoch()
            self._spent.add(epoch)
            channel = make_channel(self._db, write.channel, epoch)
        if len(self._known) >= KNOWN_CHANNELS:
            self._known.clear()
            self._spent.clear()
        self._known[write.channel] = channel
        return channel

    def _work(self, job: Job[Any]) -> Outcome:
        self._db.execute("SAVEPOINT job")
        try:
            outcome = job.work(self._db)
        except (RequestError, LogError) as exc:
            self._db.execute("ROLLBACK TO job")
            outcome = exc
        self._db.execute("RELEASE job")
        if job.touches is not None:
            self._known.pop(job.touches, None)
        return outcome

    def _forget(self) -> None:
        self._known.clear()
        if self._db.in_transaction:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def _read_data_version(self) -> int:
        with closing(self._db.execute("PRAGMA data_version")) as rows:
            (version,) = rows.fetchone()
        return int(version)


def unavailable(exc: BaseException) -> LogUnavailable:
    """Turn a failure of the file into the error that callers know."""
    error = LogUnavailable(f"the log's file cannot be used: {exc}")
    error.__cause__ = exc
    return error
