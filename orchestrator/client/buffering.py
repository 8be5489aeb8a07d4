"""Notices that a run's events are held back on the way, by a proxy that buffers event streams say.

An agent that thinks is as silent, so only a snapshot that is ahead of the stream tells. Knows no run's state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from ..events.base import OPEN_STATUSES
from .event import reaches
from .run_view import ConnectionDetail

HELD_SECONDS = 5.0
"""Without an event for so long, a snapshot is looked at."""
POLL_SECONDS = 2.0
"""Between two snapshots while events are held back."""
MAX_WAIT_SECONDS = 30.0
"""Each look that finds nothing doubles the wait for the next one, up to this."""
GRACE = 0.2
"""A stream that flows brings what a snapshot knows within this part of the wait."""

HELD = ConnectionDetail(
    "held",
    "Something between here and the server holds the event stream back (a proxy that buffers?). Until it flows, "
    "the answers are fetched every few seconds.",
)


class Watched(Protocol):
    """What is watched: a run that is followed."""

    @property
    def last_event_id(self) -> str | None:
        """The id seen last."""

    async def look(self) -> Mapping[str, Any] | None:
        """Take a snapshot; None if there is none now."""

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """Take what a snapshot says while events are held back."""

    def report(self, detail: ConnectionDetail | None) -> None:
        """Hear that events are held back, or that they flow again."""


class BufferingWatch:
    """Looks for events that are held back, beside the reading of them."""

    def __init__(self, watched: Watched) -> None:
        self.held = False
        self._watched = watched
        self._wait = HELD_SECONDS
        self._heard_at = 0.0
        self._shown: str | None = None
        """The id of the snapshot that was shown last."""

    async def watch(self) -> None:
        """Look whenever nothing was heard for long enough; until it is cancelled."""
        self._heard_at = asyncio.get_running_loop().time()
        pause = self._wait
        while True:
            await asyncio.sleep(pause)
            left = self._heard_at + self._wait - asyncio.get_running_loop().time()
            if left > 0 and not self.held:
                pause = left
                continue
            snapshot = await self._watched.look()
            if snapshot is not None and (self.held or await self._is_behind(snapshot)):
                self._take(snapshot)
            else:
                self._wait = min(self._wait * 2, MAX_WAIT_SECONDS)
            pause = POLL_SECONDS if self.held else self._wait

    def heard(self) -> None:
        """Take note that events of the run have come."""
        self._heard_at = asyncio.get_running_loop().time()
        # What is held back comes in blocks, so after one it is looked for sooner.
        self._wait = HELD_SECONDS if self._shown is None else POLL_SECONDS
        if self.held:
            self.held = False
            self._watched.report(None)

    async def _is_behind(self, snapshot: Mapping[str, Any]) -> bool:
        heard_at, newest = self._heard_at, snapshot.get("last_event_id")
        if newest is None or reaches(self._watched.last_event_id, newest):
            return False
        await asyncio.sleep(HELD_SECONDS * GRACE)
        return heard_at == self._heard_at and not reaches(self._watched.last_event_id, newest)

    def _take(self, snapshot: Mapping[str, Any]) -> None:
        newest = snapshot.get("last_event_id")
        # What flowed while it was fetched is newer; the same again is no news.
        if newest is None or reaches(self._watched.last_event_id, newest):
            return
        self.held = True
        self._watched.report(HELD)
        if newest == self._shown and snapshot.get("status") in OPEN_STATUSES:
            return
        self._shown = newest
        self._watched.show(snapshot)
