"""One agent of a run as a reader knows it: its events in, its state out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..events.agent import (
    TERMINAL_TYPES,
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    Reasoning,
    Retry,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
)
from ..events.base import AgentStatus
from .content_view import ContentView
from .event import Event


@dataclass(slots=True)
class ToolView:
    """One tool call. `output` is None while it runs; `text` is what a nested agent says meanwhile."""

    call_id: str
    name: str
    arguments: str
    output: str | None = None
    is_error: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class TurnView:
    """An agent's answer in an earlier turn of a panel. `status` is how that ended."""

    turn: int
    stage: str | None
    attempt: int
    status: AgentStatus
    text: str
    round: int | None = None
    layer: int | None = None

    @classmethod
    def of_snapshot(cls, state: Mapping[str, Any]) -> TurnView:
        """Make it of an entry of a snapshot's `turns`."""
        return cls(
            state["turn"], state.get("stage"), state["attempt"], state["status"], state.get("text") or "",
            state.get("round"), state.get("layer"),
        )  # fmt: skip


@dataclass(slots=True)
class AgentView:
    """One agent of a run, as its events have it; what is not described here is of the newest attempt.

    Attributes:
        attempt: 0 before the first one started.
        stage: In a panel, what it speaks in: `panel`, `review`, `final`, `round`, `layer`; else None.
        round, layer: The number of a stage of that kind.
        turn: Counts its turns in a panel from 1; a retry keeps it. None outside a panel.
        turns: What it said in earlier turns, oldest first.
        inputs: In this turn, whose answers it was given: `agent`, `attempt`, `chars`, and `of_chars` if
            one was cut.
        missing: In this turn, `agent` and `status` of those whose answers it goes without.
        note: The agent's own word for what it does (`status` events), or why it is tried again.
        speaker: Who speaks after a handoff, else None.
        approvals: Calls that wait for an answer, by `call_id`.
        content: Progress, data, sources, files and the structured answer.
        error: `code`, `message`, `error_id`, `retryable` of a failed attempt, else None.
        started_t, first_token_t: Milliseconds since the run's start.
    """

    agent_id: str
    title: str = ""
    backend: str = ""
    model: str | None = None
    variant: Mapping[str, Any] | None = None
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
    stage: str | None = None
    round: int | None = None
    layer: int | None = None
    turn: int | None = None
    turns: list[TurnView] = field(default_factory=list)
    inputs: list[Mapping[str, Any]] = field(default_factory=list)
    missing: list[Mapping[str, Any]] = field(default_factory=list)
    content: ContentView = field(default_factory=ContentView)
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
        self.variant = info.get("variant")

    def replace(self, snapshot: Mapping[str, Any]) -> None:
        """Become what a snapshot says; reasoning and tools are forgotten, since it does not hold them."""
        self._begin(snapshot.get("attempt", self.attempt), snapshot.get("status", self.status))
        self._pieces = [snapshot.get("text") or ""]
        self.error = snapshot.get("error")
        self.metrics = snapshot.get("metrics")
        self.usage = snapshot.get("usage")
        self.content = ContentView.of_snapshot(snapshot)
        self.approvals = {asked["call_id"]: asked for asked in snapshot.get("approvals") or ()}
        self.variant = snapshot.get("variant", self.variant)
        self._take_stage(snapshot)
        self.turn = snapshot.get("turn")
        self.turns = [TurnView.of_snapshot(turn) for turn in snapshot.get("turns") or ()]
        self.inputs, self.missing = list(snapshot.get("inputs") or ()), list(snapshot.get("missing") or ())

    def apply(self, event: Event) -> None:
        """Take one event of this agent; a type that is not known changes nothing."""
        data = event.data
        if self.stage is None and not self.ended:
            self._take_stage(data)  # of a reader that came after the start
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
            case Approval.TYPE:
                self.approvals.pop(data["call_id"], None)
            case Retry.TYPE:
                self._begin(data["attempt"], "queued")
                self.note = f"again after {data.get('code', 'an error')}"
            case Done.TYPE | Error.TYPE | Cancelled.TYPE:
                self._end(event)
            case _:
                self.content.apply(event)

    def _begin(self, attempt: int, status: AgentStatus) -> None:
        self.attempt, self.status = attempt, status
        self._pieces = []
        self.content = ContentView()
        self.reasoning = self.note = ""
        self.tools, self.approvals = [], {}
        self.error = self.metrics = self.usage = self.finish_reason = None
        self.speaker = self.started_t = self.first_token_t = None

    def _take_stage(self, data: Mapping[str, Any]) -> None:
        self.stage, self.round, self.layer = data.get("stage"), data.get("round"), data.get("layer")

    def _close_turn(self, number: int) -> None:
        """Put what was said among the earlier turns: it is no failed attempt, so it stays."""
        self.turns.append(
            TurnView(
                number, self.stage or "panel", self.attempt, self.status, self.text, self.round, self.layer
            )
        )

    def _start(self, event: Event) -> None:
        turn = event.data.get("turn")
        # What was said before any panel sat was the first turn.
        before = self.turn or (1 if self.ended else None)
        if turn is not None and before is not None and turn != before:
            self._close_turn(before)
        self.turn = turn
        self._take_stage(event.data)
        self.inputs = list(event.data.get("inputs") or ())
        self.missing = list(event.data.get("missing") or ())
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
            self.content.end(data)
            self.usage, self.finish_reason = data.get("usage"), data.get("finish_reason")
        elif event.type == Error.TYPE:
            self.status = "error"
            self.error = {key: data.get(key) for key in ("code", "message", "error_id", "retryable")}
        else:
            self.status = "cancelled"
            self.note = data.get("reason", "")
