"""Goes on with runs whose worker is no more, and with own runs that nobody executes. Owns no run."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection, Sequence

import structlog

from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.queued_status import QUEUED_SECONDS, UNCLAIMED
from ..eventlog.run_store import OwnedRun, RunRecord
from ..telemetry.logs import failure
from ..telemetry.observer import Observer
from .admission import Admission
from .executor import Executor
from .heartbeat import Heartbeat

log = structlog.get_logger(__name__)

FAILOVER_SECONDS = 0.5
ADRIFT_SECONDS = 5.0
"""A run of ours that nobody executes for so long is gone on with."""

AT_ONCE = 96
"""Runs that one worker takes over at the same time. Each waits for the store several times, so that more of them are
ended sooner; all at once would take the loop from this worker's own runs, and from its beat."""

LOOKED_AT = 1000
"""Runs of one worker that a round looks at."""

SHARE_SECONDS = 3.0
"""How long the survivors keep to their shares of what one worker left, before anybody takes the rest."""


class Failover:
    """Looks for lost runs.

    Args:
        heartbeat: Names this worker, and knows whether its own beats arrive.
        cluster: Where work is offered to all workers; None if this one executes what it starts.
    """

    def __init__(
        self,
        store: Store,
        executor: Executor,
        admission: Admission,
        heartbeat: Heartbeat,
        observer: Observer,
        *,
        cluster: Cluster | None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._admission = admission
        self._observer = observer
        self._heartbeat = heartbeat
        self._worker = heartbeat.worker
        self._cluster = cluster
        self._adrift_since: dict[str, float] = {}
        self._queued: set[str] = set()
        """Those adrift whose readers were sent a word of it."""
        self._dead_since: dict[str, float] = {}

    async def look(self) -> None:
        """Take over what was lost, and recover what is adrift. Raises LogUnavailable."""
        if not self._may_take_over:
            return
        owners = await self._store.owners()
        own = owners.pop(self._worker, 0)
        if own > self._executor.running or self._adrift_since:
            await self._recover_own(await self._store.owned_by(self._worker, limit=own))
        if owners:
            await self._recover_lost(owners)

    @property
    def _may_take_over(self) -> bool:
        """Whether others' silence says something: while the store takes no beat of ours, it takes none of theirs."""
        return self._heartbeat.is_fresh and not self._admission.draining

    # ── of others ────────────────────────────────────────────────────────────────────────────

    async def _recover_lost(self, owners: Collection[str]) -> None:
        """End, or go on with, what workers left behind that are no more."""
        living = await self._store.living()
        now, since = time.monotonic(), self._dead_since
        self._dead_since = {owner: since.get(owner, now) for owner in owners if owner not in living}
        for owner, dead_since in self._dead_since.items():
            lost = await self._store.owned_by(owner, limit=LOOKED_AT)
            mine = [run for run in lost if self._is_mine(run.run_id, living)]
            if now - dead_since < SHARE_SECONDS:
                lost = mine  # if all tried, all but one would do so in vain
            else:
                # Whoever should have taken the rest may be unable to; if it is not, it comes from the other end.
                lost = mine + [run for run in reversed(lost) if run not in mine]
            await self._take_over(owner, lost)

    def _is_mine(self, run_id: str, living: Collection[str]) -> bool:
        """Whether this worker is the one among the living to take a lost run over."""
        return all(_rank(self._worker, run_id) >= _rank(other, run_id) for other in living)

    async def _take_over(self, owner: str, lost: Sequence[OwnedRun]) -> None:
        for begin in range(0, len(lost), AT_ONCE):
            # Its worker may have been slow only, and the list is as old as what was taken over before these.
            if not self._may_take_over or owner in await self._store.living():
                return
            some = lost[begin : begin + AT_ONCE]
            await asyncio.gather(*(self._take_over_one(owner, run) for run in some))

    async def _take_over_one(self, owner: str, lost: OwnedRun) -> None:
        record = await self._store.claim_run(lost.run_id, owner=self._worker, token=lost.token)
        if record is not None:
            log.warning("run_taken_over", run_id=record.run_id, owner=owner)
            self._observer.run_taken_over()
            await self._resume(record)

    # ── of our own ───────────────────────────────────────────────────────────────────────────

    async def _recover_own(self, own: Sequence[OwnedRun]) -> None:
        """Go on with what is ours and nobody executes.

        A client may leave in the middle of its POST, and an answer of the store may be lost after the run was
        made, offered or claimed.
        """
        now = time.monotonic()
        adrift = [
            r for r in own if r.run_id not in self._executor and not self._admission.is_starting(r.run_id)
        ]
        since = self._adrift_since
        self._adrift_since = {run.run_id: since.get(run.run_id, now) for run in adrift}
        self._queued &= self._adrift_since.keys()
        for run in adrift:
            adrift_s = now - self._adrift_since[run.run_id]
            if self._cluster is not None and adrift_s >= QUEUED_SECONDS and run.run_id not in self._queued:
                self._queued.add(run.run_id)
                await self._executor.report_queued(run)
            if adrift_s < ADRIFT_SECONDS:
                continue
            self._adrift_since[run.run_id] = now
            if self._cluster is not None and run.token == UNCLAIMED:
                await self._cluster.offer_work(run.run_id)  # once more: that changes nothing
                continue
            # With a new token, so that whoever might execute it after all cannot append any more.
            claimed = await self._store.claim_run(run.run_id, owner=self._worker, token=run.token)
            if claimed is not None:
                log.warning("run_taken_up", run_id=run.run_id)
                await self._resume(claimed)

    async def _resume(self, record: RunRecord) -> None:
        try:
            await self._executor.resume(record)
        except Exception as exc:  # noqa: BLE001
            # The others that were lost are still to be taken over.
            log.error("takeover_failed", run_id=record.run_id, **failure(exc))


def _rank(worker: str, run_id: str) -> bytes:
    """Return how far up a worker stands for a run: the same for all who ask (rendezvous hashing)."""
    return hashlib.blake2b(f"{worker} {run_id}".encode(), digest_size=8).digest()
