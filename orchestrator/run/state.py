"""The state of a run, as a fold of its logged events. Owns no task and no store.

The worker that runs it folds what it logs; whoever reads an older run, or one of another worker,
folds the same events from the log, and so gets the same state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..events.agent import (
    AgentMetrics,
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    InputRef,
    Missing,
    Retry,
    Started,
    Status,
    Token,
    ToolResult,
    Usage,
)
from ..events.base import PANEL, WAITS_FOR_WORKER, AgentStatus, Payload, RunStatus
from ..events.panel import PanelInfo, PanelLate, PanelResult, PanelStage, PanelState
from ..events.run import AgentAdded, AgentInfo, AgentOutcome, RunDone, RunMetrics, RunStarted
from ..events.snapshot import AgentSnapshot, EarlierTurn, Snapshot
from ..telemetry.observer import RunFacts
from .compaction import Compactor
from .content_state import ContentState, brings_content
from .spec import RunSpec


@dataclass(slots=True)
class Participant:
    """One agent's part in a run, as its logged events have it."""

    info: AgentInfo
    status: AgentStatus = "queued"
    stopping: bool = False
    """Whether it was asked to end, and has not begun anew since: what it had said before is logged only now."""
    attempt: int = 1
    pieces: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    metrics: AgentMetrics | None = None
    usage: Usage | None = None
    retries: int = 0
    anchor: str | None = None
    """How another worker finds what its newest attempt has begun upstream."""
    stage: str | None = None
    round: int | None = None
    layer: int | None = None
    turn: int | None = None
    inputs: Sequence[InputRef] = ()
    missing: Sequence[Missing] = ()
    turns: tuple[EarlierTurn, ...] = ()
    content: ContentState | None = None
    """None as long as there is nothing but text: thousands of agents wait at a time."""
    approvals: dict[str, ApprovalRequest] = field(default_factory=dict)
    """The calls of its newest attempt that nobody has answered; they wait unless it has ended."""
    spent: tuple[tuple[AgentMetrics | None, Usage | None], ...] = ()
    """Of each earlier turn."""

    @property
    def text(self) -> str:
        """What it has said so far in its newest attempt."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        return self.pieces[0] if self.pieces else ""

    @property
    def ended(self) -> bool:
        """Whether its newest attempt has had its terminal event."""
        return self.status in ("done", "error", "cancelled")

    def fold(self, payload: Payload) -> AgentStatus:
        """Take a logged event in; return the status that follows from it."""
        if type(payload) is Token:
            if payload.parent is None:
                self.pieces.append(payload.text)
            return self.status
        if self.content is None and brings_content(payload):
            self.content = ContentState()
        if self.content is not None:
            self.content.fold(payload)
        match payload:
            case Status(anchor=str(anchor)):
                self.anchor = anchor
            case ApprovalRequest(call_id=call_id):
                self.approvals[call_id] = payload
            case Approval(call_id=call_id) | ToolResult(call_id=call_id):
                self.approvals.pop(call_id, None)
            case Started(attempt=attempt):
                self.enter_turn(payload)
                self._begin(attempt)
                return self._unless_cancelling("running")
            case Retry(attempt=attempt):
                self._begin(attempt)
                self.retries += 1
                return self._unless_cancelling("queued")
            case Done(text=text, usage=usage, metrics=metrics):
                self.pieces[:] = [text]  # the same, unless the tokens were trimmed away
                self.usage, self.metrics = usage, metrics
                return "done"
            case Error(code=code, message=message, error_id=error_id, retryable=retryable, metrics=metrics):
                self.error = {"code": code, "message": message, "error_id": error_id, "retryable": retryable}
                self.metrics = metrics
                return "error"
            case Cancelled(metrics=metrics):
                self.metrics = metrics
                return "cancelled"
            case _:
                pass
        return self.status

    def enter(self, status: AgentStatus) -> None:
        """Take a status that no event gives: asked to end, or about to begin anew."""
        self.status = status
        self.stopping = status == "cancelling"

    def enter_turn(self, opening: Started) -> None:
        """Take in what an attempt is part of. What was said in the turn before is kept, not void."""
        # What was said before any panel sat was the first turn.
        before = self.turn or (1 if self.ended else None)
        if opening.turn is not None and before is not None and opening.turn != before:
            earlier = EarlierTurn(
                turn=before,
                stage=self.stage or "panel",
                attempt=self.attempt,
                status=self.status,
                text=self.text,
                round=self.round,
                layer=self.layer,
            )
            self.turns += (earlier,)
            self.spent += ((self.metrics, self.usage),)
            self._begin(opening.attempt)
        self.stage, self.round, self.layer = opening.stage, opening.round, opening.layer
        self.turn, self.inputs, self.missing = opening.turn, opening.inputs, opening.missing

    def _unless_cancelling(self, status: AgentStatus) -> AgentStatus:
        # A cancel may have been asked for before the event was logged, and before an attempt's failure was.
        return "cancelling" if self.stopping else status

    def _begin(self, attempt: int) -> None:
        self.attempt = attempt
        self.pieces.clear()
        self.content = None
        self.approvals.clear()
        self.error = self.metrics = self.usage = self.anchor = None

    def snapshot(self) -> AgentSnapshot:
        content = self.content or ContentState()
        return AgentSnapshot(
            self.status,
            self.attempt,
            self.text,
            self.error,
            self.metrics,
            self.usage,
            stage=self.stage,
            round=self.round,
            layer=self.layer,
            turn=self.turn,
            inputs=list(self.inputs),
            missing=list(self.missing),
            turns=list(self.turns),
            output=content.output,
            progress=content.progress,
            data=list(content.data),
            sources=list(content.sources),
            files=list(content.files),
            approvals=[] if self.ended else list(self.approvals.values()),
            variant=self.info.variant,
        )


class RunState:
    """A run as of its last folded event.

    Args:
        created_at: Milliseconds since 1970.
    """

    def __init__(self, spec: RunSpec, created_at: int) -> None:
        self.spec = spec
        self.participants: dict[str, Participant] = {}
        self.status: RunStatus = "running"
        self.is_queued = False
        """Whether it waits for a worker: as its events say, or for who has it from the log, its record."""
        self.created_at = created_at
        self.ended_at: int | None = None
        self.last_event_id: str | None = None
        self.digest = Compactor()
        """Taken by whoever has the events as they are logged."""
        self.t = 0
        """What its newest event said, if it was read from the log."""
        self.panel: PanelState | None = None
        self.stages: dict[tuple[str, int], list[Missing]] = {}
        """Which stages of the panel have begun, and without whom."""
        self.panel_events = 0
        self.panel_called = False
        """Whether the newest panel was called during the run."""

    @property
    def facts(self) -> RunFacts:
        """What observers are given of the run."""
        spec = self.spec
        channel = None if spec.channel == spec.run_id else spec.channel
        return RunFacts(spec.run_id, channel, self.created_at, spec.traceparent)

    @property
    def closing(self) -> bool:
        """Whether only `run.done` is to come, unless somebody is asked once more."""
        decided = self.panel is None or self.panel.result is not None
        return self.status == "running" and decided and all(p.ended for p in self.participants.values())

    def join(self, info: AgentInfo) -> Participant:
        """Let an agent take part; one that does already stays as it is."""
        return self.participants.setdefault(info.agent_id, Participant(info))

    def fold(self, agent_id: str | None, payload: Payload, event_id: str) -> None:
        """Take a logged event in. `run.done` leaves `ended_at` to whoever knows the time."""
        self.last_event_id = event_id
        if agent_id == PANEL:
            self._fold_panel(payload)
        elif agent_id is not None:
            # If `run.started` was trimmed away, nothing but the id is known of an agent.
            participant = self.participants.get(agent_id) or self.join(
                AgentInfo(agent_id, agent_id, "", None, self.spec.variants.get(agent_id, msgspec.UNSET))
            )
            participant.status = participant.fold(payload)
            if type(payload) is Status:
                self.is_queued = self.is_queued or payload.detail == WAITS_FOR_WORKER
            else:
                self.is_queued = False
        elif isinstance(payload, RunStarted):
            for info in payload.agents:
                self.join(info)
            self.panel = _panel_of(payload.panel) if payload.panel else None
        elif isinstance(payload, AgentAdded):
            self.join(payload.agent)
        elif isinstance(payload, RunDone):
            self.status = payload.status

    def fold_texts(self, agent_id: str, texts: list[str], event_id: str) -> None:
        """Take in tokens of one agent in a row, none of which a nested agent said; *event_id* is the last one's."""
        self.last_event_id = event_id
        self.participants[agent_id].pieces += texts
        self.is_queued = False

    def _fold_panel(self, payload: Payload) -> None:
        self.panel_events += 1
        if isinstance(payload, PanelStage):
            if payload.info is not None:
                self.panel = _panel_of(payload.info)
                self.panel_called = True
                self.stages.clear()
            self.stages[payload.stage, payload.round or payload.layer or 0] = payload.missing
        # If `run.started` was trimmed away, nothing but these events is known of a panel.
        panel = self.panel
        if panel is None:
            named = getattr(payload, "method", "")
            panel = self.panel = PanelState(None, named, named, [], None, [], None, None, [])
        if isinstance(payload, PanelStage):
            panel.stage, panel.round, panel.layer = payload.stage, payload.round, payload.layer
        elif isinstance(payload, PanelResult):
            panel.result = payload
        elif isinstance(payload, PanelLate):
            panel.late.append(payload)

    def snapshot(self) -> Snapshot:
        spec = self.spec
        agents = {agent_id: p.snapshot() for agent_id, p in self.participants.items()}
        if spec.blind:
            for agent in agents.values():
                agent.progress, agent.variant = [], msgspec.UNSET
        return Snapshot(
            run_id=spec.run_id,
            channel=spec.channel,
            conversation_id=spec.conversation_id,
            message=spec.message,
            status="queued" if self.is_queued and self.status == "running" else self.status,
            created_at=self.created_at,
            ended_at=self.ended_at,
            last_event_id=self.last_event_id,
            agents=agents,
            panel=None
            if self.panel is None
            else msgspec.structs.replace(self.panel, late=list(self.panel.late)),
            blind=spec.blind,
        )

    def outcomes(self) -> dict[str, AgentStatus | None]:
        """Return how each agent stands."""
        return {agent_id: participant.status for agent_id, participant in self.participants.items()}

    def conclusion(self, duration_ms: int) -> RunDone:
        """Return the `run.done` that follows from the agents' states."""
        participants = list(self.participants.values())
        outcomes = {agent_id: AgentOutcome(p.status, p.attempt) for agent_id, p in self.participants.items()}
        return RunDone(_verdict([p.status for p in participants]), outcomes, _sum(participants, duration_ms))


def _verdict(statuses: Sequence[AgentStatus]) -> RunStatus:
    if all(status == "done" for status in statuses):
        return "completed"
    if "done" in statuses:
        return "partial"
    return "failed" if "error" in statuses else "cancelled"


def _panel_of(info: PanelInfo) -> PanelState:
    return PanelState(
        **{name: getattr(info, name) for name in PanelInfo.__struct_fields__},
        stage=None,
        result=None,
        late=[],
    )


def _sum(participants: Sequence[Participant], duration_ms: int) -> RunMetrics:
    spent = [each for p in participants for each in (*p.spent, (p.metrics, p.usage))]
    metrics = [each for each, _ in spent if each is not None]
    usages = [each for _, each in spent if each is not None]
    costs = [each.cost for each in metrics if each.cost is not None]
    return RunMetrics(
        duration_ms=duration_ms,
        output_chars=sum(each.output_chars for each in metrics),
        input_tokens=sum(u.input_tokens for u in usages) if usages else None,
        output_tokens=sum(u.output_tokens for u in usages) if usages else None,
        retries=sum(p.retries for p in participants),
        cost=sum(costs) if costs else None,
    )
