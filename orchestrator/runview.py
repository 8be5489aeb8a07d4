"""Owns what a reader knows of one run: events in, state out. Owns neither their arrival nor their drawing."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .events import (
    RUN,
    SNAPSHOT_TYPE,
    TERMINAL_TYPES,
    AgentAdded,
    AgentStatus,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    Reasoning,
    Retry,
    RunDone,
    RunGap,
    RunStarted,
    RunStatus,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
)

Connection = Literal["connecting", "open", "retrying", "closed"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a reader sees it.

    Attributes:
        id: ``<epoch>-<seq>``; None for `run.gap`, which is never a cursor.
        name: ``skeptic.token``, ``run.done``; ``agent_id`` and ``type`` are its parts.
        t: Milliseconds since the run's start.
        data: The whole of the event's `data`.
    """

    id: str | None
    name: str
    agent_id: str | None
    type: str
    t: int
    data: Mapping[str, Any]


def parse_event(data: str | bytes, *, id: str | None, name: str = "") -> Event | None:
    """Read one event's `data`; None where it is none of this protocol's, which a reader passes over.

    Args:
        name: The event's name; needed only where `data` alone cannot say it (not an agent's, not the run's).
    """
    try:
        value = json.loads(data)
    except ValueError:
        return None
    if not isinstance(value, dict):
        return None
    kind, agent_id, t = value.get("type"), value.get("agent_id"), value.get("t")
    if not isinstance(kind, str) or not isinstance(agent_id, str | None):
        return None
    if name in ("", "message"):
        name = f"{agent_id or RUN}.{kind}"
    return Event(id or None, name, agent_id, kind, t if isinstance(t, int) else 0, value)


class Cursor:
    """The last id seen, as the next `Last-Event-ID`, and the guard against seeing one twice."""

    def __init__(self, last: str | None = None) -> None:
        self.last = last

    def accept(self, event: Event) -> bool:
        """Move on to *event*; False where this epoch's log has already given it.

        A snapshot is always accepted: it states the log's newest id after a gap.
        """
        if event.id is None:
            return True
        if self.last is not None and not is_snapshot(event):
            epoch, seq = _split(self.last)
            new_epoch, new_seq = _split(event.id)
            if epoch == new_epoch and new_seq <= seq:
                return False
        self.last = event.id
        return True


def is_snapshot(event: Event) -> bool:
    """Whether *event* is `run.snapshot`, which replaces all that was known."""
    return event.agent_id is None and event.type == SNAPSHOT_TYPE


def _split(event_id: str) -> tuple[str, int]:
    epoch, _, seq = event_id.rpartition("-")
    return (epoch, int(seq)) if seq.isascii() and seq.isdigit() and len(seq) < 20 else (event_id, 0)


@dataclass(slots=True)
class ToolView:
    """One tool call. `output` is None while it runs; `text` is what a nested agent says meanwhile."""

    call_id: str
    name: str
    arguments: str
    output: str | None = None
    is_error: bool = False
    text: str = ""


