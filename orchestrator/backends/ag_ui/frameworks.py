"""What frameworks put into AG-UI's events for pages of their own: where it lies, and what of it is nothing said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...events.agent import Usage
from ..token_counts import token_count

NOT_SAID = frozenset({"PredictState", "function_approval_request", "on_interrupt"})
"""`CUSTOM` events that tell a page what to do, or tell once more what another event says."""
CONFIRMATION = "confirm_changes"
"""The call by which Microsoft's servers have a page ask for an approval, beside the interrupt that asks for it."""


def counted_so_far(event: Mapping[str, Any]) -> Usage | None:
    """Return what a run has used so far, if a `CUSTOM` event of Microsoft's servers counts that."""
    value = event.get("value")
    if event.get("name") != "usage" or not isinstance(value, Mapping) or "output_token_count" not in value:
        return None
    names = (
        "input_token_count",
        "output_token_count",
        "cache_read_input_token_count",
        "reasoning_output_token_count",
    )
    read, written, cached, thought = (token_count(value.get(name)) for name in names)
    return Usage(read or 0, written or 0, cached, thought)


def first_arguments(event: Mapping[str, Any], call_id: str) -> str:
    """Return the arguments in the piece of a model's answer that begins a call.

    LangGraph's server sends what comes after that piece, and only the piece itself, beside its own event, has the rest.
    """
    found: Any = event.get("rawEvent")
    for key in ("data", "chunk", "tool_call_chunks"):
        found = found.get(key) if isinstance(found, Mapping) else None
    for each in found if isinstance(found, list) else ():
        if not isinstance(each, Mapping) or not isinstance(each.get("args"), str):
            continue
        if each.get("id") == call_id or each.get("name") == event.get("toolCallName"):
            return str(each["args"])
    return ""
