"""The events of one agent: what it says, and the life of each attempt."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ..errors import ErrorCode
from .base import AgentStatus, Payload
from .content import CONTENT, MOST_COUNTED


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens that the provider counted. The last two are part of the first two, None if it does not report them."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int | None = None
    reasoning_tokens: int | None = None

    def plus(self, other: Usage) -> Usage:
        """Return both together, no count of it larger than what all readers of JSON have alike."""
        return Usage(
            _capped(self.input_tokens + other.input_tokens),
            _capped(self.output_tokens + other.output_tokens),
            _sum(self.cached_input_tokens, other.cached_input_tokens),
            _sum(self.reasoning_tokens, other.reasoning_tokens),
        )

    def minus(self, part: Usage) -> Usage:
        """Return what is left beside *part*, never less than nothing."""
        return Usage(
            max(0, self.input_tokens - part.input_tokens),
            max(0, self.output_tokens - part.output_tokens),
            _rest(self.cached_input_tokens, part.cached_input_tokens),
            _rest(self.reasoning_tokens, part.reasoning_tokens),
        )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else _capped((one or 0) + (other or 0))


def _capped(count: int) -> int:
    return min(count, MOST_COUNTED - 1)


def _rest(whole: int | None, part: int | None) -> int | None:
    return None if whole is None else max(0, whole - (part or 0))


class AgentMetrics(msgspec.Struct, frozen=True, omit_defaults=True):
    """Times in milliseconds. `ttft_ms` is null before a first token, `tokens_per_s` without usage."""

    queue_ms: int
    ttft_ms: int | None
    duration_ms: int
    output_chars: int
    tokens_per_s: float | None
    retries: int
    cost: float | None = None


class Status(Payload, frozen=True, omit_defaults=True):
    """Progress that is neither text nor a tool: `thinking`, `tool`, or the agent's own word.

    `anchor` is for no client: if the agent's worker is lost, the next attempt gets the last one that was
    said, and may go on with the same upstream work. It holds no secret.
    """

    TYPE: ClassVar[str] = "status"
    status: str
    detail: str = ""
    anchor: str | None = None


class Token(Payload, frozen=True, omit_defaults=True):
    """A piece of the answer. Pieces of one attempt, joined, are the whole answer."""

    TYPE: ClassVar[str] = "token"
    text: str
    speaker: str | None = None
    parent: str | None = None


class Reasoning(Payload, frozen=True, omit_defaults=True):
    """A piece of the model's reasoning (or of its summary)."""

    TYPE: ClassVar[str] = "reasoning"
    text: str
    speaker: str | None = None
    parent: str | None = None


class ToolCall(Payload, frozen=True, omit_defaults=True):
    """A tool starts. `arguments` is a string of JSON."""

    TYPE: ClassVar[str] = "tool_call"
    call_id: str
    name: str
    arguments: str
    parent: str | None = None


class ToolResult(Payload, frozen=True, omit_defaults=True):
    """A tool ended."""

    TYPE: ClassVar[str] = "tool_result"
    call_id: str
    output: str
    is_error: bool
    parent: str | None = None


class Handoff(Payload, frozen=True, omit_defaults=True):
    """Another speaker goes on; its later tokens carry `speaker`."""

    TYPE: ClassVar[str] = "handoff"
    to: str


class ApprovalRequest(Payload, frozen=True, omit_defaults=True):
    """The agent waits until somebody answers this call."""

    TYPE: ClassVar[str] = "approval_request"
    call_id: str
    name: str
    arguments: str


class Approval(Payload, frozen=True, omit_defaults=True):
    """Somebody answered an `approval_request`; the agent goes on after it."""

    TYPE: ClassVar[str] = "approval"
    call_id: str
    approve: bool
    reason: str | None = None
    by: str | None = None


class InputRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """The part of another one's answer that an agent in a panel is sent; `of_chars` is the whole, if it was cut."""

    agent: str
    attempt: int
    chars: int
    of_chars: int | None = None


class Missing(msgspec.Struct, frozen=True):
    """An agent of a panel that had no answer when one was wanted."""

    agent: str
    status: AgentStatus


class Started(Payload, frozen=True, omit_defaults=True):
    """An attempt begins; the first is 1.

    In a panel an agent may speak several times: each time is a `turn`, and a retry keeps it. `round` and
    `layer` number the stages of those names.
    """

    TYPE: ClassVar[str] = "started"
    attempt: int
    stage: str | None = None
    round: int | None = None
    layer: int | None = None
    turn: int | None = None
    inputs: list[InputRef] = []  # noqa: RUF012 - msgspec makes a new one each time
    missing: list[Missing] = []  # noqa: RUF012 - msgspec makes a new one each time


class Retry(Payload, frozen=True, omit_defaults=True):
    """The next attempt comes after `delay_s`; what was said in the failed one is void."""

    TYPE: ClassVar[str] = "retry"
    attempt: int
    delay_s: float
    code: ErrorCode


class Done(Payload, frozen=True, omit_defaults=True):
    """An attempt ended well. `text` is the whole answer; `usage` is null if no provider counted.

    `output` is there if the answer is structured: any JSON, null included.
    `metrics` is null only in a blind run, here and in the other endings.
    """

    TYPE: ClassVar[str] = "done"
    text: str
    usage: Usage | None
    finish_reason: str
    metrics: AgentMetrics | None
    attempt: int
    output: Any = msgspec.UNSET


class Error(Payload, frozen=True, omit_defaults=True):
    """An attempt failed. `error_id` finds the rest in the server's own log."""

    TYPE: ClassVar[str] = "error"
    code: ErrorCode
    message: str
    error_id: str
    retryable: bool
    metrics: AgentMetrics | None
    attempt: int


class Cancelled(Payload, frozen=True, omit_defaults=True):
    """An attempt was cancelled, and the agent's own stream is really closed."""

    TYPE: ClassVar[str] = "cancelled"
    reason: str
    metrics: AgentMetrics | None
    attempt: int


TERMINALS: tuple[type[Payload], ...] = (Done, Error, Cancelled)


TERMINAL_TYPES = frozenset(p.TYPE for p in TERMINALS)


AGENT_PAYLOADS: dict[str, type[Payload]] = {
    p.TYPE: p
    for p in (
        Started, Status, Token, Reasoning, ToolCall, ToolResult, Handoff,
        ApprovalRequest, Approval, Retry, Done, Error, Cancelled, *CONTENT,
    )
}  # fmt: skip
