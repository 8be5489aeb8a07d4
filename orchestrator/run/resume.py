"""Resumes a run whose worker was lost: what had not begun begins, what had is lost, or begins again."""

from __future__ import annotations

from ..errors import ErrorCode, new_error_id
from ..events.agent import AgentMetrics, Error, Retry
from ..events.base import RUN, Payload
from ..telemetry.observer import Observer
from .agents import RunAgent, RunAgents
from .merge import Batch
from .state import Participant, RunState
from .writer import Writer


class Resume:
    """Says what became of a lost worker's attempts, and prepares those that are made here.

    Starts nothing, and may be done again as a whole if the store was unavailable in between.
    """

    def __init__(self, state: RunState, agents: RunAgents, writer: Writer, observer: Observer) -> None:
        self._state = state
        self._agents = agents
        self._writer = writer
        self._observer = observer
        self._panel_asks = state.spec.panel is not None
        """Whether the run's own panel asks again itself, and knows what."""

    async def go(self) -> None:
        """Log what was lost; prepare the agents that go on.

        Raises:
            Fenced: Another worker has the run now. LogUnavailable: Not all was done.
        """
        if self._state.last_event_id is None:
            # Its worker died before the first event: its agents have not even been queued.
            await self._writer.append([Batch(RUN, [self._agents.opening()])])
        for participant in self._state.participants.values():
            self._observer.agent_state(participant.info.configured, None, participant.status)
        for agent in self._agents:
            participant = self._state.participants[agent.agent_id]
            if participant.ended or (participant.status == "queued" and self._panel_asks):
                continue
            if participant.status == "queued" and self._agents.knows(agent.agent_id):
                # Nothing of it had begun, so nothing was lost.
                await self._agents.recall(agent.agent_id)
                self._agents.prepare(agent)
            else:
                await self._lose(agent, participant)

    async def _lose(self, agent: RunAgent, participant: Participant) -> None:
        """Log the end of a lost attempt; prepare the next one if it may be made."""
        attempt, anchor = participant.attempt, self._anchor_of(participant)
        # What a panel asked that was called during the run, nobody knows any more.
        forgotten = not self._panel_asks and participant.turn is not None
        again = anchor is not None or (self._agents.may_restart(agent.agent_id) and not forgotten)
        if again:
            # Before anything is logged: if the store is unavailable, all of this is done again.
            await self._agents.recall(agent.agent_id)
        batch: list[Payload] = [
            loss_of(participant, self._writer.t, "worker_lost", "Its worker was lost.", again=again)
        ]
        if again:
            batch.append(Retry(attempt + 1, 0.0, "worker_lost"))
        await self._writer.append([Batch(agent.agent_id, batch)])
        if again and not self._panel_asks:
            self._agents.prepare(agent, anchor=anchor)

    def _anchor_of(self, participant: Participant) -> str | None:
        """Return what a lost attempt has begun upstream, if it can be gone on with here."""
        here = not self._panel_asks and self._agents.knows(participant.info.agent_id)
        return participant.anchor if here else None


def loss_of(participant: Participant, t: int, code: ErrorCode, text: str, *, again: bool = False) -> Error:
    """Return the end, at *t*, of an attempt that nothing moves any more."""
    chars = sum(map(len, participant.pieces))
    metrics = AgentMetrics(0, None, t, chars, None, participant.retries)
    return Error(code, text, new_error_id(), again, metrics, participant.attempt)
