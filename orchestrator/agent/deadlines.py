"""The time limits of one attempt, checked lazily: a token costs one clock reading, not a timer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ErrorCode


class Deadlines:
    """Measures first-event, idle and total time; time spent waiting for others does not count.

    Args:
        first_s: Until the first event. idle_s: Between events. total_s: The whole attempt.
    """

    __slots__ = (
        "_first_s",
        "_idle_s",
        "_paused_at",
        "_pauses",
        "_total_from",
        "_total_s",
        "clock",
        "heard",
        "hearing",
        "last",
        "started",
    )

    def __init__(self, *, first_s: float, idle_s: float, total_s: float) -> None:
        self.clock = _clock()
        self._first_s = first_s
        self._idle_s = idle_s
        self._total_s = total_s
        self._pauses = 0
        self._paused_at = 0.0
        self.started = self.clock()
        self._total_from = self.started
        self.last = self.started
        """When the agent last said something, by the loop's clock. Whoever receives it sets this."""
        self.heard = False
        """Whether it said anything yet."""
        self.hearing: Callable[[], None] | None = None
        """Is called before a limit is looked at: who receives in a row notes only then that something came."""

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop all clocks: the agent waits for us, for a reader or for a person. May be nested."""
        if not self._pauses:
            self._paused_at = self.clock()
        self._pauses += 1
        try:
            yield
        finally:
            self._pauses -= 1
            if not self._pauses:
                now = self.clock()
                waited = now - self._paused_at
                # What was said meanwhile was said by now.
                self.last = min(self.last + waited, now)
                self._total_from += waited

    def remaining(self) -> tuple[float, ErrorCode]:
        """Return the seconds until a limit may be reached (not above 0: it is) and that limit's code.

        Look again after at most that time: what the agent says meanwhile moves its limits.
        """
        if self.hearing is not None:
            self.hearing()
        now = self.clock()
        if self._pauses:
            return min(1.0, self._idle_s), "timeout_idle"
        total = self._total_from + self._total_s - now
        quiet = self.last + (self._idle_s if self.heard else self._first_s) - now
        left: tuple[float, ErrorCode] = (total, "timeout_total")
        if quiet < total:
            left = (quiet, "timeout_idle" if self.heard else "timeout_first_token")
        if self.heard or left[0] <= 0:
            return left
        # The first event starts the idle limit, which may be the shorter one.
        return min(left[0], self._idle_s), left[1]


def _clock() -> Callable[[], float]:
    """Return the loop's clock; asyncio's own without the call around it, as every token reads it."""
    loop = asyncio.get_running_loop()
    return time.monotonic if type(loop).time is asyncio.BaseEventLoop.time else loop.time
