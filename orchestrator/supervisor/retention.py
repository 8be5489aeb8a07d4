"""How runs are forgotten: because somebody deletes one, or because it has expired. Owns no run."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..agent.attempt import Stop
from ..errors import Gone
from ..eventlog.base import Store
from ..eventlog.run_store import RunRecord
from ..run.blind import BlindRecords, neutral_id
from ..run.spec import spec_of
from ..run.stored import StoredRuns
from ..run.writer import SYSTEM_CHANNEL
from ..settings.limits import RunLimits
from ..telemetry.observer import Observer
from .clock_jumps import ClockJumps
from .executor import Executor

RETENTION_SECONDS = 0.5
EXPIRED_AT_ONCE = 100
"""Ended runs that one round forgets at most."""

EXPIRED = "has expired"


class Retention:
    """Forgets runs and their events."""

    def __init__(
        self, store: Store, executor: Executor, stored: StoredRuns, observer: Observer, *, limits: RunLimits
    ) -> None:
        self._store = store
        self._executor = executor
        self._stored = stored
        self._observer = observer
        self._limits = limits
        self._blind_records = BlindRecords(store)
        self._clock_jumps = ClockJumps(limits.retention_s)

    async def forget(self, run_id: str, why: str = "was deleted") -> None:
        """Cancel a run if need be, then forget it and its events; it is `Gone` from now on.

        Raises:
            Gone: It was forgotten before. LogUnavailable.
        """
        run = self._executor.find(run_id)
        if run is not None:
            run.cancel(Stop(why))
        found = await self._store.find_run(run_id)
        if found is not None:
            await self._forget(found, why)

    async def expire(self) -> None:
        """Forget what is too old, too much or too large, the oldest ended runs first. Raises LogUnavailable."""
        now_ms = int(time.time() * 1000)
        old = int(now_ms - (self._limits.retention_s + self._clock_jumps.now()) * 1000)
        await self._expire(await self._store.ended_runs(before=old, limit=EXPIRED_AT_ONCE))
        too_many = await self._store.count_ended() - self._limits.max_kept_runs
        if too_many > 0:
            most = min(too_many, EXPIRED_AT_ONCE)
            await self._expire(await self._store.ended_runs(before=now_ms + 1, limit=most))
        while self._store.size > self._limits.max_log_bytes:
            ended = await self._store.ended_runs(before=now_ms + 1, limit=1)
            if not ended:
                await self._store.shrink(self._limits.max_log_bytes)
                break
            await self._expire(ended)
        self._observer.log_bytes(self._store.size)

    async def _expire(self, records: Sequence[RunRecord]) -> None:
        for record in records:
            try:
                await self._forget(record, EXPIRED)
            except Gone:
                continue  # another worker was faster

    async def _forget(self, record: RunRecord, why: str) -> None:
        if spec_of(record).blind:
            names = [neutral_id(place) for place in range(len(record.agents))]
            await self._blind_records.forget(record.run_id, names)
        await self._store.forget_run(record.run_id, why)
        await self._store.erase(SYSTEM_CHANNEL, record.run_id)
        self._executor.release(record.run_id)
        self._stored.drop(record.run_id)
