"""What is to be done every half second: show that this worker lives, end what was abandoned, take over
what was lost, forget what has expired. Owns no run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection

import structlog

from ..agent.attempt import Stop
from ..errors import LogUnavailable
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.run_store import RunRecord
from ..settings.limits import RunLimits
from ..telemetry.logs import exception_words, failure
from ..telemetry.observer import Observer
from .clock_jumps import ClockJumps
from .executor import Executor
from .presence import Presence

log = structlog.get_logger(__name__)

JANITOR_SECONDS = 0.5
LEASE_SECONDS = 5.0
"""A worker that was not heard of for so long has lost its runs."""

ADRIFT_SECONDS = 5.0
"""A run of ours that nobody executes for so long is gone on with."""

EXPIRED_AT_ONCE = 100
"""Ended runs that one round of cleaning forgets at most."""


class Failover:
    """Cleans until it is cancelled.

    Args:
        worker: The name under which this process owns runs.
        starting: The runs of ours that are being started just now.
        cluster: Where work is offered to all workers; None where this one executes what it starts.
        forget: Forgets a run and its events; the second argument says why.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        presence: Presence,
        observer: Observer,
        *,
        worker: str,
        limits: RunLimits,
        starting: Collection[str],
        cluster: Cluster | None,
        forget: Callable[[str, str], Awaitable[None]],
    ) -> None:
        self._log = store
        self._executor = executor
        self._presence = presence
        self._observer = observer
        self._worker = worker
        self._limits = limits
        self._starting = starting
        self._cluster = cluster
        self._adrift_since: dict[str, float] = {}
        self._forget = forget
        self._clock_jumps = ClockJumps(limits.retention_s)

    async def clean(self) -> None:
        """Do a round every `JANITOR_SECONDS`; what fails is tried again in the next."""
        while True:
            try:
                await self._log.beat(self._worker, LEASE_SECONDS)
                await self._cancel_abandoned()
                await self._recover_lost()
                await self._expire()
                self._observer.log_bytes(self._log.size)
            except LogUnavailable as exc:
                log.warning("store_away", reason=exception_words(exc))
            except Exception as exc:  # noqa: BLE001 - the next round is to come all the same
                log.error("janitor_failed", **failure(exc))
            await asyncio.sleep(JANITOR_SECONDS)

    async def _cancel_abandoned(self) -> None:
        # Whoever is to approve something has read the question, and may think about it without a connection.
        specs = [run.spec for _, run in self._executor.items() if not run.awaits_approval]
        for run_id in await self._presence.abandoned(specs):
            run = self._executor.find(run_id)
            if run is not None:
                run.cancel(Stop("abandoned"))

    async def _recover_lost(self) -> None:
        """End, or go on with, what workers left behind that are no more. One of those that notice is the first."""
        if self._executor.draining:
            return
        running = await self._log.running_runs()
        await self._recover_own([r for r in running if r.owner == self._worker])
        running = [r for r in running if r.owner != self._worker]
        if not running:
            return
        living = await self._log.living()
        for lost in running:
            if lost.owner not in living:
                record = await self._log.claim_run(lost.run_id, owner=self._worker, token=lost.token)
                if record is not None:
                    log.warning("run_taken_over", run_id=record.run_id, owner=lost.owner)
                    self._observer.run_taken_over()
                    await self._resume(record)

    async def _recover_own(self, own: list[RunRecord]) -> None:
        """Go on with what is ours and nobody executes.

        A client may leave in the middle of its POST, and an answer of the store may be lost after the run was
        made, offered or claimed.
        """
        now = time.monotonic()
        adrift = [r for r in own if r.run_id not in self._executor and r.run_id not in self._starting]
        since = self._adrift_since
        self._adrift_since = {record.run_id: since.get(record.run_id, now) for record in adrift}
        for record in adrift:
            if now - self._adrift_since[record.run_id] < ADRIFT_SECONDS:
                continue
            self._adrift_since[record.run_id] = now
            if self._cluster is not None and record.token == 1:
                await self._cluster.offer_work(record.run_id)  # once more: that changes nothing
                continue
            # With a new token, so that whoever might execute it after all cannot append any more.
            claimed = await self._log.claim_run(record.run_id, owner=self._worker, token=record.token)
            if claimed is not None:
                log.warning("run_taken_up", run_id=record.run_id)
                await self._resume(claimed)

    async def _resume(self, record: RunRecord) -> None:
        try:
            await self._executor.resume(record)
        except Exception as exc:  # noqa: BLE001
            # The others that were lost are still to be taken over.
            log.error("takeover_failed", run_id=record.run_id, **failure(exc))

    async def _expire(self) -> None:
        now_ms = int(time.time() * 1000)
        old = int(now_ms - (self._limits.retention_s + self._clock_jumps.now()) * 1000)
        for record in await self._log.ended_runs(before=old, limit=EXPIRED_AT_ONCE):
            await self._forget(record.run_id, "has expired")
        too_many = await self._log.count_ended() - self._limits.max_kept_runs
        if too_many > 0:
            most = min(too_many, EXPIRED_AT_ONCE)
            for record in await self._log.ended_runs(before=now_ms + 1, limit=most):
                await self._forget(record.run_id, "has expired")
        while self._log.size > self._limits.max_log_bytes:
            ended = await self._log.ended_runs(before=now_ms + 1, limit=1)
            if not ended:
                await self._log.shrink(self._limits.max_log_bytes)
                return
            await self._forget(ended[0].run_id, "has expired")
