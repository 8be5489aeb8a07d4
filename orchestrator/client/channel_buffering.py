"""Looks whether a channel's events are held back on the way: what its runs' snapshots know, beside what came."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import reduce
from typing import Any, Protocol

import aiohttp

from ..events.base import OPEN_STATUSES
from .event import reaches
from .http import ClientError, Http, path_of
from .run_view import ConnectionDetail, RunView

LOOKED_AT = 20
"""So many of a channel's newest runs are looked at."""

MAX_ENDINGS = 5
"""If the events of an ended run could not be had so many times, its snapshot has to do."""

READ_SECONDS = 30.0
"""The other runs are looked at again after so long, however slowly an ended one comes."""


class BufferedChannel(Protocol):
    """What is watched: a channel that is followed."""

    name: str
    wanted: dict[str, frozenset[str]]
    """`runs` and `agents` whose events are asked for; one that is absent: of all."""

    @property
    def last_event_id(self) -> str | None:
        """The id seen last."""

    def knows(self, run_id: str) -> RunView | None:
        """Return the view of a run by its events alone; None if none came."""

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """Show what a run's snapshot says; its events are still to come."""

    def assume(self, snapshot: Mapping[str, Any]) -> None:
        """Take a snapshot for the events that it knows of, which cannot be had."""

    def report(self, detail: ConnectionDetail | None) -> None:
        """Hear that events are held back, or that they flow again."""

    async def read_ended(self, run_id: str) -> None:
        """Hand on what is still to come of a run that has ended."""


class BufferedRuns:
    """A channel as its watch sees it: its runs' snapshots as if they were one. A `Watched`."""

    def __init__(self, http: Http, channel: BufferedChannel) -> None:
        self._http = http
        self._channel = channel
        self._past: set[str] = set()
        """Runs that had ended before what came last: they are not looked at again."""
        self._ended: dict[str, Mapping[str, Any]] = {}
        """Run id → the last snapshot of a run that ended, while its events are still to come."""
        self._tries: Counter[str] = Counter()

    @property
    def last_event_id(self) -> str | None:
        return self._channel.last_event_id

    async def look(self) -> Mapping[str, Any] | None:
        """Return the snapshots of the runs that are ahead of what came; None if there are none."""
        for run_id in list(self._ended):
            await self._read_ended(run_id)
        params = {"channel": self._channel.name, "limit": str(LOOKED_AT)}
        try:
            rows = (await self._http.call("GET", path_of("runs"), params=params))["runs"]
            self._past.intersection_update(row["run_id"] for row in rows)
            # Oldest first, as their events come.
            wanted = [row["run_id"] for row in reversed(rows) if self._may_be_ahead(row["run_id"])]
            snapshots = [await self._snapshot(run_id) for run_id in wanted]
        except ClientError:
            return None
        ahead = [snapshot for snapshot in snapshots if snapshot is not None and self._is_ahead(snapshot)]
        if not ahead:
            return None
        ids = [str(snapshot["last_event_id"]) for snapshot in ahead]
        newest = reduce(lambda one, other: one if reaches(one, other) else other, ids)
        return {"last_event_id": newest, "status": "running", "runs": ahead}

    def show(self, snapshot: Mapping[str, Any]) -> None:
        """Show each of the runs; the events of those that ended are asked for next time."""
        for run in snapshot["runs"]:
            self._channel.show(run)
            if run["status"] not in OPEN_STATUSES:
                self._ended[run["run_id"]] = run

    def report(self, detail: ConnectionDetail | None) -> None:
        self._channel.report(detail)

    async def _snapshot(self, run_id: str) -> Mapping[str, Any] | None:
        try:
            return await self._http.call("GET", path_of("runs", run_id))
        except ClientError as exc:
            # Deleted since it was listed.
            if exc.status in (404, 410):
                return None
            raise

    def _may_be_ahead(self, run_id: str) -> bool:
        view, runs = self._channel.knows(run_id), self._channel.wanted.get("runs")
        return run_id not in self._past and not (view and view.ended) and (runs is None or run_id in runs)

    def _is_ahead(self, snapshot: Mapping[str, Any]) -> bool:
        newest = snapshot.get("last_event_id")
        if newest is None:
            return False
        if reaches(self._channel.last_event_id, newest):
            if snapshot["status"] not in OPEN_STATUSES:
                self._past.add(snapshot["run_id"])
            return False
        agents = self._channel.wanted.get("agents")
        return agents is None or self._says_more(snapshot, agents)

    def _says_more(self, snapshot: Mapping[str, Any], agents: frozenset[str]) -> bool:
        """Whether *agents* have got on: the newest id may be of another agent, whose events are not asked for."""
        view = self._channel.knows(snapshot["run_id"])
        if view is None or snapshot["status"] not in OPEN_STATUSES:
            return True
        for agent_id in agents & snapshot["agents"].keys():
            known, state = view.agents.get(agent_id), snapshot["agents"][agent_id]
            if known is None or (known.attempt, known.text) != (state["attempt"], state["text"]):
                return True
        return False

    async def _read_ended(self, run_id: str) -> None:
        """Read a run to its end by its own stream: that ends, so even what holds streams back gives it."""
        with suppress(ClientError, aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(READ_SECONDS):
                await self._channel.read_ended(run_id)
        view = self._channel.knows(run_id)
        self._tries[run_id] += 1
        if not (view and view.ended) and self._tries[run_id] < MAX_ENDINGS:
            return
        snapshot = self._ended.pop(run_id)
        del self._tries[run_id]
        if not (view and view.ended):
            self._channel.assume(snapshot)
