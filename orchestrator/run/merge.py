"""The fair fan-in: many mailboxes, one stream of batches. The only module that imports aiostream.

aiostream's own merges make a task for each item and take the first source that is ready, in list order, so a
source that is always ready starves the rest. Therefore the merge is an operator of aiostream's kind that makes no
task: mailboxes announce themselves, and a round takes from all that have something, in the order in which they
got it. A mailbox never raises, so no agent can end the merge.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import islice
from time import thread_time
from typing import NamedTuple

from aiostream import operator
from aiostream.core import Streamer

from ..agent.mailbox import Mailbox
from ..events.base import Payload

BATCH_EVENTS = 16
"""Most events of one agent in a row; joined tokens are one."""

BUSY_TURNS = 192
"""Most loop turns before mailboxes that keep filling are emptied: more is gathered into one round."""

LOOK_TURNS = 8
"""After so many of them it is asked whether they have brought anything; of fewer, after each."""

BUSY_SECONDS = 0.005
"""Most time of the processor that those turns may take."""

CLOSE_SECONDS = 0.001
"""What comes so soon after a take may be the first of more."""

LOOKED_AT = 8
"""Of so many mailboxes it is asked whether they keep filling."""

LATE_SECONDS = 0.001
"""The loop is loaded when it wakes the merge later than this, on average."""

LATE_WEIGHT = 0.1
"""Of the newest wake-up in that average: one late one, after a collection of garbage perhaps, changes nothing."""

GATHER_RATIO, GATHER_SECONDS = 16.0, 0.025
"""While the loop is loaded, the woken merge gathers for so many times its lateness, and at most for so long."""


class Batch(NamedTuple):
    """Events of one agent, in its order."""

    agent_id: str
    events: list[Payload]


Round = list[Batch]
"""One batch of each mailbox that had something."""


class Joining:
    """The mailboxes of one merge, and which of them have something, in the order in which they got it.

    What is ready after a quiet time goes at once. While a loop turn after the other brings something, the turns
    before a take double up to `BUSY_TURNS`, because a larger round is what makes each token cheap. For the same
    reason all gather for some milliseconds while the loop has more to do than it can, for it is late already; but
    nobody's first word waits for that.
    """

    def __init__(self) -> None:
        self._left = 0
        self._closed = False
        self._queue: deque[Mailbox] = deque()
        self._waiter: asyncio.Future[None] | None = None
        # Kept, for to ask for the running loop asks the kernel which process this is.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns = 1
        self._taken_at = 0.0
        self._woken_at = 0.0
        self._late = 0.0

    def put_nowait(self, mailbox: Mailbox | None) -> None:
        """Let *mailbox* be merged, too; None says that no more will come."""
        if mailbox is None:
            self._closed = True
            self._wake()
        else:
            self._left += 1
            mailbox.watch(self._on_ready)

    async def come(self) -> bool:
        """Wait until there is something to take; False if there never will be. Cancelling is safe."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if self._queue:
            # At least one turn of the loop, or its other tasks would wait for as long as there is something.
            await self._gather(loop)
            return True
        while not self._queue:
            if self._closed and not self._left:
                return False
            self._waiter = loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
            self._late += (loop.time() - self._woken_at - self._late) * LATE_WEIGHT
        if self._late > LATE_SECONDS and all(mailbox.has_spoken for mailbox in self._queue):
            await asyncio.sleep(min(self._late * GATHER_RATIO, GATHER_SECONDS))
        elif loop.time() - self._taken_at < CLOSE_SECONDS:
            await self._gather(loop)
        return True

    def take(self) -> Round:
        """Take a batch of each that is ready."""
        each: Round = []
        for _ in range(len(self._queue)):
            mailbox = self._queue.popleft()
            if events := mailbox.take(BATCH_EVENTS):
                each.append(Batch(mailbox.agent_id, events))
            if mailbox.drained:
                self._left -= 1
        self._taken_at = (self._loop or asyncio.get_running_loop()).time()
        return each

    async def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give way to the agents, for longer and longer while that brings more and more."""
        has_grown: bool | None
        if self._turns == 1:
            held = self._held()
            await asyncio.sleep(0)
            has_grown = self._held() != held
        else:
            gathered: asyncio.Future[bool | None] = loop.create_future()
            loop.call_soon(_Turns(self._turns, self._held, gathered).count)
            has_grown = await gathered
        if has_grown is not None:
            self._turns = min(self._turns * 2, BUSY_TURNS) if has_grown else max(1, self._turns // 2)

    def _held(self) -> int:
        return sum(map(len, islice(self._queue, LOOKED_AT)))

    def _on_ready(self, mailbox: Mailbox) -> None:
        self._queue.append(mailbox)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            # To ask for the running loop would ask the kernel which process this is.
            self._woken_at = self._waiter.get_loop().time()
            self._waiter.set_result(None)


class _Turns:
    """Counts turns of the loop without a task that wakes in each, for a round may take a hundred.

    Args:
        most: After so many it ends *gathered*, with True if they kept bringing something; None if time was up before.
        held: Counts what has been brought.
    """

    __slots__ = ("_before", "_gathered", "_held", "_left", "_loop", "_until", "_until_cpu")

    def __init__(self, most: int, held: Callable[[], int], gathered: asyncio.Future[bool | None]) -> None:
        self._left = most
        self._held = held
        self._gathered = gathered
        self._loop = gathered.get_loop()
        self._before = held()
        # Beside other programs the processor is somewhere else for most of the time: rounds must not shrink of that.
        self._until = self._loop.time() + GATHER_SECONDS
        self._until_cpu = thread_time() + BUSY_SECONDS

    def count(self) -> None:
        """Note that a turn is over; nothing more if whoever waited was cancelled."""
        if self._gathered.done():
            return
        self._left = left = self._left - 1
        if not left or not left % LOOK_TURNS or left < LOOK_TURNS:
            before, self._before = self._before, self._held()
            if self._before == before:
                self._gathered.set_result(False)
                return
            if self._loop.time() > self._until or thread_time() > self._until_cpu:
                self._gathered.set_result(None)
                return
        if left:
            self._loop.call_soon(self.count)
        else:
            self._gathered.set_result(True)


def fan_in(joining: Joining) -> Streamer[Round]:
    """Return the merge of mailboxes, those that join later included, until all are closed and empty.

    It is to be entered by `async with`, then iterated. Cancelling loses nothing but the round that was on its way.
    """
    return _rounds(joining).stream()


@operator
async def _rounds(joining: Joining) -> AsyncIterator[Round]:
    """Yield rounds until no mailbox is left: the merge, as aiostream has it."""
    while await joining.come():
        if each := joining.take():
            yield each
