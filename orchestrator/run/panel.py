"""A panel within a run: the `Host` that its session talks to, and the task that moves it.

Owns the panel's mailbox and its turns. The agents' tasks are the run's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from ..agent.attempt import Stop
from ..agent.mailbox import Mailbox
from ..backends.base import Part
from ..errors import Conflict
from ..events.agent import Missing
from ..events.base import PANEL, Payload
from ..events.panel import Given, PanelInfo, PanelResult, PanelState
from ..events.snapshot import EarlierTurn
from ..panels.base import Answer, TurnPrompt
from ..panels.loader import load_method
from ..panels.session import Session
from ..panels.settings import PanelSettings
from ..telemetry.logs import failure
from .spec import RunSpec
from .state import Participant, RunState

log = structlog.get_logger(__name__)

NO_ANSWERS = ("review", "final")
"""Stages in which an agent speaks about answers, and gives none of its own."""


@dataclass(frozen=True, slots=True)
class TurnRequest:
    """The question to an agent in one turn of a panel."""

    message: str
    part: Part
    remember: bool


class PanelRun(Protocol):
    """The run, as far as a panel needs it."""

    state: RunState
    spec: RunSpec

    async def ask(self, agent_id: str, part: TurnRequest) -> None: ...
    async def when(self, true: Callable[[], bool]) -> None: ...
    def cancel(self, stop: Stop, agent_id: str | None = None) -> None: ...
    def at_rest(self, participant: Participant) -> bool: ...
    def title(self, agent_id: str) -> str: ...
    def close_if_ended(self) -> None: ...


class RunPanel:
    """One panel in one run, from its first stage to its verdict.

    Args:
        given: Answers that are there already.
        late_call: Whether the panel was called during the run, so that `run.started` did not announce it.
    """

    def __init__(
        self,
        run: PanelRun,
        settings: PanelSettings,
        *,
        given: Sequence[Answer] | None = None,
        late_call: bool = False,
    ) -> None:
        self.mailbox = Mailbox(PANEL)
        self._run = run
        self._settings = settings
        self._given = given
        self._unannounced = info_of(settings, run.spec) if late_call else None
        self._before = (
            {agent_id: _turns(p) for agent_id, p in run.state.participants.items()} if late_call else {}
        )
        self._emitted = run.state.panel_events
        self._cancelled = False
        self._dismissed = False
        self._lost = False
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None

    @classmethod
    def lost(cls, run: PanelRun, panel: PanelState) -> RunPanel:
        """Return a panel that only says that it failed: its worker was lost."""
        settings = PanelSettings.model_construct(method=panel.method, panel_id=panel.panel_id)
        lost = cls(run, settings)
        lost._lost = True
        return lost

    async def execute(self) -> None:
        """Conduct the panel; whatever happens, it has a result and the mailbox is closed."""
        self._task = asyncio.current_task()
        try:
            if self._lost:
                return self._give_up("failed")
            method = load_method(self._settings.method)
            async with asyncio.TaskGroup() as tasks:
                session = Session(self, self._settings, self._run.spec.message, tasks, given=self._given)
                self._session = session
                try:
                    await session.conduct(method)
                finally:
                    self._session = None
        except asyncio.CancelledError:
            if not (self._cancelled or self._dismissed):
                raise
            if not self._dismissed:
                self._give_up("cancelled")
        except Exception as exc:  # noqa: BLE001 - a method of somebody else's may raise anything
            facts = failure(exc, (self._run.spec.message,))
            log.error("panel_failed", run_id=self.run_id, method=self._settings.method, **facts)
            self._give_up("failed")
        finally:
            self.mailbox.close()
            self._run.close_if_ended()

    def cancel(self) -> None:
        """End the panel, because its run is cancelled. Its agents are not touched."""
        if not self._cancelled and not self.mailbox.closed:
            self._cancelled = True
            if self._task is not None:
                self._task.cancel()

    def again(self, agent_id: str) -> None:
        """Take in that a person asks an agent once more."""
        if self._session is not None:
            self._session.again(agent_id)

    def stop_if_idle(self) -> bool:
        """End the panel if it only waits for late answers; False if it has something to do yet."""
        if self._session is None or not self._session.idle:
            return False
        self._dismissed = True
        if self._task is not None:
            self._task.cancel()
        return True

    def asks(self, agent_id: str) -> bool:
        """Whether the panel asks this agent when its time has come."""
        return agent_id in self._settings.everyone

    def _give_up(self, status: str) -> None:
        state = self._run.state.panel
        if state is not None and state.result is not None and self._unannounced is None:
            return
        name, method = self._settings.name, self._settings.method
        self.mailbox.post(PanelResult(name, method, status, None, [], {}, []))  # type: ignore[arg-type]  # one of its words

    # ── the host of the session ──────────────────────────────────────────────────────────────

    @property
    def run_id(self) -> str:
        return self._run.spec.run_id

    async def ask(self, agent_id: str, turn: int, prompt: TurnPrompt) -> Answer:
        """See `panels.base.Host`."""
        turn += self._before.get(agent_id, 0)
        known = self._known(agent_id, turn)
        if known is not None:
            return known
        part = Part(
            question=self._run.spec.message,
            stage=prompt.stage,
            task=prompt.task,
            number=prompt.number,
            turn=turn,
            heard=prompt.heard,
            missing=prompt.missing,
        )
        participant = self._run.state.participants.get(agent_id)
        if participant is not None and participant.status in ("running", "cancelling"):
            # It was cancelled for being late, and is still closing its stream.
            await self.ending(agent_id)
        try:
            await self._run.ask(agent_id, TurnRequest(prompt.message, part, prompt.remember))
        except Conflict:
            return Answer(agent_id, self.title(agent_id), "cancelled")
        return await self.ending(agent_id)

    async def ending(self, agent_id: str) -> Answer:
        """See `panels.base.Host`."""
        participant = self._run.state.participants[agent_id]
        turn = participant.turn
        while participant.turn == turn and not self._run.at_rest(participant):
            # Again if a person has it retried at the moment of its end.
            await self._run.when(lambda: participant.turn != turn or self._run.at_rest(participant))
        return self._known(agent_id, turn or 1) or _newest(participant)

    def answer_of(self, agent_id: str) -> Answer:
        """See `panels.base.Host`."""
        participant = self._run.state.participants.get(agent_id)
        if participant is None:
            return Answer(agent_id, self.title(agent_id), "queued")
        return answer_of(participant)

    def turns(self, agent_id: str) -> int:
        """See `panels.base.Host`."""
        participant = self._run.state.participants.get(agent_id)
        spoken = _turns(participant) if participant is not None else 0
        return spoken - self._before.get(agent_id, 0)

    def cancel_agent(self, agent_id: str, reason: str) -> None:
        """See `panels.base.Host`."""
        if agent_id in self._run.state.participants:
            self._run.cancel(Stop(reason), agent_id)

    async def emit(self, payload: Payload) -> None:
        """See `panels.base.Host`."""
        state = self._run.state
        self.mailbox.post(payload)
        self._emitted += 1
        mine = self._emitted
        await self._run.when(lambda: state.panel_events >= mine)

    def title(self, agent_id: str) -> str:
        """See `panels.base.Host`."""
        return self._run.title(agent_id)

    def announced(self, stage: str, number: int) -> bool:
        """See `panels.base.Host`."""
        return self._unannounced is None and (stage, number) in self._run.state.stages

    def gone_without(self) -> Sequence[Missing] | None:
        """See `panels.base.Host`."""
        stages = {} if self._unannounced is not None else self._run.state.stages
        return next((stages[stage, 0] for stage in NO_ANSWERS if (stage, 0) in stages), None)

    def late_is_logged(self, agent_id: str, attempt: int) -> bool:
        """See `panels.base.Host`."""
        panel = self._run.state.panel
        return panel is not None and any(
            (each.agent, each.attempt) == (agent_id, attempt) for each in panel.late
        )

    def answering(self, agent_id: str) -> bool:
        """See `panels.base.Host`."""
        participant = self._run.state.participants.get(agent_id)
        return participant is not None and participant.stage not in NO_ANSWERS

    def unannounced(self) -> PanelInfo | None:
        """See `panels.base.Host`."""
        info, self._unannounced = self._unannounced, None
        return info

    def _known(self, agent_id: str, turn: int) -> Answer | None:
        """What an agent said in a turn that has ended, be it on another worker."""
        participant = self._run.state.participants.get(agent_id)
        if participant is None:
            return None
        if participant.turn == turn and self._run.at_rest(participant):
            return _newest(participant)
        earlier = next((each for each in participant.turns if each.turn == turn), None)
        return None if earlier is None else _earlier(participant, earlier)


def answers(participant: Participant) -> bool:
    """Whether an agent has answered, or is to: who only reviewed or had a last word has not."""
    stages = (participant.stage, *(earlier.stage for earlier in participant.turns))
    return any(stage not in NO_ANSWERS for stage in stages)


def answer_of(participant: Participant) -> Answer:
    """Return an agent's newest answer as it stands: reviews and last words are none."""
    if participant.stage in NO_ANSWERS:
        for earlier in reversed(participant.turns):
            if earlier.stage not in NO_ANSWERS:
                return _earlier(participant, earlier)
    return _newest(participant)


def _newest(participant: Participant) -> Answer:
    info, error = participant.info, participant.error
    code = error["code"] if error else None
    return Answer(info.agent_id, info.title, participant.status, participant.text, participant.attempt, code)


def _earlier(participant: Participant, earlier: EarlierTurn) -> Answer:
    info = participant.info
    return Answer(info.agent_id, info.title, earlier.status, earlier.text, earlier.attempt)


def info_of(settings: PanelSettings, spec: RunSpec) -> PanelInfo:
    """Describe a panel as `run.started` does."""
    moderator = settings.moderator
    return PanelInfo(
        panel_id=settings.panel_id,
        title=settings.title or settings.name,
        method=settings.method,
        members=list(settings.answering),
        moderator=moderator.agent if moderator else None,
        fallback=list(moderator.fallback) if moderator else [],
        of=spec.of,
        given=[Given(g.agent_id, g.title, g.attempt, len(g.text)) for g in spec.given],
    )


def _turns(participant: Participant) -> int:
    if participant.turn is not None:
        return participant.turn
    return 0 if participant.status == "queued" else 1
