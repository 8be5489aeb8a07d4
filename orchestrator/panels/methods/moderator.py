"""Panel method `moderator`: one agent writes the answer from the others'."""

from __future__ import annotations

from ..base import Verdict
from ..session import Session

PROMPT = """\
{question}

---
Several agents were asked the question above, each without knowing of the others. You are their moderator:
write the one answer that the person who asked should get. Take what is right from each, say where they
disagree and whom you follow, and add nothing that you cannot stand for. Do not list the answers one by one.

{missing}

{answers}"""


async def moderate(session: Session) -> Verdict:
    """Ask all, then let the moderator sum up what is there."""
    answers = await session.answers()
    if not any(answer.good for answer in answers):
        return Verdict("failed")
    last = await session.last_word(session.settings.prompt or PROMPT, answers)
    return Verdict("decided" if last else "failed", last=last)
