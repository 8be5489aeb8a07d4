"""Follows a channel on a server: the runs that it carries, each with a view of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from ..events.base import RUN
from ..events.run import RunGap
from ..sse_parser import ServerSentEvent
from .buffering import BufferingWatch
from .channel_buffering import BufferedRuns
from .event import Event, SeenCursor, is_snapshot, parse_event, reaches
from .follow import Follower, events_of
from .http import Http, path_of, refusal
from .run_view import ConnectionDetail, RunView

KEPT_RUNS = 256
"""A channel has no end: of the runs that ended, the oldest are let go beyond this many."""


class Channel(Follower):
    """Every run of a channel, on one connection, until `detach`. Leaving it cancels nothing.

    Iterating yields each event once, in order, across lost connections; `event.run_id` says whose it is, and
    `runs` has taken each of them before it is yielded. `Follower` explains the rest.

    If something on the way holds the stream back, `detail.code` is `held` and `runs` is what snapshots say, taken every
    few seconds. The events still come, once each: of a run that ended by its own stream, of the others when they flow.

    Attributes:
        runs: Run id → what is known of it, oldest first: those under way, and the newest that ended.
    """

    def __init__(
        self,
        http: Http,
        name: str,
        *,
        filters: Mapping[str, Iterable[str] | None],
        after: str | None = None,
        give_up_s: float | None = None,
        family: WeakSet[Follower],
    ) -> None:
        params = {key: ",".join(value) for key, value in filters.items() if value is not None}
        path = path_of("channels", name, "events")
        super().__init__(http, path, params, after=after, give_up_s=give_up_s, family=family)
        self.name = name
        self._wanted = {key: frozenset(value.split(",")) for key, value in params.items()}
        self.runs: dict[str, RunView] = {}
        self._missed: dict[str, RunView] = {}
        self._resumed_at: str | None = None
        self._seen: dict[str, SeenCursor] = {}
        self._ahead: dict[str, tuple[RunView, str]] = {}
        """Run id → its view by events alone, and the event from which that is shown; until then a snapshot's is."""
        self._watch = BufferingWatch(BufferedRuns(http, _Watched(self)))
        self._taking = asyncio.Lock()
        """Held while an event is handed on: a run that ended may be read beside the channel."""

    @property
    def last_event_id(self) -> str | None:
        """The id seen last: keep it, and `Client.channel` goes on from there."""
        return self._cursor.last

    def _take(self, event: Event) -> bool:
        self._watch.heard()
        if is_snapshot(event):
            self._replace(event)
            return True
        if event.name == f"{RUN}.{RunGap.TYPE}":
            # What no snapshot names now has been deleted, or has expired.
            self._missed, self.runs = {**self._missed, **self.runs}, {}
            self._seen.clear()
            self._ahead.clear()
            return True
        if self._resumed_at is not None:
            # Only now every snapshot of the gap has come: cut off between two of them, we have to hear all
            # of them again, so until here the old cursor was kept.
            self._cursor.last, self._resumed_at, self._missed = self._resumed_at, None, {}
        return self._cursor.accept(event) and self._apply(event)

    def _apply(self, event: Event) -> bool:
        """Have the event's run take it; False if that run has it already."""
        run_id = event.run_id
        if run_id is None:
            return True
        begun = self._seen.get(run_id)
        if begun is not None and not begun.accept(event):
            return False
        by_events, until = self._ahead.get(run_id, (None, ""))
        view = by_events or self._view(run_id)
        view.apply(event)
        if by_events is not None and (view.ended or reaches(event.id, until)):
            self.runs[run_id] = view
            del self._ahead[run_id]
        return True

    def _replace(self, event: Event) -> None:
        run_id = event.run_id
        if run_id is None:
            return
        self._resumed_at = event.id
        self._ahead.pop(run_id, None)
        self._view(run_id).apply(event)
        # A snapshot may hold more than the cursor says that comes with it.
        self._seen[run_id] = SeenCursor(event.data.get("last_event_id"))

    def _view(self, run_id: str) -> RunView:
        view = self.runs.get(run_id)
        if view is None:
            view = self._missed.pop(run_id) if run_id in self._missed else RunView(run_id, self.name)
            self.runs[run_id] = view
            self._forget()
        return view

    def _forget(self) -> None:
        ended = [run_id for run_id, view in self.runs.items() if view.ended]
        for run_id in ended[: max(0, len(ended) - KEPT_RUNS)]:
            del self.runs[run_id]
            self._seen.pop(run_id, None)

    def _over(self) -> bool:
        return False

    async def _catch_up(self) -> None:
        """Nothing: a channel's stream never answers 204."""

    # ── while events are held back ────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        watching = asyncio.create_task(self._watch.watch(), name=f"watch {self.name}")
        try:
            await super()._follow()
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    async def _hand_on(self, raw: ServerSentEvent) -> None:
        async with self._taking:
            await super()._hand_on(raw)

    def _knows(self, run_id: str) -> RunView | None:
        """Return the view of a run by its events alone; None if none came."""
        return self._ahead[run_id][0] if run_id in self._ahead else self.runs.get(run_id)

    def _report(self, detail: ConnectionDetail | None) -> None:
        """Take what is the matter with the stream: that it is held back, or None once it flows."""
        if self.connection != "closed":
            self.detail = detail

    def _show(self, snapshot: Mapping[str, Any]) -> None:
        """Show what a run's snapshot says; its events are still to come."""
        run_id = snapshot["run_id"]
        by_events = self._knows(run_id) or self._view(run_id)
        self._ahead[run_id] = (by_events, str(snapshot["last_event_id"]))
        self.runs[run_id] = by_events.ahead(snapshot)

    def _assume(self, snapshot: Mapping[str, Any]) -> None:
        """Take a snapshot for the events that it knows of, which cannot be had."""
        run_id = snapshot["run_id"]
        by_events = self._knows(run_id) or self._view(run_id)
        by_events.replace(snapshot)
        self.runs[run_id] = by_events
        self._ahead.pop(run_id, None)
        self._seen[run_id] = SeenCursor(snapshot["last_event_id"])

    async def _read_ended(self, run_id: str) -> None:
        """Hand on what is still to come of a run that has ended, from its own stream, which ends."""
        # The channel gives the same events once it flows.
        seen = self._seen.setdefault(run_id, SeenCursor(self._cursor.last))
        params = {key: value for key, value in self._params.items() if key == "agents"}
        async with self._http.stream(path_of("runs", run_id, "events"), seen.last, params) as response:
            if response.status != 200:
                raise await refusal(response)
            async for raw in events_of(response):
                event = parse_event(raw.data, id=raw.id, name=raw.event)
                if event is None:
                    continue
                mine = replace(event, data={**event.data, "run_id": run_id})
                async with self._taking:
                    if self._apply(mine):
                        await self._deliver(mine)


class _Watched:
    """A channel as its watch sees it. A `BufferedChannel`."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.name = channel.name
        self.wanted = channel._wanted

    @property
    def last_event_id(self) -> str | None:
        return self._channel.last_event_id

    def knows(self, run_id: str) -> RunView | None:
        return self._channel._knows(run_id)

    def show(self, snapshot: Mapping[str, Any]) -> None:
        self._channel._show(snapshot)

    def assume(self, snapshot: Mapping[str, Any]) -> None:
        self._channel._assume(snapshot)

    def report(self, detail: ConnectionDetail | None) -> None:
        self._channel._report(detail)

    async def read_ended(self, run_id: str) -> None:
        await self._channel._read_ended(run_id)
