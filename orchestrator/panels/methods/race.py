"""Panel method `race`: the first answer that is whole and valid wins, and the others are cancelled."""

from __future__ import annotations

from contextlib import aclosing

from ..base import Answer, Verdict
from ..regex_process import matches
from ..session import Session


async def race(session: Session) -> Verdict:
    """Ask all; the losers end as `cancelled` with `lost_race`, whether or not anybody has won."""
    asked = await session.ask_members(session.settings.prompt)
    winner: Answer | None = None
    async with aclosing(session.as_they_end(asked)) as ending:
        async for answer in ending:
            if winner is None and answer.good and await _valid(answer, session.settings.valid):
                winner = answer
                break
    for agent_id, task in asked.items():
        if not task.done():
            session.cancel(agent_id, "lost_race")
    if winner is None:
        return Verdict("failed")
    return Verdict("decided", winner.agent_id, [(winner.agent_id, 1.0)], {winner.agent_id: 1.0}, last=winner)


async def _valid(answer: Answer, pattern: str | None) -> bool:
    return pattern is None or await matches(pattern, answer.text)
