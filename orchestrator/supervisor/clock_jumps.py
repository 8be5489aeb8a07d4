"""Measures how much older things look than they are, because somebody set the clock ahead. Owns no limit."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP_SECONDS = 30.0
"""What the time of day gains on a steady clock between two looks, to be a jump and no correction."""


class ClockJumps:
    """Seconds to be added to an age limit that is measured in the time of day.

    Args:
        seconds: The limit. What was there before a jump is really as old as that so much later, and the jump
            forgotten.
        wall, steady: The time of day, and a clock that never jumps.

    A clock that is set back needs nothing of that: things look younger then, and stay longer.
    """

    def __init__(
        self,
        seconds: float,
        *,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._wall, self._steady = wall, steady
        self._ahead = wall() - steady()
        self._jumps: list[tuple[float, float]] = []

    def now(self) -> float:
        """Look at both clocks; return the seconds that count now. Call it often: it notices jumps between calls."""
        steady = self._steady()
        ahead = self._wall() - steady
        jumped, self._ahead = ahead - self._ahead, ahead
        self._jumps = [(until, by) for until, by in self._jumps if until > steady]
        if jumped > JUMP_SECONDS:
            self._jumps.append((steady + self._seconds, jumped))
        return sum(by for _, by in self._jumps)
