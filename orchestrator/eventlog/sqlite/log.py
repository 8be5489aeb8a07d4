"""The log in one SQLite file: it survives the process, and with `synchronous=FULL` the power.

Owns the loop's side: what is known of channels, who waits, and the threads that read. The thread that
writes is `writer`'s, SQL is in `blocks` and `runs`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from ...errors import LogUnavailable
from ..base import Bounds, Cursor, Draft, Entry, Take, check_cursor
from ..cluster import Cluster
from ..run_store import Fence
from ..waiting import until_woken
from .blocks import (
    Dropped,
    erase_run,
    largest_channels,
    read_bounds,
    read_page,
    read_run_page,
    total_bytes,
    trim_channel,
)
from .channel_cache import CachedChannel, ChannelCache
from .cluster import SQLiteCluster
from .readers import Readers
from .rollback_check import RollbackCheck
from .runs import SQLiteRuns
from .schema import Address, empty_wal, open_database, parse_address
from .wal_checkpoints import WalCheckpoints
from .writer import Append, Appended, Job, Outcome, SqliteWriter, Write, unavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""How late a reader hears of what another process wrote: at most this."""

LOOK_SHARED_SECONDS = 5.0
"""The same if the other processes tell what they write: only for what was lost of that."""


class SQLiteLog(SQLiteRuns):
    """An `EventLog` and `RunStore` in a file. `sqlite_schema.parse_address` reads its address.

    Two processes may use one file: each is safe from the other, and hears of the other's entries within
    `LOOK_SECONDS`, or at once if both use its `cluster`. A process that is frozen in the middle of a commit
    keeps the others from writing until it goes on or is killed.

    Args:
        clock: Seconds since 1970, for leases and for how long forgotten runs are known.
    """

    def __init__(self, address: Address, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._address = address
        self._shelf = ChannelCache()
        self._size = 0
        self._writer: SqliteWriter | None = None
        self._readers: Readers | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._waiters = 0
        self._look: asyncio.TimerHandle | None = None
        self._looking = False
        self._refusal: str | None = None
        self._cluster: SQLiteCluster | None = None

    async def start(self) -> None:
        """Open the file; make it, or bring its schema up to date, if need be.

        Raises:
            ConfigError: It cannot be used; the message says why.
        """
        async with self._opening:
            if self._writer is None and not self._closed:
                loop = asyncio.get_running_loop()
                db, lineage, self._size = await asyncio.to_thread(_open, self._address)
                self._readers = Readers(self._address.path)
                checkpoints = WalCheckpoints(self._address.path)
                self._writer = SqliteWriter(db, lineage, loop, self._settle, checkpoints)

    def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = SQLiteCluster(self)
        return self._cluster

    @property
    def available(self) -> bool:
        """Whether the file took the last write. Each worker's beat is one, so this is seldom late."""
        return self._refusal is None

    @property
    def size(self) -> int:
        return self._size

    async def append(
        self, channel: str, drafts: Sequence[Draft], *, fence: Fence | None = None
    ) -> list[Entry]:
        if not drafts:
            return []
        writer = self._writer or await self._started()
        book = self._shelf.books.get(channel)
        proposed = None if book is None else book.proposed
        future: asyncio.Future[list[Entry]] = asyncio.get_running_loop().create_future()
        writer.put(Append(channel, proposed, drafts, fence, future))
        return await future

    async def open(self, channel: str) -> Bounds:
        book = self._shelf.find(channel)
        return book.bounds or await self._load(book)

    async def read(self, channel: str, after: Cursor, *, most: int) -> list[Entry]:
        book = self._shelf.find(channel)
        bounds = book.bounds or await self._load(book)
        # A cursor that does not fit may come from a page that was newer than what we know: the file decides.
        if bounds.epoch == after.epoch and bounds.first - 1 <= after.seq <= bounds.last:
            if not book.has_after(after.seq):
                return []
            if page := book.from_tail(after.seq, most):
                return page
        return await self._read(book, after, most)

    async def read_run(self, channel: str, run_id: str, after: Cursor | None, *, most: int) -> list[Entry]:
        seq = 0 if after is None else after.seq
        book = self._shelf.find(channel)
        bounds, page = await self._ask_of(book, lambda db: read_run_page(db, channel, run_id, seq, most))
        if after is not None:
            check_cursor(after, await self._seen(book, bounds))
        return page

    async def wait(self, channel: str, after: Cursor, seconds: float, *, take: Take | None = None) -> bool:
        book = self._shelf.find(channel)
        if book.bounds is None or book.bounds.epoch != after.epoch or book.has_after(after.seq):
            return True
        reader: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        book.readers.add(reader, take, after.seq)
        self._waiters += 1
        if self._look is None and not self._looking:
            self._look_later()
        try:
            return await until_woken(reader, seconds)
        finally:
            self._waiters -= 1
            book.readers.discard(reader)
            self._shelf.remove_if_unused(book)

    async def erase(self, channel: str, run_id: str) -> None:
        await self._drop(channel, lambda db: erase_run(db, channel, run_id))

    async def _drop(self, channel: str, work: Callable[[sqlite3.Connection], Dropped], size: int = 0) -> None:
        dropped = None
        while dropped is None or dropped.is_part:
            dropped = await self._write(
                work, apply=lambda dropped: self._dropped(channel, dropped), touches=channel, size=size
            )

    async def shrink(self, size: int) -> None:
        if self._size <= size:
            return
        # Another process may have changed the sum.
        self._size = await self._ask(total_bytes)
        for channel, held in await self._ask(largest_channels):
            # In small transactions: appends of running runs go between them.
            while held > 0 and self._size > size:
                freed = await self._trim(channel, self._size - size)
                if not freed:
                    break
                held -= freed

    async def scrub(self) -> bool:
        """Bring what the write-ahead log has into the file, whose free pages are overwritten, and empty it."""
        if self._readers is None:
            await self._started()
        if self._readers is None:
            raise LogUnavailable("the log is closed")
        return await self._readers.run(empty_wal)

    async def aclose(self) -> None:
        self._closed = True
        if self._cluster is not None:
            self._cluster.close()
        if self._look is not None:
            self._look.cancel()
        async with self._opening:
            writer, readers = self._writer, self._readers
            self._writer = self._readers = None
            if readers is not None:
                await asyncio.to_thread(readers.close)
            if writer is not None:
                await asyncio.to_thread(writer.close)
        self._shelf.forget_all()

    # ── for the workers' part ────────────────────────────────────────────────────────────────

    @property
    def path(self) -> Path:
        return self._address.path

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    def now(self) -> float:
        """Return seconds since 1970, by which leases are counted."""
        return self._clock()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run *work* in a transaction of the writer's. Raises LogUnavailable."""
        return await self._write(work)

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer a question to the file. Raises LogUnavailable."""
        return await self._ask(question)

    def changed_elsewhere(self, channel: str | None) -> None:
        """Take note that another process has written to a channel; None: perhaps to each."""
        if channel is None:
            self._shelf.forget_all()
        else:
            self._shelf.forget(channel)

    # ── to the file ──────────────────────────────────────────────────────────────────────────

    async def _started(self) -> SqliteWriter:
        await self.start()
        if self._writer is None:
            raise LogUnavailable("the log is closed")
        return self._writer

    async def _write(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        apply: Callable[[T], None] | None = None,
        touches: str | None = None,
        size: int = 0,
    ) -> T:
        writer = self._writer or await self._started()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        writer.put(Job(work, future, apply, touches, size=size))
        return await future

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self._readers is None:
            await self._started()
        if self._readers is None:
            raise LogUnavailable("the log is closed")
        return await self._readers.ask(question)

    async def _ask_of(self, book: CachedChannel, question: Callable[[sqlite3.Connection], T]) -> T:
        book.asked += 1
        try:
            return await self._ask(question)
        finally:
            book.asked -= 1

    async def _trim(self, channel: str, excess: int) -> int:
        dropped = await self._write(
            lambda db: trim_channel(db, channel, excess),
            apply=lambda dropped: self._dropped(channel, dropped),
            touches=channel,
        )
        return dropped.size

    async def _load(self, book: CachedChannel) -> Bounds:
        changes = book.changes
        bounds = await self._ask_of(book, lambda db: read_bounds(db, book.name))
        # What the writer said meanwhile is newer than what was read.
        return book.loaded(bounds) if book.bounds is None or book.changes == changes else book.bounds

    async def _read(self, book: CachedChannel, after: Cursor, most: int) -> list[Entry]:
        changes = book.changes
        bounds, page = await self._ask_of(book, lambda db: read_page(db, book.name, after, most))
        bounds = await self._seen(book, bounds)
        check_cursor(after, bounds)
        if not page and book.changes == changes:
            book.void = (after.seq, bounds.last)
        return page

    async def _seen(self, book: CachedChannel, bounds: Bounds | None) -> Bounds:
        """Return what a channel holds after it was read; None: the file has it not."""
        if bounds is not None:
            self._shelf.saw(book, bounds)
            return bounds
        if book.proposed is None:
            self._shelf.forget(book.name)  # another process has erased it
        return book.bounds or await self._load(book)

    # ── from the file ────────────────────────────────────────────────────────────────────────

    def _settle(self, outcomes: list[tuple[Write, Outcome]]) -> None:
        """Take what the writer has committed: first what is known of channels, then who asked."""
        self._note_refusal(outcomes)
        for write, outcome in outcomes:
            result = outcome
            if isinstance(write, Append):
                result = self._appended(write, outcome)
            elif write.apply is not None and not isinstance(outcome, Exception):
                write.apply(outcome)
            if write.future.done():
                continue
            if isinstance(result, Exception):
                write.future.set_exception(result)
            else:
                write.future.set_result(result)
        if self._cluster is not None:
            self._cluster.tell({name for write, _ in outcomes if (name := _channel_of(write)) is not None})

    def _note_refusal(self, outcomes: list[tuple[Write, Outcome]]) -> None:
        """Keep in mind whether the file can be written. A group is written as a whole, or not at all."""
        outcome = outcomes[0][1]
        if isinstance(outcome, LogUnavailable):
            if self._refusal != str(outcome):
                self._refusal = str(outcome)
                log.error("sqlite_refuses", path=str(self._address.path), error=self._refusal)
        elif self._refusal is not None and any(isinstance(w, Append) or w.writes for w, _ in outcomes):
            self._refusal = None
            log.info("sqlite_accepts", path=str(self._address.path))

    def _appended(self, write: Append, outcome: Appended | Exception) -> list[Entry] | Exception:
        if isinstance(outcome, Exception):
            if isinstance(outcome, LogUnavailable):
                self._shelf.forget(write.channel)  # whether it was written is unknown
            return outcome
        epoch = outcome.bounds.epoch
        entries = [Entry(epoch, seq, *draft) for seq, draft in enumerate(write.drafts, outcome.first)]
        self._size += write.size
        self._shelf.added(write.channel, outcome.bounds, entries)
        return entries

    def _grew(self, size: int) -> None:
        self._size += size

    def _dropped(self, channel: str, dropped: Dropped) -> None:
        self._size -= dropped.size
        if dropped.bounds is None:
            self._shelf.remove(channel)
        else:
            self._shelf.forget(channel)

    # ── another process ──────────────────────────────────────────────────────────────────────

    def _look_later(self) -> None:
        seconds = LOOK_SECONDS if self._cluster is None else LOOK_SHARED_SECONDS
        self._look = asyncio.get_running_loop().call_later(seconds, self._look_now)

    def _look_now(self) -> None:
        """Ask the writer whether others have written: one question for all who wait, none if nobody does."""
        self._look = None
        if self._waiters and self._writer is not None:
            future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            future.add_done_callback(self._looked)
            self._looking = True
            self._writer.put(Job(self._writer.look, future, writes=False))

    def _looked(self, future: asyncio.Future[bool]) -> None:
        self._looking = False
        failed = future.cancelled() or future.exception() is not None
        if not failed and future.result():
            self._shelf.forget_all()
        if not self._closed:
            self._look_later()


def _channel_of(write: Write) -> str | None:
    return write.channel if isinstance(write, Append) else write.touches


def backup_store(url: str, target: Path) -> int:
    """Copy the file while it is in use, as `backup.backup_store`."""
    from .backup import backup_store as backup  # which only its command needs

    return backup(url, target)


def open_store(url: str) -> SQLiteLog:
    """Make the store for ``sqlite:///path.db``. Raises ConfigError."""
    return SQLiteLog(parse_address(url))


def _open(address: Address) -> tuple[sqlite3.Connection, RollbackCheck, int]:
    db = open_database(address)
    try:
        return db, RollbackCheck(db, address.path, durable=address.synchronous == "FULL"), total_bytes(db)
    except (sqlite3.Error, OSError) as exc:
        db.close()
        raise unavailable(exc) from exc
