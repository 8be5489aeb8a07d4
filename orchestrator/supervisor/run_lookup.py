"""Runs as readers find them: here, or in the log. Owns neither the runs nor the streams."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from ..errors import Gone, NotFound
from ..eventlog.base import Store, parse_cursor
from ..eventlog.run_list import RunQuery
from ..events.snapshot import Snapshot
from ..run.channels import SYSTEM_CHANNEL
from ..run.commands import AnyRun
from ..run.stored import StoredRuns
from .executor import Executor
from .presence import Presence
from .run_list import RunList, list_of

MAX_ID_CHARS = 80
SYSTEM_SNAPSHOTS = 50
"""Of every run there is, how many of the newest are sent to a dashboard whose cursor could not be used."""


class RunLookup:
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

    async def running_by_key(self, key: str) -> str | None:
        """Return the run under way that an idempotency key started; None if there is none. Raises LogUnavailable."""
        run_id = await self._store.run_of_key(key)
        if run_id is None:
            return None
        with suppress(Gone):
            record = await self._store.find_run(run_id)
            if record is not None and record.status == "running":
                return run_id
        return None

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

    async def states(self, channel: str) -> AsyncGenerator[Snapshot, None]:
        """Yield the states of a channel's runs, oldest first; of `system` those under way, and the newest others.

        One is made when it is asked for: all together may be as large as the log, and a reader may be slow.
        """
        for run_id in await self._runs_in(channel):
            run: AnyRun | None = self._executor.find(run_id)
            with suppress(Gone):  # deleted since
                record = await self._store.find_run(run_id) if run is None else None
                if record is not None:
                    run = await self._stored.glance(record)
            if run is not None:
                yield run.snapshot()

    async def _runs_in(self, channel: str) -> list[str]:
        if channel != SYSTEM_CHANNEL:
            return [record.run_id for record in await self._store.runs_in(channel)]
        newest = [row.run_id for row in (await self._store.page_runs(RunQuery(SYSTEM_SNAPSHOTS))).rows]
        running: list[str] = []
        for owner, count in (await self._store.owners()).items():
            running += [run.run_id for run in await self._store.owned_by(owner, limit=count)]
        return list(dict.fromkeys([*(each for each in running if each not in newest), *reversed(newest)]))

    async def nothing_after(self, run: AnyRun, cursor: str) -> bool:
        """Whether *run* has ended and a reader at *cursor* has seen all of it."""
        at, end = parse_cursor(cursor), parse_cursor(run.state.last_event_id or "")
        if run.status == "running" or at is None or end is None or at.epoch != end.epoch or at.seq < end.seq:
            return False
        return at.seq <= (await self._store.open(run.spec.channel)).last
