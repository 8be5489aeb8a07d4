"""Panel method `debate`: in every round members read each other's last answer and answer again."""

from __future__ import annotations

from collections.abc import Sequence

from ..base import Answer, TurnPrompt, Verdict
from ..choice_parser import normal_form, read_answer
from ..session import Session
from .moderator import PROMPT

AGAIN = """\
{question}

---
You debate the question above. Your own last answer and those of the others follow. Say where the others are
right and you were not, hold on to what you can still stand for, and answer the question again.

{missing}

{answers}"""


async def debate(session: Session) -> Verdict:
    """Hold all rounds, then let the moderator, if there is one, sum up the last."""
    answers: list[Answer] = []
    gone: list[Answer] = []
    prompts = {agent_id: TurnPrompt(session.question, "round", number=1) for agent_id in session.members}
    for number in range(1, session.settings.rounds + 1):
        if number > 1:
            good = [answer for answer in answers if answer.good]
            prompts = {own.agent_id: _prompt(session, number, own, [*answers, *gone]) for own in good}
            if not prompts:
                return Verdict("failed")
            gone += [answer for answer in answers if not answer.good]
        answers = await session.stage("round", prompts, number=number, missing=session.missing(gone))
    if not any(answer.good for answer in answers):
        return Verdict("failed")
    if session.settings.moderator is None:
        return _agreement(answers)
    last = await session.last_word(session.settings.prompt or PROMPT, [*answers, *gone])
    return Verdict("decided" if last else "failed", last=last)


def _prompt(session: Session, number: int, own: Answer, answers: Sequence[Answer]) -> TurnPrompt:
    others = [answer for answer in answers if answer.good and answer.agent_id != own.agent_id]
    return session.compose(
        AGAIN,
        [own, *others],
        stage="round",
        task="answer",
        number=number,
        label=lambda place, answer: "you" if place == 0 else answer.title,
        missing=session.missing(answers),
    )


def _agreement(answers: Sequence[Answer]) -> Verdict:
    """Without a moderator: decided if all that are left say the same in the end."""
    said = {answer.agent_id: read_answer(answer.text) for answer in answers if answer.good}
    forms = {normal_form(text) for text in said.values()}
    tally: dict[str, float] = {}
    for text in said.values():
        tally[text] = tally.get(text, 0.0) + 1
    if len(forms) == 1:
        first, text = next(iter(said.items()))
        return Verdict("decided", winner=first, tally=tally, answer=text)
    return Verdict("undecided", tally=tally)
