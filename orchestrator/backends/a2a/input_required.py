"""What an A2A agent's task waits for, read from the status that says so. Does no I/O."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

MAX_DETAIL_CHARS = 2000
MAX_ARGUMENT_CHARS = 1024 * 1024
MAX_ID_CHARS = 200


@dataclass(frozen=True, slots=True)
class TaskQuestion:
    """What a task waits for: `answer` is what the reply carries beside the decision."""

    name: str
    arguments: str
    answer: dict[str, Any] = field(default_factory=dict)
    call: dict[str, Any] | None = None
    """The call to confirm, if the question is ADK's: it is answered in ADK's form."""


def question_of(about: dict[str, Any], parts: list[dict[str, Any]]) -> TaskQuestion:
    """Return what is asked: an approval of this very service, one of ADK's, or words."""
    asked = next(iter(objects_in(about.get("approvals"))), None)
    if asked is not None:
        which = {key: asked[key] for key in ("agent_id", "call_id") if isinstance(asked.get(key), str)}
        name, arguments = str(asked.get("name", "input")), asked.get("arguments")
        return TaskQuestion(
            name[:MAX_ID_CHARS], arguments if isinstance(arguments, str) else json_of(arguments), which
        )
    for part in parts:
        call, kind = part.get("data"), part.get("metadata")
        if isinstance(call, dict) and isinstance(kind, dict) and kind.get("adk_type") == "function_call":
            inner = call.get("args")
            original = inner.get("originalFunctionCall") if isinstance(inner, dict) else None
            shown = original if isinstance(original, dict) else call
            return TaskQuestion(
                str(shown.get("name", "input"))[:MAX_ID_CHARS], json_of(shown.get("args")), call=call
            )
    words = " ".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    tool = next((about[key] for key in ("tool", "name", "toolName") if isinstance(about.get(key), str)), None)
    return TaskQuestion((tool or "input")[:MAX_ID_CHARS], json_of({"message": words[:MAX_DETAIL_CHARS]}))


def objects_in(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; nothing if it is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def json_of(value: Any) -> str:
    """Return *value* as a string of JSON; text is one already."""
    if isinstance(value, str):
        return value[:MAX_ARGUMENT_CHARS]
    return json.dumps({} if value is None else value, ensure_ascii=False)[:MAX_ARGUMENT_CHARS]
