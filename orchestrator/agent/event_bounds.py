"""The bounds of what one attempt says of its work: calls, their results, details, the names beside them, counts.

A tool that returns a whole file is no fault of its agent. One event of ten megabytes would hold up every stream for
half a second, though, fill the mailbox with gigabytes before the agent waits, and push siblings' events out of the log.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from ..errors import AgentError
from ..events.agent import ApprovalRequest, ToolCall, Usage
from ..events.base import Payload
from ..events.content import MOST_COUNTED, TEXT_CHARS, too_long
from ..events.encoding import encode_json
from .content_bounds import CHARS_PER_ITEM

_P = TypeVar("_P", bound=Payload)

LONG_CHARS = 256 * 1024
"""Of a call's arguments and of a result; what is longer is cut, for nobody but a reader needs it here."""
MORE_CHARS = 100
"""Room for the words that say how much is missing."""
MESSAGE_CHARS = 4_000
"""Of an error's message, and of why an answer ended."""


def bound_event(item: _P) -> tuple[_P, int]:
    """Return *item* as it goes out, and how many items of the mailbox it is worth.

    Raises:
        AgentError: `upstream_invalid`: a name, an id or what somebody is asked to approve is too long to be cut, or
            nobody could answer.
    """
    if isinstance(item, ApprovalRequest) and not item.call_id:
        unnamed = "The agent asks for an approval without a call_id, by which nobody can answer."
        raise AgentError("upstream_invalid", unnamed, retryable=False)
    size, cut = 0, {}
    for name in item.__struct_fields__:
        text = getattr(item, name)
        if not isinstance(text, str):
            continue
        size += len(text)
        most = LONG_CHARS if name in ("arguments", "output") else TEXT_CHARS
        if len(text) > most:
            cut[name] = _shortened(item, name, text, most)
    if cut:
        item, size = msgspec.structs.replace(item, **cut), LONG_CHARS
    return item, 1 + size // CHARS_PER_ITEM


def check_names(*names: str | None) -> None:
    """Raise AgentError (`upstream_invalid`) if one of the names that go with each piece of text is too long."""
    if (fault := too_long(*names)) is not None:
        raise AgentError(
            "upstream_invalid", f"What the agent said cannot be passed on: {fault}.", retryable=False
        )


def countable(usage: Usage) -> Usage:
    """Return *usage* without counts that are none: servers say -1 for what they do not know.

    What an answer cost is not worth an answer.
    """
    read, written, cached, thought = map(
        _count,
        (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens),
    )
    return Usage(read or 0, written or 0, cached, thought)


def _count(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens < MOST_COUNTED else None


def _shortened(item: Payload, name: str, text: str, most: int) -> str:
    # So that it is within the bound afterwards, and another instance that passes it on cuts nothing.
    most = most - MORE_CHARS if name in ("output", "detail") else most // 2 - MORE_CHARS
    more = f"… ({len(text) - most:,} more characters)"
    if name in ("output", "detail"):
        return text[:most] + more
    if isinstance(item, ToolCall) and name == "arguments":
        return encode_json(text[:most] + more).decode()  # a string of JSON still
    message = f"The agent yielded a {type(item).__name__} whose {name} is too long: {len(text)} characters."
    raise AgentError("upstream_invalid", message, retryable=False)
