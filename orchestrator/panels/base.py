"""The values that panel methods work with: answers, prompts, verdicts, and the run that a panel works in.

The `Method` Protocol is in `session`. A method is one file in `methods` and one row in its registry, or a
user's own "module:function".
Owns no agent: `Session` asks them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from ..backends.base import QuotedAnswer, Task
from ..events.agent import Missing
from ..events.base import AgentStatus, Payload
from ..events.content import MOST_COUNTED
from ..events.panel import PanelInfo

Outcome = Literal["decided", "tie", "undecided", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Answer:
    """One agent's answer in one turn, as it stands; `code` is why it failed."""

    agent_id: str
    title: str
    status: AgentStatus
    text: str = ""
    attempt: int = 1
    code: str | None = None

    @property
    def good(self) -> bool:
        """Whether it is whole and says anything."""
        return self.status == "done" and bool(self.text.strip())

    @property
    def ended(self) -> bool:
        return self.status in ("done", "error", "cancelled")


@dataclass(frozen=True, slots=True)
class TurnPrompt:
    """The question to an agent in one turn.

    Args:
        number: Of the round or layer, from 1; 0 for other stages.
        heard: The answers in *message*, with how much of each.
        remember: Whether the turn belongs to the conversation, as the answer to the user's own question.
    """

    message: str
    stage: str
    task: Task = "answer"
    number: int = 0
    heard: tuple[QuotedAnswer, ...] = ()
    missing: tuple[Missing, ...] = ()
    remember: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of a method.

    Args:
        ranking: Agent and score, the best first.
        tally: What was chosen → how often, or with how many points.
        answer: A decided text that no single agent's answer is.
        last: Who had the last word.
    """

    status: Outcome
    winner: str | None = None
    ranking: Sequence[tuple[str, float]] = ()
    tally: dict[str, float] | None = None
    answer: str | None = None
    last: Answer | None = None


def check_verdict(verdict: object, agents: Collection[str], method: str = "the method") -> None:
    """Look whether *method* returned what clients can be sent; *agents* are those of the panel.

    Raises:
        TypeError: It is no `Verdict`, or a part of it is of another kind.
        ValueError: It has a status that the protocol does not know, or names somebody who took no part.
    """
    if not isinstance(verdict, Verdict):
        raise TypeError(f"{method} returned {type(verdict).__name__}; it should return a Verdict")
    whose = f"of the verdict of {method}"
    if verdict.status not in get_args(Outcome):
        known = ", ".join(get_args(Outcome))
        raise ValueError(f"`status` {whose}, {str(verdict.status)[:60]!r}, should be one of {known}")
    for field, fits, wanted in (
        ("winner", _is_text_or_none(verdict.winner), "an agent's id or None"),
        ("ranking", _is_ranking(verdict.ranking), "pairs of an agent's id and a finite number below 2**53"),
        ("tally", _is_tally(verdict.tally), "a dict of texts and finite numbers below 2**53, or None"),
        ("answer", _is_text_or_none(verdict.answer), "a text or None"),
        ("last", verdict.last is None or isinstance(verdict.last, Answer), "an Answer or None"),
    ):
        if not fits:
            kind = type(getattr(verdict, field)).__name__
            raise TypeError(f"`{field}` {whose} does not fit ({kind}); it should be {wanted}")
    strangers = {verdict.winner, *(agent_id for agent_id, _ in verdict.ranking)} - {None, *agents}
    if strangers:
        named = ", ".join(sorted(str(each)[:60] for each in strangers)[:4])
        raise ValueError(f"the verdict of {method} names {named}, of whom the panel knows nothing")


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and -MOST_COUNTED < value < MOST_COUNTED  # NaN is neither


def _is_ranking(value: object) -> bool:
    return isinstance(value, Collection) and all(
        isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) and _is_number(pair[1])
        for pair in value
    )


def _is_tally(value: object) -> bool:
    return value is None or (
        isinstance(value, Mapping)
        and all(isinstance(choice, str) and _is_number(count) for choice, count in value.items())
    )


class Host(Protocol):
    """The run that a panel works in."""

    @property
    def run_id(self) -> str: ...

    async def ask(self, agent_id: str, turn: int, prompt: TurnPrompt) -> Answer:
        """Ask an agent for its *turn*-th answer, and wait for that; known turns are answered at once."""
        ...

    async def ending(self, agent_id: str) -> Answer:
        """Wait until an agent that was asked by somebody else has ended."""
        ...

    def answer_of(self, agent_id: str) -> Answer:
        """Return an agent's newest answer as it stands: reviews and last words are none."""
        ...

    def turns(self, agent_id: str) -> int:
        """Return how often an agent has spoken."""
        ...

    def cancel_agent(self, agent_id: str, reason: str) -> None:
        """Ask an agent to end, if it has not."""
        ...

    async def emit(self, payload: Payload) -> None:
        """Log an event of the panel; return when it is logged."""
        ...

    def title(self, agent_id: str) -> str: ...

    def announced(self, stage: str, number: int) -> bool:
        """Whether this stage's `panel.stage` is in the log already."""
        ...

    def gone_without(self) -> Sequence[Missing] | None:
        """Return whom the stage after the members' answers goes without; None if it has not begun."""
        ...

    def late_is_logged(self, agent_id: str, attempt: int) -> bool:
        """Whether this answer's `panel.late` is in the log already."""
        ...

    def answering(self, agent_id: str) -> bool:
        """Whether what an agent says now is an answer of its own: reviews and last words are none."""
        ...

    def unannounced(self) -> PanelInfo | None:
        """Return what clients do not know of the panel yet; None if `run.started` announced it."""
        ...
