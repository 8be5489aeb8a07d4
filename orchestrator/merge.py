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

from .events import Payload
from .mailbox import Mailbox

BATCH_EVENTS = 16
"""Most events of one agent in a row; joined tokens are one."""

MAX_SOURCES = 2
"""Drainers of one merge. aiostream's cost per item grows with its sources, so beyond these they are shared."""

BUSY_TURNS = 32
"""Most loop turns before a busy drainer goes on: more is gathered into one round."""

BUSY_ITEMS = 16
"""A drainer is busy when one of its mailboxes holds this many at its return."""

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
    """Give each mailbox that joins to a drainer; yield the new ones.

    aiostream looks for new sources only while no source is ready, so newcomers pass the turnstile
    too; all that are there go through together, or the first would be rounds ahead of the last.
    """
    drainers: list[_Drainer] = []
    mailbox = await joining.get()
    while mailbox is not None:
        async with turnstile:
            while mailbox is not None:
                drainers = [drainer for drainer in drainers if drainer.mailboxes]
                if len(drainers) < MAX_SOURCES:
                    drainers.append(_Drainer(turnstile))
                    drainers[-1].add(mailbox)
                    yield drainers[-1].rounds()
                else:
                    min(drainers, key=lambda drainer: drainer.mailboxes).add(mailbox)
                if joining.empty():
                    break
                mailbox = joining.get_nowait()
        if mailbox is not None:
            mailbox = await joining.get()


class _Drainer:
    """One source of the merge: takes from its mailboxes in the order in which they became ready."""

    def __init__(self, turnstile: asyncio.Lock) -> None:
        self.mailboxes = 0
        self._turnstile = turnstile
        self._ready: deque[Mailbox] = deque()
        self._wake: asyncio.Future[None] | None = None
        self._clock = asyncio.get_running_loop().time
        self._woken_at = 0.0
        self._late = 0.0

    def add(self, mailbox: Mailbox) -> None:
        self.mailboxes += 1
        mailbox.watch(self._on_ready)

    async def rounds(self) -> AsyncIterator[Round]:
        """Yield rounds, each in its turn, until the mailboxes are closed and empty.

        What is ready after a quiet time goes at once. While a mailbox keeps filling, the pause before the
        next turn doubles up to `BUSY_TURNS`, because a larger round is what makes each token cheap. For the same
        reason all gather for some milliseconds while the loop has more to do than it can: it is late already.
        """
        pause = 1
        while self.mailboxes:
            if not self._ready:
                await self._wait()
                if self._late > LATE_SECONDS:
                    await asyncio.sleep(min(self._late * GATHER_RATIO, GATHER_SECONDS))
            # Held until the merge asks for more, that is until this round was taken.
            async with self._turnstile:
                if each := self._take():
                    yield each
            if not any(len(mailbox) >= BUSY_ITEMS for mailbox in self._ready):
                pause = 1
                continue
            for _ in range(pause):
                if all(mailbox.full for mailbox in self._ready):
                    break  # their agents wait for us
                await asyncio.sleep(0)
            pause = min(pause * 2, BUSY_TURNS)

    def _take(self) -> Round:
        each: Round = []
        for _ in range(len(self._ready)):
            mailbox = self._ready.popleft()
            if events := mailbox.take(BATCH_EVENTS):
                each.append(Batch(mailbox.agent_id, events))
            if mailbox.drained:
                self.mailboxes -= 1
        return each

    async def _wait(self) -> None:
        self._wake = asyncio.get_running_loop().create_future()
        try:
            await self._wake
        finally:
            self._wake = None
        self._late += (self._clock() - self._woken_at - self._late) * LATE_WEIGHT

    def _on_ready(self, mailbox: Mailbox) -> None:
        self._ready.append(mailbox)
        if self._wake is not None and not self._wake.done():
            self._woken_at = self._clock()
            self._wake.set_result(None)
