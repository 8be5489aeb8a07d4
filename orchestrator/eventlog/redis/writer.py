"""Appends to Redis: one task that commits what waits as a group, exactly once.

Owns the numbers of our writes and what is in doubt after an answer was lost. What a reader sees is the
tail's affair; the fences are checked in Redis.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...errors import Fenced, LogUnavailable
from ..base import Draft, Entry, new_epoch
from ..run_store import Fence
from .connection.client import RedisClient
from .connection.connection import Command
from .connection.failures import Refusal
from .entry_packing import pack
from .keys import Keys
from .scripts.channels import APPEND, RESOLVE

EXCHANGE_BYTES = 256 * 1024
"""No further part joins what is sent together beyond this: a token must not wait for all of somebody's long answers."""

CHANNELS_REMEMBERED = 4096
"""Of how many channels it is known what they held last, and what is in doubt."""

Feed = Callable[[str, list[Entry], Fence | None], None]


class UnknownRun(Exception):
    """No run of that name may append; its record may have been lost with Redis' memory."""


class LastEntry(NamedTuple):
    """The newest entry that Redis said it had."""

    epoch: str
    last: int


NOTHING_KNOWN = LastEntry("", 0)


@dataclass(slots=True, eq=False)
class _Part:
    """What one caller wants to add."""

    drafts: tuple[Draft, ...]
    fence: Fence | None
    added: asyncio.Future[list[Entry]]
    sent: bool = False


@dataclass(slots=True)
class _Write:
    """What goes to one channel in one atomic step; *number* tells it from all our others."""

    channel: str
    number: int
    parts: list[_Part]


@dataclass(slots=True)
class _Doubt:
    """A write whose answer was lost. After `answers` were asked for, a part may be matched by its retry."""

    write: _Write
    asked: bool = False
    epoch: str = ""
    answers: list[str] = field(default_factory=list)


