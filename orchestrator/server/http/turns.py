"""Whose request's work goes on next: one's every few rounds of the loop, so that no crowd stands before a stream.

Each request costs the loop some milliseconds at most, but a hundred that came at once would be answered within the
same round, and every stream of everybody would stand still meanwhile. Owns no work and no bound on it.
"""

from __future__ import annotations

import asyncio
from collections import deque

from aiohttp import web
from aiohttp.typedefs import Handler

ROUNDS_BETWEEN = 5
"""Rounds of the loop after a turn, before the next: an event of a stream takes as many from its agent to its clients,
so none stands behind more than two turns of others."""


class Turns:
    """Lets whoever waits go on in the order in which they came, one every few rounds of the event loop."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Return at once if nobody has gone on in the last rounds, else in a later one. Cancelling is safe."""
        loop = asyncio.get_running_loop()
        if not self._taken:
            self._taken = True
            loop.call_soon(self._pass_on, loop, ROUNDS_BETWEEN)
            return
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        await turn

    def _pass_on(self, loop: asyncio.AbstractEventLoop, rounds: int) -> None:
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


def setup_turns(app: web.Application, turns: Turns) -> None:
    """Let each request begin in a turn of its own; call it after `setup_problems`."""

    @web.middleware
    async def take_turn(request: web.Request, handler: Handler) -> web.StreamResponse:
        # Whoever asks whether the process lives is answered before the crowd.
        if request.path != "/healthz":
            await turns.take()
        return await handler(request)

    app.middlewares.append(take_turn)
