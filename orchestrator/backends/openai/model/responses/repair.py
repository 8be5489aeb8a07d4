"""Puts the events of a Responses stream, as any server sends them, into OpenAI's form. Owns no I/O.

Remembers what the items of one response are, for servers that complete it without them, or never complete it and
only end the stream. What was said of text is matched with what was completed elsewhere (`emitted`).
"""

from __future__ import annotations

from typing import Any

from ....upstream.errors import bare_error, error_in_stream, is_error
from ....upstream.finish_reasons import withheld
from ..arguments import whole_arguments
from ..chat.repair import unpacked
from ..chat.vendor_quirks import said_in
from ..coercion import arguments_in, arguments_of, id_of, index_of, invalid, is_number
from ..content_filter import is_filtered
from ..events import DELTA_TYPES
from ..output_files import is_file, with_files
from ..stream_markers import is_life_event
from ..usage import usage_as_response

TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled",
                      "response.done"})  # fmt: skip
_OTHER_NAMES = {
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "response.reasoning.delta": "response.reasoning_text.delta",
    "response.reasoning.done": "response.reasoning_text.done",
    "response.reasoning_content.delta": "response.reasoning_text.delta",
    "response.reasoning_content.done": "response.reasoning_text.done",
    "response.reasoning_summary.delta": "response.reasoning_summary_text.delta",
    "response.reasoning_summary.done": "response.reasoning_summary_text.done",
}
"""What events were called before the names that they have, or are by servers that go by those."""
_CALLS = frozenset({"tool_call", "tool_use", "function", "function_tool_call"})
"""What servers call a `function_call`."""