@dataclass(slots=True)
class AgentView:
    """One agent of a run, as its events tell it; everything but the first four is of the newest attempt.

    Attributes:
        attempt: 0 before the first one started.
        note: The agent's own word for what it does (`status` events), or why it is tried again.
        speaker: Who speaks after a handoff, else None.
        approvals: Calls that wait for an answer, by `call_id`.
        error: `code`, `message`, `error_id`, `retryable` of a failed attempt, else None.
        started_t, first_token_t: Milliseconds since the run's start.
    """

    agent_id: str
    title: str = ""
    backend: str = ""
    model: str | None = None
    status: AgentStatus = "queued"
    attempt: int = 0
    reasoning: str = ""
    tools: list[ToolView] = field(default_factory=list)
    approvals: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    metrics: Mapping[str, Any] | None = None
    usage: Mapping[str, int] | None = None
    finish_reason: str | None = None
    note: str = ""
    speaker: str | None = None
    started_t: int | None = None
    first_token_t: int | None = None
    _pieces: list[str] = field(default_factory=list, repr=False)

    @property
    def text(self) -> str:
        """The answer so far; whole once the status is `done`."""
        if len(self._pieces) > 1:
            self._pieces[:] = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    @property
    def ended(self) -> bool:
        """Whether the newest attempt has ended; a retry may still follow."""
        return self.status in TERMINAL_TYPES

    def describe(self, info: Mapping[str, Any]) -> None:
        """Take name and model from an entry of `run.started` or `run.agent_added`."""
        self.title = info.get("title") or self.agent_id
        self.backend = info.get("backend") or ""
        self.model = info.get("model")

    def replace(self, snapshot: Mapping[str, Any]) -> None:
        """Become what a snapshot says; reasoning and tools are forgotten, since it does not tell them."""
        self._begin(snapshot.get("attempt", self.attempt), snapshot.get("status", self.status))
        self._pieces = [snapshot.get("text") or ""]
        self.error = snapshot.get("error")
        self.metrics = snapshot.get("metrics")
        self.usage = snapshot.get("usage")

    def apply(self, event: Event) -> None:
        """Take one event of this agent; a type that is not known changes nothing."""
        data = event.data
        match event.type:
            case Token.TYPE | Reasoning.TYPE:
                self._say(event)
            case Started.TYPE:
                self._start(event)
            case Status.TYPE:
                self.note = data.get("detail") or data.get("status", "")
            case ToolCall.TYPE:
                self.tools.append(ToolView(data["call_id"], data["name"], data["arguments"]))
            case ToolResult.TYPE:
                self._tool_result(data)
            case Handoff.TYPE:
                self.speaker = data.get("to")
            case ApprovalRequest.TYPE:
                self.approvals[data["call_id"]] = data
            case Retry.TYPE:
                self._begin(data["attempt"], "queued")
                self.note = f"again after {data.get('code', 'an error')}"
            case Done.TYPE | Error.TYPE | Cancelled.TYPE:
                self._end(event)

    def _begin(self, attempt: int, status: AgentStatus) -> None:
        self.attempt, self.status = attempt, status
        self._pieces = []
        self.reasoning = self.note = ""
        self.tools, self.approvals = [], {}
        self.error = self.metrics = self.usage = self.finish_reason = None
        self.speaker = self.started_t = self.first_token_t = None

    def _start(self, event: Event) -> None:
        # A cancel that was acknowledged before the start goes on being awaited.
        self._begin(event.data["attempt"], "cancelling" if self.status == "cancelling" else "running")
        self.started_t = event.t

    def _say(self, event: Event) -> None:
        text, parent = event.data.get("text", ""), event.data.get("parent")
        if parent is not None:
            for tool in self.tools:
                if tool.call_id == parent:
                    tool.text += text
        elif event.type == Reasoning.TYPE:
            self.reasoning += text
        else:
            self._pieces.append(text)
            self.speaker = event.data.get("speaker") or self.speaker
            if self.first_token_t is None:
                self.first_token_t = event.t

    def _tool_result(self, data: Mapping[str, Any]) -> None:
        self.approvals.pop(data["call_id"], None)
        for tool in reversed(self.tools):
            if tool.call_id == data["call_id"] and tool.output is None:
                tool.output, tool.is_error = data.get("output", ""), bool(data.get("is_error"))
                return

    def _end(self, event: Event) -> None:
        data = event.data
        self.metrics, self.attempt = data.get("metrics"), data.get("attempt", self.attempt)
        self.approvals = {}
        self.note = ""
        if event.type == Done.TYPE:
            self.status = "done"
            self._pieces = [data["text"]]
            self.usage, self.finish_reason = data.get("usage"), data.get("finish_reason")
        elif event.type == Error.TYPE:
            self.status = "error"
            self.error = {key: data.get(key) for key in ("code", "message", "error_id", "retryable")}
        else:
            self.status = "cancelled"
            self.note = data.get("reason", "")


@dataclass(slots=True)
class RunView:
    """One run, as its events and snapshots tell it. `agents` is in the run's own order.

    `gap` is the last `run.gap`: what was said between is in the texts, but was never seen as events.
    """

    id: str
    channel: str = ""
    conversation_id: str | None = None
    message: str = ""
    status: RunStatus = "running"
    agents: dict[str, AgentView] = field(default_factory=dict)
    metrics: Mapping[str, Any] | None = None
    gap: Mapping[str, Any] | None = None

    @property
    def ended(self) -> bool:
        return self.status != "running"

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
        elif event.name == f"{RUN}.{event.type}":
            self._apply_run(event)

    def _apply_run(self, event: Event) -> None:
        data = event.data
        match event.type:
            case RunStarted.TYPE:
                self.channel = data.get("channel", "")
                for info in data.get("agents", ()):
                    self.agent(info["agent_id"]).describe(info)
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
        named = snapshot.get("agents", {})
        for agent_id, state in named.items():
            self.agent(agent_id).replace(state)
        self.agents = {agent_id: self.agents[agent_id] for agent_id in named}

    def acknowledge(self, snapshot: Mapping[str, Any]) -> None:
        """Mark the agents whose cancel a snapshot acknowledges; all else comes with the events."""
        for agent_id, state in snapshot.get("agents", {}).items():
            view = self.agents.get(agent_id)
            if view is not None and state.get("status") == "cancelling" and not view.ended:
                view.status = "cancelling"


class RunHandle(ABC):
    """A run that can be followed and stopped, wherever it takes place.

    Iterating yields `Event` objects, in order, until `run.done` or the end of the stream; `view` has
    taken each of them before it is yielded.
    """

    view: RunView
    connection: Connection = "open"

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
