"""Whose request's work goes on next: one's every few rounds of the loop, so that no crowd stands before a stream.

Each request costs the loop some milliseconds at most, but a hundred that came at once would be answered within the
same round, and every stream of everybody would stand still meanwhile. Owns no work and no bound on it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from aiohttp import web
from aiohttp.typedefs import Handler

ROUNDS_BETWEEN = 5
"""Rounds of the loop after a turn, before the next: an event of a stream takes as many from its agent to its clients,
so none stands behind more than two turns of others."""


class RequestScheduler:
    """Lets whoever waits go on in the order in which they came, one every few rounds of the event loop."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._holder: asyncio.Task[object] | None = None
        """Whose turn this round is."""

    async def take(self) -> None:
        """Return at once if nobody has gone on in the last rounds, else in a later one. Cancelling is safe."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken, self._holder = True, asyncio.current_task()
            loop.call_soon(self._pass_on, loop, ROUNDS_BETWEEN)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn
        self._holder = asyncio.current_task()

    async def keep(self) -> None:
        """Go on in this round if it is the calling task's turn, else take one: a small request needs no second."""
        if self._holder is None or self._holder is not asyncio.current_task():
            await self.take()

    def _pass_on(self, loop: asyncio.AbstractEventLoop, rounds: int) -> None:
        self._holder = None
        if rounds > 1:
            loop.call_soon(self._pass_on, loop, rounds - 1)
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                # Called after whoever has this turn, and thus in the round in which he goes on.
                loop.call_soon(self._pass_on, loop, ROUNDS_BETWEEN)
                return
        self._taken = False


ROUND_SECONDS = 0.004
"""CPU time that a round of the loop should take at most while many catch up."""

MOST_PIECES = 64


class RoundShare:
    """Lets many who each have much to send go on piece by piece, so many in each round that the round stays short.

    Readers who catch up with a long log are never stopped by the log, and hardly by their sockets: what all of them
    could send at once would hold up everybody's next events. Pieces differ: the end of one answer may take as long as
    a hundred pages of another, so whoever is to go on looks at the clock once more.
    """

    def __init__(self) -> None:
        self._pieces = self._left = 8
        self._counting = self._went = False
        self._since = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._put_off: list[asyncio.Future[None]] = []
        """Those whose turn came in a round that was too long by then; the next is theirs."""

    async def take(self) -> None:
        """Return once a piece may be sent: at once, or in a later round. Cancelling is safe."""
        loop = asyncio.get_running_loop()
        if not self._counting:
            self._counting, self._left, self._since = True, self._pieces, time.thread_time()
            loop.call_soon(self._begin_round, loop)
        if self._left and not self._waiting and not self._put_off and not self._is_long():
            self._left, self._went = self._left - 1, True
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn
        while self._is_long():
            turn = loop.create_future()
            self._put_off.append(turn)
            await turn
        self._went = True

    def _is_long(self) -> bool:
        """Whether this round has taken its time; one may go on in each, however busy the loop is."""
        return self._went and time.thread_time() - self._since > ROUND_SECONDS

    def _begin_round(self, loop: asyncio.AbstractEventLoop) -> None:
        now, taken = time.thread_time(), self._pieces - self._left
        if now - self._since > ROUND_SECONDS:
            self._pieces = max(1, self._pieces // 2)
        elif not self._left:
            self._pieces = min(MOST_PIECES, self._pieces + 1)
        self._since, self._left, self._went = now, self._pieces, False
        self._waiting.extendleft(reversed(self._put_off))
        self._put_off.clear()
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._left -= 1
                turn.set_result(None)
        if taken or self._left < self._pieces:
            # Called after those that go on now, and thus at the end of their round.
            loop.call_soon(self._begin_round, loop)
        else:
            self._counting = False


def setup_turns(app: web.Application, turns: RequestScheduler) -> None:
    """Let each request begin in a turn of its own; call it after `setup_problems`."""

    @web.middleware
    async def take_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
        # Whoever asks whether the process lives is answered before the crowd.
        if request.path != "/healthz":
            await turns.take()
        return await handler(request)

    app.middlewares.append(take_turn)
