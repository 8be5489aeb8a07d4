"""One run on the worker that owns it: its agents' tasks, from the first to the last event.

What it has come to is `runstate`'s; which runs there are, and for how long, is the supervisor's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

import structlog

from ..agent.attempt import Stop
from ..agent.pump import new_error_id, opening_of
from ..errors import Conflict, ErrorCode, Fenced, NotFound
from ..eventlog.base import EventLog
from ..eventlog.retry import until_available
from ..eventlog.run_store import Fence
from ..events.agent import AgentMetrics, Error, Retry
from ..events.base import RUN, Payload, RunStatus
from ..events.panel import PanelState
from ..events.run import AgentAdded, AgentInfo, RunStarted
from ..events.snapshot import Snapshot
from ..panels.base import Answer
from ..panels.settings import PanelSettings
from ..telemetry.observer import Observer
from .agents import AgentTask, RunAgents
from .blind import BlindRecords
from .conversation import Conversations
from .merge import Batch, Joining, fan_in
from .panel import RunPanel, TurnRequest, answer_of, info_of
from .registry import AgentRegistry
from .state import Participant, RunState
from .writer import Writer

log = structlog.get_logger(__name__)


class Run:
    """A message on its way through several agents.

    `begin` logs `run.started`, or `resume` goes on with a run whose worker was lost; `execute` does the
    rest and returns when `run.done` is logged.

    Args:
        fence: The right to append; void once another worker took the run over.
        blind_records: Keep the truth about a blind run.
    """

    def __init__(
        self,
        state: RunState,
        registry: AgentRegistry,
        event_log: EventLog,
        conversations: Conversations,
        observer: Observer,
        *,
        fence: Fence | None = None,
        blind_records: BlindRecords | None = None,
    ) -> None:
        self.state = state
        self.spec = state.spec
        self.open = True
        self._agents = RunAgents(state.spec, registry, conversations, observer, blind_records=blind_records)
        self._writer = Writer(state, event_log, observer, fence=fence, blind_names=self._agents.blind_names)
        self._observer = observer
        self._agent_tasks: dict[str, AgentTask] = {}
        self._asked: dict[str, TurnRequest] = {}
        self._panel: RunPanel | None = None
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._joining: Joining = asyncio.Queue()
        self._tasks: asyncio.TaskGroup | None = None

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """Log `run.started`; afterwards the run can be read."""
        infos = self._agents.opening()
        for info in infos:
            await self._agents.seal(info.agent_id)
            await self._agents.recall(info.agent_id)
            participant = self._join(info)
            if self.spec.panel is None:
                self._prepare(participant)
        await self._writer.append([Batch(RUN, [self._opening(infos)])])

    async def resume(self) -> None:
        """Go on with a run of another worker: begin what had not begun; what had is lost, or begins again."""
        if self.state.last_event_id is None:
            # Its worker died before the first event: its agents have not even been queued.
            await self._writer.append([Batch(RUN, [self._opening(self._agents.opening())])])
        for agent_id, participant in self.state.participants.items():
            self._observer.agent_state(agent_id, None, participant.status)
        for agent_id, participant in self.state.participants.items():
            if participant.ended or (participant.status == "queued" and self.spec.panel is not None):
                continue  # a panel asks again itself, and knows what
            if participant.status == "queued" and self._agents.knows(agent_id):
                # Nothing of it had begun, so nothing was lost.
                await self._agents.recall(agent_id)
                self._prepare(participant)
                continue
            attempt, anchor = participant.attempt, self._anchor_of(participant)
            # What a panel asked that was called during the run, nobody knows any more.
            lost = self.spec.panel is None and participant.turn is not None
            again = anchor is not None or (self._agents.may_restart(agent_id) and not lost)
            if again:
                # Before anything is logged: where the store is away, all of this is done again.
                await self._agents.recall(agent_id)
            batch: list[Payload] = [
                self._loss(participant, "worker_lost", "Its worker was lost.", again=again)
            ]
            if again:
                batch.append(Retry(attempt + 1, 0.0, "worker_lost"))
            await self._writer.append([Batch(agent_id, batch)])
            if again and self.spec.panel is None:
                self._prepare(participant, anchor=anchor)

    def report_left(self) -> None:
        """Let another worker execute what was begun here, if any does: nothing more of it is observed here."""
        for agent_id, participant in self.state.participants.items():
            self._observer.agent_state(agent_id, participant.status, None)
        self._observer.run_left(self.state.facts)

    async def execute(self) -> None:
        """Run every agent to its end and log `run.done`."""
        self._observer.run_started(self.state.facts)
        async with asyncio.TaskGroup() as self._tasks:
            for agent_id in list(self._agent_tasks):
                self._launch(agent_id)
            if self.state.panel is not None and self.state.panel.result is None:
                self._go_on_sitting(self.state.panel)
            if not self._close_if_ended():
                await self._write()
        await self._finish()

    async def fail(self) -> None:
        """End a run whose own machinery broke: its readers must not wait for ever."""
        self.open = False
        for agent_id, participant in self.state.participants.items():
            if not participant.ended:
                text = "The run broke; the server's log has the details."
                await self._writer.append([Batch(agent_id, [self._loss(participant, "internal", text)])])
        await self._finish()

    # ── what may be asked of it ──────────────────────────────────────────────────────────────

    def cancel(self, stop: Stop, agent_id: str | None = None) -> None:
        """Ask one agent, or all, to end; an agent that has ended is left as it is. Returns at once."""
        chosen = [self._participant(agent_id)] if agent_id is not None else self.state.participants.values()
        for participant in chosen:
            live = self._agent_tasks.get(participant.info.agent_id)
            if live is not None and not self.at_rest(participant) and live.pump.stop(stop):
                self._writer.enter(participant, "cancelling")
        if agent_id is None and self._panel is not None:
            self._panel.cancel()

    async def add(self, agent_id: str) -> None:
        """Let an agent join.

        Raises:
            Conflict: It takes part already, or the run has ended.
        """
        await self._agents.recall(agent_id)
        self._require_open()
        if self._agents.blind_names is not None:
            raise Conflict("A blind run takes no further agents; start another one.")
        if agent_id in self.state.participants:
            raise Conflict(f"Agent {agent_id!r} takes part in this run already.")
        if self._panel is not None and self.panel_is_open and self._panel.asks(agent_id):
            raise Conflict(f"Agent {agent_id!r} is asked by this run's panel when its time has come.")
        info = self._agents.info(agent_id)
        self._prepare(self._join(info), announce=AgentAdded(info))
        self._launch(agent_id)

    async def retry(self, agent_id: str) -> None:
        """Start another attempt of an agent that has ended.

        Raises:
            NotFound: It does not take part. Conflict: It has not ended, or the run has.
        """
        await self._agents.recall(agent_id)
        participant = self._participant(agent_id)
        self._require_open()
        if not self.at_rest(participant):
            raise Conflict(
                f"Agent {agent_id!r} is {participant.status}; only one that has ended can be retried."
            )
        participant.fold(Retry(participant.attempt + 1, 0.0, "internal"))
        self._writer.enter(participant, "queued")
        self._prepare(participant, asked=self._asked.get(agent_id))
        self._launch(agent_id)
        if self._panel is not None:
            self._panel.again(agent_id)

    def approve(self, agent_id: str, call_id: str, approve: bool) -> None:
        """Answer an approval.

        Raises:
            NotFound: None with this id waits.
        """
        self._participant(agent_id)
        live = self._agent_tasks.get(agent_id)
        if live is None or not live.pump.answer(call_id, approve):
            raise NotFound(f"Agent {agent_id!r} waits for no approval of call {call_id!r}.")

    def start_panel(self, panel: RunPanel) -> None:
        """Let a panel sit in this run; the run stays open until it has risen.

        Raises:
            Conflict: Another one sits, or the run has ended.
        """
        self._require_open()
        if self._panel is not None and self.panel_is_open and not self._panel.stop_if_idle():
            raise Conflict("A panel is under way in this run; ask again when it is done.")
        if self._tasks is None:
            raise RuntimeError("panels sit while `execute` runs")
        self._panel = panel
        self._joining.put_nowait(panel.mailbox)
        self._tasks.create_task(panel.sit(), name=f"{self.spec.run_id}/panel")

    def start_panel_over(self, panel: PanelSettings) -> None:
        """Let a panel sit over what its members have said so far. Raises as `start_panel`."""
        if self.spec.blind:
            raise Conflict("A blind run takes no panel while it is open; ask again when it has ended.")
        there = self.state.participants
        given = [answer_of(there[agent_id]) for agent_id in panel.members if agent_id in there]
        self.start_panel(RunPanel(self, panel, given=given, late_call=True))

    @property
    def awaits_approval(self) -> bool:
        """Whether an agent waits until somebody answers it."""
        return any(live.pump.awaits_approval for live in self._agent_tasks.values())

    @property
    def panel_is_open(self) -> bool:
        """Whether a panel is under way."""
        return self._panel is not None and not self._panel.mailbox.drained

    async def ask(self, agent_id: str, asked: TurnRequest) -> None:
        """Let an agent begin another turn; one that does not take part yet joins.

        Raises:
            Conflict: The run has ended.
        """
        await self._agents.recall(agent_id)
        self._require_open()
        participant, joined = self.state.participants.get(agent_id), None
        if participant is None:
            info = self._agents.info(agent_id)
            participant, joined = self._join(info), AgentAdded(info)
        self._asked[agent_id] = asked
        fresh = participant.turn is None and participant.status == "queued"
        attempt = participant.attempt
        if participant.turn != asked.part.turn:
            attempt += 0 if fresh else 1
            participant.enter_turn(opening_of(asked.part, attempt))
            participant.attempt = attempt
            self._writer.enter(participant, "queued")
        self._prepare(participant, announce=joined, asked=asked)
        self._launch(agent_id)

    async def when(self, true: Callable[[], bool]) -> None:
        """Wait until *true* returns True; asked after every append."""
        if true():
            return
        waiting = (true, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting[1]
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def title(self, agent_id: str) -> str:
        """Return the name that people see of an agent, whether or not it takes part."""
        participant = self.state.participants.get(agent_id)
        if participant is not None:
            return participant.info.title
        return self._agents.title(agent_id)

    def snapshot(self) -> Snapshot:
        """Return the run as of its last logged event."""
        return self.state.snapshot()

    @property
    def status(self) -> RunStatus:
        return self.state.status

    @property
    def participants(self) -> dict[str, Participant]:
        return self.state.participants

    @property
    def t(self) -> int:
        """Milliseconds since the run's start."""
        return self._writer.t

    # ── agents ───────────────────────────────────────────────────────────────────────────────

    def _participant(self, agent_id: str) -> Participant:
        try:
            return self.state.participants[agent_id]
        except KeyError:
            raise NotFound(f"Agent {agent_id!r} takes no part in this run.") from None

    def _require_open(self) -> None:
        if not self.open:
            raise Conflict("The run has ended; start a new one.")

    def _join(self, info: AgentInfo) -> Participant:
        self._observer.agent_state(info.agent_id, None, "queued")
        return self.state.join(info)

    def _opening(self, infos: list[AgentInfo]) -> RunStarted:
        panel = None if self.spec.panel is None else info_of(self.spec.panel, self.spec)
        return RunStarted(self.spec.run_id, self.spec.channel, infos, panel, self.spec.blind)

    def _go_on_sitting(self, panel: PanelState) -> None:
        """Begin the run's own panel, or go on with it; one that was called during the run has died with its worker."""
        if self.spec.panel is not None and not self.state.panel_called:
            self.start_panel(RunPanel(self, self.spec.panel, given=self._given()))
        else:
            self.start_panel(RunPanel.lost(self, panel))

    def _given(self) -> list[Answer] | None:
        if self.spec.of is None:
            return None
        return [Answer(g.agent_id, g.title, g.status, g.text, g.attempt) for g in self.spec.given]

    def at_rest(self, participant: Participant) -> bool:
        """Whether the agent has ended and all that it said is in the log."""
        live = self._agent_tasks.get(participant.info.agent_id)
        return participant.ended and (live is None or live.mailbox.drained)

    def _anchor_of(self, participant: Participant) -> str | None:
        """Return what a lost attempt has begun upstream, where it can be gone on with."""
        # A panel asks again itself.
        here = self.spec.panel is None and self._agents.knows(participant.info.agent_id)
        return participant.anchor if here else None

    def _prepare(
        self,
        participant: Participant,
        announce: Payload | None = None,
        asked: TurnRequest | None = None,
        anchor: str | None = None,
    ) -> None:
        """Make the agent's pump, so that it can be cancelled before its task runs."""
        self._agent_tasks[participant.info.agent_id] = self._agents.prepare(
            participant, announce, asked, anchor
        )

    def _launch(self, agent_id: str) -> None:
        if self._tasks is None:
            raise RuntimeError("agents are launched while `execute` runs")
        live = self._agent_tasks[agent_id]
        self._joining.put_nowait(live.mailbox)
        self._tasks.create_task(live.pump.run(), name=f"{self.spec.run_id}/{agent_id}/pump")

    # ── the writer ───────────────────────────────────────────────────────────────────────────

    async def _write(self) -> None:
        """Bring batches into the log until every agent has ended; then the run is closed to newcomers."""
        async with aclosing(fan_in(self._joining)) as merged:
            async for batches in merged:
                if self._agents.blind_names is not None:
                    # Before an ending is logged, so that whoever has seen it can be told the rest.
                    await until_available(partial(self._agents.seal_ended, batches))
                try:
                    await self._writer.append(batches)
                except Fenced:
                    for live in self._agent_tasks.values():
                        live.pump.mark_taken_over()
                    raise
                if self._waiting:
                    self._wake()
                self._close_if_ended()

    def close_if_ended(self) -> None:
        """Look again whether all has ended: a panel has risen. Whom it never asked is not needed any more."""
        for agent_id, participant in self.state.participants.items():
            if not participant.ended and agent_id not in self._agent_tasks:
                self._prepare(participant)
                self._agent_tasks[agent_id].pump.stop(Stop("not_asked"))
                self._launch(agent_id)
        self._wake()
        self._close_if_ended()

    def _wake(self) -> None:
        for true, waiter in list(self._waiting):
            if not waiter.done() and true():
                waiter.set_result(None)

    def _close_if_ended(self) -> bool:
        if (
            self.open
            and not self.panel_is_open
            and all(self.at_rest(p) for p in self.state.participants.values())
        ):
            self.open = False
            self._joining.put_nowait(None)
        return not self.open

    def _loss(self, participant: Participant, code: ErrorCode, text: str, *, again: bool = False) -> Error:
        """Return the end of an attempt that nothing moves any more."""
        chars = sum(map(len, participant.pieces))
        metrics = AgentMetrics(0, None, self.t, chars, None, participant.retries)
        return Error(code, text, new_error_id(), again, metrics, participant.attempt)

    async def _finish(self) -> None:
        done = self.state.conclusion(self.t)
        await self._writer.append([Batch(RUN, [done])])
        self.state.ended_at = int(time.time() * 1000)
        log.info(
            "run_ended",
            run_id=self.spec.run_id,
            status=done.status,
            duration_ms=done.metrics.duration_ms,
        )
        self._observer.run_ended(self.state.facts, done.status, done.metrics.duration_ms / 1000)
        for participant in self.state.participants.values():
            self._observer.agent_state(participant.info.agent_id, participant.status, None)
