"""Translates what servers other than OpenAI's say in a chat-completions stream into OpenAI's way. Owns no I/O.

Both transports read by it, so that an answer does not depend on who decodes it.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec
from openai.types.responses import ResponseUsage
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from ....errors import AgentError
from ....events.encoding import clean_text
from .repair import INVALID


def said_in(parts: list[Any]) -> tuple[str, str]:
    """Return the text and the reasoning in a content that is a list, as Mistral's reasoning models send it.

    Raises:
        AgentError: `upstream_invalid`: a part has the wrong shape.
    """
    text = reasoning = ""
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            text += _text(part.get("text"))
        elif kind == "thinking":
            thought = part.get("thinking")
            reasoning += said_in(thought)[0] if isinstance(thought, list) else _text(thought)
        elif not isinstance(kind, str):
            raise AgentError("upstream_invalid", INVALID)
    return text, reasoning


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise AgentError("upstream_invalid", INVALID)
    return value


class Halves:
    """Puts characters together of which a server sent the halves apart."""

    def __init__(self) -> None:
        self._held = ""

    def joined(self, text: str) -> str:
        """Return *text* without half a character at its end; that comes with the next one."""
        text, self._held = self._held + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._held = text[:-1], text[-1]
        return clean_text(text)


class CallSlots:
    """Numbers the calls of one message from 0.

    OpenAI numbers them itself. Other servers leave the number out, or the id, or give several whole calls
    the same number or the same id; a second name or id, or a name after whole arguments, then begins another call.
    """

    def __init__(self) -> None:
        self._slots: dict[int | None, int] = {}  # by the server's number: the newest call that has it
        self._known: list[tuple[str, str]] = []  # each call's id and name
        self._arguments: list[str] = []

    def place(
        self, index: int | None, call_id: str | None, name: str | None, arguments: str | None = None
    ) -> int | None:
        """Return the number of the call to which a piece belongs that says so much of itself.

        None: it says again what the call has said, as some gateways do at the end.
        """
        slot = self._slots.get(index)
        if slot is not None and self._repeats(slot, call_id, name, arguments):
            return None
        if slot is None or self._begins_another(slot, index, call_id, name, arguments):
            slot = self._slots[index] = len(self._known)
            self._known.append(("", ""))
            self._arguments.append("")
        known_id, known_name = self._known[slot]
        self._known[slot] = (call_id or known_id, name or known_name)
        if arguments:
            self._arguments[slot] += arguments
        return slot

    def missing_id(self, slot: int) -> str | None:
        """Return an id for a call that has a name and none of its own, once; None for any other."""
        call_id, name = self._known[slot]
        if call_id or not name:
            return None
        self._known[slot] = (f"call_{uuid.uuid4().hex}", name)
        return self._known[slot][0]

    def _repeats(self, slot: int, call_id: str | None, name: str | None, arguments: str | None) -> bool:
        known_id, known_name = self._known[slot]
        same = bool(call_id and call_id == known_id) and (not name or name == known_name)
        said = self._arguments[slot]
        return same and bool(arguments) and arguments == said and len(said) > 2 and is_object(said)

    def _begins_another(
        self, slot: int, index: int | None, call_id: str | None, name: str | None, arguments: str | None
    ) -> bool:
        known_id, known_name = self._known[slot]
        if name and known_name and arguments and is_object(self._arguments[slot]):
            return True
        if call_id and known_id:
            return call_id != known_id and (index is None or bool(name and known_name))
        return index is None and bool(name and known_name)


def is_object(text: str) -> bool:
    """Whether *text* is one whole JSON object, as the arguments of a call are."""
    if not (text.startswith("{") and text.rstrip().endswith("}")):
        return False
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def usage_of(value: dict[str, Any]) -> ResponseUsage:
    """Return what a chat server counted, as the SDK counts it. Raises TypeError, ValueError or AttributeError."""
    given = value.get("prompt_tokens_details") or {}
    made = value.get("completion_tokens_details") or {}
    return ResponseUsage(
        input_tokens=value.get("prompt_tokens") or 0,
        output_tokens=value.get("completion_tokens") or 0,
        total_tokens=value.get("total_tokens") or 0,
        input_tokens_details=InputTokensDetails(
            cached_tokens=given.get("cached_tokens") or 0,
            cache_write_tokens=given.get("cache_write_tokens") or 0,
        ),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=made.get("reasoning_tokens") or 0),
    )