class RedisWriter:
    """Adds drafts to channels.

    Args:
        writer: Tells this process's writes from others'.
        feed: Called with what was added, before its caller goes on.
    """

    def __init__(
        self, link: RedisClient, keys: Keys, writer: str, *, max_channel_bytes: int, feed: Feed
    ) -> None:
        self.total = 0
        """Bytes that all channels hold, as Redis last said."""
        self._link = link
        self._keys = keys
        self._field = f"w:{writer}"
        self._max_channel_bytes = max_channel_bytes
        self._feed = feed
        self._line = link.line()
        self._numbers = itertools.count(1)
        self._epoch = new_epoch()
        """The next new channel's; no channel gets one twice."""
        self._waiting: dict[str, list[_Part]] = {}
        self._known: OrderedDict[str, LastEntry] = OrderedDict()
        self._doubts: OrderedDict[str, _Doubt] = OrderedDict()
        self._kick = asyncio.Event()
        self._closed = False

    async def append(self, channel: str, drafts: Sequence[Draft], fence: Fence | None) -> list[Entry]:
        """Add *drafts*; after `LogUnavailable` the same call again adds them once at most.

        Cancelling leaves open whether they were added.

        Raises:
            Fenced, LogUnavailable: As `EventLog.append` does. UnknownRun: The fence's run has no record.
        """
        if self._closed:
            raise LogUnavailable("The log is closed.")
        part = _Part(tuple(drafts), fence, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(channel, []).append(part)
        self._kick.set()
        return await part.added

    def known(self, channel: str) -> LastEntry:
        """Return the newest entry of *channel* that we have heard of."""
        return self._known.get(channel, NOTHING_KNOWN)

    def forget(self, channel: str) -> None:
        """Let a channel begin anew."""
        self._known.pop(channel, None)

    async def run(self) -> None:
        """Write until cancelled; what waits then is not added."""
        try:
            while True:
                await self._kick.wait()
                self._kick.clear()
                if self._doubts:
                    await self._resolve()
                await self._write(self._take())
        finally:
            self._closed = True
            for parts in self._waiting.values():
                _fail(parts, LogUnavailable("The log is closed."))
            await self._line.aclose()

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _take(self) -> list[_Write]:
        """Make one write for each channel for which somebody waits, as far as they go together; the rest is next."""
        waiting, self._waiting = self._waiting, {}
        writes = []
        begun: dict[str, list[_Part]] = {}
        size = 0
        for channel, parts in waiting.items():
            present = [part for part in parts if not part.added.done()]
            taken = 0
            while taken < len(present) and size <= EXCHANGE_BYTES:
                size += sum(len(draft.data) for draft in present[taken].drafts)
                taken += 1
            if taken:
                writes.append(_Write(channel, next(self._numbers), present[:taken]))
            if taken < len(present):
                # Those that got nothing are first next time.
                (begun if taken else self._waiting)[channel] = present[taken:]
                self._kick.set()
        self._waiting |= begun
        return writes

    async def _write(self, writes: list[_Write]) -> None:
        if not writes:
            return
        try:
            answers = await self._exchange([self._command(write) for write in writes], writes)
        except LogUnavailable as exc:
            self._epoch = new_epoch()
            for write in writes:
                if any(part.sent for part in write.parts):
                    self._doubt(write)
                _fail(write.parts, exc)
            for parts in self._waiting.values():
                # They have waited for the same silence; another round would double their time.
                _fail(parts, exc)
            return
        except BaseException:
            for write in writes:
                _fail(write.parts, LogUnavailable("The log is closed."))
            raise
        for write, answer in zip(writes, answers, strict=True):
            self._settle(write, answer)

    async def _exchange(self, commands: list[Command], writes: list[_Write] | None = None) -> list[Any]:
        """Send all; a script that Redis has forgotten is loaded and called again."""

        async def attempt() -> list[Any]:
            for write in writes or ():
                for part in write.parts:
                    part.sent = True
            return await self._line.exchange(commands)

        answers = await self._link.insist(attempt)
        missing = [n for n, answer in enumerate(answers) if _is_noscript(answer)]
        if missing:
            await self._link.load(APPEND)
            await self._link.load(RESOLVE)
            again = await self._link.insist(lambda: self._line.exchange([commands[n] for n in missing]))
            for n, answer in zip(missing, again, strict=True):
                answers[n] = answer
        return answers

    def _command(self, write: _Write) -> Command:
        known = self.known(write.channel)
        keys = self._keys.channel(write.channel)
        args: list[str | bytes | int] = [
            write.channel, self._field, write.number, self._epoch, known.epoch, known.last,
            self._max_channel_bytes, int(time.time()),
        ]  # fmt: skip
        for part in write.parts:
            packs = list(pack(part.drafts))
            args += (part.fence.run_id, part.fence.token) if part.fence else ("", 0)
            args.append(len(packs))
            for one in packs:
                args += one
        named = (*keys, self._keys.sizes, self._keys.total, self._keys.generation, *self._link.guards)
        return APPEND.command(named, args)

    def _settle(self, write: _Write, answer: Any) -> None:
        if isinstance(answer, Refusal):
            _fail(write.parts, self._link.refused(answer))
            return
        total, _, rest = bytes(answer).decode().partition(" ")
        epoch, _, firsts = rest.partition(" ")
        if not firsts:
            _fail(write.parts, LogUnavailable(f"A write to channel {write.channel!r} came too late."))
            return
        self._link.accepted()
        self.total = int(total)
        if epoch == self._epoch:
            self._epoch = new_epoch()
        for part, first in zip(write.parts, firsts.split(","), strict=True):
            self._settle_part(write.channel, part, epoch, first)

    def _settle_part(self, channel: str, part: _Part, epoch: str, first: str) -> None:
        if first == "U":
            _fail([part], UnknownRun())
        elif first == "F":
            _fail([part], Fenced("Another worker owns the run now."))
        else:
            seq = int(first)
            entries = [Entry(epoch, seq + n, *draft) for n, draft in enumerate(part.drafts)]
            self._remember(channel, LastEntry(epoch, seq + len(entries) - 1))
            self._feed(channel, entries, part.fence)
            if not part.added.done():
                part.added.set_result(entries)

    def _remember(self, channel: str, known: LastEntry) -> None:
        self._known[channel] = known
        self._known.move_to_end(channel)
        if len(self._known) > CHANNELS_REMEMBERED:
            self._known.popitem(last=False)

    # ── answers that were lost ───────────────────────────────────────────────────────────────

    def _doubt(self, write: _Write) -> None:
        self._doubts[write.channel] = _Doubt(write)
        if len(self._doubts) > CHANNELS_REMEMBERED:
            self._doubts.popitem(last=False)

    async def _resolve(self) -> None:
        """Ask what became of the doubtful writes to channels that are written again; match their retries."""
        # In a loop: while we ask, somebody may come for a channel that is not asked about yet.
        while unasked := self._unasked():
            now = int(time.time())
            commands: list[Command] = [
                RESOLVE.command(
                    [self._keys.channel(doubt.write.channel).meta], [self._field, doubt.write.number, now]
                )
                for doubt in unasked
            ]
            try:
                answers = await self._exchange(commands)
            except LogUnavailable as exc:
                for doubt in unasked:
                    _fail(self._waiting.pop(doubt.write.channel, []), exc)
                continue
            for doubt, answer in zip(unasked, answers, strict=True):
                self._learn(doubt, answer)
        for channel in [channel for channel in self._waiting if channel in self._doubts]:
            self._match(channel, self._doubts[channel])

    def _unasked(self) -> list[_Doubt]:
        here = self._waiting.keys() & self._doubts.keys()
        return [doubt for channel in here if not (doubt := self._doubts[channel]).asked]

    def _learn(self, doubt: _Doubt, answer: Any) -> None:
        if isinstance(answer, Refusal):
            _fail(self._waiting.pop(doubt.write.channel, []), self._link.refused(answer))
            return
        doubt.asked = True
        if answer is not None:
            doubt.epoch, _, firsts = bytes(answer).decode().partition(" ")
            doubt.answers = firsts.split(",")

    def _match(self, channel: str, doubt: _Doubt) -> None:
        """Give the retries of what was added after all their first answer."""
        parts = doubt.write.parts
        for waiting in list(self._waiting[channel]) if doubt.answers else ():
            for n, part in enumerate(parts):
                same = part.drafts == waiting.drafts and part.fence == waiting.fence
                if same and not waiting.added.done():
                    self._settle_part(channel, waiting, doubt.epoch, doubt.answers[n])
                    self._waiting[channel].remove(waiting)
                    del parts[n], doubt.answers[n]
                    break
        if doubt.asked and not doubt.answers:
            self._doubts.pop(channel, None)


def _is_noscript(answer: Any) -> bool:
    return isinstance(answer, Refusal) and str(answer) == "NOSCRIPT"


def _fail(parts: Sequence[_Part], exc: Exception) -> None:
    for part in parts:
        if not part.added.done():
            part.added.set_exception(exc)
            part.added.exception()  # seen: a caller who left must not leave a warning behind
