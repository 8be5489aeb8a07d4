"""Plain data of calls and endings, as every dialect reports them: shared words of the folds. Knows no dialect."""

from __future__ import annotations

from typing import Any

import msgspec

from ..events.agent import Approval, Cancelled, Done, Error
from ..events.content import Content, Source
from ..events.encoding import encode_json
from ..events.snapshot import AgentSnapshot


def data(value: Any) -> bytes:
    """Return a block of one line of JSON."""
    return b"data: " + encode_json(value)


def citation(source: Source) -> dict[str, Any]:
    """Return a page that is cited as OpenAI's APIs have it; their offsets count characters of the text, as ours."""
    at = source.at or 0
    return {"url": source.url, "title": source.title or source.url, "start_index": at, "end_index": at}


def plain(said: Content) -> dict[str, Any]:
    """Return what an agent said as an object, without what it left out; a value of data may be JSON already."""
    members = msgspec.structs.asdict(said).items()
    return {name: each for name, each in members if each is not None or name == "value"}


def tool_input(arguments: str) -> Any:
    """Return a call's arguments as an object; what is no JSON as it is."""
    try:
        return msgspec.json.decode(arguments.encode("utf-8", "replace"))
    except msgspec.DecodeError:
        return {"arguments": arguments}


def approval_facts(answer: Approval) -> dict[str, Any]:
    """Return how somebody answered a call, and why if they said so."""
    found = {"call_id": answer.call_id, "approve": answer.approve, "reason": answer.reason, "by": answer.by}
    return {key: value for key, value in found.items() if value is not None}


def ending_facts(ending: Done | Error | Cancelled) -> dict[str, Any]:
    """Return how an attempt ended, as every dialect may report it."""
    found: dict[str, Any] = {"status": ending.TYPE}
    match ending:
        case Done(usage=usage, finish_reason=reason):
            found |= {"usage": usage, "finish_reason": reason}
            if ending.output is not msgspec.UNSET:
                # A null that the agent gave is its answer, unlike one that stands for nothing.
                return found | {"metrics": ending.metrics, "output": ending.output}
        case Error(code=code, message=message):
            found |= {"code": code, "message": message}
        case Cancelled(reason=reason):
            found |= {"reason": reason}
    return {key: value for key, value in (found | {"metrics": ending.metrics}).items() if value is not None}


def ending_of(agent: AgentSnapshot) -> Done | Error | Cancelled | None:
    """Return the last event of an agent that has ended."""
    match agent.status:
        case "done":
            return Done(agent.text, agent.usage, "stop", agent.metrics, agent.attempt, agent.output)
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
