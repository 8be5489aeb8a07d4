"""Follows a channel on a server: the runs that it carries, each with a view of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from weakref import WeakSet

from ..events.base import RUN
from ..events.run import RunGap
from .event import Event, SeenCursor, is_snapshot
from .follow import Follower
from .http import Http, path_of
from .run_view import RunView

KEPT_RUNS = 256
"""A channel has no end: of the runs that ended, the oldest are let go beyond this many."""


class Channel(Follower):
    """Every run of a channel, on one connection, until `detach`. Leaving it cancels nothing.

    Iterating yields each event once, in order, across lost connections; `event.run_id` says whose it is, and
    `runs` has taken each of them before it is yielded. `Follower` explains the rest.

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
        self.runs: dict[str, RunView] = {}
        self._missed: dict[str, RunView] = {}
        self._resumed_at: str | None = None
        self._told: dict[str, SeenCursor] = {}

    def _take(self, event: Event) -> bool:
        if is_snapshot(event):
            self._replace(event)
            return True
        if event.name == f"{RUN}.{RunGap.TYPE}":
            # What no snapshot names now has been deleted, or has expired.
            self._missed, self.runs = {**self._missed, **self.runs}, {}
            self._told.clear()
            return True
        if self._resumed_at is not None:
            # Only now every snapshot of the gap has come: cut off between two of them, we have to hear all
            # of them again, so until here the old cursor was kept.
            self._cursor.last, self._resumed_at, self._missed = self._resumed_at, None, {}
        if not self._cursor.accept(event):
            return False
        run_id = event.run_id
        begun = self._told.get(run_id or "")
        if begun is not None and not begun.accept(event):
            return False
        if run_id is not None:
            self._view(run_id).apply(event)
        return True

    def _replace(self, event: Event) -> None:
        run_id = event.run_id
        if run_id is None:
            return
        self._resumed_at = event.id
        self._view(run_id).apply(event)
        # A snapshot may hold more than the cursor says that comes with it.
        self._told[run_id] = SeenCursor(event.data.get("last_event_id"))

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
            self._told.pop(run_id, None)

    def _over(self) -> bool:
        return False

    async def _catch_up(self) -> None:
        """Nothing: a channel's stream never answers 204."""
