"""Channels, and the runs in them, in one slot of Redis: each step is one script. Chooses no server and no names.

Composes what it is made of: `connection`, `writer` (appends), `listener` and `tail` (readers), `runs`
(records of runs). How a channel lies in Redis: `keys`, `entry_packing`, `scripts`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import structlog

from ....errors import Fenced, GapError, LogUnavailable
from ...base import Bounds, Cursor, Draft, Entry, Take, check_cursor, new_epoch
from ...run_store import Fence
from ...waiting import until_woken
from ..connection.client import RedisClient, facts_of
from ..connection.connection import Exchange
from ..connection.failures import Refusal
from ..entry_packing import unpack
from ..keys import Keys
from ..listener import Listener
from ..scripts.channels import ERASE, OPEN, READ, READ_RUN, RECOGNIZE, TRIM
from ..tail import Tail
from ..writer import RedisWriter, UnknownRun
from .partition_runs import PartitionRuns, scored

log = structlog.get_logger(__name__)

PAGE_BYTES = 1024 * 1024
"""A page that is read ends with the stream entry that passes this."""

READ_AGAIN_SECONDS = 0.2


class RedisPartition(PartitionRuns):
    """An `EventLog` and `RunStore` in one slot of a Redis (or Valkey) 7.0 or later.

    Args:
        max_channel_bytes: A channel that grows beyond this loses its oldest entries, and readers
            that stood there get a gap.
        ahead: Seconds by which Redis' clock is taken to be late; for tests.

    Raises:
        ConfigError: From `start`: the server cannot be used.
    """

    def __init__(
        self, link: RedisClient, keys: Keys, *, max_channel_bytes: int, ahead: Callable[[], float] = float
    ) -> None:
        super().__init__(link, keys, ahead)
        self.name = secrets.token_hex(6)
        """Names this object among all that share the Redis."""
        self._max_channel_bytes = max_channel_bytes
        self._parts: tuple[RedisWriter, Listener] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._starting = asyncio.Lock()
        self._closed = False
        self._size, self._sized_at = 0, float("-inf")

    # ── open and close ───────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Connect. Other calls do it by themselves, but only this one is asked at the right time.

        Raises:
            ConfigError: The server is too old, is of another kind than the address says, or wants other credentials.
            LogUnavailable: It does not answer.
        """
        async with self._starting:
            if self._parts is not None or self._closed:
                return
            await self._prepare()
            # It may be back just now, and we be the first of all workers to hear of it.
            self._leases.doubt()
            listener = Listener(self._link, self.keys, self.name, lazy=self.keeps is not None)
            listener.on_flushed = self._flushed
            writer = RedisWriter(
                self._link,
                self.keys,
                self.name,
                max_channel_bytes=self._max_channel_bytes,
                feed=listener.feed,
            )
            if self._link.address.kind == "cluster":
                self._link.guards = self.keys.guards
                self._link.greet = self._recognize
            else:
                self._link.recognize = self._recognize
            self._run(self._link.run(), "redis calls")
            self._run(writer.run(), "redis writer")
            self._run(listener.run(), "redis listener")
            self._parts = writer, listener

    async def _prepare(self) -> None:
        """Look whether the server can be used, and what the keys are named, if nobody has yet."""

    async def _flushed(self, exchange: Exchange) -> None:
        """Note that Redis was emptied."""

    async def aclose(self) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._parts is not None:
            self._listener.distrust()

    async def listening(self) -> Listener:
        """Return what reads this Redis, started."""
        await self.ready()
        return self._listener

    @property
    def closed(self) -> bool:
        """Whether `aclose` was called."""
        return self._closed

    @property
    def available(self) -> bool:
        """Whether Redis answers and takes writes, as far as is known; known at most a second late."""
        return self._parts is not None and not self._closed and self._link.available

    def note_size(self, size: int) -> None:
        """Note what is held here, as Redis has just said."""
        self._size, self._sized_at = size, asyncio.get_running_loop().time()

    @property
    def size(self) -> int:
        """Bytes held by all channels and records, of all workers; at most a second old."""
        # What Redis was asked before our last write had its answer is older than that answer.
        if self._parts is not None and self._listener.total_at > self._sized_at:
            self._size, self._sized_at = self._listener.total, self._listener.total_at
        return self._size

    # ── append ───────────────────────────────────────────────────────────────────────────────

    async def append(
        self, channel: str, drafts: Sequence[Draft], *, fence: Fence | None = None
    ) -> list[Entry]:
        await self.ready()
        try:
            added = await self._writer.append(channel, drafts, fence)
        except UnknownRun:
            added = await self._append_restored(channel, drafts, fence)
        self.note_size(self._writer.total)
        return added

    async def _append_restored(
        self, channel: str, drafts: Sequence[Draft], fence: Fence | None
    ) -> list[Entry]:
        if fence is not None and await self._restore(fence):
            with suppress(UnknownRun):
                return await self._writer.append(channel, drafts, fence)
        raise Fenced("The run has no record any more; nothing may be appended for it.")

    # ── read ─────────────────────────────────────────────────────────────────────────────────

    async def open(self, channel: str) -> Bounds:
        await self.ready()
        answer = await self._link.script(OPEN, self._bounds_keys(channel), *self._known(channel))
        return _bounds(answer)

    async def read(self, channel: str, after: Cursor, *, most: int) -> list[Entry]:
        await self.ready()
        tail = self._listener.tails.get(channel)
        if tail is not None and tail.covers(after):
            return self._listener.tail(channel, after).later_than(after, most)
        try:
            return await self._read(channel, after, most)
        except LogUnavailable:
            if self._closed:
                raise
            # The reader waits then; it must not ask again at once.
            await asyncio.sleep(READ_AGAIN_SECONDS)
            return []

    async def _read(self, channel: str, after: Cursor, most: int) -> list[Entry]:
        known, keys = self._known(channel), self._bounds_keys(channel)
        answer = await self._link.script(READ, keys, *known, after.seq, most, PAGE_BYTES)
        if answer is None:
            raise GapError("epoch", earliest=None, latest=None)
        bounds = _bounds(answer[0])
        check_cursor(after, bounds)
        page = _unpacked(bounds.epoch, answer, after.seq)
        whole = answer[1] == 1 and len(page) <= most
        tail = self._listener.tails.get(channel)
        if whole and tail is not None:
            was_stale = tail.stale
            tail.adopt(after, bounds.epoch, bounds.last, page)
            if was_stale:
                self._listener.alarm()
        return page[:most]

    async def read_run(self, channel: str, run_id: str, after: Cursor | None, *, most: int) -> list[Entry]:
        await self.ready()
        seq, at = 0 if after is None else after.seq, b"0" if after is None else b"%d" % after.seq
        keys = self._bounds_keys(channel)
        while at:
            known = self._known(channel)
            answer = await self._link.script(READ_RUN, keys, *known, channel, run_id, at, most, PAGE_BYTES)
            if answer is None:
                break
            bounds, at = _bounds(answer[0]), bytes(answer[1])
            if after is not None:
                check_cursor(after, bounds)
            if page := _unpacked(bounds.epoch, answer, seq):
                return page[:most]
        else:
            return []
        if after is None:
            return []
        raise GapError("epoch", earliest=None, latest=None)

    async def wait(self, channel: str, after: Cursor, seconds: float, *, take: Take | None = None) -> bool:
        if self._parts is None:
            try:
                async with asyncio.timeout(seconds):
                    await self.ready()
            except TimeoutError:
                return False
        await self.ready()
        return await self._wait(self._listener.tail(channel, after), after, seconds, take)

    async def _wait(self, tail: Tail, after: Cursor, seconds: float, take: Take | None) -> bool:
        # A reader that hears of news while Redis is unavailable would ask for them in vain, again and again.
        if self._closed or (tail.has_news(after) and not self._link.unavailable):
            return True
        reader: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        tail.readers.add(reader, take, after.seq)
        try:
            return await until_woken(reader, seconds)
        finally:
            tail.readers.discard(reader)

    # ── erase and shrink ─────────────────────────────────────────────────────────────────────

    async def erase(self, channel: str, run_id: str) -> None:
        await self.ready()
        keys = self.keys.channel(channel)
        at = "-"
        while at:
            answer = await self._link.script(
                ERASE,
                (keys.meta, keys.log, self.keys.sizes, self.keys.total, self.keys.notices),
                channel, run_id, at,
            )  # fmt: skip
            at = bytes(answer[0]).decode()
            self.note_size(int(answer[1]))
        self._writer.forget(channel)
        if tail := self._listener.tails.get(channel):
            tail.distrust()

    async def shrink(self, size: int) -> None:
        await self.ready()
        self.note_size(int(await self._link.call("GET", self.keys.total) or 0))
        for _, channel in await self.largest(0):
            while self._size > size and await self.trim(channel, self._size - size):
                pass
            if self._size <= size:
                return

    async def largest(self, count: int) -> list[tuple[int, str]]:
        """Return bytes and name of the *count* largest channels, the largest first; 0: of all."""
        await self.ready()
        return scored(await self._link.call("ZREVRANGE", self.keys.sizes, 0, count - 1, "WITHSCORES"))

    async def trim(self, channel: str, excess: int) -> bool:
        """Take about *excess* bytes from a channel, or a page of them; False if nothing can go."""
        held = int(await self._link.call("ZSCORE", self.keys.sizes, channel) or 0)
        keys = self.keys.channel(channel)
        answer = await self._link.script(
            TRIM,
            (keys.meta, keys.log, self.keys.sizes, self.keys.total),
            channel, max(0, held - excess),
        )  # fmt: skip
        self.note_size(int(answer[1]))
        return int(answer[0]) == 1

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def ready(self) -> None:
        if self._parts is None:
            await self.start()
        if self._closed:
            raise LogUnavailable("The log is closed.")

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        # Owned here, and awaited by `aclose`.
        self._tasks.append(asyncio.get_running_loop().create_task(work, name=name))

    @property
    def _writer(self) -> RedisWriter:
        return self._open_parts()[0]

    @property
    def _listener(self) -> Listener:
        return self._open_parts()[1]

    def _open_parts(self) -> tuple[RedisWriter, Listener]:
        if self._parts is None:
            raise LogUnavailable("The log is closed.")
        return self._parts

    def _bounds_keys(self, channel: str) -> tuple[str, str, str]:
        meta, entries, _ = self.keys.channel(channel)
        return meta, entries, self.keys.generation

    async def _recognize(self, exchange: Exchange) -> None:
        """Look which server process this is; if it may have lost writes, let every channel's epoch change.

        A replica that was promoted may lack what the primary had confirmed, and so may a server that starts
        again without its append-only file.
        """
        (info,) = await exchange([("INFO",)])
        if isinstance(info, Refusal):
            raise self._link.refused(info)
        facts = facts_of(info)
        promoted = facts.get("master_replid2", "").strip("0") != ""
        lossless = facts.get("aof_enabled") == "1" and not promoted
        keys = self.keys.server, self.keys.generation, self.keys.incarnation
        arguments = facts.get("run_id", ""), int(lossless), new_epoch()
        (lost,) = await exchange([("EVAL", RECOGNIZE, len(keys), *keys, *arguments)])
        if isinstance(lost, Refusal):
            raise self._link.refused(lost)
        if lost:
            log.warning("redis_went_back", **self._link.address.log_fields, promoted=promoted)

    def _known(self, channel: str) -> tuple[str, str, int]:
        """Return an epoch if need be, and the newest entry that this process has heard of."""
        known = self._writer.known(channel)
        return new_epoch(), known.epoch, known.last


def _unpacked(epoch: str, answer: Sequence[Any], after: int) -> list[Entry]:
    """Return the entries later than *after* of what `READ` or `READ_RUN` answered."""
    page: list[Entry] = []
    for last, run_id, blob in zip(answer[2::3], answer[3::3], answer[4::3], strict=True):
        page += unpack(epoch, int(last), bytes(run_id).decode(), blob)
    return [entry for entry in page if entry.seq > after]


def _bounds(raw: bytes) -> Bounds:
    epoch, first, last = bytes(raw).decode().split(" ")
    return Bounds(epoch, int(first), int(last))
