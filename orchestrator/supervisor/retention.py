"""Forgets runs: because somebody deletes one, or because it has expired. Owns no run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from ..agent.attempt import Stop
from ..errors import Conflict, Gone, LogUnavailable, NotFound
from ..eventlog.base import Store
from ..eventlog.run_list import RunQuery
from ..eventlog.run_store import RetentionBounds, RunRecord
from ..run.ballots import Ballots
from ..run.blind import BlindRecords
from ..run.channels import SYSTEM_CHANNEL
from ..run.conversation import Conversations
from ..run.panel_index import PanelIndex
from ..run.spec import known_spec_of
from ..run.stored import StoredRuns
from ..settings.limits import RunLimits
from ..telemetry.observer import Observer
from .clock_jumps import ClockJumps
from .executor import Executor

RETENTION_SECONDS = 0.5
EXPIRED_AT_ONCE = 100
"""Ended runs that one round forgets at most."""

DELETED, EXPIRED = "was deleted", "has expired"
TIDY_SECONDS = 10.0


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
        self._conversations = Conversations(store)
        self._panels_over = PanelIndex(store)
        self._ballots = Ballots(store)
        self._clock_jumps = ClockJumps(limits.retention_s)
        self._is_scrubbed = True

    async def forget(self, run_id: str, why: str = DELETED) -> None:
        """Cancel a run if need be, then forget it and its events; it is `Gone` from now on.

        Of what was deleted its conversation forgets the turns, too, and the panels that sat over its answers are
        forgotten with it, for they hold and quote them; what has expired stays in both.

        Raises:
            Conflict: It was to be deleted, and another run goes on from its turns just now.
            Gone: It was forgotten before. LogUnavailable.
        """
        found = await self._store.find_run(run_id)
        if found is not None and found.conversation_id is not None and why == DELETED:
            await self._require_free(found.conversation_id, but=run_id)
            await self._conversations.drop_run(found.conversation_id, run_id)
        run = self._executor.find(run_id)
        if run is not None:
            run.cancel(Stop(why))
        if found is not None:
            await self._forget(found, why)
        if why == DELETED:
            self._is_scrubbed = False
            await self._ballots.drop(run_id)
            for panel_run_id in await self._panels_over.of(run_id):
                with suppress(Gone):
                    await self.forget(panel_run_id)
            await self._panels_over.forget(run_id)

    async def scrub(self) -> None:
        """Leave nothing of what was deleted in the store's files, if anything was. Raises LogUnavailable."""
        if self._is_scrubbed:
            return
        self._is_scrubbed = True
        try:
            self._is_scrubbed = await self._store.scrub() and self._is_scrubbed
        except LogUnavailable:
            self._is_scrubbed = False
            raise

    async def note_panel(self, run_id: str, panel_run_id: str) -> None:
        """Keep that a panel's run holds *run_id*'s answers, so that it goes with it.

        Raises:
            Gone: *run_id* was deleted meanwhile; the panel's run is forgotten, too.
        """
        await self._panels_over.note(run_id, panel_run_id)
        try:
            await self._store.find_run(run_id)
        except Gone:
            await self._panels_over.forget(run_id)
            await self.forget(panel_run_id)
            raise

    async def forget_conversation(self, conversation_id: str) -> None:
        """Forget a conversation: its turns, and its runs with all their events.

        Raises:
            NotFound: There is nothing of that name. Conflict: A run of it is open. LogUnavailable.
        """
        await self._require_free(conversation_id)
        self._is_scrubbed = False
        found = await self._conversations.forget(conversation_id)
        query: RunQuery | None = RunQuery(EXPIRED_AT_ONCE, conversation_id=conversation_id)
        while query is not None:
            page = await self._store.page_runs(query)
            for row in page.rows:
                found = True
                with suppress(Gone):
                    await self.forget(row.run_id)
            query = None if page.next is None else replace(query, before=page.next)
        if not found:
            raise NotFound(f"There is no conversation {conversation_id!r}.")

    async def tidy(self) -> None:
        """Let go of conversations and tombstones that are too old or too many. Raises LogUnavailable."""
        limits = self._limits
        # What a blind run hides is kept as a conversation, and must not go before the run.
        stays_s = max(limits.conversation_retention_s, limits.retention_s) + self._clock_jumps.now()
        await self._store.tidy(RetentionBounds(stays_s, limits.max_conversation_bytes, limits.max_tombstones))

    async def _require_free(self, conversation_id: str, *, but: str | None = None) -> None:
        holder = await self._conversations.holder(conversation_id)
        if holder is not None and holder != but:
            raise Conflict(
                f"Run {holder} of conversation {conversation_id!r} goes on from what is to be deleted; wait for its "
                "end or cancel it."
            )

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
            await asyncio.sleep(0)  # a store in memory waits for nothing, and each may have been long

    async def _forget(self, record: RunRecord, why: str) -> None:
        if known_spec_of(record).blind:
            await self._blind_records.forget(record.run_id)
        await self._store.forget_run(record.run_id, why)
        if why == EXPIRED:
            await self._panels_over.forget(record.run_id)
        await self._store.erase(SYSTEM_CHANNEL, record.run_id)
        self._executor.release(record.run_id)
        self._stored.drop(record.run_id)
