"""The `Backend` Protocol, which every kind of agent implements, and the values that pass through it.

Owns no agent. A kind of agent is one folder beside this file and one row in `registry`; its contract is held by
`tests/contract/test_backend.py`.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from msgspec import UNSET

from ..errors import AgentError
from ..events.agent import Missing, Reasoning, Token, Usage
from ..events.base import Payload
from .at_once import AtOnce as AtOnce
from .lazy_event import LazyEvent as LazyEvent

Approve = Callable[[str], Awaitable[bool]]
"""Waits for the answer to an `ApprovalRequest` that was yielded; takes its `call_id`.

Raises AgentError (`approval_timeout`) when nobody answers in time.
"""


SayAtOnce = Callable[[str], bool]
"""Takes a piece of the answer in this very turn of the loop; False, and nothing was taken, if it has to be yielded."""


async def _nobody_answers(call_id: str) -> bool:
    raise AgentError("approval_timeout", f"Nobody can answer the approval of call {call_id} here.")


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier question of a conversation and this agent's answer.

    `memory` is whatever JSON-able value the backend put into its `Finish`, for itself. `run_id` is the run's
    that asked.
    """

    message: str
    text: str
    memory: Any = None
    run_id: str | None = field(default=None, compare=False)


Task = Literal["answer", "moderate", "judge", "review", "vote"]
"""What an agent of a panel is asked for: its own answer, the last word, a choice, a ranking, a short answer."""


