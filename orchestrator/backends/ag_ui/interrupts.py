"""What an AG-UI agent's run waits for, and how it is answered: AG-UI's own form, and those that frameworks have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..base import AgentInput
from ..graph_interrupts import answer_to_graph, asked_by_graph

MAX_ARGUMENT_CHARS = 1024 * 1024
MAX_ID_CHARS = 200
_NOT_ASKED = object()


@dataclass(frozen=True, slots=True)
class RunInterrupt:
    """What a run waits for.

    Attributes:
        asked: What a graph of LangGraph asks, which is answered in the graph's own form.
        is_older: Asked before AG-UI had a form for it, and answered in the form of that time.
        takes_reason: Whether the answer may say why.
    """

    interrupt_id: str
    name: str
    arguments: str
    asked: Any = field(default=_NOT_ASKED, repr=False)
    is_older: bool = False
    takes_reason: bool = True
    is_draft: bool = False
    """Asked as the draft of AG-UI's interrupts has it, one in a run, and answered so."""

    def payload(self, approved: bool, reason: str | None) -> Any:
        """Return what the agent is answered."""
        if self.asked is not _NOT_ASKED:
            return answer_to_graph(self.asked, approved, reason)
        said = {"approved": approved}
        return said if reason is None or not self.takes_reason else {**said, "reason": reason}


def interrupt_of(
    value: Mapping[str, Any], calls: Mapping[str, tuple[str, str]], number: int = 0
) -> RunInterrupt:
    """Read an interrupt of a run's outcome; *calls* have names and arguments by their ids."""
    interrupt_id, call_id = _id(value, "id") or f"interrupt.{number}", _id(value, "toolCallId")
    about = value.get("metadata")
    graph = about.get("langgraph") if isinstance(about, Mapping) else None
    if isinstance(graph, Mapping) and "raw" in graph:
        return _of_graph(interrupt_id, graph["raw"])
    takes_reason = _takes_reason(value.get("responseSchema"))
    if call_id in calls:
        return RunInterrupt(interrupt_id, *calls[call_id], takes_reason=takes_reason)
    words = {key: value[key] for key in ("message", "reason") if isinstance(value.get(key), str)}
    arguments = json.dumps(words, ensure_ascii=False)[:MAX_ARGUMENT_CHARS]
    return RunInterrupt(interrupt_id, "input", arguments, takes_reason=takes_reason)


def draft_interrupt(value: Mapping[str, Any]) -> RunInterrupt:
    """Read the one interrupt of a run whose `outcome` is the bare word, as AG-UI's draft had it."""
    said = {key: value[key] for key in ("reason", "payload") if value.get(key) is not None}
    arguments = json.dumps(said, ensure_ascii=False)[:MAX_ARGUMENT_CHARS]
    return RunInterrupt(_id(value, "id") or "interrupt.0", "input", arguments, is_draft=True)


def older_interrupt(event: Mapping[str, Any], number: int) -> RunInterrupt:
    """Read LangGraph's `on_interrupt`, after which its server says that the run has finished."""
    value, raw = event.get("value"), event.get("rawEvent")
    if isinstance(value, str):  # its JSON
        with suppress(msgspec.DecodeError, RecursionError):
            value = msgspec.json.decode(value)
    interrupt_id = _id(raw, "id") if isinstance(raw, Mapping) else ""
    return _of_graph(interrupt_id or f"interrupt.{number}", value, is_older=True)


def answers_to(
    interrupts: list[RunInterrupt], approved: Mapping[str, bool], request: AgentInput
) -> dict[str, Any]:
    """Return the part of the next run's body that answers: `resume`, or LangGraph's command of before."""
    payloads = {
        each.interrupt_id: each.payload(approved[each.interrupt_id], request.reasons.get(each.interrupt_id))
        for each in interrupts
    }
    if any(each.is_older for each in interrupts):
        only = next(iter(payloads.values())) if len(payloads) == 1 else payloads
        return {"forwardedProps": {"command": {"resume": only}}}
    if interrupts[0].is_draft:
        ((interrupt_id, payload),) = payloads.items()
        return {"resume": {"interruptId": interrupt_id, "payload": payload}}
    return {
        "resume": [
            {"interruptId": interrupt_id, "status": "resolved", "payload": payload}
            for interrupt_id, payload in payloads.items()
        ]
    }


def _of_graph(interrupt_id: str, asked: Any, *, is_older: bool = False) -> RunInterrupt:
    name, arguments = asked_by_graph(asked)
    return RunInterrupt(
        interrupt_id, name[:MAX_ID_CHARS], arguments[:MAX_ARGUMENT_CHARS], asked, is_older=is_older
    )


def _takes_reason(schema: object) -> bool:
    """Whether a schema lets an answer say why: Microsoft's servers take what it does not name for an argument."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return not isinstance(properties, Mapping) or "reason" in properties


def _id(owner: Mapping[str, Any], key: str) -> str:
    value = owner.get(key)
    return value[:MAX_ID_CHARS] if isinstance(value, str) else ""
