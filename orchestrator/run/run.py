"""One run on the worker that owns it: its agents' tasks, from the first to the last event.

What it has come to is `state`'s; which runs there are, and for how long, is the supervisor's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

import msgspec
import structlog

from ..agent.attempt import Stop
from ..agent.pump import opening_of
from ..errors import Conflict, Fenced, NotFound
from ..eventlog.retry import until_available
from ..events.agent import Approval, Retry, Status
from ..events.base import RUN, WAITS_FOR_WORKER, RunStatus
from ..events.panel import PanelState
from ..events.run import AgentAdded
from ..events.snapshot import Snapshot
from ..panels.base import Answer
from ..panels.settings import PanelSettings
from ..telemetry.observer import Observer
from .agents import RunAgent, RunAgents
from .merge import Batch, Joining, fan_in
from .panel import RunPanel, TurnRequest, answer_of
from .resume import Resume, loss_of
from .state import Participant, RunState
from .state_waiters import StateWaiters
from .writer import Writer

log = structlog.get_logger(__name__)

TOO_LARGE = Stop(
    "Running runs hold as much as --max-live-bytes lets them, and this one the most.", "output_limit"
)


class Run:
    """A message on its way through several agents.

    `begin` logs `run.started`, or `resume` goes on with a run whose worker was lost; `execute` does the
    rest and returns when `run.done` is logged.

    Args:
        agents: Who takes part, made ready.
        writer: Logs what is said, into *state*.
    """

    def __init__(self, state: RunState, agents: RunAgents, writer: Writer, observer: Observer) -> None:
        self.state = state
        self.spec = state.spec
        self.open = True
        self._agents = agents
        self._writer = writer
        self._observer = observer
        self._panel: RunPanel | None = None
        self._conditions = StateWaiters()
        self._joining = Joining()
        self._tasks: asyncio.TaskGroup | None = None
        writer.live_bytes.on_full = partial(self.cancel, TOO_LARGE)

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    async def begin(self) -> None:
        """Log `run.started`; afterwards the run can be read.

        Raises:
            LogUnavailable: Whoever asks for the run is not to wait until the store is back, whenever that is.
        """
        infos = self._agents.infos()
        for info in infos:
            await self._agents.seal(info.agent_id)
            await self._agents.recall(info.agent_id)
            agent = self._agents.join(info)
            if self.spec.panel is None:
                self._agents.prepare(agent)
        await self._writer.append([Batch(RUN, [self._agents.opening(infos)])], patiently=False)

    async def resume(self) -> None:
        """Go on with a run of another worker, up to what `execute` starts. Raises as `Resume.go`."""
        await Resume(self.state, self._agents, self._writer, self._observer).go()

    async def report_queued(self) -> None:
        """Log that the run waits for a worker, for each agent that has not begun.

        Raises:
            Fenced: A worker has it now.
        """
        waiting = [agent_id for agent_id, one in self.state.participants.items() if one.status == "queued"]
        if waiting:
            batches = [Batch(agent_id, [Status("queued", WAITS_FOR_WORKER)]) for agent_id in waiting]
            await self._writer.append(batches)

    def report_left(self) -> None:
        """Let another worker execute what was begun here, if any does: nothing more of it is observed here."""
        for participant in self.state.participants.values():
            self._observer.agent_state(participant.info.configured, participant.status, None)
        self._observer.run_left(self.state.facts)

    def release(self) -> None:
        """Let go of all that only executing needs; the run can still be read."""
        self._agents.release()
        self._writer.live_bytes.release()

    async def execute(self) -> None:
        """Run every agent to its end and log `run.done`."""
        self._observer.run_started(self.state.facts)
        async with asyncio.TaskGroup() as self._tasks:
            for agent in self._agents:
                if agent.task is not None:
                    self._launch(agent)
            if self.state.panel is not None and self.state.panel.result is None:
                self._begin_panel(self.state.panel)
            if not self._close_if_ended():
                await self._write()
        await self._finish()

    async def fail(self) -> None:
        """End a run whose own machinery broke: its readers must not wait for ever."""
        self.open = False
        for agent_id, participant in self.state.participants.items():
            if not participant.ended:
                text = "The run broke; the server's log has the details."
                end = loss_of(participant, self.t, "internal", text)
                await self._writer.append([Batch(agent_id, [end])])
        await self._finish()

    # ── what may be asked of it ──────────────────────────────────────────────────────────────

    def cancel(self, stop: Stop, agent_id: str | None = None) -> None:
        """Ask one agent, or all, to end; an agent that has ended is left as it is. Returns at once."""
        for agent in self._agents if agent_id is None else [self._require(agent_id)]:
            if agent.task is not None and not agent.is_at_rest and agent.task.pump.stop(stop):
                self._writer.enter(self.state.participants[agent.agent_id], "cancelling")
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
        agent = self._agents.join(info)
        self._agents.prepare(agent, announce=AgentAdded(info))
        self._launch(agent)

    async def retry(self, agent_id: str) -> None:
        """Start another attempt of an agent that has ended.

        Raises:
            NotFound: It does not take part. Conflict: It has not ended, or the run has.
        """
        await self._agents.recall(agent_id)
        agent = self._require(agent_id)
        participant = self.state.participants[agent_id]
        self._require_open()
        if not agent.is_at_rest:
            raise Conflict(
                f"Agent {agent_id!r} is {participant.status}; only one that has ended can be retried."
            )
        participant.fold(Retry(participant.attempt + 1, 0.0, "internal"))
        self._writer.enter(participant, "queued")
        self._agents.prepare(agent)
        self._launch(agent)
        if self._panel is not None:
            self._panel.again(agent_id)

    def approve(self, agent_id: str, answer: Approval) -> None:
        """Answer an approval.

        Raises:
            NotFound: None with this id waits.
        """
        call_id = answer.call_id
        task = self._require(agent_id).task
        names = self._agents.blind_names
        own_id = call_id if names is None else names.call_of(agent_id, call_id)
        if task is None or not task.pump.answer(msgspec.structs.replace(answer, call_id=own_id)):
            raise NotFound(f"Agent {agent_id!r} waits for no approval of call {call_id!r}.")

    def start_panel(self, panel: RunPanel) -> None:
        """Start a panel in this run; the run stays open until it has ended.

        Raises:
            Conflict: Another one is under way, or the run has ended.
        """
        self._require_open()
        if self._panel is not None and self.panel_is_open and not self._panel.stop_if_idle():
            raise Conflict("A panel is under way in this run; ask again when it is done.")
        if self._tasks is None:
            raise RuntimeError("panels work while `execute` runs")
        self._panel = panel
        self._joining.put_nowait(panel.mailbox)
        self._tasks.create_task(panel.execute(), name=f"{self.spec.run_id}/panel")

    def start_panel_over(self, panel: PanelSettings) -> None:
        """Start a panel over what its members have said so far. Raises as `start_panel`."""
        if self.spec.blind:
            raise Conflict("A blind run takes no panel while it is open; ask again when it has ended.")
        there = self.state.participants
        given = [answer_of(there[agent_id]) for agent_id in panel.members if agent_id in there]
        self.start_panel(RunPanel(self, panel, given=given, late_call=True))

    @property
    def awaits_approval(self) -> bool:
        """Whether an agent waits until somebody answers it."""
        return any(agent.task is not None and agent.task.pump.awaits_approval for agent in self._agents)

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
        joined = None
        if agent_id not in self.state.participants:
            info = self._agents.info(agent_id)
            self._agents.join(info)
            joined = AgentAdded(info)
        agent, participant = self._agents[agent_id], self.state.participants[agent_id]
        agent.asked = asked
        fresh = participant.turn is None and participant.status == "queued"
        attempt = participant.attempt
        if participant.turn != asked.part.turn:
            attempt += 0 if fresh else 1
            participant.enter_turn(opening_of(asked.part, attempt))
            participant.attempt = attempt
            self._writer.enter(participant, "queued")
        self._agents.prepare(agent, announce=joined)
        self._launch(agent)

    async def when(self, true: Callable[[], bool]) -> None:
        """Wait until *true* returns True; asked after every append."""
        await self._conditions.wait(true)

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

    def _require(self, agent_id: str) -> RunAgent:
        if agent_id not in self.state.participants:
            raise NotFound(f"Agent {agent_id!r} takes no part in this run.")
        return self._agents[agent_id]

    def _require_open(self) -> None:
        if not self.open:
            raise Conflict("The run has ended; start a new one.")

    def _begin_panel(self, panel: PanelState) -> None:
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
        return self._agents[participant.info.agent_id].is_at_rest

    def _launch(self, agent: RunAgent) -> None:
        if self._tasks is None or agent.task is None:
            raise RuntimeError("agents that were prepared are launched while `execute` runs")
        self._joining.put_nowait(agent.task.mailbox)
        self._tasks.create_task(agent.task.pump.run(), name=f"{self.spec.run_id}/{agent.agent_id}/pump")

    # ── the writer ───────────────────────────────────────────────────────────────────────────

    async def _write(self) -> None:
        """Bring batches into the log until every agent has ended; then the run is closed to newcomers."""
        async with fan_in(self._joining) as merged:
            async for batches in merged:
                if self._agents.blind_names is not None:
                    # Before an ending is logged, so that whoever has seen it can be sent the rest.
                    self._agents.note_withheld(batches)
                    await until_available(partial(self._agents.seal_ended, batches))
                try:
                    await self._writer.append(batches)
                except Fenced:
                    for agent in self._agents:
                        if agent.task is not None:
                            agent.task.pump.mark_taken_over()
                    raise
                if self._conditions:
                    self._conditions.check()
                self._close_if_ended()

    def close_if_ended(self) -> None:
        """Look again whether all has ended: a panel has. Whom it never asked is not needed any more."""
        for agent in self._agents:
            if agent.task is None and not self.state.participants[agent.agent_id].ended:
                self._agents.prepare(agent).pump.stop(Stop("not_asked"))
                self._launch(agent)
        self._conditions.check()
        self._close_if_ended()

    def _close_if_ended(self) -> bool:
        if self.open and not self.panel_is_open and self._agents.all_at_rest:
            self.open = False
            self._joining.put_nowait(None)
        return not self.open

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
            self._observer.agent_state(participant.info.configured, participant.status, None)
