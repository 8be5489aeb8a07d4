"""What every dialect tells of calls and endings, as plain data: shared words of the folds. Knows no dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from ..events.agent import Cancelled, Done, Error
from ..events.encoding import encode_json
from ..events.snapshot import AgentSnapshot


def data(value: Any) -> bytes:
    """Return a block of one line of JSON."""
    return b"data: " + encode_json(value)


def tool_input(arguments: str) -> Any:
    """Return a call's arguments as an object; what is no JSON as it is."""
    try:
        return msgspec.json.decode(arguments.encode("utf-8", "replace"))
    except msgspec.DecodeError:
        return {"arguments": arguments}


def ending_facts(ending: Done | Error | Cancelled) -> dict[str, Any]:
    """Return how an attempt ended, as every dialect may tell it."""
    found: dict[str, Any] = {"status": ending.TYPE}
    match ending:
        case Done(usage=usage, finish_reason=reason):
            found |= {"usage": usage, "finish_reason": reason}
        case Error(code=code, message=message):
            found |= {"code": code, "message": message}
        case Cancelled(reason=reason):
            found |= {"reason": reason}
    return {key: value for key, value in (found | {"metrics": ending.metrics}).items() if value is not None}


def ending_of(agent: AgentSnapshot) -> Done | Error | Cancelled | None:
    """Return the last event of an agent that has ended."""
    match agent.status:
        case "done":
            return Done(agent.text, agent.usage, "stop", agent.metrics, agent.attempt)
        case "error":
            error = agent.error or {}
            return Error(
                error.get("code", "internal"),
                error.get("message", ""),
                error.get("error_id", ""),
                bool(error.get("retryable")),
                agent.metrics,
                agent.attempt,
            )
        case "cancelled":
            return Cancelled("", agent.metrics, agent.attempt)
    return None
