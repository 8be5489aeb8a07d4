"""Conditions on a run's state, and who waits for each. Owns no state: it is looked at when `check` is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class StateWaiters:
    """Conditions on the state of one run, and who waits for each."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def wait(self, true: Callable[[], bool]) -> None:
        """Wait until *true* returns True. Cancelling is safe."""
        if true():
            return
        waiting = (true, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting[1]
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def check(self) -> None:
        """Look at each condition again, and wake whose has come true."""
        for true, waiter in list(self._waiting):
            if not waiter.done() and true():
                waiter.set_result(None)
