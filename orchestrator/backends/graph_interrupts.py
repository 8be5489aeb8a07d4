"""What a graph of LangGraph asks when it interrupts itself, and with what it is resumed. Imports no library.

In this process or behind a server of another protocol, a graph asks in the same forms and understands the same
answers: a decision for each call that it asked about, else yes or no.
"""

from __future__ import annotations

from typing import Any

from .json_values import as_json


def asked_by_graph(value: Any) -> tuple[str, str]:
    """Return the name and the arguments of what a graph asks: calls of its tools, or whatever its node says."""
    calls = value.get("action_requests") if isinstance(value, dict) else None
    if not isinstance(calls, list) or not calls or not all(isinstance(call, dict) for call in calls):
        return "input", as_json(value)
    arguments = [call.get("args") or {} for call in calls]
    names = ", ".join(str(call.get("name", "input")) for call in calls)
    return names, as_json(arguments[0] if len(calls) == 1 else arguments)


def answer_to_graph(value: Any, approve: bool, reason: str | None) -> Any:
    """Return what a graph is resumed with that asked *value*."""
    calls = value.get("action_requests") if isinstance(value, dict) else None
    if not isinstance(calls, list) or not calls:
        return approve
    decision = (
        {"type": "approve"} if approve else {"type": "reject", **({"message": reason} if reason else {})}
    )
    return {"decisions": [decision for _ in calls]}
