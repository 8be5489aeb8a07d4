"""What votes and verdicts come to: for each agent in all, and for each question.

Owns the counting, away from the event loop. What is counted is `run.ballots`'.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

import msgspec

from ..eventlog.run_store import RunStore
from ..events.run import AgentVariant
from ..run.ballots import Ballot, Ballots, RatedAgent, read
from .ratings import rate

MAX_RATED = 32
"""Agents with a rating, those with the most comparisons: what ratings take grows with the third power."""
MAX_QUESTIONS = 100
FRESH_SECONDS = 2.0
"""Scores are counted again after so long; whoever asks meanwhile is sent the same."""


class ScoredAgent(msgspec.Struct, omit_defaults=True):
    """What an agent's answers came to. Means and medians are over the answers that were compared.

    Attributes:
        rating, low, high: Bradley-Terry on Elo's scale with its 95 % interval; null if others have more comparisons
            and no more agents are rated.
        duration_ms: Median. output_tokens, cost: Means.
    """

    agent_id: str
    title: str
    compared: int
    wins: int
    losses: int
    ties: int
    both_bad: int
    rating: float | None
    low: float | None
    high: float | None
    duration_ms: float | None
    output_tokens: float | None
    cost: float | None
    variant: AgentVariant | msgspec.UnsetType = msgspec.UNSET


class ScoredQuestion(msgspec.Struct):
    """What the comparisons of one question came to; `wins` has agents that won any."""

    question: str
    compared: int
    wins: dict[str, int]
    ties: int
    both_bad: int
    latest: int


class Scores(msgspec.Struct):
    """All that votes and verdicts came to: agents, the best first, and the questions, the newest first."""

    compared: int
    agents: list[ScoredAgent]
    questions: list[ScoredQuestion]


@dataclass(slots=True)
class _Count:
    agent: RatedAgent
    outcomes: Counter[str] = field(default_factory=Counter)
    durations: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


class ScoreBoard:
    """Counts what is kept, one caller at a time and not on the event loop."""

    def __init__(self, store: RunStore) -> None:
        self._ballots = Ballots(store)
        self._counting = asyncio.Lock()
        self._counted: dict[tuple[str, str], tuple[float, Scores]] = {}

    async def scores(self, *, by: str = "", text: str = "") -> Scores:
        """Return the scores.

        Args:
            by: Only of `vote`, or of a panel's method.
            text: Only of questions that have this in them, in whatever case.
        Raises:
            LogUnavailable: The store does not answer.
        """
        async with self._counting:
            counted, found = self._counted.get((by, text), (0.0, None))
            if found is None or time.monotonic() - counted > FRESH_SECONDS:
                kept = await self._ballots.all()
                found = await asyncio.to_thread(lambda: count(chosen(read(kept), by, text)))
                self._counted = {(by, text): (time.monotonic(), found)}
            return found

    async def ballots(self, *, by: str = "", text: str = "") -> list[Ballot]:
        """Return what is counted. As `scores`."""
        # One at a time, too: with each thread that computes the event loop waits longer for the interpreter.
        async with self._counting:
            kept = await self._ballots.all()
            return await asyncio.to_thread(lambda: chosen(read(kept), by, text))


def chosen(ballots: Iterable[Ballot], by: str, text: str) -> list[Ballot]:
    """Return those that were given *by* somebody, about questions with *text* in them."""
    sought = text.casefold()
    return [each for each in ballots if by in ("", each.by) and sought in each.question.casefold()]


def count(ballots: Sequence[Ballot]) -> Scores:
    """Count ballots, the oldest first."""
    counts: dict[str, _Count] = {}
    questions: dict[str, ScoredQuestion] = {}
    for ballot in ballots:
        for place, agent in enumerate(ballot.agents):
            _add(counts.setdefault(_identity(agent), _Count(agent)), agent, ballot.outcome(place))
        question = questions.pop(ballot.question, None) or ScoredQuestion(ballot.question, 0, {}, 0, 0, 0)
        questions[ballot.question] = question  # the newest last
        question.compared += 1
        question.latest = max(question.latest, ballot.at)
        if ballot.winner is not None:
            question.wins[ballot.winner] = question.wins.get(ballot.winner, 0) + 1
        question.ties += ballot.verdict == "tie"
        question.both_bad += ballot.verdict == "both_bad"
    rows = _rows(counts, ballots)
    newest = list(questions.values())[: -MAX_QUESTIONS - 1 : -1]
    return Scores(len(ballots), rows, newest)


def _rows(counts: dict[str, _Count], ballots: Sequence[Ballot]) -> list[ScoredAgent]:
    most = sorted(counts, key=lambda name: -counts[name].outcomes.total())[:MAX_RATED]
    place = {name: n for n, name in enumerate(most)}

    def comparisons() -> Iterable[tuple[int, int, float]]:
        for ballot in ballots:
            places = [place.get(_identity(agent)) for agent in ballot.agents]
            for first, second, share in ballot.pairs():
                a, b = places[first], places[second]
                if a is not None and b is not None and a != b:
                    yield a, b, share

    ratings = dict(zip(most, rate(len(most), comparisons()), strict=True))
    rows = []
    for name, each in counts.items():
        outcomes, rating = each.outcomes, ratings.get(name)
        low, value, high = (None, None, None) if rating is None else (rating.low, rating.rating, rating.high)
        rows.append(
            ScoredAgent(
                each.agent.agent_id, each.agent.title, outcomes.total(), outcomes["win"], outcomes["loss"],
                outcomes["tie"], outcomes["both_bad"], value, low, high,
                median(each.durations) if each.durations else None,
                fmean(each.tokens) if each.tokens else None, fmean(each.costs) if each.costs else None,
                each.agent.variant,
            )
        )  # fmt: skip
    return sorted(rows, key=lambda row: (row.rating is None, -(row.rating or 0.0), row.agent_id))


def _add(counted: _Count, agent: RatedAgent, outcome: str) -> None:
    counted.agent = agent  # as it was called last
    counted.outcomes[outcome] += 1
    if agent.duration_ms is not None:
        counted.durations.append(agent.duration_ms)
    if agent.output_tokens is not None:
        counted.tokens.append(agent.output_tokens)
    if agent.cost is not None:
        counted.costs.append(agent.cost)


def _identity(agent: RatedAgent) -> str:
    """Return what tells an agent from others: two variants of one name may have been changed in different ways."""
    if isinstance(agent.variant, msgspec.UnsetType):
        return agent.agent_id
    return f"{agent.agent_id} {msgspec.json.encode(agent.variant, order='sorted').decode()}"
