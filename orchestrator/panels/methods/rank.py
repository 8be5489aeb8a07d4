"""Panel method `rank`: members rank each other's answers, without names and without their own; points after Borda."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from ..base import Answer, TurnPrompt, Verdict
from ..choice_parser import read_ranking
from ..prompts import letter
from ..session import Session

REVIEW = """\
You review answers that others gave to this question:

{question}

Rank them from best to worst by how right, how complete and how clear they are; their order here is random.
Give your reasons in a few sentences. Then end with a line of its own such as "Ranking: B > A > C",
with every letter in it.

{answers}"""

SUMMARY = """\
{question}

---
Several agents answered the question above and then ranked each other's answers, without knowing whose they
were. The answers follow, the best ranked first. Write the one answer that the person who asked should get.

{missing}

{answers}"""


async def rank(session: Session) -> Verdict:
    """Ask all, let those that answered rank the others, and add up the points."""
    answers = await session.answers()
    good = [answer for answer in answers if answer.good]
    if not good:
        return Verdict("failed")
    if len(good) == 1:
        return await _finish(session, answers, [(good[0].agent_id, 0.0)], tied=False)
    orders = {reviewer.agent_id: _shuffled(session.run_id, reviewer, good) for reviewer in good}
    reviews = await session.stage(
        "review",
        {agent_id: _prompt(session, order) for agent_id, order in orders.items()},
        missing=session.missing(answers),
    )
    points, counted = score(orders, reviews)
    if not counted:
        return Verdict("failed", ranking=[(answer.agent_id, 0.0) for answer in good])
    ranking = sorted(points.items(), key=lambda item: -item[1])
    return await _finish(session, answers, ranking, tied=ranking[0][1] == ranking[1][1])


def score(orders: Mapping[str, Sequence[Answer]], reviews: Sequence[Answer]) -> tuple[dict[str, float], int]:
    """Add up Borda points: of m answers the best gets m - 1, the next m - 2, the last 0.

    Answers that a review leaves out share what is left evenly. If reviews are missing, an answer that
    had fewer of them is weighed up, so that nobody loses by another's silence.
    Returns points by agent, and how many reviews counted.
    """
    points = dict.fromkeys(orders, 0.0)
    seen = dict.fromkeys(orders, 0)
    counted = 0
    for review in reviews:
        shown = orders[review.agent_id]
        order = read_ranking(review.text, [letter(n) for n in range(len(shown))]) if review.good else []
        if not order:
            continue
        counted += 1
        left_out = [n for n in range(len(shown)) if n not in order]
        rest = sum(range(len(left_out))) / len(left_out) if left_out else 0.0
        for place, index in enumerate(order):
            points[shown[index].agent_id] += len(shown) - 1 - place
        for index in left_out:
            points[shown[index].agent_id] += rest
        for answer in shown:
            seen[answer.agent_id] += 1
    most = max(seen.values(), default=0)
    return {who: round(p * most / seen[who], 3) if seen[who] else 0.0 for who, p in points.items()}, counted


async def _finish(
    session: Session, answers: Sequence[Answer], ranking: Sequence[tuple[str, float]], *, tied: bool
) -> Verdict:
    place = {agent_id: n for n, (agent_id, _) in enumerate(ranking)}
    last = None
    if session.settings.moderator is not None:
        best_first = sorted(answers, key=lambda answer: place.get(answer.agent_id, len(place)))
        last = await session.last_word(session.settings.prompt or SUMMARY, best_first)
    winner = None if tied else ranking[0][0]
    return Verdict("tie" if tied else "decided", winner, ranking, dict(ranking), last=last)


def _shuffled(run_id: str, reviewer: Answer, good: Sequence[Answer]) -> list[Answer]:
    """Return the others' answers in an order of this reviewer's own, the same one whenever it is asked for."""
    others = [answer for answer in good if answer.agent_id != reviewer.agent_id]
    random.Random(f"{run_id} {reviewer.agent_id}").shuffle(others)  # noqa: S311 - an order, not a secret
    return others


def _prompt(session: Session, order: Sequence[Answer]) -> TurnPrompt:
    return session.compose(
        REVIEW, order, stage="review", task="review", label=lambda place, answer: letter(place)
    )
