"""Counts what a comparison came to, for each agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .results import ComparedAnswer, Result


@dataclass(frozen=True, slots=True)
class AgentScore:
    """One agent's figures. `share` is what `--threshold` looks at: of the judged runs those that it won, a tie
    counting half (0 if the judge never decided); without a judge, of the answers those that are done and have in
    them what was expected.
    """

    agent: str
    asked: int
    failed: int
    passed: int
    expected: int
    wins: int
    losses: int
    ties: int
    share: float
    median_ms: float | None
    output_tokens: int | None
    cost: float | None


def scores_of(
    results: Sequence[Result], agents: Sequence[str], *, by_judge: bool = False
) -> list[AgentScore]:
    """Return a score for each agent, the best first. *by_judge*: whether a judge was to say who wins."""
    scores = [
        _score(agent, [result for result in results if agent in result.answers], by_judge) for agent in agents
    ]
    return sorted(scores, key=lambda score: -score.share)


def _score(agent: str, results: Sequence[Result], by_judge: bool) -> AgentScore:
    answers = [result.answers[agent] for result in results]
    judged = [result for result in results if result.judged]
    wins = sum(result.winner == agent for result in judged)
    ties = sum(result.winner is None for result in judged)
    good = sum(answer.status == "done" and answer.passed is not False for answer in answers)
    # A judge that never decided is no reason to take every answer for a good one.
    share, of = (wins + ties / 2, len(judged)) if judged or by_judge else (good, len(answers))
    times = [answer.duration_ms for answer in answers if answer.duration_ms is not None]
    return AgentScore(
        agent, len(answers), sum(answer.status != "done" for answer in answers),
        sum(answer.passed is True for answer in answers), sum(answer.passed is not None for answer in answers),
        wins, len(judged) - wins - ties, ties, share / of if of else 0.0, median(times) if times else None,
        _sum([answer.output_tokens for answer in answers]), _total(answers),
    )  # fmt: skip


def _sum(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _total(answers: Sequence[ComparedAnswer]) -> float | None:
    known = [answer.cost for answer in answers if answer.cost is not None]
    return sum(known) if known else None


def table(scores: Sequence[AgentScore]) -> str:
    """Draw the scores for a terminal."""
    head = ("agent", "score", "wins", "ties", "losses", "passed", "failed", "median", "tokens", "cost")
    rows = [head, *[_row(score) for score in scores]]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([lines[0], "─" * len(lines[0]), *lines[1:]])


def _row(score: AgentScore) -> tuple[str, ...]:
    return (
        score.agent, f"{score.share:.0%}", str(score.wins), str(score.ties), str(score.losses),
        f"{score.passed}/{score.expected}" if score.expected else "–", f"{score.failed}/{score.asked}",
        "–" if score.median_ms is None else f"{score.median_ms / 1000:.1f} s",
        "–" if score.output_tokens is None else f"{score.output_tokens:,}",
        "–" if score.cost is None else f"{score.cost:.4f}",
    )  # fmt: skip
