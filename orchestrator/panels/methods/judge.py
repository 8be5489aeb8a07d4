"""Panel method `judge`: one agent chooses the best answer, asked in both orders so that position decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from ..base import Answer, Verdict
from ..choice_parser import read_choice
from ..prompts import letter
from ..session import Session

ORDERS = 2
"""The answers as they stand, and the other way round."""

PROMPT = """\
You judge answers to this question:

{question}

Compare them by how right, how complete and how clear they are. Their order says nothing, nor does their
length. Give your reasons in a few sentences. Then end with a line of its own that holds nothing but
"Winner: " and the letter of the best answer, or "Winner: tie" where you cannot tell them apart.

{missing}

{answers}"""


async def judge(session: Session) -> Verdict:
    """Ask all, then the judge twice; an answer wins that was chosen in both orders."""
    answers = await session.answers()
    candidates = [answer for answer in answers if answer.good]
    if not candidates:
        return Verdict("failed")
    if len(candidates) == 1:
        return Verdict("decided", winner=candidates[0].agent_id, ranking=[(candidates[0].agent_id, 0.0)])
    chosen: list[str] = []
    last: Answer | None = None
    for opened, order in enumerate((candidates, candidates[::-1])):
        last = await _ask(session, order, answers, opened=bool(opened))
        if last is None:
            return Verdict("failed", tally=_count(candidates, chosen))
        choice = read_choice(last.text, [letter(place) for place in range(len(order))])
        if choice is not None:
            chosen.append(choice if isinstance(choice, str) else order[choice].agent_id)
    return _verdict(candidates, chosen, last)


async def _ask(
    session: Session, order: Sequence[Answer], answers: Sequence[Answer], *, opened: bool
) -> Answer | None:
    without = [answer for answer in answers if not answer.good]
    return await session.last_word(
        session.settings.prompt or PROMPT,
        [*order, *without],
        task="judge",
        label=lambda place, answer: letter(place),
        opened=opened,
    )


def _verdict(candidates: Sequence[Answer], chosen: Sequence[str], last: Answer | None) -> Verdict:
    tally = _count(candidates, chosen)
    ranking = sorted(tally.items(), key=lambda item: -item[1])
    if len(chosen) < ORDERS:
        # A choice made in one order only may be the place's.
        return Verdict("undecided", ranking=ranking, tally=tally, last=last)
    winner = chosen[0] if len(set(chosen)) == 1 and chosen[0] in tally else None
    return Verdict("decided" if winner else "tie", winner, ranking, tally, last=last)


def _count(candidates: Sequence[Answer], chosen: Sequence[str]) -> dict[str, float]:
    return {answer.agent_id: float(chosen.count(answer.agent_id)) for answer in candidates}