@dataclass(frozen=True, slots=True)
class QuotedAnswer:
    """Another agent's answer, as an agent in a panel is sent it.

    `text` is the whole; `chars` of it are in the message. `label` is what the message calls it.
    """

    agent_id: str
    attempt: int
    label: str
    text: str
    chars: int


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a request that belongs to a panel; the message already says all of it in words.

    Attributes:
        question: What the user asked. number: Of the round or layer, from 1; 0 for other stages.
        turn: How often the agent has spoken in this run, this time included.
        missing: Ids of agents that had no answer, with their status.
    """

    question: str
    stage: str
    task: Task = "answer"
    number: int = 0
    turn: int = 1
    heard: tuple[QuotedAnswer, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentInput:
    """A request to an agent.

    Attributes:
        history: Earlier turns of the conversation, oldest first; only those that ended well.
        images: Addresses (`https:`) or `data:` URLs of images that belong to the message.
        part: What the agent does in a panel; None outside of one.
        anchor: The last `Status.anchor` of an attempt whose worker was lost: what it began upstream may be gone on
            with, from its beginning, for all that it said is void. None at any other attempt.
        depth: How many instances of this service have passed the question on, one to the next.
        traceparent: The trace that the run belongs to, in W3C's form; None if there is none.
        reasons: Why somebody approved a call or did not, by its `call_id`, once `approve` has returned.
        answered_by: Who that was, as they said themselves, likewise.
        say: Takes plain text from a callback of the agent's connection, while its stream waits for more and all that
            it has yielded was taken: a task that wakes for each piece costs as much as the piece. None unless the
            backend's `emits_at_once` is true, for whoever stands between would miss it.
        cancelled: Set as soon as the attempt is stopped, from whatever thread: a synchronous tool cannot be
            interrupted, so a long one should look at it.
        taken: Set before the attempt is stopped if another worker has the run now, and with it what `anchor`
            names: that is not to be ended upstream.
    """

    message: str
    run_id: str = "run_local"
    agent_id: str = "agent"
    attempt: int = 1
    conversation_id: str | None = None
    history: tuple[Turn, ...] = ()
    images: tuple[str, ...] = ()
    part: Part | None = None
    anchor: str | None = None
    depth: int = 0
    traceparent: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    answered_by: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    approve: Approve = field(default=_nobody_answers, compare=False)
    say: SayAtOnce | None = field(default=None, compare=False, repr=False)
    cancelled: threading.Event = field(default_factory=LazyEvent, compare=False, repr=False)
    taken: threading.Event = field(default_factory=LazyEvent, compare=False, repr=False)

    def words(self) -> Iterator[str]:
        """Yield what was asked and answered before, which no line of a log may quote."""
        yield self.message
        for turn in self.history:
            yield turn.message
            yield turn.text
        if self.part is not None:
            yield self.part.question
            yield from (heard.text for heard in self.part.heard)


_CURRENT: ContextVar[AgentInput | None] = ContextVar("orchestrator_current_input", default=None)


def current_input() -> AgentInput:
    """Return what the agent is asked in whose attempt this is called, from a tool, a hook or a guardrail.

    Raises:
        LookupError: No attempt is under way here.
    """
    found = _CURRENT.get()
    if found is None:
        raise LookupError("no attempt of an agent is under way here")
    return found


def set_current_input(request: AgentInput) -> None:
    """Make *request* the current input of everything that this context starts from here on."""
    _CURRENT.set(request)


@contextmanager
def as_current_input(request: AgentInput) -> Iterator[None]:
    """Make *request* the current input of what the block starts, and of nothing after it."""
    token = _CURRENT.set(request)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@dataclass(frozen=True, slots=True)
class Finish:
    """Yielded last by a backend that knows how its answer ended. Not an event of its own.

    Args:
        reason: `stop`, `length`, … goes into `done` as `finish_reason`.
        usage: What the provider counted, None if it did not.
        memory: JSON-able; comes back in the next run's `Turn.memory`.
        output: The answer if it is structured: any JSON, which goes into `done` as `output`.
    """

    reason: str = "stop"
    usage: Usage | None = None
    memory: Any = None
    output: Any = UNSET


@dataclass(frozen=True, slots=True)
class Spent:
    """The usage of one response of the model, yielded as soon as it is known, so that budgets hold early.

    Not an event. All of them together are part of `Finish.usage`, never added to it.
    """

    usage: Usage


@dataclass(frozen=True, slots=True)
class Correction:
    """The answer as it really is, if its provider completed it in other words than it had said. Not an event.

    Yielded before `Finish`: what was said is void, and *payloads* are said in an attempt of their own, for which
    nothing is asked upstream.
    """

    payloads: tuple[Payload, ...]


Voice = tuple[type[Token] | type[Reasoning], str | None, str | None]
"""What is said, by which speaker, in which call: only pieces of one voice are one text."""

Emission = str | Payload | Spent | Correction | Finish
"""What a stream yields: a string is a `Token`; a Payload is an event; `Finish` ends it."""


class Backend(Protocol):
    """One configured agent, ready to answer any number of runs at once."""

    @property
    def model(self) -> str | None:
        """The model's name as clients see it, None if there is none."""
        ...

    def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Answer *request*; each call is one attempt.

        The generator runs in one task from its first item to its last, so timeouts, context
        variables and cancel scopes may span its yields. Cancelling that task, or closing the
        generator, must stop the upstream work and release its connection before returning.

        Raises:
            AgentError: The agent failed, in the protocol's words. Anything else is `internal`,
                and its text reaches only the server's own log.
        """
        ...

    async def aclose(self) -> None:
        """Release pools and processes that outlive a stream. Called once, when none runs."""
        ...


StreamFunction = Callable[[AgentInput], AsyncIterator[Any]]
"""A user's function that answers: it yields `str`, event payloads or a `Finish`."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """An app's own iterator, for whoever takes each item from it at the cost of no generator around it.

    A backend that has an `unchecked` beside its `stream`, with the same argument, returns this from it.

    Attributes:
        items: Gives `str`, which may be taken as it is, and anything else.
        check: Returns an item that is no `str` as it may be passed on, or raises AgentError; None if all may.
            Nothing is asked for after a `Finish`, and `close_iterator` is called in the end.
    """

    items: AsyncIterator[Any]
    check: Callable[[Any], Emission] | None = None


async def close_iterator(iterator: AsyncIterator[Any]) -> None:
    """Close what may be a generator, and may be an iterator that knows no closing."""
    if callable(close := getattr(iterator, "aclose", None)):
        closing = close()
        if inspect.isawaitable(closing):
            await closing
