"""One blocking `XREAD` for all that this process waits for, and the tails that it feeds.

It also notices what no append tells: that Redis came back, was flushed, or that events were erased.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..base import Cursor, Entry, new_epoch
from ..run_store import Fence
from .connection.client import BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, RedisClient
from .connection.connection import Command, Exchange
from .connection.failures import Denied, Lost, Refusal
from .entry_packing import unpack
from .keys import Keys
from .scripts.channels import TICK
from .tail import Tail

BLOCK_SECONDS = 1.0
"""How long one XREAD waits: whatever wake-up is lost costs no more."""

IDLE_TAIL_SECONDS = 5.0
"""After so long without a reader a tail goes; with none that moves, its entries do."""

ALARM_MS = 60_000
TAILS_BYTES = 64 * 1024 * 1024
PAGE_ENTRIES = 64
PAUSE_PER_CHANNEL_SECONDS, MAX_PAUSE_SECONDS = 20e-6, 0.1
"""With thousands of channels each XREAD is expensive for Redis, so wake-ups are gathered a little."""

Fields = dict[bytes, bytes]


@dataclass(slots=True)
class _Inbox:
    """A stream beside the channels'; each message goes to `deliver` once."""

    seen: str
    deliver: Callable[[Fields], None]


class Listener:
    """Feeds the tails of the channels that have readers here.

    Args:
        name: Names this process's own inbox, by which it wakes itself.
        lazy: Whether it asks Redis for nothing while nobody reads here.
    """

    def __init__(self, link: RedisClient, keys: Keys, name: str, *, lazy: bool = False) -> None:
        self.total = 0
        """Bytes that all channels hold, at most a second old."""
        self.total_at = float("-inf")
        """When Redis was asked for it, by the loop's clock."""
        self.tails: dict[str, Tail] = {}
        self._link = link
        self._keys = keys
        self._line = link.line(slack_s=BLOCK_SECONDS)
        self._inboxes: dict[str, _Inbox] = {}
        self._alarm = keys.inbox(name)
        self.on_flushed: Callable[[Exchange], Awaitable[None]] | None = None
        """Called when Redis was emptied."""
        self._incarnation: bytes | None = None
        self._blocked = False
        self._ticked_at = 0.0
        self._clock = asyncio.get_running_loop().time
        self._lazy = lazy
        self._was_connected = False
        self._needed = asyncio.Event()
        link.on_lost.append(self._needed.set)
        link.on_back.append(self.distrust)

    # ── what readers and writers do ──────────────────────────────────────────────────────────

    def tail(self, channel: str, at: Cursor) -> Tail:
        """Return the channel's tail; a new one begins at *at*."""
        tail = self.tails.get(channel)
        if tail is None:
            tail = self.tails[channel] = Tail(at, self._clock())
            self._needed.set()
            self.alarm()
        tail.used_at = self._clock()
        return tail

    def feed(self, channel: str, entries: list[Entry], fence: Fence | None) -> None:
        """Show this process's readers what this process appended, without asking Redis for it."""
        tail = self.tails.get(channel)
        if tail is None:
            return
        # In its own channel only the run's owner appends; there is nothing to listen for meanwhile.
        tail.own_at = self._clock() if fence is not None and fence.run_id == channel else -1.0
        if not tail.extend(entries):
            tail.own_at = -1.0
            self.alarm()

    def subscribe(self, stream: str, deliver: Callable[[Fields], None], *, seen: str = "0-0") -> None:
        """Hand what comes into *stream* after the id *seen* to *deliver*, which must not raise."""
        self._inboxes[stream] = _Inbox(seen, deliver)
        self.alarm()

    def unsubscribe(self, stream: str) -> None:
        self._inboxes.pop(stream, None)

    def alarm(self) -> None:
        """Let the running XREAD end: there is more to wait for. Lost, it costs `BLOCK_SECONDS`."""
        if self._blocked:
            self._blocked = False
            self._link.hint("XADD", self._alarm, "MAXLEN", "1", "*", "k", "alarm")
            self._link.hint("PEXPIRE", self._alarm, ALARM_MS)

    def distrust(self) -> None:
        """Let every reader ask Redis again."""
        for tail in self.tails.values():
            tail.distrust()

    # ── the task ─────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Listen until cancelled; the readers are woken then."""
        self._inboxes[self._alarm] = _Inbox("0-0", _nothing)
        pause = 0.0
        try:
            while True:
                try:
                    await self._rest()
                    await self._connect()
                    while True:
                        await self._rest()
                        await self._listen()
                        pause = 0.0
                except (Lost, Denied) as exc:
                    self._blocked = False
                    # One dead connection is no dead Redis.
                    if pause:
                        self._link.lost(exc)
                await asyncio.sleep(pause)
                pause = min(2 * pause or BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)
        finally:
            self.distrust()
            await self._line.aclose()

    async def _rest(self) -> None:
        """Wait until somebody reads here, or the link has to learn when Redis is back."""
        while self._lazy and not self.tails and not self._link.unavailable:
            self._needed.clear()
            await self._needed.wait()

    async def _connect(self) -> None:
        (newest,) = await self._line.exchange([("XREVRANGE", self._keys.notices, "+", "-", "COUNT", 1)])
        if self._link.recognize is not None:
            # A server that was primary before knows our scripts already.
            await self._link.recognize(self._line.exchange)
        seen = bytes(newest[0][0]).decode() if isinstance(newest, list) and newest else "0-0"
        self._inboxes[self._keys.notices] = _Inbox(seen, self._erased)
        is_first, self._was_connected = not self._was_connected, True
        await self._tick()
        self._link.found()
        # What Redis lost with a restart shows only where one looks. Whoever let a lazy listener begin has just looked.
        if not (self._lazy and is_first):
            self.distrust()

    async def _listen(self) -> None:
        channels = [(channel, tail) for channel, tail in self.tails.items() if self._is_wanted(tail)]
        names = [self._keys.channel(channel).log for channel, _ in channels]
        ids = [f"{tail.end}-0" for _, tail in channels]
        command: Command = [
            "XREAD", "COUNT", PAGE_ENTRIES, "BLOCK", int(BLOCK_SECONDS * 1000), "STREAMS",
            *names, *self._inboxes, *ids, *(inbox.seen for inbox in self._inboxes.values()),
        ]  # fmt: skip
        self._blocked = True
        (answer,) = await self._line.exchange([command])
        self._blocked = False
        if isinstance(answer, Refusal):
            raise Lost(str(answer))
        self._link.found()
        places = dict(zip(names, channels, strict=True))
        for name, messages in answer or ():
            stream = bytes(name).decode()
            if place := places.get(stream):
                self._hear(*place, messages)
            elif inbox := self._inboxes.get(stream):
                inbox.seen = bytes(messages[-1][0]).decode()
                for _, fields in messages:
                    inbox.deliver(_named(fields))
        if self._clock() - self._ticked_at >= BLOCK_SECONDS:
            await self._tick()
        await asyncio.sleep(min(MAX_PAUSE_SECONDS, len(channels) * PAUSE_PER_CHANNEL_SECONDS))

    def _is_wanted(self, tail: Tail) -> bool:
        return not tail.stale and self._clock() - tail.own_at > BLOCK_SECONDS

    def _hear(self, channel: str, tail: Tail, messages: list[Any]) -> None:
        if self.tails.get(channel) is not tail:
            return
        for message_id, fields in messages:
            last = int(bytes(message_id).partition(b"-")[0])
            if last > tail.end:
                named = _named(fields)
                epoch, run_id = named[b"e"].decode(), named[b"r"].decode()
                tail.advance(unpack(epoch, last, run_id, named[b"f"]))

    def _erased(self, fields: Fields) -> None:
        if tail := self.tails.get(fields[b"c"].decode()):
            tail.distrust()

    async def _tick(self) -> None:
        self._ticked_at = asked_at = self._clock()
        keys = (self._keys.incarnation, self._keys.total)
        (answer,) = await self._line.exchange([TICK.command(keys, [new_epoch()])])
        if isinstance(answer, Refusal):
            if str(answer) == "NOSCRIPT":
                # Over this line, on which the server was recognized: others may wait until it is found.
                await self._line.exchange([("SCRIPT", "LOAD", TICK.source)])
                self._ticked_at = 0.0
            else:
                self._link.refused(answer)
        else:
            self._link.accepted()
            incarnation, self.total = answer
            self.total_at = asked_at
            if self._incarnation not in (None, incarnation):
                self.distrust()
                if self.on_flushed is not None:
                    await self.on_flushed(self._line.exchange)
            self._incarnation = incarnation
        self._sweep()

    def _sweep(self) -> None:
        now = self._clock()
        held = 0
        for channel, tail in list(self.tails.items()):
            if now - tail.used_at > IDLE_TAIL_SECONDS:
                if not tail.readers:
                    del self.tails[channel]
                    continue
                tail.empty()
            held += tail.bytes
        if held > TAILS_BYTES:
            for tail in self.tails.values():
                tail.empty()


def _named(fields: list[bytes]) -> Fields:
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _nothing(fields: Fields) -> None:
    """What wakes us says nothing more."""
