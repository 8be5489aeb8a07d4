"""The `reasoning_details` of OpenRouter and MiniMax: kept with a response's items, and sent back with its calls.

The SDK knows no such field: neither its decoding nor its requests have it. Without it the provider cannot go on
where it stopped to think, and some answer the next turn with 400.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from openai.types.responses import ResponseReasoningItem

from .model.reasoning_replay import is_strict

KEY = "reasoning_details"

GOING_BACK: ContextVar[Mapping[str, list[dict[str, Any]]] | None] = ContextVar(
    "orchestrator_reasoning_going_back", default=None
)
"""By the id of the first call of each message in the request that is made now."""


def with_details(output: list[Any], details: list[dict[str, Any]]) -> list[Any]:
    """Return a response's items with *details* on the reasoning among them, which is made if there is none."""
    if not details or not any(item.type == "function_call" for item in output):
        return output
    reasoning: Any = next((item for item in output if item.type == "reasoning"), None)
    if reasoning is None:
        call = next(item for item in output if item.type == "function_call")
        of_call = getattr(call, "provider_data", None) or {}
        reasoning = ResponseReasoningItem(
            id="__fake_id__", summary=[], type="reasoning", provider_data=dict(of_call)
        )  # type: ignore[call-arg]  # as the SDK's converter does
        output = [reasoning, *output]
    known = getattr(reasoning, "provider_data", None) or {}
    reasoning.provider_data = {**known, KEY: details}
    return output


def details_of_calls(items: Any, model: Any) -> dict[str, list[dict[str, Any]]]:
    """Return the details in a request's *items* that the same *model* said, each by the call that follows them."""
    found: dict[str, list[dict[str, Any]]] = {}
    pending: list[dict[str, Any]] | None = None
    for item in items if isinstance(items, list) else ():
        kind = item.get("type") if isinstance(item, Mapping) else None
        if kind == "reasoning":
            facts = item.get("provider_data") or {}
            is_own = facts.get("model") in (None, model) and isinstance(model, str) and not is_strict(model)
            pending = facts.get(KEY) if is_own else None
        elif kind == "function_call" and pending:
            found[str(item.get("call_id"))] = pending
            pending = None
        elif kind != "message" and kind is not None:
            pending = None
    return found


def send_back(messages: Sequence[Any]) -> None:
    """Put the details that go back now into the messages of a chat request."""
    details = GOING_BACK.get()
    if not details:
        return
    for message in messages:
        calls = message.get("tool_calls") if isinstance(message, dict) else None
        for call in calls or ():
            if (found := details.get(call.get("id"))) is not None:
                message[KEY] = found
                break
