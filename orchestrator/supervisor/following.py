"""Runs as readers find them: here, or in the log. Owns neither the runs nor the streams."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from ..errors import NotFound
from ..eventlog.base import Store, parse_cursor
from ..eventlog.run_list import RunQuery
from ..eventlog.run_store import RunRecord
from ..events.snapshot import Snapshot
from ..run.commands import AnyRun
from ..run.stored import StoredRuns, in_rounds
from ..run.writer import SYSTEM_CHANNEL
from .executor import Executor
from .presence import Presence
from .run_list import RunList, list_of

MAX_ID_CHARS = 80
SYSTEM_SNAPSHOTS = 50
"""Of every run there is, how many of the newest are sent to a dashboard whose cursor could not be used."""


class Following:
    """Serves those that follow a run, or a channel."""

    def __init__(self, store: Store, executor: Executor, stored: StoredRuns, presence: Presence) -> None:
        self._store = store
        self._executor = executor
        self._stored = stored
        self._presence = presence

    def watching(self, channel: str, run_id: str | None = None) -> AbstractContextManager[None]:
        """Count a subscriber of a run, or of a whole channel, while inside.

        Raises:
            LimitReached: There are `max_subscribers` already.
        """
        return self._presence.watching(channel, run_id)

    async def find(self, run_id: str) -> AnyRun:
        """Find a run.

        Raises:
            Gone: It was deleted or has expired. NotFound: There never was one. LogUnavailable.
        """
        run = self._executor.find(run_id)
        if run is not None:
            return run
        # What cannot be a run's name, and may be as long as a request, is no key for a store and nothing to say back.
        record = await self._store.find_run(run_id) if len(run_id) <= MAX_ID_CHARS else None
        if record is None:
            raise NotFound(f"There is no run {run_id[:MAX_ID_CHARS]!r}.")
        return await self._stored.read(record)

    async def page(self, query: RunQuery, *, before: str | None = None) -> RunList:
        """Return a page of a list of runs.

        Args:
            before: A run, instead of *query*'s place.
        Raises:
            NotFound, Gone: *before* is unknown, or was forgotten. LogUnavailable.
        """
        if before is not None:
            query = replace(query, before=await self._store.place_of(before))
        return list_of(await self._store.page_runs(query), self._executor)

    async def in_channel(self, channel: str) -> list[AnyRun]:
        """Return the runs of a channel, oldest first; of `system` those under way, and the newest others."""
        if channel != SYSTEM_CHANNEL:
            records = await self._store.runs_in(channel)
            here = {r.run_id: run for r in records if (run := self._executor.find(r.run_id)) is not None}
            others = [record for record in records if record.run_id not in here]
            stored = {run.spec.run_id: run for run in await self._stored.read_channel(channel, others)}
            return [here.get(r.run_id) or stored[r.run_id] for r in records]
        newest = await self._store.list_runs(limit=SYSTEM_SNAPSHOTS)
        shown = {record.run_id: record for record in (*await self._store.running_runs(), *reversed(newest))}
        return await self._all(sorted(shown.values(), key=lambda record: record.created_at))

    async def snapshots(self, channel: str, run_id: str | None = None) -> list[Snapshot]:
        """Return what a reader is sent after a gap: the run's state, or that of each run of the channel."""
        runs = await self.in_channel(channel) if run_id is None else [await self.find(run_id)]
        return [run.snapshot() async for run in in_rounds(runs)]

    async def nothing_after(self, run: AnyRun, cursor: str) -> bool:
        """Whether *run* has ended and a reader at *cursor* has seen all of it."""
        at, end = parse_cursor(cursor), parse_cursor(run.state.last_event_id or "")
        if run.status == "running" or at is None or end is None or at.epoch != end.epoch or at.seq < end.seq:
            return False
        return at.seq <= (await self._store.open(run.spec.channel)).last

    async def _all(self, records: Sequence[RunRecord]) -> list[AnyRun]:
        return [self._executor.find(record.run_id) or await self._stored.read(record) for record in records]
