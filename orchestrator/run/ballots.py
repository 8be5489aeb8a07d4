"""Which answer was found better: what a person's vote or a panel's verdict says of the agents of one run.

Owns what is kept and for how long, not what it comes to. It is kept beside the runs, as conversations that no request
can name, because a verdict outlives the run that it is about; whoever deletes that run deletes the verdict.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from ..errors import Gone
from ..eventlog.run_list import title_of
from ..eventlog.run_store import RunStore
from ..events.agent import AgentMetrics, Usage
from ..events.run import AgentVariant
from ..events.snapshot import RevealedAgent
from ..panels.methods.registry import METHODS
from .commands import AnyRun
from .panel import answers
from .state import Participant, RunState

_SHARD = "scores {}"
"""A conversation of the store that no request can name: a conversation's id holds no space."""
_BALLOTS = "ballots"

SHARDS = 64
"""So many that what is read to remove one run's verdicts is little."""
KEPT_PER_SHARD = 160
"""The oldest go first beyond this: about ten thousand verdicts in all."""
VOTE = "vote"
Outcome = Literal["win", "tie", "both_bad"]


class RatedAgent(msgspec.Struct, frozen=True, omit_defaults=True):
    """An agent whose answer was compared, and what that answer took."""

    agent_id: str
    title: str
    variant: AgentVariant | msgspec.UnsetType = msgspec.UNSET
    duration_ms: int | None = None
    output_tokens: int | None = None
    cost: float | None = None


class Ballot(msgspec.Struct, frozen=True, omit_defaults=True):
    """One comparison of answers to one question.

    Attributes:
        by: `vote`, or the panel's method.
        verdict: `win`: that of `winner` is better than all others. `tie`, `both_bad`: none is.
        points: Of a panel's verdict, for each agent: more is better, the same is a tie, but two without any were not
            compared.
    """

    run_id: str
    question: str
    at: int
    by: str
    agents: list[RatedAgent]
    verdict: Outcome
    winner: str | None = None
    points: list[float] = []

    def outcome(self, place: int) -> Literal["win", "loss", "tie", "both_bad"]:
        """Say what it means for the agent at *place*."""
        if self.verdict == "win":
            return "win" if self.winner == self.agents[place].agent_id else "loss"
        if self.verdict == "tie" and any(self.points) and self.points[place] < max(self.points):
            return "loss"
        return self.verdict

    def pairs(self) -> Iterator[tuple[int, int, float]]:
        """Yield each comparison of two: their places, and 1 if the first is better, 0 if the second, else 0.5."""
        for first in range(len(self.agents)):
            for second in range(first + 1, len(self.agents)):
                if any(self.points):
                    difference = self.points[first] - self.points[second]
                    if self.points[first] or self.points[second]:
                        yield first, second, 0.5 if difference == 0 else float(difference > 0)
                elif self.verdict != "win":
                    yield first, second, 0.5
                elif self.winner == self.agents[first].agent_id:
                    yield first, second, 1.0
                elif self.winner == self.agents[second].agent_id:
                    yield first, second, 0.0


class Ballots:
    """What is kept of votes and verdicts. Raises LogUnavailable where the store does not answer."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def keep(self, ballot: Ballot) -> None:
        """Keep a ballot in the place of the same run's older one of the same kind."""
        await self.drop(ballot.run_id, by=ballot.by)
        shard = _SHARD.format(_place(ballot.run_id))
        await self._store.add_turn(shard, _BALLOTS, msgspec.json.encode(ballot), keep=KEPT_PER_SHARD)
        try:
            await self._store.find_run(ballot.run_id)
        except Gone:
            await self.drop(ballot.run_id)  # deleted meanwhile

    async def drop(self, run_id: str, *, by: str | None = None) -> None:
        """Forget what is kept of a run; *by*: only what was said so."""
        shard = _SHARD.format(_place(run_id))
        if not await self._store.turns(shard, _BALLOTS):
            return

        def is_void(turn: bytes) -> bool:
            kept = _decoded(turn)
            return kept is not None and kept.run_id == run_id and by in (None, kept.by)

        await self._store.drop_turns(shard, is_void)

    async def all(self) -> list[bytes]:
        """Return all ballots as they are kept; `read` reads them."""
        found: list[bytes] = []
        for place in range(SHARDS):
            found += await self._store.turns(_SHARD.format(place), _BALLOTS)
        return found


def read(kept: list[bytes]) -> list[Ballot]:
    """Return ballots, the oldest first; what another release wrote in another way is left out."""
    found = [ballot for each in kept if (ballot := _decoded(each)) is not None]
    return sorted(found, key=lambda ballot: ballot.at)


def ballot_of_vote(
    run: AnyRun, revealed: Sequence[RevealedAgent], verdict: Outcome, best: str | None, at: int
) -> Ballot | None:
    """Return what a person's vote says of the answers that are there; None if there was nothing to compare.

    Args:
        revealed: Who all are, in a blind run too.
        best: Id of the agent that was voted for, as the run calls it.
    """
    agents: list[RatedAgent] = []
    winner = None
    for each in revealed:
        participant = run.participants.get(each.agent_id)
        good = participant is not None and participant.status == "done" and answers(participant)
        if good or each.agent_id == best:
            agents.append(
                RatedAgent(each.configured, each.title, each.variant, *_taken(each.metrics, each.usage))
            )
        if each.agent_id == best:
            winner = each.configured
    if len(agents) < 2:
        return None
    return Ballot(run.spec.run_id, title_of(run.spec.message), at, VOTE, agents, verdict, winner)


def ballot_of_verdict(state: RunState, at: int) -> Ballot | None:
    """Return what a run's panel found of the answers; None if it did not compare them, or came to nothing."""
    result = None if state.panel is None else state.panel.result
    kind = None if result is None else METHODS.get(result.method)
    if result is None or kind is None or not kind.compares or result.status not in ("decided", "tie"):
        return None
    given = {answer.agent_id: answer.title for answer in state.spec.given}
    agents = []
    for score in result.ranking:
        participant = state.participants.get(score.agent)
        if participant is not None:
            agents.append(_rated(participant))
        elif score.agent in given:
            variant = state.spec.variants.get(score.agent, msgspec.UNSET)
            agents.append(RatedAgent(score.agent, given[score.agent], variant))
    if len(agents) < 2 or len(agents) < len(result.ranking):
        return None
    points = [float(score.score) for score in result.ranking]
    verdict: Outcome = "win" if result.winner is not None else "tie"
    return Ballot(
        state.spec.run_id,
        title_of(state.spec.message),
        at,
        result.method,
        agents,
        verdict,
        result.winner,
        points,
    )


def _rated(participant: Participant) -> RatedAgent:
    info = participant.info
    return RatedAgent(
        info.agent_id, info.title, info.variant, *_taken(participant.metrics, participant.usage)
    )


def _taken(metrics: AgentMetrics | None, usage: Usage | None) -> tuple[int | None, int | None, float | None]:
    return (
        None if metrics is None else metrics.duration_ms,
        None if usage is None else usage.output_tokens,
        None if metrics is None else metrics.cost,
    )


def _place(run_id: str) -> int:
    return zlib.crc32(run_id.encode()) % SHARDS


def _decoded(kept: bytes) -> Ballot | None:
    try:
        return msgspec.json.decode(kept, type=Ballot)
    except msgspec.MsgspecError:
        return None