class ResponsesRepair:
    """Takes the JSON of one stream's events and returns what OpenAI's server would have sent.

    Attributes:
        completed: The response was completed, in whatever way.
    """

    def __init__(self) -> None:
        self.completed = False
        self._items: list[dict[str, Any]] = []  # each as it was done
        self._begun: dict[str, dict[str, Any]] = {}  # calls that were announced and are not done, by place
        self._messages: list[dict[str, Any]] = []  # that had a text when they were announced
        self._said = self._said_text = False

    def take(self, event: Any) -> dict[str, Any] | None:
        """Return *event* in OpenAI's form; None if it says nothing.

        Raises:
            AgentError: It is an error of the provider's, or no event of an answer.
        """
        if event is None:
            return None
        event = unpacked(event)
        kind = event.get("type")
        if kind in ("error", "response.error"):
            raise error_in_stream(event.get("error") if is_error(event.get("error")) else event)
        if not isinstance(kind, str) or not kind.startswith("response."):
            if is_error(error := event.get("error")) and not isinstance(error, bool):
                raise error_in_stream(error if isinstance(error, (dict, list)) else event)
            if event.get("object") == "response" and isinstance(event.get("output"), list):
                return self._terminal({"type": "response.completed", "response": event})
            if is_life_event(event):
                return None
            if (bare := bare_error(event)) is not None:
                raise error_in_stream(bare)
            if not isinstance(kind, str):
                raise invalid()
        kind = _OTHER_NAMES.get(kind, kind)
        made = {**event, "type": kind, "sequence_number": _number(event.get("sequence_number"))}
        for key in ("output_index", "content_index", "summary_index"):
            if key in made:
                made[key] = index_of(made[key]) or 0
        if "item_id" in made:
            made["item_id"] = id_of(made["item_id"]) or ""
        if kind in DELTA_TYPES:
            made.pop("error", None)
            return self._delta(made)
        if kind in TERMINAL:
            return self._terminal(made)
        if is_error(made.pop("error", None)):
            raise error_in_stream(event["error"])
        if kind in ("response.output_item.added", "response.output_item.done"):
            return None if made.get("item") is None else self._item(made)
        if kind == "response.function_call_arguments.done":
            self._begin(made)["arguments"] = made["arguments"] = arguments_of(made.get("arguments")) or ""
        return made

    def note_arguments(self, item_id: str, output_index: int, text: str) -> None:
        """Remember a piece of a call's arguments that came on another way than `take`."""
        call = self._begin({"item_id": item_id, "output_index": output_index})
        call["arguments"] = (call.get("arguments") or "") + text

    def note_said(self, *, is_text: bool) -> None:
        """Remember that something was said, a text or a thought, that came on another way than `take`."""
        self._said = True
        self._said_text = self._said_text or is_text

    def end_mark(self) -> dict[str, Any] | None:
        """Return the completion that a server leaves out which ends with `[DONE]`; None for an empty one."""
        if self.completed or not (self._said or self._items or self._calls_begun()):
            return None
        return self._terminal({"type": "response.completed", "response": {"id": "", "output": []}})

    def _delta(self, event: dict[str, Any]) -> dict[str, Any] | None:
        delta = event.get("delta")
        if delta is None:
            delta = event.get("text")
        if delta is None:
            return None
        if event["type"] == "response.function_call_arguments.delta":
            delta = arguments_of(delta)
        elif isinstance(delta, (dict, list)):
            delta = said_in(delta if isinstance(delta, list) else [delta] if delta else [])[0]
        if not isinstance(delta, str):
            raise invalid()
        made = {"output_index": 0, "item_id": "", **event, "delta": delta}
        made.setdefault("summary_index" if "summary" in made["type"] else "content_index", 0)
        self.note_said(is_text=event["type"] == "response.output_text.delta")
        if event["type"] == "response.function_call_arguments.delta":
            self.note_arguments(made["item_id"], made["output_index"], delta)
        return made

    def _item(self, event: dict[str, Any]) -> dict[str, Any]:
        item = repaired_item(event.get("item"), whole=event["type"].endswith("done"))
        place = {"item_id": item.get("id"), "output_index": event.get("output_index", 0)}
        if event["type"].endswith("done"):
            begun = self._begun.pop(_place(place), None)
            if begun is not None and item["type"] == "function_call":
                item = _filled(item, begun)
            if item not in self._items:
                self._items.append(item)
        elif item["type"] == "function_call":
            self._begun[_place(place)] = {**item, "output_index": place["output_index"]}
        elif _text_of(item):
            self._messages.append(item)
        return {"output_index": 0, **event, "item": item}

    def _begin(self, event: dict[str, Any]) -> dict[str, Any]:
        """Return the call to which a piece of arguments belongs: by an id, by its place, or as the only one."""
        place, item_id = _place(event), event.get("item_id")
        if place in self._begun:
            return self._begun[place]
        open_now = list(self._begun.values())
        alike = [call for call in open_now if item_id and call.get("call_id") == item_id]
        alike += [call for call in open_now if call.get("output_index") == event.get("output_index")]
        if alike or len(open_now) == 1:
            return alike[0] if alike else open_now[0]
        named = {key: event[key] for key in ("name", "call_id") if event.get(key)}
        call = {
            "type": "function_call",
            "id": item_id or "",
            "output_index": event.get("output_index"),
            **named,
        }
        return self._begun.setdefault(place, call)

    def _calls_begun(self) -> list[dict[str, Any]]:
        calls = [
            {key: kept for key, kept in call.items() if key != "output_index"}
            for call in self._begun.values()
        ]
        return [repaired_item(call, whole=True) for call in calls if call.get("name")]

    def _terminal(self, event: dict[str, Any]) -> dict[str, Any]:
        value = event.get("response")
        if value is None:  # of a server that says no more than that it is done
            value = {}
        if not isinstance(value, dict):
            raise invalid()
        kind = event["type"].removeprefix("response.")
        status = value.get("status")
        if status not in ("failed", "cancelled", "incomplete"):
            status = {"failed": "failed", "cancelled": "cancelled", "incomplete": "incomplete"}.get(
                kind, "completed"
            )
        error = (
            value.get("error") or event.get("error") or value.get("last_error") or value.get("status_details")
        )
        if status in ("failed", "cancelled") or (kind == "incomplete" and is_error(error)):
            raise error_in_stream(error)
        output = value.get("output") or []
        if not isinstance(output, list):
            raise invalid()
        items = self._completed_items(
            value, [repaired_item(item, whole=True) for item in output if item is not None]
        )
        if not (items or self._said) and is_filtered(value):
            raise withheld("")
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

    def _completed_items(self, value: dict[str, Any], output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the completed *output* with what stood in the items alone, and each item once."""
        heard = [*self._items, *self._calls_begun()]
        output = [_filled(item, next((h for h in heard if _is_same_call(item, h)), item)) for item in output]
        items = [item for at, item in enumerate(output) if item not in output[:at]] or list(self._items)
        texts = {text for item in items if (text := _text_of(item))}
        lost = [
            item for item in self._items if (text := _text_of(item)) and not any(text in t for t in texts)
        ]
        if not texts and not lost and isinstance(value.get("output_text"), str) and value["output_text"]:
            lost = [repaired_item({"type": "message", "content": value["output_text"]}, whole=True)]
        if not (texts or lost or self._said_text):
            lost = self._messages
        if lost:
            items = [item for item in items if item["type"] != "message" or _text_of(item)]
            at = next((at for at, item in enumerate(items) if item["type"] == "function_call"), len(items))
            items[at:at] = lost
        items += [call for call in heard if _is_new_call(call, items)]
        return items


def _text_of(item: dict[str, Any]) -> str:
    if item["type"] != "message":
        return ""
    return "".join(part.get("text") or part.get("refusal") or "" for part in item["content"])


def repaired_item(item: Any, *, whole: bool) -> dict[str, Any]:
    """Return an output item in OpenAI's form.

    Raises:
        AgentError: It is none, or (if it must be *whole*) lacks what an item of its kind must have.
    """
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise invalid()
    if item["type"] in ("output_text", "text") and isinstance(item.get("text"), str):
        item = {"type": "message", "id": item.get("id"), "content": [item]}
    if item["type"] in _CALLS or (item["type"] == "function_call" and isinstance(item.get("function"), dict)):
        inner = item["function"] if isinstance(item.get("function"), dict) else item
        item = {**item, "type": "function_call", "name": inner.get("name"), "arguments": arguments_in(inner)}
    made = {**item, "id": id_of(item.get("id")) or ""}
    if item["type"] == "message":
        content = item.get("content")
        if isinstance(content, list):  # what models draw is no part of OpenAI's messages: it goes beside them
            made.update(with_files({"content": content}))
            content = [part for part in content if not is_file(part)]
        made["content"] = _content(content, whole)
        made.setdefault("role", "assistant")
        made["status"] = made.get("status") or "completed"
    elif item["type"] == "reasoning":
        made["summary"] = item["summary"] if isinstance(item.get("summary"), list) else []
        if not isinstance(item.get("content"), list):
            made.pop("content", None)
    elif item["type"] == "mcp_call" and "error" in item:
        error = item["error"] if is_error(item["error"]) else None  # `{}`, `""` and `false` are none
        made["error"] = (
            {"type": "mcp_protocol_error", "code": 0, "message": error} if isinstance(error, str) else error
        )
    elif item["type"] == "function_call":
        made["arguments"] = arguments_of(item.get("arguments")) or ""
        made["call_id"] = id_of(item.get("call_id")) or made["id"]
        if whole and not (isinstance(item.get("name"), str) and item["name"]):
            raise invalid()
    return made


def _content(content: Any, whole: bool) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"type": "output_text", "text": content, "annotations": []}]
    if content is None and not whole:
        return []
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        raise invalid()
    return [_part(part) for part in content if not _is_empty(part)]


def _is_empty(part: Any) -> bool:
    if not isinstance(part, dict):
        return part is None
    return "text" in part and part["text"] is None and not part.get("refusal")


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        part = {"type": "output_text", "text": part}
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


def _filled(item: dict[str, Any], heard: dict[str, Any]) -> dict[str, Any]:
    """Return a done call with the arguments that came in pieces, if it says that it has none."""
    said = heard.get("arguments")
    if item["type"] != "function_call" or not said or whole_arguments(item["arguments"]) != "{}":
        return item
    return {**item, "arguments": said}


def _is_same_call(item: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two calls are one, by both of their ids as far as they have them."""
    if (
        item["type"] != "function_call"
        or other["type"] != "function_call"
        or item.get("name") != other.get("name")
    ):
        return False
    return (item["call_id"], item["id"]) == (other["call_id"], other["id"]) and bool(
        item["call_id"] or item["id"]
    )


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
