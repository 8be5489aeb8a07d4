"""Puts every question to every agent, some at a time, and writes what came of it."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from ...client.run_view import RunHandle
from ...errors import InvalidRequest, OrchestratorError
from .questions import ComparedQuestion, read_questions
from .report import html_report
from .results import Result, Results, result_of
from .scores import scores_of, table

BELOW_THRESHOLD = 3

Opening = Callable[[str], AbstractAsyncContextManager[RunHandle]]


@dataclass(frozen=True, slots=True)
class ComparisonPlan:
    """The agents that are compared, and how. A run asks all agents, and the judge if there is one."""

    questions: Path
    agents: tuple[str, ...]
    judge: str | None
    runs: int
    at_once: int
    out: Path
    threshold: float


async def compare(comparison: ComparisonPlan, open_run: Opening) -> int:
    """Ask what was not asked yet, print the table, write the report; return the exit code.

    0, or 3 if the best agent's score is below the threshold. Cancelling keeps every run that has ended.
    """
    if not comparison.agents:
        raise InvalidRequest("--agents names nobody")
    if math.isnan(comparison.threshold):
        raise InvalidRequest("--threshold is no number")
    questions = read_questions(comparison.questions)
    try:
        # Before anybody is asked: an answer that cannot be kept was paid for.
        comparison.out.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise InvalidRequest(f"--out: {exc}") from exc
    kept = Results(
        comparison.out / "results.jsonl",
        {"agents": comparison.agents, "judge": comparison.judge},
    )
    wanted = [(question, n) for question in questions for n in range(1, comparison.runs + 1)]
    keys = {(question.key, n) for question, n in wanted}
    results = [result for result in kept.load() if (result.key, result.repetition) in keys]
    there = {(result.key, result.repetition) for result in results}
    todo = [(question, n) for question, n in wanted if (question.key, n) not in there]
    bar = _Bar(len(wanted), len(there))

    def take(result: Result) -> None:
        kept.add(result)
        results.append(result)
        bar.step()

    try:
        await _ask_all(todo, comparison, open_run, take)
    finally:
        bar.close()
    by_judge = comparison.judge is not None
    scores = scores_of(results, comparison.agents, by_judge=by_judge)
    report = comparison.out / "report.html"
    report.write_text(html_report(questions, results, scores, by_judge=by_judge), encoding="utf-8")
    print(table(scores))
    undecided = sum(not result.judged for result in results)
    if by_judge and undecided:
        print(f"\n{comparison.judge} gave no verdict in {undecided} of {len(results)} runs")
    print(f"\n{report}")
    return BELOW_THRESHOLD if max(score.share for score in scores) < comparison.threshold else 0


async def _ask_all(
    todo: Sequence[tuple[ComparedQuestion, int]],
    comparison: ComparisonPlan,
    open_run: Opening,
    take: Callable[[Result], None],
) -> None:
    places = asyncio.Semaphore(comparison.at_once)

    async def ask(question: ComparedQuestion, repetition: int) -> None:
        async with places, open_run(question.text) as run:
            async for _ in run:
                pass
            take(result_of(question, repetition, run.view, comparison.agents))

    try:
        async with asyncio.TaskGroup() as group:
            for question, repetition in todo:
                group.create_task(ask(question, repetition))
    except* OrchestratorError as failed:
        # One line says why: an unknown agent fails every run alike.
        raise failed.exceptions[0] from None


class _Bar:
    """How far a comparison is, on a terminal; in a pipe nothing is drawn."""

    WIDTH = 30

    def __init__(self, whole: int, done: int) -> None:
        self._whole = whole
        self._done = done
        self._drawn = sys.stderr.isatty()
        self._draw()

    def step(self) -> None:
        self._done += 1
        self._draw()

    def close(self) -> None:
        if self._drawn:
            print(file=sys.stderr)

    def _draw(self) -> None:
        if self._drawn:
            full = self.WIDTH * self._done // self._whole
            bar = "█" * full + "░" * (self.WIDTH - full)
            print(f"\r{bar} {self._done} of {self._whole}", end="", file=sys.stderr, flush=True)
