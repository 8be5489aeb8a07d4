"""What servers other than OpenAI's say in a chat-completions stream, told in OpenAI's way. Owns no I/O.

Both transports read by it, so that an answer does not depend on who decodes it.
"""

from __future__ import annotations

import uuid
from typing import Any

from openai.types.responses import ResponseUsage
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from ....errors import AgentError, ErrorCode
from ....events.encoding import clean_text
from .client import INVALID

_STOPPED: tuple[ErrorCode, str] = ("upstream_unavailable", "The model's provider stopped the answer.")
_FAILED: dict[str, tuple[ErrorCode, str]] = {
    "error": ("upstream_invalid", "The model's answer broke off with an error."),  # OpenRouter, Mistral
    "abort": _STOPPED,  # vLLM
    "insufficient_system_resource": _STOPPED,  # DeepSeek
}
_TOLD = {"tool_calls": "stop", "function_call": "stop", "model_length": "length"}  # the last is Mistral's


def finish_reason_of(reason: str) -> str:
    """Return why an answer ended, in the protocol's words; what they do not know stays as it is.

    Raises:
        AgentError: The provider says that the answer is not whole, by its own fault.
    """
    if reason in _FAILED:
        raise AgentError(*_FAILED[reason])
    return _TOLD.get(reason, reason)


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
    the same number; a second name or id then begins another call.
    """

    def __init__(self) -> None:
        self._slots: dict[int | None, int] = {}  # by the server's number: the newest call that has it
        self._known: list[tuple[str, str]] = []  # each call's id and name

    def place(self, index: int | None, call_id: str | None, name: str | None) -> int:
        """Return the number of the call to which a piece belongs that says so much of itself."""
        slot = self._slots.get(index)
        if slot is None or self._begins_another(slot, index, call_id, name):
            slot = self._slots[index] = len(self._known)
            self._known.append(("", ""))
        known_id, known_name = self._known[slot]
        self._known[slot] = (call_id or known_id, name or known_name)
        return slot

    def missing_id(self, slot: int) -> str | None:
        """Return an id for a call that has a name and none of its own, once; None for any other."""
        call_id, name = self._known[slot]
        if call_id or not name:
            return None
        self._known[slot] = (f"call_{uuid.uuid4().hex}", name)
        return self._known[slot][0]

    def _begins_another(self, slot: int, index: int | None, call_id: str | None, name: str | None) -> bool:
        known_id, known_name = self._known[slot]
        if call_id and known_id:
            return call_id != known_id and (index is None or bool(name and known_name))
        return index is None and bool(name and known_name)


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
