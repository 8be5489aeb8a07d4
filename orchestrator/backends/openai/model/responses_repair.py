"""Puts the events of a Responses stream, as any server sends them, into OpenAI's form. Owns no I/O.

Remembers what the items of one response are, for servers that complete it without them, or never complete it and
only end the stream. What was said of text is matched with what was completed elsewhere (`openai_told`).
"""

from __future__ import annotations

from typing import Any

from ...upstream_errors import error_in_stream, is_error
from .events import DELTA_TYPES
from .repair import arguments_of, id_of, index_of, invalid, is_life_event, is_number, usage_as_response

TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled",
                      "response.done"})  # fmt: skip
_ARGUMENTS = ("function_call", "mcp_call")


class ResponsesRepair:
    """Takes the JSON of one stream's events and returns what OpenAI's server would have sent.

    Attributes:
        completed: The response was completed, in whatever way.
    """

    def __init__(self) -> None:
        self.completed = False
        self._items: list[dict[str, Any]] = []  # each as it was done
        self._begun: dict[str, dict[str, Any]] = {}  # calls that were announced and are not done, by place
        self._said = False

    def take(self, event: Any) -> dict[str, Any] | None:
        """Return *event* in OpenAI's form; None if it says nothing.

        Raises:
            AgentError: It is an error of the provider's, or no event of an answer.
        """
        if event is None:
            return None
        if not isinstance(event, dict):
            raise invalid()
        kind = event.get("type")
        if kind in ("error", "response.error"):
            raise error_in_stream(event.get("error") if is_error(event.get("error")) else event)
        if not isinstance(kind, str) or not kind.startswith("response."):
            if is_error(event.get("error")) and not isinstance(event["error"], bool):
                raise error_in_stream(event["error"])
            if event.get("object") == "response" and isinstance(event.get("output"), list):
                return self._terminal({"type": "response.completed", "response": event})
            if is_life_event(event):
                return None
            if not isinstance(kind, str):
                raise invalid()
        made = {**event, "sequence_number": _number(event.get("sequence_number"))}
        for key in ("output_index", "content_index", "summary_index"):
            if key in made:
                made[key] = index_of(made[key]) or 0
        if "item_id" in made:
            made["item_id"] = id_of(made["item_id"]) or ""
        if kind in DELTA_TYPES:
            return self._delta(made)
        if kind in TERMINAL:
            return self._terminal(made)
        if kind in ("response.output_item.added", "response.output_item.done"):
            return self._item(made)
        if kind == "response.function_call_arguments.done":
            self._begin(made)["arguments"] = made["arguments"] = arguments_of(made.get("arguments")) or ""
        return made

    def note_arguments(self, item_id: str, output_index: int, text: str) -> None:
        """Remember a piece of a call's arguments that came on another way than `take`."""
        call = self._begin({"item_id": item_id, "output_index": output_index})
        call["arguments"] = (call.get("arguments") or "") + text

    def note_said(self) -> None:
        """Remember that something was said that came on another way than `take`."""
        self._said = True

    def end_mark(self) -> dict[str, Any] | None:
        """Return the completion that a server leaves out which ends with `[DONE]`; None for an empty one."""
        if self.completed or not (self._said or self._items or self._calls_begun()):
            return None
        return self._terminal({"type": "response.completed", "response": {"id": "", "output": []}})

    def _delta(self, event: dict[str, Any]) -> dict[str, Any] | None:
        delta = event.get("delta")
        if isinstance(delta, dict) and isinstance(delta.get("text"), str):
            delta = delta["text"]
        if delta is None and "delta" in event:
            return None
        if event["type"] == "response.function_call_arguments.delta":
            delta = arguments_of(delta)
        if not isinstance(delta, str):
            raise invalid()
        made = {"output_index": 0, "item_id": "", **event, "delta": delta}
        made.setdefault("summary_index" if "summary" in made["type"] else "content_index", 0)
        self._said = True
        if event["type"] == "response.function_call_arguments.delta":
            self.note_arguments(made["item_id"], made["output_index"], delta)
        return made

    def _item(self, event: dict[str, Any]) -> dict[str, Any]:
        item = repaired_item(event.get("item"), whole=event["type"].endswith("done"))
        place = {"item_id": item.get("id"), "output_index": event.get("output_index", 0)}
        if event["type"].endswith("done"):
            begun = self._begun.pop(_place(place), None)
            if begun is not None and item["type"] == "function_call":
                item = {**item, "arguments": item["arguments"] or begun.get("arguments") or ""}
            self._items.append(item)
        elif item["type"] == "function_call":
            self._begun[_place(place)] = dict(item)
        return {"output_index": 0, **event, "item": item}

    def _begin(self, event: dict[str, Any]) -> dict[str, Any]:
        return self._begun.setdefault(
            _place(event), {"type": "function_call", "id": event.get("item_id") or ""}
        )

    def _calls_begun(self) -> list[dict[str, Any]]:
        return [repaired_item(item, whole=True) for item in self._begun.values() if item.get("name")]

    def _terminal(self, event: dict[str, Any]) -> dict[str, Any]:
        value = event.get("response")
        if not isinstance(value, dict):
            raise invalid()
        kind = event["type"].removeprefix("response.")
        status = value.get("status")
        if status not in ("failed", "cancelled", "incomplete"):
            status = {"failed": "failed", "cancelled": "cancelled", "incomplete": "incomplete"}.get(
                kind, "completed"
            )
        if status in ("failed", "cancelled"):
            raise error_in_stream(value.get("error") or event.get("error"))
        output = value.get("output") or []
        if not isinstance(output, list):
            raise invalid()
        items = [repaired_item(item, whole=True) for item in output] or list(self._items)
        items += [call for call in [*self._items, *self._calls_begun()] if _is_new_call(call, items)]
        self.completed = True
        details = value.get("incomplete_details")
        return {
            "sequence_number": _number(event.get("sequence_number")),
            "type": "response.incomplete" if status == "incomplete" else "response.completed",
            "response": {
                **value,
                "id": id_of(value.get("id")) or "",
                "status": status,
                "output": items,
                "usage": usage_as_response(value.get("usage")),
                "error": None,
                "incomplete_details": details if isinstance(details, dict) else None,
            },
        }


