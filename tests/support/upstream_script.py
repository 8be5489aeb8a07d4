"""What a scripted upstream says: steps of a turn, and faults before one. Owns no wire format, no I/O."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Literal

SECRET = "sk-upstream-secret-that-must-not-leak"
"""Stands in every error body and in a header of every error, so that a test can look for leaks."""


@dataclass(frozen=True)
class Text:
    """A piece of the answer, `delay` seconds after the step before it."""

    text: str
    delay: float = 0.0


@dataclass(frozen=True)
class Reasoning:
    """A piece of reasoning: a summary's, or with `raw` the reasoning itself.

    `field` names the key in a chat-completions delta: servers say `reasoning_content` or `reasoning`.
    """

    text: str
    delay: float = 0.0
    raw: bool = False
    field: Literal["reasoning_content", "reasoning"] = "reasoning_content"


@dataclass(frozen=True)
class Call:
    """A call of tool `name`; the pieces of `arguments`, joined, are its JSON."""

    name: str
    arguments: str | Sequence[str] = "{}"
    call_id: str = ""

    @property
    def pieces(self) -> list[str]:
        return [self.arguments] if isinstance(self.arguments, str) else list(self.arguments)


@dataclass(frozen=True)
class Calls:
    """Several calls at once, the pieces of their arguments interleaved."""

    calls: tuple[Call, ...]

    def __init__(self, *calls: Call) -> None:
        object.__setattr__(self, "calls", calls)


@dataclass(frozen=True)
class Refusal:
    """A piece of a refusal."""

    text: str


@dataclass(frozen=True)
class Wait:
    """Says nothing for `seconds`."""

    seconds: float


@dataclass(frozen=True)
class Gate:
    """Says nothing until the test sets `open`; `reached` tells the test that it stands here."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Finish:
    """How the turn ends; without one it is `tool_calls` after calls, else `stop`."""

    reason: Literal["stop", "length", "content_filter", "tool_calls"] = "stop"


@dataclass(frozen=True)
class Use:
    """Usage that the turn reports; without one it is 10 in and one out for each piece."""

    input: int = 10
    output: int = 0
    reasoning: int = 0
    cached: int = 0


@dataclass(frozen=True)
class NoUse:
    """The turn reports no usage."""


@dataclass(frozen=True)
class Abort:
    """The connection is reset."""


@dataclass(frozen=True)
class Stall:
    """Nothing more comes, and the connection stays open until the client closes it."""


@dataclass(frozen=True)
class Cut:
    """The body ends cleanly here: no finish, no `[DONE]`, no `response.completed`."""


@dataclass(frozen=True)
class NoDone:
    """The turn says its finish reason and usage, and ends without `[DONE]` (chat completions only)."""


@dataclass(frozen=True)
class HalfJson:
    """Half of an event's JSON, as a whole SSE event, then a clean end."""


@dataclass(frozen=True)
class ErrorChunk:
    """An error inside a stream that began with 200."""

    message: str = f"the model is overloaded {SECRET}"
    code: str | None = "server_error"


@dataclass(frozen=True)
class Failed:
    """`response.failed` on the Responses API; the same as `ErrorChunk` on chat completions."""

    message: str = f"the model failed {SECRET}"
    code: str = "server_error"


@dataclass(frozen=True)
class WrongShape:
    """JSON that is well formed and not an event of this API; `data` overrides what."""

    data: Any = None


@dataclass(frozen=True)
class Raw:
    """These bytes as they are."""

    data: bytes


Step = (
    str | Text | Reasoning | Call | Calls | Refusal | Wait | Gate | Finish | Use | NoUse
    | Abort | Stall | Cut | NoDone | HalfJson | ErrorChunk | Failed | WrongShape | Raw
)  # fmt: skip
"""One thing a turn says or does; a bare string is a `Text`."""


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer in place of a turn.

    `retry_after_date` gives Retry-After as an HTTP date that many seconds ahead; `drop` closes the
    connection without a byte; `hang` never answers.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    retry_after_date: float | None = None
    drop: bool = False
    hang: bool = False

    def all_headers(self) -> dict[str, str]:
        headers = {"Content-Type": self.content_type, "X-Debug": SECRET, **self.headers}
        if self.retry_after_date is not None:
            headers["Retry-After"] = formatdate(time.time() + self.retry_after_date, usegmt=True)
        return headers


def failed(status: int, *, retry_after: str | None = None, after_date: float | None = None) -> Answer:
    """An error status with a provider's usual JSON body, e.g. ``failed(429, retry_after="2")``."""
    body = f'{{"error":{{"message":"refused {SECRET}","type":"some_error","param":null,"code":"some_code"}}}}'
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Answer(status, body.encode(), headers=headers, retry_after_date=after_date)


def html(status: int = 200) -> Answer:
    """A page where JSON or a stream should be, as proxies and captive portals answer."""
    page = f"<!doctype html><title>Sign in</title><p>{SECRET}</p>".encode()
    return Answer(status, page, "text/html; charset=utf-8")


def nothing() -> Answer:
    """200, the right type, and no body."""
    return Answer(200, b"", "text/event-stream")


def dropped() -> Answer:
    """The connection is closed before a byte of the answer."""
    return Answer(drop=True)


def hanging() -> Answer:
    """The request is read and never answered."""
    return Answer(hang=True)


Turn = Sequence[Step]


@dataclass
class Script:
    """What one model says, turn after turn.

    Args:
        turns: Played one a request; the last one repeats.
        pick: `next` counts requests; `depth` counts the answers since the last user message, so that
            several runs of one model may play the same script at once.
        fault: Answered instead while `fail_times` lasts; None means for ever.
        tokens_per_s: Pace of the pieces; None takes the server's.
    """

    turns: Sequence[Turn]
    pick: Literal["next", "depth"] = "next"
    fault: Answer | None = None
    fail_times: int | None = None
    tokens_per_s: float | None = None
    served: int = 0

    def next_fault(self) -> Answer | None:
        """The fault for this request, and count it."""
        if self.fault is None or self.fail_times == 0:
            return None
        if self.fail_times is not None:
            self.fail_times -= 1
        return self.fault

    def next_turn(self, body: dict[str, Any]) -> Turn:
        """The turn for this request, and count it."""
        at = depth_of(body) if self.pick == "depth" else self.served
        self.served += 1
        return self.turns[min(at, len(self.turns) - 1)]


def depth_of(body: dict[str, Any]) -> int:
    """How often the model has called tools since the last user message."""
    items = body.get("messages") or body.get("input") or []
    if isinstance(items, str):
        return 0
    depth, in_calls = 0, False
    for item in items:
        calls = bool(item.get("tool_calls")) or item.get("type") == "function_call"
        if item.get("role") == "user":
            depth = 0
        elif calls and not in_calls:
            depth += 1
        in_calls = calls
    return depth


def calls_of(body: dict[str, Any]) -> int:
    """How many calls the conversation holds already, so that the next ones get other ids."""
    items = body.get("messages") or body.get("input") or []
    if isinstance(items, str):
        return 0
    return sum(len(i.get("tool_calls") or ()) + (i.get("type") == "function_call") for i in items)


def echo_words(count: int) -> Iterable[str]:
    """What model ``echo-<count>`` says: that many short words, one a piece."""
    return (f" w{number}" if number else "w0" for number in range(count))
