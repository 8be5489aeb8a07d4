"""Writes a comparison as one HTML page that needs nothing else: no script, no font, no address."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .questions import ComparedQuestion
from .results import ComparedAnswer, Result
from .scores import AgentScore, table

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 0 auto; padding: 1rem; max-width: 90rem }
pre, .answer { white-space: pre-wrap; overflow-wrap: anywhere }
.answers { display: grid; grid-auto-flow: column; grid-auto-columns: minmax(18rem, 1fr); gap: .7rem; overflow-x: auto }
.answers > section { border: 1px solid light-dark(#d9dbe3, #2f343f); border-radius: 10px; padding: .6rem .8rem }
h2 { font-size: 1.05rem; white-space: pre-wrap } h3 { font-size: 1rem; margin: 0 }
.hint { color: light-dark(#565b6b, #a3a9b8); font-size: .87rem; margin: .2rem 0 .5rem }
.won { border-top: 4px solid light-dark(#14703f, #6fd39b) !important }
.bad { color: light-dark(#a82020, #ff9d94) }
"""


def html_report(
    questions: Sequence[ComparedQuestion],
    results: Sequence[Result],
    scores: Sequence[AgentScore],
    *,
    by_judge: bool = False,
) -> str:
    """Return the page: the scores, then each question with its answers side by side."""
    parts = []
    for question in questions:
        for result in (result for result in results if result.key == question.key):
            parts.append(_run(question, result, by_judge))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Comparison</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Comparison</h1>\n"
        f'<pre tabindex="0">{escape(table(scores))}</pre>\n{"".join(parts)}</main>\n</body>\n</html>\n'
    )


def _run(question: ComparedQuestion, result: Result, by_judge: bool) -> str:
    verdict = f" · {result.winner or 'nobody'} wins" if result.judged else " · no verdict" if by_judge else ""
    answers = "".join(_section(agent, answer, result) for agent, answer in result.answers.items())
    return (
        f"<article>\n<h2>{escape(question.text)}</h2>\n"
        f'<p class="hint">{escape(question.question_id)}, run {result.repetition}{escape(verdict)}</p>\n'
        f'<div class="answers" tabindex="0" role="group" aria-label="Answers">\n{answers}</div>\n</article>\n'
    )


def _section(agent: str, answer: ComparedAnswer, result: Result) -> str:
    facts = [answer.status]
    if answer.passed is not None:
        facts.append("as expected" if answer.passed else "not as expected")
    if answer.duration_ms is not None:
        facts.append(f"{answer.duration_ms / 1000:.1f} s")
    if answer.output_tokens is not None:
        facts.append(f"{answer.output_tokens} tokens")
    if answer.cost is not None:
        facts.append(f"cost {answer.cost:.4f}")
    won = ' class="won"' if result.winner == agent else ""
    error = f'<p class="bad">{escape(answer.error)}</p>\n' if answer.error else ""
    return (
        f'<section{won}>\n<h3>{escape(agent)}</h3>\n<p class="hint">{escape(" · ".join(facts))}</p>\n'
        f'{error}<div class="answer">{escape(answer.text)}</div>\n</section>\n'
    )
