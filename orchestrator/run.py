"""One run: its agents, its state, and the one writer that brings what they say into the log.

Owns the tasks of its agents and the fold of their events into a snapshot. Which runs there are,
and for how long, is the supervisor's affair.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import structlog

from .attempt import Stop
from .backends.base import AgentInput, Turn
from .budget import Purse
from .conversation import Conversations
from .errors import Conflict, NotFound
from .eventlog.base import Draft, EventLog
from .events import (
    RUN,
    AgentAdded,
    AgentInfo,
    AgentMetrics,
    AgentOutcome,
    AgentSnapshot,
    AgentStatus,
    Cancelled,
    Done,
    Error,
    Payload,
    Retry,
    RunDone,
    RunMetrics,
    RunStarted,
    RunStatus,
    Snapshot,
    Started,
    Token,
    Usage,
    encode_data,
)
from .mailbox import Mailbox
from .merge import Batch, Joining, fan_in
from .observer import Observer
from .pump import Pump, new_error_id
from .roster import Roster

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Participant:
    """One agent's part in a run, as its logged events have it."""

    info: AgentInfo
    status: AgentStatus = "queued"
    attempt: int = 1
    pieces: list[str] = field(default_factory=list)
    error: dict[str, Any] | None = None
    metrics: AgentMetrics | None = None
    usage: Usage | None = None
    retries: int = 0
    pump: Pump | None = None
    mailbox: Mailbox | None = None
    purse: Purse = field(default_factory=lambda: Purse("agent"))

    @property
    def ended(self) -> bool:
        """Whether all that this agent says is in the log."""
        at_rest = self.mailbox is None or (self.mailbox.closed and not len(self.mailbox))
        return at_rest and self.status in ("done", "error", "cancelled")

    def fold(self, payload: Payload) -> AgentStatus:
        """Take a logged event in; return the status that follows from it."""
        match payload:
            case Token(text=text, parent=None):
                self.pieces.append(text)
            case Started(attempt=attempt):
                self._begin(attempt)
                return self._unless_cancelling("running")
            case Retry(attempt=attempt):
                self._begin(attempt)
                self.retries += 1
                return self._unless_cancelling("queued")
            case Done(usage=usage, metrics=metrics):
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

    def _unless_cancelling(self, status: AgentStatus) -> AgentStatus:
        # A cancel may have been asked for before the event was logged.
        return "cancelling" if self.status == "cancelling" else status

    def _begin(self, attempt: int) -> None:
        self.attempt = attempt
        self.pieces.clear()
        self.error = self.metrics = self.usage = None

    def snapshot(self) -> AgentSnapshot:
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]
        text = self.pieces[0] if self.pieces else ""
        return AgentSnapshot(self.status, self.attempt, text, self.error, self.metrics, self.usage)


@dataclass(frozen=True, slots=True)
class RunSpec:
    """What a run was started with."""

    run_id: str
    channel: str
    message: str
    agents: tuple[str, ...]
    conversation_id: str | None = None
    on_disconnect: str = "continue"
    images: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    max_cost: float | None = None

    @property
    def owns_channel(self) -> bool:
        return self.channel == self.run_id


