"""Panel method `layers`, a mixture of agents: each layer reads the one before, and the moderator the last.

Source: Wang et al., "Mixture-of-Agents Enhances Large Language Model Capabilities", 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..base import Answer, TurnPrompt, Verdict
from ..session import Session
from .moderator import PROMPT

REFINE = """\
{question}

---
Others have answered the question above; what they said follows. Some of it may be wrong or one-sided.
Write a better answer than any of them.

{answers}"""


async def layers(session: Session) -> Verdict:
    """Let layer after layer answer, then the moderator."""
    answers: list[Answer] = []
    heard: dict[str, Answer] = {}
    for number, agents in enumerate(_plan(session), start=1):
        before = [answer for answer in answers if answer.good]
        if number > 1 and not before:
            return Verdict("failed")
        prompts = {agent_id: _prompt(session, number, before) for agent_id in agents}
        answers = await session.stage("layer", prompts, number=number, missing=session.missing(answers))
        heard |= {answer.agent_id: answer for answer in answers}
    if not any(answer.good for answer in answers):
        return Verdict("failed")
    spoken = {answer.agent_id for answer in answers}
    gone = [each for each in heard.values() if not each.good and each.agent_id not in spoken]
    last = await session.last_word(session.settings.prompt or PROMPT, [*answers, *gone])
    return Verdict("decided" if last else "failed", last=last)


def _plan(session: Session) -> Sequence[Sequence[str]]:
    planned = session.settings.layers
    return [session.members] * planned if isinstance(planned, int) else planned


def _prompt(session: Session, number: int, before: Sequence[Answer]) -> TurnPrompt:
    if number == 1:
        return TurnPrompt(session.question, "layer", number=1)
    return session.compose(REFINE, before, stage="layer", task="answer", number=number)
