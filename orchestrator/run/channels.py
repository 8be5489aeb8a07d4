"""The channels that runs are written to: each run's own, and `system` with the milestones of all.

Owns what is owed to `system`: a store may keep channels apart, and no run waits because that one is unavailable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Sequence

from ..errors import LogUnavailable
from ..eventlog.base import Draft, Entry, EventLog
from ..eventlog.run_store import Fence

SYSTEM_CHANNEL = "system"
"""Carries `run.started` and `run.done` of every run, for dashboards."""

MILESTONES_SECONDS = 1.0
MOST_OWED = 10_000
"""Beyond these the oldest are not written any more."""


class RunChannels:
    """Where the runs of this worker are written.

    Args:
        event_log: Has all channels.
    """

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._owed: deque[Sequence[Draft]] = deque(maxlen=MOST_OWED)

    @property
    def size(self) -> int:
        """Bytes that the log holds."""
        return self._log.size

    def append(self, channel: str, drafts: Sequence[Draft], fence: Fence | None) -> Awaitable[list[Entry]]:
        """Append to a run's own channel. Raises as `EventLog.append`."""
        return self._log.append(channel, drafts, fence=fence)

    async def append_milestones(self, drafts: Sequence[Draft]) -> None:
        """Append to `system`, or have `catch_up` do it if the store does not take it now."""
        if self._owed:
            self._owed.append(drafts)  # behind what came before
            return
        try:
            await self._log.append(SYSTEM_CHANNEL, drafts)
        except LogUnavailable:
            self._owed.append(drafts)

    async def catch_up(self) -> None:
        """Append what is owed to `system`, in its order. Raises LogUnavailable."""
        while self._owed:
            # Each by itself, as it was at first: a store knows by that what it has added already.
            oldest = self._owed[0]
            await self._log.append(SYSTEM_CHANNEL, oldest)
            if self._owed and self._owed[0] is oldest:
                self._owed.popleft()
