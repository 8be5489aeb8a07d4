"""What is to be done every half second: show that this worker lives, end what was abandoned, take over
what was lost, forget what has expired. Owns no run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from .attempt import Stop
from .attendance import Attendance
from .errors import LogUnavailable
from .eventlog.base import Store
from .limits import RunLimits
from .observer import Observer
from .ownership import Ownership

log = structlog.get_logger(__name__)

JANITOR_SECONDS = 0.5
LEASE_SECONDS = 5.0
"""A worker that was not heard of for so long has lost its runs."""

EXPIRED_AT_ONCE = 100
"""Ended runs that one round of cleaning forgets at most."""


class Janitor:
    """Cleans until it is cancelled.

    Args:
        worker: The name under which this process owns runs.
        forget: Forgets a run and its events; the second argument says why.
    """

    def __init__(
        self,
        store: Store,
        owned: Ownership,
        attendance: Attendance,
        observer: Observer,
        *,
        worker: str,
        limits: RunLimits,
        forget: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._log = store
        self._owned = owned
        self._attendance = attendance
        self._observer = observer
        self._worker = worker
        self._limits = limits
        self._forget = forget

    async def clean(self) -> None:
        """Do a round every `JANITOR_SECONDS`; what fails is tried again in the next."""
        while True:
            try:
                await self._log.beat(self._worker, LEASE_SECONDS)
                await self._cancel_abandoned()
                await self._take_over_lost()
                await self._expire()
            except LogUnavailable as exc:
                log.warning("store_away", reason=str(exc))
            except Exception:
                log.exception("janitor_failed")
            await asyncio.sleep(JANITOR_SECONDS)

    async def _cancel_abandoned(self) -> None:
        specs = [run.spec for _, run in self._owned.items()]
        for run_id in await self._attendance.abandoned(specs):
            run = self._owned.find(run_id)
            if run is not None:
                run.cancel(Stop("abandoned"))

    async def _take_over_lost(self) -> None:
        """End, or go on with, what workers left behind that are no more. One of those that notice is the first."""
        running = [r for r in await self._log.running_runs() if r.owner != self._worker]
        if not running or self._owned.draining:
            return
        living = await self._log.living()
        for lost in running:
            if lost.owner not in living:
                record = await self._log.claim_run(lost.run_id, owner=self._worker, token=lost.token)
                if record is not None:
                    log.warning("run_taken_over", run_id=record.run_id, owner=lost.owner)
                    self._observer.run_taken_over()
                    await self._owned.go_on(record)

    async def _expire(self) -> None:
        now_ms = int(time.time() * 1000)
        old = int(now_ms - self._limits.retention_s * 1000)
        for record in await self._log.ended_runs(before=old, limit=EXPIRED_AT_ONCE):
            await self._forget(record.run_id, "has expired")
        while self._log.size > self._limits.max_log_bytes:
            ended = await self._log.ended_runs(before=now_ms + 1, limit=1)
            if not ended:
                await self._log.shrink(self._limits.max_log_bytes)
                return
            await self._forget(ended[0].run_id, "has expired")
