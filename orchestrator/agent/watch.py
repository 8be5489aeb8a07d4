"""The wait for an attempt's end, whichever comes first: its own, somebody's stop, or a time limit."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import Any

from .deadlines import Deadlines

LEAST_WAIT_SECONDS = 0.001
"""How exactly a time limit is kept."""


class Watch:
    """Sees to it that `over` is done as soon as one of two others is, or a time limit is reached.

    One object, one future and one timer: thousands of attempts wait at a time, and `asyncio.wait` in a coroutine of
    its own holds two kilobytes for each.

    Attributes:
        code: Of the limit that comes next, or was reached.
    """

    __slots__ = ("_deadlines", "_loop", "_stopped", "_task", "_timer", "code", "over")

    def __init__(self, deadlines: Deadlines, task: asyncio.Future[Any], stopped: asyncio.Future[Any]) -> None:
        self._loop = loop = asyncio.get_running_loop()
        self._deadlines = deadlines
        self._task, self._stopped = task, stopped
        self._timer: asyncio.TimerHandle | None = None
        self.over: asyncio.Future[None] = loop.create_future()
        wake, context = self._woken, copy_context()  # else asyncio would make one of each for both
        task.add_done_callback(wake, context=context)
        stopped.add_done_callback(wake, context=context)
        self._confirm()

    def _look(self) -> None:
        """Look at the clock, now and whenever a limit may be reached: what the agent says meanwhile moves them."""
        if self._is_reached():
            # What came while something held the loop up is taken in this turn of it, and moves the limit.
            self._loop.call_soon(self._confirm)

    def _confirm(self) -> None:
        if not self.over.done() and self._is_reached():
            self._woken()

    def _is_reached(self) -> bool:
        """Return whether a limit is; if none is, look again when one may be."""
        left, self.code = self._deadlines.remaining()
        if left > 0:
            # A clock's rounding may leave less than it can count: waiting for that would spin.
            self._timer = self._loop.call_later(max(left, LEAST_WAIT_SECONDS), self._look)
        return left <= 0

    def _woken(self, _: object = None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.over.done():
            self.over.set_result(None)

    def end(self) -> None:
        """Watch no more."""
        self._woken()
        self._task.remove_done_callback(self._woken)
        self._stopped.remove_done_callback(self._woken)
