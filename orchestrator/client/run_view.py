"""One run as a reader knows it: events in, state out. Owns neither their arrival nor their drawing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..events.agent import Status
from ..events.base import OPEN_STATUSES, PANEL, RUN, WAITS_FOR_WORKER, RunStatus
from ..events.run import AgentAdded, RunDone, RunGap, RunStarted
from ..events.snapshot import SNAPSHOT_TYPE
from .agent_view import AgentView
from .event import Event
from .panel_view import PanelView, follow_panel

Connection = Literal["connecting", "open", "retrying", "closed"]


@dataclass(frozen=True, slots=True)
class ConnectionDetail:
    """What is the matter with a connection: `lost` (it broke and is opened again) or `held` (the way here buffers)."""

    code: Literal["lost", "held"]
    message: str


@dataclass(slots=True)
class RunView:
    """One run, as its events and snapshots have it. `agents` is in the run's own order.

    `panel` is None if its agents do not work together. `gap` is the last `run.gap`: what was said
    between is in the texts, but was never seen as events.
    """

    id: str
    channel: str = ""
    conversation_id: str | None = None
    message: str = ""
    status: RunStatus = "running"
    agents: dict[str, AgentView] = field(default_factory=dict)
    metrics: Mapping[str, Any] | None = None
    gap: Mapping[str, Any] | None = None
    panel: PanelView | None = None

    @property
    def ended(self) -> bool:
        return self.status not in OPEN_STATUSES

    def agent(self, agent_id: str) -> AgentView:
        """Return the agent's view, made on first mention."""
        found = self.agents.get(agent_id)
        if found is None:
            found = self.agents[agent_id] = AgentView(agent_id, title=agent_id)
        return found

    def apply(self, event: Event) -> None:
        """Take one event. Unknown ones change nothing; whoever calls sees to it that none comes twice."""
        if event.agent_id is not None:
            self.agent(event.agent_id).apply(event)
            if not self.ended:
                self.status = _status_after(event, self.status)
        elif event.name == f"{RUN}.{event.type}":
            self._apply_run(event)
        elif event.name == f"{PANEL}.{event.type}":
            self.panel = follow_panel(self.panel, event)

    def _apply_run(self, event: Event) -> None:
        data = event.data
        match event.type:
            case RunStarted.TYPE:
                self.channel = data.get("channel", "")
                for info in data.get("agents", ()):
                    self.agent(info["agent_id"]).describe(info)
                if data.get("panel") is not None:
                    self.panel = PanelView(data["panel"])
            case AgentAdded.TYPE:
                self.agent(data["agent"]["agent_id"]).describe(data["agent"])
            case RunDone.TYPE:
                self.status = data["status"]
                self.metrics = data.get("metrics")
                for agent_id, outcome in data.get("agents", {}).items():
                    view = self.agent(agent_id)
                    view.status, view.attempt = outcome["status"], outcome["attempt"]
            case RunGap.TYPE:
                self.gap = data
            case _ if event.type == SNAPSHOT_TYPE:
                self.replace(data)

    def replace(self, snapshot: Mapping[str, Any]) -> None:
        """Become what a snapshot says: agents it does not name are gone, known names and models stay."""
        self.channel = snapshot.get("channel") or ""
        self.conversation_id = snapshot.get("conversation_id")
        self.message = snapshot.get("message") or ""
        self.status = snapshot.get("status", self.status)
        panel = snapshot.get("panel")
        self.panel = None if panel is None else PanelView.of_snapshot(panel)
        named = snapshot.get("agents", {})
        for agent_id, state in named.items():
            self.agent(agent_id).replace(state)
        self.agents = {agent_id: self.agents[agent_id] for agent_id in named}

    def ahead(self, snapshot: Mapping[str, Any]) -> RunView:
        """Return a view of what *snapshot* says, whose events are still to come: until then the run goes on."""
        view = RunView(self.id, self.channel, self.conversation_id, self.message)
        for known in self.agents.values():
            view.agents[known.agent_id] = AgentView(
                known.agent_id, known.title, known.backend, known.model, known.variant
            )
        status = snapshot.get("status")
        view.replace({**snapshot, "status": status if status in OPEN_STATUSES else "running"})
        return view

    def acknowledge(self, snapshot: Mapping[str, Any]) -> None:
        """Mark the agents whose cancel a snapshot acknowledges; all else comes with the events."""
        for agent_id, state in snapshot.get("agents", {}).items():
            view = self.agents.get(agent_id)
            if view is not None and state.get("status") == "cancelling" and not view.ended:
                view.status = "cancelling"


def _status_after(event: Event, before: RunStatus) -> RunStatus:
    """Return the status of an open run after one of its agents' events: whether it waits for a worker."""
    if event.type != Status.TYPE:
        return "running"
    return "queued" if event.data.get("detail") == WAITS_FOR_WORKER else before


class RunHandle(ABC):
    """A run that can be followed and stopped, wherever it takes place.

    Iterating yields `Event` objects, in order, until `run.done` or the end of the stream; `view` has
    taken each of them before it is yielded. `detail` says what is the matter with the connection, None if nothing is.
    """

    view: RunView
    connection: Connection = "open"
    detail: ConnectionDetail | None = None

    @property
    def id(self) -> str:
        return self.view.id

    @property
    def status(self) -> RunStatus:
        return self.view.status

    @property
    def agents(self) -> dict[str, AgentView]:
        """Agent id → what is known of it, in the run's own order."""
        return self.view.agents

    @abstractmethod
    def __aiter__(self) -> AsyncIterator[Event]: ...

    @abstractmethod
    async def cancel(self, agent_id: str | None = None) -> None:
        """Ask for the end of one agent, or of all; returns once that is acknowledged, before it comes."""

    @abstractmethod
    async def result(self) -> RunView:
        """Follow the run to its end and return what it came to; one agent's failure never raises."""
