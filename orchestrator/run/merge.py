"""The fair fan-in: many mailboxes, one stream of batches. The only module that imports aiostream.

aiostream takes the first source that is ready, in list order, so a source that is always ready
starves the rest. Therefore it merges *drainers*, which pass a turnstile first come, first served:
never more than one of them is ready, so the order of the list decides nothing. A drainer never
raises, so no agent can end the merge.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple

from aiostream import Stream, stream

from ..agent.mailbox import Mailbox
from ..events.base import Payload

BATCH_EVENTS = 16
"""Most events of one agent in a row; joined tokens are one."""

MAX_SOURCES = 2
"""Drainers of one merge: one whose round is being written, one that comes next. Each takes from all mailboxes,
because aiostream's cost per item grows with its sources."""

BUSY_TURNS = 32
"""Most loop turns before busy mailboxes are emptied: more is gathered into one round."""

BUSY_ITEMS = 16
"""A mailbox is busy when it holds this many as a drainer comes to take."""

LATE_SECONDS = 0.001
"""The loop is loaded when it wakes a drainer later than this, on average."""

LATE_WEIGHT = 0.1
"""Of the newest wake-up in that average: one late one, after a collection of garbage perhaps, changes nothing."""

GATHER_RATIO, GATHER_SECONDS = 16.0, 0.025
"""While the loop is loaded, a woken drainer gathers for so many times its lateness, and at most for so long."""


class Batch(NamedTuple):
    """Events of one agent, in its order."""

    agent_id: str
    events: list[Payload]


Round = list[Batch]
"""One batch of each of a drainer's mailboxes that had something."""

Joining = asyncio.Queue[Mailbox | None]
"""Mailboxes that shall be merged; None says that no more will come."""


async def fan_in(joining: Joining) -> AsyncGenerator[Round, None]:
    """Merge mailboxes, those that join later included, until all are closed and empty.

    Cancelling loses nothing but the round that was on its way.
    """
    drainers = _drainers(joining, asyncio.Lock())
    merged: Stream[Round] = stream.flatten(drainers)  # type: ignore[arg-type]  # its decorator loses T
    async with merged.stream() as rounds:
        async for each in rounds:
            yield each


async def _drainers(joining: Joining, turnstile: asyncio.Lock) -> AsyncIterator[AsyncIterator[Round]]:
    """Watch each mailbox that joins; yield drainers while there are fewer than `MAX_SOURCES`.

    aiostream looks for new sources only while no source is ready, so newcomers pass the turnstile
    too; all that are there go through together, or the first would be rounds ahead of the last.
    """
    ready = _Ready()
    mailbox = await joining.get()
    while mailbox is not None:
        async with turnstile:
            while mailbox is not None:
                ready.add(mailbox)
                if ready.drainers < min(MAX_SOURCES, ready.mailboxes):
                    ready.drainers += 1
                    yield _drain(ready, turnstile)
                if joining.empty():
                    break
                mailbox = joining.get_nowait()
        if mailbox is not None:
            mailbox = await joining.get()


async def _drain(ready: _Ready, turnstile: asyncio.Lock) -> AsyncIterator[Round]:
    """Yield rounds until the mailboxes are closed and empty: one source of the merge.

    While the round of one drainer is written, the next waits at the turnstile, and what it will take gathers.
    """
    try:
        while ready.mailboxes:
            await ready.come()
            # Held until the merge asks for more, that is until this round was taken.
            async with turnstile:
                await ready.gather()
                if each := ready.take():
                    yield each
    finally:
        ready.drainers -= 1


class _Ready:
    """The mailboxes of one merge that have something, in the order in which they got it. Wakes drainers, one at a time.

    What is ready after a quiet time goes at once. While a mailbox keeps filling, the pause before a take doubles
    up to `BUSY_TURNS`, because a larger round is what makes each token cheap. For the same reason all gather for
    some milliseconds while the loop has more to do than it can: it is late already.
    """

    def __init__(self) -> None:
        self.mailboxes = 0
        self.drainers = 0
        self._queue: deque[Mailbox] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._coming = False
        """Whether a drainer was woken that has not taken anything yet."""
        self._pause = 1
        self._clock = asyncio.get_running_loop().time
        self._woken_at = 0.0
        self._late = 0.0

    def add(self, mailbox: Mailbox) -> None:
        self.mailboxes += 1
        mailbox.watch(self._on_ready)

    async def come(self) -> None:
        """Wait until there is something to take, or never will be, and this drainer is the one to take it."""
        if self._queue and not self._coming:
            self._coming = True
            return
        call = asyncio.get_running_loop().create_future()
        self._idle.append(call)
        try:
            await call
            self._late += (self._clock() - self._woken_at - self._late) * LATE_WEIGHT
            if self._late > LATE_SECONDS:
                await asyncio.sleep(min(self._late * GATHER_RATIO, GATHER_SECONDS))
        except asyncio.CancelledError:
            if call in self._idle:
                self._idle.remove(call)
            else:
                self._went()
            raise

    async def gather(self) -> None:
        """Let more come in while mailboxes keep filling."""
        if not any(len(mailbox) >= BUSY_ITEMS for mailbox in self._queue):
            self._pause = 1
            return
        for _ in range(self._pause):
            if all(mailbox.full for mailbox in self._queue):
                break  # their agents wait for us
            await asyncio.sleep(0)
        self._pause = min(self._pause * 2, BUSY_TURNS)

    def take(self) -> Round:
        """Take a batch of each that is ready."""
        each: Round = []
        for _ in range(len(self._queue)):
            mailbox = self._queue.popleft()
            if events := mailbox.take(BATCH_EVENTS):
                each.append(Batch(mailbox.agent_id, events))
            if mailbox.drained:
                self.mailboxes -= 1
        self._went()
        return each

    def _went(self) -> None:
        self._coming = False
        if self._queue:
            self._call_next()
        while self._idle and not self.mailboxes:
            self._idle.popleft().set_result(None)

    def _on_ready(self, mailbox: Mailbox) -> None:
        self._queue.append(mailbox)
        if not self._coming:
            self._call_next()

    def _call_next(self) -> None:
        if self._idle:
            self._coming = True
            self._woken_at = self._clock()
            self._idle.popleft().set_result(None)
