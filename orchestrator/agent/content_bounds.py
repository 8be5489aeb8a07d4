"""The bounds of what one attempt says beyond text: sizes, counts, and JSON that every client can read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from ..errors import AgentError
from ..events.content import (
    DATA_BYTES,
    MOST,
    OUTPUT_BYTES,
    Content,
    Data,
    File,
    Progress,
    fault_of_json,
    too_long,
)
from ..events.encoding import encode_json, fields_of

CHARS_PER_ITEM = 1024
"""How much of a payload counts as one item in the mailbox."""


class ContentBounds:
    """Counts and checks what one attempt says beyond text."""

    def __init__(self) -> None:
        self._counts: Counter[type] = Counter()
        self._bars: set[str | None] = set()

    def take(self, item: Content) -> tuple[Content, int]:
        """Return *item* as it goes out, and how many items of the mailbox it is worth.

        Raises:
            AgentError: `upstream_invalid`: it is over a bound.
        """
        kind = type(item).__name__
        weight = 1
        if isinstance(item, Data):
            value, size = bound_json(item.value, DATA_BYTES, f"The agent's {kind} {item.name[:64]!r}")
            item = msgspec.structs.replace(item, value=value)
            weight += size // CHARS_PER_ITEM
        elif isinstance(item, File):
            weight += len(item.url) // CHARS_PER_ITEM
        if (fault := item.check() or too_long(item.speaker, item.parent)) is not None:
            raise _invalid(f"The agent yielded a {kind} that cannot be passed on: {fault}.")
        if isinstance(item, Progress):
            self._bars.add(item.progress_id)
            count = len(self._bars)
        else:
            self._counts[type(item)] += 1
            count = self._counts[type(item)]
        if count > MOST[type(item)]:
            raise _invalid(f"The agent yielded more than {MOST[type(item)]} {kind} payloads.")
        return item, weight


def bound_json(value: Any, most: int, what: str) -> tuple[Any, int]:
    """Return *value* as JSON has it, and its size in bytes.

    Raises:
        AgentError: `upstream_invalid`: it is no JSON, too large, too deep, or has a number that JSON has not.
    """
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=fields_of)
        fault = fault_of_json(plain)
        data = encode_json(plain)
        whole = msgspec.json.decode(data)
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise _invalid(f"{what} is no JSON.") from exc
    size = len(msgspec.json.encode(whole))
    if fault is None and size > most:
        fault = f"it has more than {most} bytes"
    if fault is not None:
        raise _invalid(f"{what} cannot be passed on: {fault}.")
    return whole, size


def bound_output(value: Any) -> Any:
    """Return a structured answer as JSON has it. Raises as `bound_json`."""
    return bound_json(value, OUTPUT_BYTES, "The agent's output")[0]


def _invalid(message: str) -> AgentError:
    return AgentError("upstream_invalid", message, retryable=False)
