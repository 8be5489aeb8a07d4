"""Translates what servers other than OpenAI's say in a chat-completions stream into OpenAI's way. Owns no I/O.

Both transports read by it, so that an answer does not depend on who decodes it.
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from ....errors import AgentError
from ....events.encoding import clean_text
from .finish import is_filtered
from .values import INVALID

_TEXT_PARTS = frozenset({"text", "output_text", "input_text"})
_THOUGHT_PARTS = frozenset({"thinking", "reasoning", "reasoning_text", "summary_text", "thought"})


def said_in(parts: list[Any]) -> tuple[str, str]:
    """Return the text and the reasoning in a content that is a list, as Mistral's reasoning models send it.

    Raises:
        AgentError: `upstream_invalid`: a part has the wrong shape.
    """
    text = reasoning = ""
    for part in parts:
        if isinstance(part, str):
            text += part
            continue
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _TEXT_PARTS:
            text += _text(part.get("text"))
        elif kind in _THOUGHT_PARTS:
            thought = part.get(kind) or part.get("text")
            reasoning += said_in(thought)[0] if isinstance(thought, list) else _text(thought)
        elif not isinstance(kind, str):
            raise AgentError("upstream_invalid", INVALID)
    return text, reasoning


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise AgentError("upstream_invalid", INVALID)
    return value


REPEATED_CHARS = 8
"""A last piece of fewer is no repetition of the answer."""


class SoFar:
    """Finds out whether each piece of a text repeats all before it, as some servers send it, and takes that off.

    One that may do so, or may be a word that begins as the answer does, is held until the next one decides.
    """

    def __init__(self) -> None:
        self._whole = ""  # the newest piece, or what the pieces come to if they are plain ones
        self._held: str | None = None
        self._repeats: bool | None = None  # None while nothing is decided

    @property
    def is_plain(self) -> bool:
        """Whether it is decided that the pieces are to be said as they are."""
        return self._repeats is False

    def new(self, piece: str) -> str:
        """Return what is to be said of a *piece*."""
        if self._repeats is False:
            return piece
        before, held = self._whole, self._held
        grown = piece.startswith(before) and (self._repeats or len(piece) > len(before))
        if self._repeats:
            if not grown:
                return piece
            self._whole = piece
            return piece[len(before) :]
        if not before:
            self._whole = piece
            return piece
        if grown and held is None and not _says_much(before):
            self._held = piece
            return ""
        return self._decided(piece, held, before)

    def _decided(self, piece: str, held: str | None, before: str) -> str:
        grows = len(piece) > len(before) and piece.startswith(before if held is None else held)
        self._held, self._repeats = None, grows and _says_much(piece)
        if self._repeats:
            self._whole = piece
            return piece[len(before) :]
        return (held or "") + piece

    def rest(self) -> str:
        """Return what is still held at the answer's end."""
        held, self._held, self._repeats = self._held or "", None, False
        return held


def _says_much(text: str) -> bool:
    """Whether no server says *text* twice by chance: a rule of dashes is, and so is a short word."""
    return len(text) >= REPEATED_CHARS and len(set(text)) > 2


class Beside:
    """What stands beside the pieces of a chat answer, for both transports.

    Attributes:
        said: The pieces of its text, as they were said.
        details: Its `reasoning_details`, which go back with its calls.
        is_filtered: A filter said that it took something out.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self._so_far, self._thought = SoFar(), SoFar()
        self._thought_in = ""
        self.details: list[dict[str, Any]] = []
        self.is_filtered = False
        self._message: dict[str, Any] | None = None
        self._place: int | None = None

    def is_other(self, index: int) -> bool:
        """Whether a choice is of another answer than the first: nobody asked for a second."""
        if self._place is None:
            self._place = index
        return index != self._place

    def note(self, chunk: Any) -> None:
        """Note what filters tell in a chunk."""
        self.is_filtered = self.is_filtered or is_filtered(chunk)

    def new_text(self, text: str, *, is_last: bool) -> str:
        """Return what of a piece of text is to be said: nothing of a last one that says the whole answer again."""
        if is_last and len(self.said) > 1 and len(text) >= REPEATED_CHARS and text == "".join(self.said):
            return ""
        text = self._so_far.new(text)
        if text:
            self.said.append(text)
        return text

    @property
    def says_pieces(self) -> bool:
        """Whether what `new_text` returns of a piece, but of the last one, is that piece."""
        return self._so_far.is_plain

    def new_thought(self, field: str, text: str) -> str:
        """Return what of a piece of reasoning is to be said; *field* is where it stands."""
        self._thought_in = field
        return self._thought.new(text)

    def note_message(self, message: dict[str, Any], *, is_alone: bool) -> dict[str, Any] | None:
        """Note the message beside a delta; return what of it is to be taken as a delta, if it stands *alone*.

        Some servers send the whole message so far with each piece, some send it once, some in place of pieces.
        """
        self._message = message
        if not is_alone:
            return None
        said, text = "".join(self.said), message.get("content")
        if said and isinstance(text, str) and text.startswith(said):
            return {**message, "content": text[len(said) :]}
        return message

    def unsaid(self, *, has_calls: bool, has_reasoned: bool) -> dict[str, Any]:
        """Return, as a delta, what stands in the message alone and was never said in pieces."""
        message, self._message = self._message or {}, None
        rest: dict[str, Any] = {}
        if held := self._so_far.rest():
            rest["content"] = held
        if thought := self._thought.rest():
            rest[self._thought_in] = thought
        said, text = "".join([*self.said, held]), message.get("content")
        if isinstance(text, list):
            text = said_in(text)[0]
        if isinstance(text, str) and text.startswith(said) and len(text) > len(said):
            rest["content"] = held + text[len(said) :]
        if not has_calls and message.get("tool_calls"):
            rest["tool_calls"] = message["tool_calls"]
        if not has_reasoned:
            rest.update({key: message[key] for key in ("reasoning_content", "reasoning") if message.get(key)})
        if not said and message.get("refusal"):
            rest["refusal"] = message["refusal"]
        return rest


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
        if index is None and call_id:
            slot = self._going_on(call_id, name, slot)
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

    def _going_on(self, call_id: str, name: str | None, newest: int | None) -> int | None:
        """Return the call of that id whose arguments are not whole yet; pieces without a place may take turns."""
        for slot, (known_id, _) in enumerate(self._known):
            if known_id == call_id and not (name and is_object(self._arguments[slot])):
                return slot
        return newest

    def _repeats(self, slot: int, call_id: str | None, name: str | None, arguments: str | None) -> bool:
        known_id, known_name = self._known[slot]
        same = bool(call_id and call_id == known_id) and (not name or name == known_name)
        said = self._arguments[slot]
        return same and bool(arguments) and arguments == said and len(said) > 2 and is_object(said)

    def _begins_another(
        self, slot: int, index: int | None, call_id: str | None, name: str | None, arguments: str | None
    ) -> bool:
        known_id, known_name = self._known[slot]
        said = self._arguments[slot]
        if name and known_name and arguments and is_object(said):
            return True
        if call_id and known_id:
            return call_id != known_id and bool(name) and (index is None or bool(known_name))
        if index is not None or not (name and known_name):
            return False
        # Without a place, the same name again goes on with arguments that have begun and are not whole.
        return name != known_name or not said or is_object(said)


def is_object(text: str) -> bool:
    """Whether *text* is one whole JSON object, as the arguments of a call are."""
    if not (text.startswith("{") and text.rstrip().endswith("}")):
        return False
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True
