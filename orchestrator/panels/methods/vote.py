"""Panel method `vote`: members give a short answer; the one that most give wins, as soon as nothing can change it."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing

from ..base import Verdict
from ..choice_parser import normal_form, read_answer
from ..session import Session

PROMPT = """\
{question}

---
Others are asked the same, and the answer that most give will count. Think as long as you need, then end
with a line of its own that holds nothing but "Answer: " and your answer in as few words as possible."""


async def vote(session: Session) -> Verdict:
    """Ask all for a short answer and count; who is not needed any more is cancelled with `decided`."""
    asked = await session.ask_members(session.settings.prompt or PROMPT, task="vote")
    votes: dict[str, str] = {}
    said: dict[str, str] = {}
    out = set(asked)
    async with aclosing(session.as_they_end(asked)) as ending:
        async for answer in ending:
            out.discard(answer.agent_id)
            text = read_answer(answer.text) if answer.good else ""
            if choice := normal_form(text):
                votes[answer.agent_id], said[answer.agent_id] = choice, text
            if _decided(votes, len(out)):
                break
    for agent_id, task in asked.items():
        if not task.done():
            session.cancel(agent_id, "decided")
    return _verdict({who: votes[who] for who in asked if who in votes}, said)


def _decided(votes: dict[str, str], out: int) -> bool:
    """Whether *out* votes that are not counted yet cannot change who leads; some may have come in already."""
    leaders = Counter(votes.values()).most_common(2)
    second = leaders[1][1] if len(leaders) > 1 else 0
    return bool(leaders) and leaders[0][1] > second + out


def _verdict(votes: dict[str, str], said: dict[str, str]) -> Verdict:
    """Count *votes*, which are in the order of the members: an answer is spelled as the first of them did."""
    counts = Counter(votes.values())
    if not counts:
        return Verdict("failed")
    first = {choice: who for who, choice in reversed(votes.items())}
    tally = {said[first[choice]]: float(count) for choice, count in counts.most_common()}
    scores = [(who, float(counts[choice])) for who, choice in votes.items()]
    ranking = sorted(scores, key=lambda score: -score[1])
    leaders = counts.most_common(2)
    if len(leaders) > 1 and leaders[0][1] == leaders[1][1]:
        return Verdict("tie", ranking=ranking, tally=tally)
    winner = first[leaders[0][0]]
    return Verdict("decided", winner=winner, ranking=ranking, tally=tally, answer=said[winner])
