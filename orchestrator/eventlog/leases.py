"""The workers that live, as one process sees it, by a clock that never jumps. Owns no storage.

A store keeps until when, by the time of day, each worker says that it lives. When somebody sets the clock,
that number alone would kill everybody, or keep the dead alive for hours. So it counts at first sight only;
afterwards what counts is that it changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

LEASE_SECONDS = 5.0
"""The longest lease that is believed before this process has taken one itself."""

KEPT_SECONDS = 60.0
"""How long a store keeps a beat that is over, so that other processes see a farewell."""


class Leases:
    """The workers' beats, as they were seen. A time of 0 or less is a farewell.

    Args:
        clock: Seconds that never jump.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[float, float]] = {}
        self._own_s = 0.0
        self._beaten_at: float | None = None
        self._well_at = clock()
        self._doubt_until = float("-inf")

    def beaten(self, seconds: float) -> None:
        """Note that this process has beaten; if it could not for long, others could not either."""
        now = self._clock()
        self._own_s = max(self._own_s, seconds)
        if self._beaten_at is not None and now - self._beaten_at > self._own_s / 2:
            self.doubt()
        self._beaten_at = self._well_at = now

    def doubt(self) -> None:
        """Let whoever lived before an outage beat first, before it is taken for dead."""
        until = self._doubt_until = self._clock() + self._longest
        for worker, (stored, deadline) in self._seen.items():
            if deadline > self._well_at:
                self._seen[worker] = stored, max(deadline, until)

    def living(self, leases: Mapping[str, float], now_there: float) -> set[str]:
        """Return who lives.

        Args:
            leases: Until when each worker says that it lives, by the store's time of day.
            now_there: That time of day now.
        """
        now = self._well_at = self._clock()
        for worker, until in leases.items():
            known = self._seen.get(worker)
            if known is None or known[0] != until:
                self._seen[worker] = until, now + self._left(until, until - now_there, known is None)
        self._seen = {
            worker: seen for worker, seen in self._seen.items() if worker in leases or seen[1] > now
        }
        return {worker for worker, (_, deadline) in self._seen.items() if deadline > now}

    def _left(self, until: float, left: float, first: bool) -> float:
        """Return the seconds that a lease has left that we have not seen before."""
        if until <= 0:
            return 0.0
        if left <= 0:
            # It has beaten since we looked, so it is the clock that is wrong; or nobody could beat lately.
            return self._longest if not first else self._doubt_until - self._clock()
        return min(left, self._longest)

    @property
    def _longest(self) -> float:
        return self._own_s or LEASE_SECONDS