class Run:
    """A message on its way through several agents.

    `begin` logs `run.started`; `execute` does the rest and returns when `run.done` is logged.
    """

    def __init__(
        self,
        spec: RunSpec,
        roster: Roster,
        event_log: EventLog,
        conversations: Conversations,
        observer: Observer,
    ) -> None:
        self.spec = spec
        self._roster = roster
        self._log = event_log
        self._conversations = conversations
        self._observer = observer
        self._purse = Purse("run", max_output_tokens=spec.max_output_tokens, max_cost=spec.max_cost)
        self.participants: dict[str, Participant] = {}
        self.status: RunStatus = "running"
        self.created_at = int(time.time() * 1000)
        self.ended_at: int | None = None
        self.last_event_id: str | None = None
        self.open = True
        self._t0 = time.monotonic()
        self._joining: Joining = asyncio.Queue()
        self._tasks: asyncio.TaskGroup | None = None
        self._log_context = {"run_id": spec.run_id}

    # ── what may be asked of it ──────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """Log `run.started`; afterwards the run can be read."""
        infos = [self._roster.info(agent_id) for agent_id in self.spec.agents]
        for info in infos:
            self._prepare(self._join(info))
        await self._append([Batch(RUN, [RunStarted(self.spec.run_id, self.spec.channel, infos)])])

    async def execute(self) -> None:
        """Run every agent to its end and log `run.done`."""
        self._observer.run_started()
        async with asyncio.TaskGroup() as self._tasks:
            for participant in self.participants.values():
                self._launch(participant)
            await self._write()
        await self._finish()

    async def fail(self) -> None:
        """End a run whose own machinery broke: its readers must not wait for ever."""
        self.open = False
        metrics = AgentMetrics(0, None, 0, 0, None, 0)
        for agent_id, participant in self.participants.items():
            if participant.status not in ("done", "error", "cancelled"):
                text = "The run broke; the server's log has the details."
                error = Error("internal", text, new_error_id(), False, metrics, participant.attempt)
                await self._append([Batch(agent_id, [error])])
        await self._finish()

    async def _finish(self) -> None:
        done = self._done()
        await self._append([Batch(RUN, [done])])
        self.status, self.ended_at = done.status, int(time.time() * 1000)
        log.info("run_ended", status=done.status, duration_ms=done.metrics.duration_ms, **self._log_context)
        self._observer.run_ended(self.status, done.metrics.duration_ms / 1000)
        for participant in self.participants.values():
            self._observer.agent_state(participant.info.agent_id, participant.status, None)

    def cancel(self, stop: Stop, agent_id: str | None = None) -> None:
        """Ask one agent, or all, to end; an agent that has ended is left as it is. Returns at once."""
        chosen = [self._participant(agent_id)] if agent_id is not None else list(self.participants.values())
        for participant in chosen:
            if participant.pump is not None and not participant.ended and participant.pump.stop(stop):
                self._enter(participant, "cancelling")

    def add(self, agent_id: str) -> None:
        """Let an agent join.

        Raises:
            Conflict: It takes part already, or the run has ended.
        """
        self._require_open()
        if agent_id in self.participants:
            raise Conflict(f"Agent {agent_id!r} takes part in this run already.")
        info = self._roster.info(agent_id)
        participant = self._join(info)
        self._prepare(participant, announce=AgentAdded(info))
        self._launch(participant)

    def retry(self, agent_id: str) -> None:
        """Start another attempt of an agent that has ended.

        Raises:
            NotFound: It does not take part. Conflict: It has not ended, or the run has.
        """
        participant = self._participant(agent_id)
        self._require_open()
        if not participant.ended:
            raise Conflict(
                f"Agent {agent_id!r} is {participant.status}; only one that has ended can be retried."
            )
        participant.fold(Retry(participant.attempt + 1, 0.0, "internal"))
        self._enter(participant, "queued")
        self._prepare(participant)
        self._launch(participant)

    def approve(self, agent_id: str, call_id: str, approve: bool) -> None:
        """Answer an approval.

        Raises:
            NotFound: None with this id waits.
        """
        pump = self._participant(agent_id).pump
        if pump is None or not pump.answer(call_id, approve):
            raise NotFound(f"Agent {agent_id!r} waits for no approval of call {call_id!r}.")

    def snapshot(self) -> Snapshot:
        """Return the run as of its last logged event."""
        spec = self.spec
        return Snapshot(
            run_id=spec.run_id,
            channel=spec.channel,
            conversation_id=spec.conversation_id,
            message=spec.message,
            status=self.status,
            created_at=self.created_at,
            ended_at=self.ended_at,
            last_event_id=self.last_event_id,
            agents={agent_id: p.snapshot() for agent_id, p in self.participants.items()},
        )

    @property
    def t(self) -> int:
        """Milliseconds since the run's start."""
        return int((time.monotonic() - self._t0) * 1000)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _participant(self, agent_id: str) -> Participant:
        try:
            return self.participants[agent_id]
        except KeyError:
            raise NotFound(f"Agent {agent_id!r} takes no part in this run.") from None

    def _require_open(self) -> None:
        if not self.open:
            raise Conflict("The run has ended; start a new one.")

    def _join(self, info: AgentInfo) -> Participant:
        limits = self._roster.agents[info.agent_id].limits
        purse = Purse(
            "agent",
            max_output_tokens=limits.max_output_tokens,
            max_cost=limits.max_cost,
            parent=self._purse,
        )
        participant = self.participants[info.agent_id] = Participant(info, purse=purse)
        self._observer.agent_state(info.agent_id, None, "queued")
        return participant

    def _prepare(self, participant: Participant, announce: Payload | None = None) -> None:
        """Make the agent's pump, so that it can be cancelled before its task runs."""
        agent_id = participant.info.agent_id
        settings = self._roster.agents[agent_id]
        mailbox = Mailbox(agent_id, limit=settings.limits.mailbox, coalesce_s=settings.coalesce_ms / 1000)
        if announce is not None:
            mailbox.post(announce)
        conversation = self.spec.conversation_id
        request = AgentInput(
            message=self.spec.message,
            run_id=self.spec.run_id,
            agent_id=agent_id,
            attempt=participant.attempt,
            conversation_id=conversation,
            images=self.spec.images,
            history=self._conversations.history(conversation, agent_id) if conversation else (),
        )

        def remember(turn: Turn) -> None:
            if conversation:
                self._conversations.add(conversation, agent_id, turn)

        participant.mailbox = mailbox
        participant.pump = Pump(
            settings,
            lambda: self._roster.backend(agent_id),
            request,
            mailbox,
            purse=participant.purse,
            observer=self._observer,
            on_done=remember,
        )

    def _launch(self, participant: Participant) -> None:
        if self._tasks is None or participant.pump is None or participant.mailbox is None:
            raise RuntimeError("an agent is launched by `execute`, after it was prepared")
        self._joining.put_nowait(participant.mailbox)
        name = f"{self.spec.run_id}/{participant.info.agent_id}/pump"
        self._tasks.create_task(participant.pump.run(), name=name)

    async def _write(self) -> None:
        """Bring batches into the log until every agent has ended; then the run is closed to newcomers."""
        async with aclosing(fan_in(self._joining)) as merged:
            async for batches in merged:
                await self._append(batches)
                if self.open and all(p.ended for p in self.participants.values()):
                    self.open = False
                    self._joining.put_nowait(None)

    async def _append(self, batches: Sequence[Batch]) -> None:
        """Bring *batches* into the log as one write, then into the state."""
        t = self.t
        drafts = [self._draft(agent_id, payload, t) for agent_id, events in batches for payload in events]
        entries = await self._log.append(self.spec.channel, drafts)
        self.last_event_id = entries[-1].id
        for agent_id, events in batches:
            if agent_id != RUN:
                self._fold(self.participants[agent_id], events)
        self._observer.log_bytes(self._log.size)

    def _draft(self, agent_id: str, payload: Payload, t: int) -> Draft:
        who = None if isinstance(payload, RunStarted | RunDone | AgentAdded) else agent_id
        return Draft(self.spec.run_id, who, payload.TYPE, encode_data(who, payload, t))

    def _fold(self, participant: Participant, payloads: Sequence[Payload]) -> None:
        chars = events = 0
        agent_id = participant.info.agent_id
        for payload in payloads:
            status = participant.fold(payload)
            if isinstance(payload, Token):
                chars += len(payload.text)
                events += 1
            elif status != participant.status:
                self._enter(participant, status)
            if isinstance(payload, Done | Error | Cancelled):
                self._report(agent_id, payload)
        if events:
            self._observer.tokens(agent_id, chars, events)

    def _enter(self, participant: Participant, status: AgentStatus) -> None:
        self._observer.agent_state(participant.info.agent_id, participant.status, status)
        participant.status = status

    def _report(self, agent_id: str, payload: Done | Error | Cancelled) -> None:
        metrics = payload.metrics
        self._observer.agent_ended(
            agent_id,
            payload.TYPE,
            payload.code if isinstance(payload, Error) else None,
            None if metrics.ttft_ms is None else metrics.ttft_ms / 1000,
            metrics.duration_ms / 1000,
            payload.usage.output_tokens if isinstance(payload, Done) and payload.usage else None,
        )
        log.info(
            "agent_ended",
            agent_id=agent_id,
            outcome=payload.TYPE,
            attempt=payload.attempt,
            duration_ms=metrics.duration_ms,
            ttft_ms=metrics.ttft_ms,
            **self._log_context,
        )

    def _done(self) -> RunDone:
        participants = self.participants
        status = _verdict([p.status for p in participants.values()])
        outcomes = {agent_id: AgentOutcome(p.status, p.attempt) for agent_id, p in participants.items()}
        return RunDone(status, outcomes, _sum(list(participants.values()), self.t))


def _verdict(statuses: Sequence[AgentStatus]) -> RunStatus:
    if all(status == "done" for status in statuses):
        return "completed"
    if "done" in statuses:
        return "partial"
    return "failed" if "error" in statuses else "cancelled"


def _sum(participants: Sequence[Participant], duration_ms: int) -> RunMetrics:
    usages = [p.usage for p in participants if p.usage is not None]
    costs = [p.metrics.cost for p in participants if p.metrics is not None and p.metrics.cost is not None]
    return RunMetrics(
        duration_ms=duration_ms,
        output_chars=sum(p.metrics.output_chars for p in participants if p.metrics is not None),
        input_tokens=sum(u.input_tokens for u in usages) if usages else None,
        output_tokens=sum(u.output_tokens for u in usages) if usages else None,
        retries=sum(p.retries for p in participants),
        cost=sum(costs) if costs else None,
    )