def repaired_item(item: Any, *, whole: bool) -> dict[str, Any]:
    """Return an output item in OpenAI's form.

    Raises:
        AgentError: It is none, or (if it must be *whole*) lacks what an item of its kind must have.
    """
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise invalid()
    made = {**item, "id": id_of(item.get("id")) or ""}
    if item["type"] == "message":
        made["content"] = _content(item.get("content"), whole)
        made.setdefault("role", "assistant")
        made["status"] = made.get("status") or "completed"
    elif item["type"] == "reasoning":
        made["summary"] = item["summary"] if isinstance(item.get("summary"), list) else []
        if not isinstance(item.get("content"), list):
            made.pop("content", None)
    elif item["type"] == "mcp_call" and isinstance(item.get("error"), str):
        made["error"] = (
            {"type": "mcp_protocol_error", "code": 0, "message": item["error"]} if item["error"] else None
        )
    elif item["type"] == "function_call":
        made["arguments"] = arguments_of(item.get("arguments")) or ""
        made["call_id"] = id_of(item.get("call_id")) or made["id"]
        if whole and not (made["call_id"] and isinstance(item.get("name"), str) and item["name"]):
            raise invalid()
    return made


def _content(content: Any, whole: bool) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "output_text", "text": content, "annotations": []}]
    if content is None and not whole:
        return []
    if not isinstance(content, list):
        raise invalid()
    return [_part(part) for part in content]


def _part(part: Any) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise invalid()
    kind = "output_text" if part.get("type") == "text" else part.get("type")
    said = part.get("refusal" if kind == "refusal" else "text")
    if not isinstance(kind, str) or not isinstance(said, str):
        raise invalid()
    made = {**part, "type": kind}
    if kind == "output_text" and not isinstance(part.get("annotations"), list):
        made["annotations"] = []
    return made


def _is_new_call(call: dict[str, Any], items: list[dict[str, Any]]) -> bool:
    """Whether *call* is a function call that is none of *items*; ids repeat at some servers, so all of it counts."""
    if call["type"] != "function_call":
        return False
    return not any(
        item["type"] == "function_call"
        and (
            (item["call_id"] == call["call_id"] or (item["id"] and item["id"] == call["id"]))
            or (item.get("name"), item["arguments"]) == (call.get("name"), call["arguments"])
        )
        for item in items
    )


def _place(event: dict[str, Any]) -> str:
    """The item that an event is about: by its id, by its place only if it has none."""
    return id_of(event.get("item_id")) or f"#{event.get('output_index') or 0}"


def _number(value: Any) -> int:
    return int(value) if is_number(value) else 0
