"""The result of each question, kept as it comes, so that an interrupted comparison goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...client.run_view import RunView
from .questions import ComparedQuestion


@dataclass(frozen=True, slots=True)
class ComparedAnswer:
    """One agent's answer to a question. `passed` is None if nothing was expected."""

    status: str
    text: str
    error: str | None
    passed: bool | None
    duration_ms: float | None
    output_tokens: int | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one question. `winner` is None for a tie, and if nobody judged, as `judged` says."""

    key: str
    question_id: str
    repetition: int
    answers: dict[str, ComparedAnswer]
    judged: bool = False
    winner: str | None = None


def result_of(question: ComparedQuestion, repetition: int, view: RunView, agents: Sequence[str]) -> Result:
    """Read a run that has ended."""
    result = view.panel.result if view.panel is not None else None
    judged = result is not None and result.get("status") in ("decided", "tie")
    winner = result.get("winner") if result is not None and judged else None
    answers = {agent: _answer(question, view.agents[agent]) for agent in agents if agent in view.agents}
    return Result(question.key, question.question_id, repetition, answers, judged, winner)


def _answer(question: ComparedQuestion, agent: Any) -> ComparedAnswer:
    # A judge that answers, too, speaks again as the judge: its answer is the first thing it said.
    said = agent.turns[0] if agent.turns else agent
    metrics, usage = agent.metrics or {}, agent.usage or {}
    error = None if agent.error is None else f"{agent.error.get('code')}: {agent.error.get('message')}"
    text = said.text.casefold()
    passed = said.status == "done" and all(word.casefold() in text for word in question.expect)
    return ComparedAnswer(
        said.status, said.text, error, passed if question.expect else None,
        metrics.get("duration_ms"), usage.get("output_tokens"), metrics.get("cost"),
    )  # fmt: skip


class Results:
    """A file of results, one a line."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path = path
        # Of other agents, or of another judge, nothing is taken up again.
        self._settings = json.dumps(settings, sort_keys=True)

    def load(self) -> list[Result]:
        """Return what is there of this comparison; a line that is cut off, or no result of ours, is left out."""
        if not self._path.exists():
            return []
        lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        return [result for line in lines if (result := self._read(line)) is not None]

    def _read(self, line: str) -> Result | None:
        try:
            data = json.loads(line)
            if data.pop("settings", None) != self._settings:
                return None
            answers = {agent: ComparedAnswer(**answer) for agent, answer in data.pop("answers").items()}
            return Result(answers=answers, **data)
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
            return None

    def add(self, result: Result) -> None:
        """Keep *result*, before anything else is asked."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+", encoding="utf-8") as file:
            # After a line that was cut off by an interrupt, a new one begins.
            file.seek(0, 2)
            if file.tell() and not self._path.read_bytes().endswith(b"\n"):
                file.write("\n")
            file.write(json.dumps({**asdict(result), "settings": self._settings}) + "\n")
