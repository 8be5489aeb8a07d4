"""One run on a server: follows and steers it, and keeps what is known of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal
from weakref import WeakSet

from ..events.base import OPEN_STATUSES
from .buffering import BufferingWatch
from .event import Event, reaches
from .follow import Follower
from .http import TRIES, ClientError, Http, path_of
from .panel_view import PanelView
from .run_view import ConnectionDetail, RunHandle, RunView

MAX_ENDINGS = 5
"""If the events of an ended run have not come after so many looks, its snapshot has to do."""


class Run(Follower, RunHandle):
    """A run on a server. Leaving it, in whatever way, never cancels it.

    Iterating yields each event once, in order, across lost connections, until `run.done`; `view` has taken
    each of them before it is yielded. `Follower` explains the rest.

    If something on the way holds the stream back, `detail.code` is `held` and `view` is what snapshots say, taken every
    few seconds; the events still come, once each, when they flow.
    """

    def __init__(
        self,
        http: Http,
        view: RunView,
        *,
        after: str | None = None,
        give_up_s: float | None = None,
        family: WeakSet[Follower],
    ) -> None:
        path = path_of("runs", view.id, "events")
        super().__init__(http, path, {}, after=after, give_up_s=give_up_s, family=family)
        self.view = view
        self._folded: tuple[RunView, str] | None = None
        """The view by events alone, and the event from which it is shown, while a snapshot shows what is ahead."""
        self._watch = BufferingWatch(_WatchedRun(self))
        self._endings = 0

    @property
    def last_event_id(self) -> str | None:
        """The id seen last: keep it, and `Client.attach` goes on from there."""
        return self._cursor.last

    async def result(self) -> RunView:
        """Follow the run to its end and return what it came to; one agent's failure never raises.

        After `detach` it returns what is known. Cancelling it leaves the run and its reading alone.

        Raises:
            ClientError: The run cannot be followed: unknown, deleted, expired, not allowed.
        """
        await asyncio.wait([self._read()])
        if self.failure is not None:
            raise self.failure
        return self.view

    async def cancel(self, agent_id: str | None = None) -> None:
        """Ask for the end of one agent, or of all; acknowledged here, `cancelled` follows as an event.

        Raises:
            ClientError: 404 if the run has no such agent. An ended run is no error.
        """
        part = () if agent_id is None else ("agents", agent_id)
        path = path_of("runs", self.id, *part, "cancel")
        snapshot = await self._http.call("POST", path, body={}, tries=TRIES)
        for view in {id(view): view for view in (self.view, self._by_events)}.values():
            view.acknowledge(snapshot)

    async def retry(self, agent_id: str) -> None:
        """Ask for a new attempt of an agent that has ended; ClientError 409 if it has not."""
        await self._http.call("POST", path_of("runs", self.id, "agents", agent_id, "retry"), body={})

    async def add(self, agent_id: str) -> None:
        """Let one more agent answer. ClientError 409 if it takes part already, or the run has ended."""
        await self._http.call("POST", path_of("runs", self.id, "agents"), body={"agent_id": agent_id})

    async def approve(
        self,
        agent_id: str,
        call_id: str,
        approve: bool = True,
        *,
        reason: str | None = None,
        by: str | None = None,
    ) -> None:
        """Answer an `approval_request`, with a *reason* for the agent if there is one. ClientError 404: none waits.

        Args:
            by: Who answers, for all who follow; the server believes it.
        """
        path = path_of("runs", self.id, "agents", agent_id, "approvals", call_id)
        said = {"approve": approve, "reason": reason, "by": by}
        body = {key: value for key, value in said.items() if value is not None}
        await self._http.call("POST", path, body=body)

    async def panel(self, panel: str | Mapping[str, Any]) -> Run:
        """Let a panel work over the answers that are there; their agents are not asked for them again.

        Args:
            panel: A configured panel's id, or an inline one: `{"method": "judge", "moderator": …}`.
        Returns:
            The run in which it happens: this one while it is open, else a new one, whose first event is
            still to come.
        Raises:
            ClientError: 409 if a panel of this run is under way or no agent has answered, 422 if
                there is no such panel.
        """
        path = path_of("runs", self.id, "panel")
        given = panel if isinstance(panel, str) else dict(panel)
        snapshot = await self._http.call("POST", path, body={"panel": given})
        if snapshot["run_id"] == self.id and self.connection != "closed":
            return self
        view = begun_view(snapshot)
        return Run(self._http, view, give_up_s=self._give_up_s, family=self._family)

    async def vote(self, agent_id: str | None, verdict: Literal["tie", "both_bad"] = "tie") -> dict[str, Any]:
        """Say whose answer is best, or with None that nobody's is, as *verdict* says; return who all are.

        Raises:
            ClientError: 404 if the agent takes no part; in a blind run 409 before anybody has answered, and once
                the names are known.
        """
        body = {"verdict": verdict} if agent_id is None else {"agent_id": agent_id}
        return await self._http.call("POST", path_of("runs", self.id, "vote"), body=body)

    async def take_vote_back(self) -> None:
        """Forget the vote. ClientError 409 if it has revealed the names of a blind run."""
        await self._http.call("DELETE", path_of("runs", self.id, "vote"))

    # ── what it makes of its stream ───────────────────────────────────────────────────────────

    def _take(self, event: Event) -> bool:
        self._watch.heard()
        if not self._cursor.accept(event):
            return False
        self._by_events.apply(event)
        if self._folded is not None and (self._folded[0].ended or reaches(event.id, self._folded[1])):
            self.view, self._folded = self._folded[0], None
        return True

    @property
    def _by_events(self) -> RunView:
        return self.view if self._folded is None else self._folded[0]

    def _over(self) -> bool:
        return self._by_events.ended

    async def _catch_up(self) -> None:
        self._assume(await self._http.call("GET", path_of("runs", self.id), tries=TRIES))

    def _assume(self, snapshot: Mapping[str, Any]) -> None:
        self.view, self._folded = self._by_events, None
        self.view.replace(snapshot)

    # ── while events are held back ────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        watching = asyncio.create_task(self._watch.watch(), name=f"watch {self.id}")
        try:
            await super()._follow()
        finally:
            watching.cancel()
            await asyncio.wait([watching])

    def _report(self, detail: ConnectionDetail | None) -> None:
        if self.connection != "closed":
            self.detail = detail

    async def _look(self) -> Mapping[str, Any] | None:
        try:
            return await self._http.call("GET", path_of("runs", self.id))
        except ClientError as exc:
            if exc.status is not None and not exc.temporary:
                self._stop(exc)
            return None

    def _show(self, snapshot: Mapping[str, Any]) -> None:
        by_events = self._by_events
        self.view, self._folded = by_events.ahead(snapshot), (by_events, str(snapshot["last_event_id"]))
        if snapshot["status"] in OPEN_STATUSES:
            return
        # The stream of an ended run ends, so that even what holds streams back gives it.
        self._endings += 1
        if self._endings > MAX_ENDINGS:
            self._assume(snapshot)
            self._stop(None)

    def _stop(self, failure: ClientError | None) -> None:
        self.failure = failure
        if self._reader is not None:
            self._reader.cancel()


class _WatchedRun:
    """A run as its watch sees it. A `Watched`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    @property
    def last_event_id(self) -> str | None:
        return self._run.last_event_id

    async def look(self) -> Mapping[str, Any] | None:
        return await self._run._look()

    def show(self, snapshot: Mapping[str, Any]) -> None:
        self._run._show(snapshot)

    def report(self, detail: ConnectionDetail | None) -> None:
        self._run._report(detail)


def begun_view(snapshot: Mapping[str, Any]) -> RunView:
    """Return the view of a run whose events will be read from the first one on: they bring the texts."""
    view = RunView(
        snapshot["run_id"],
        snapshot.get("channel") or "",
        snapshot.get("conversation_id"),
        snapshot.get("message") or "",
    )
    for agent_id in snapshot.get("agents", {}):
        view.agent(agent_id)
    if snapshot.get("panel") is not None:
        view.panel = PanelView(PanelView.of_snapshot(snapshot["panel"]).info)
    return view
