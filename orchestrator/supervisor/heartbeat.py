"""Shows the other workers that this one lives. Owns nothing else, so that no work can hold a beat up."""

from __future__ import annotations

import time

from ..eventlog.run_store import RunStore
from ..telemetry.observer import Observer

BEAT_SECONDS = 0.5
LEASE_SECONDS = 5.0
"""A worker that has reported nothing for so long has lost its runs."""


class Heartbeat:
    """Renews this worker's lease.

    Args:
        worker: The name under which this process owns runs.
    """

    def __init__(self, store: RunStore, observer: Observer, *, worker: str) -> None:
        self._store = store
        self._observer = observer
        self.worker = worker
        self._beaten_at = time.monotonic()

    async def beat(self) -> None:
        """Say that this worker lives for another `LEASE_SECONDS`. Raises LogUnavailable."""
        await self._store.beat(self.worker, LEASE_SECONDS)
        now = time.monotonic()
        self._observer.beaten(now - self._beaten_at)
        self._beaten_at = now

    @property
    def is_fresh(self) -> bool:
        """Whether this worker could renew its lease lately; if it could not, others could not either."""
        return time.monotonic() - self._beaten_at < LEASE_SECONDS / 2

    async def farewell(self) -> None:
        """End the lease: whoever shares the store need not wait until it is over. Raises LogUnavailable."""
        await self._store.beat(self.worker, 0.0)
