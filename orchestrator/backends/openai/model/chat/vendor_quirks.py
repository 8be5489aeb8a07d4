"""Translates what servers other than OpenAI's say in a chat-completions stream into OpenAI's way. Owns no I/O.

Both transports read by it, so that an answer does not depend on who decodes it.
"""

from __future__ import annotations

from typing import Any

from .....errors import AgentError
from .....events.encoding import clean_text
from ..coercion import INVALID
from ..content_filter import is_filtered
from ..events import FileEvent
from ..output_files import files_in, is_file
from .cumulative_pieces import REPEATED_CHARS, CumulativePieces, DeltaStyle

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
        if kind in _TEXT_PARTS or (kind is None and isinstance(part, dict) and "text" in part):
            text += _text(part.get("text"))
        elif kind in _THOUGHT_PARTS:
            thought = part.get(kind) or part.get("text")
            reasoning += said_in(thought)[0] if isinstance(thought, list) else _text(thought)
        elif not isinstance(kind, str) and not is_file(part):
            raise AgentError("upstream_invalid", INVALID)
    return text, reasoning


def _text(value: Any) -> str:
    if isinstance(value, dict):  # as the Assistants API has it
        value = value.get("value", value.get("text"))
    if not isinstance(value, str):
        raise AgentError("upstream_invalid", INVALID)
    return value


class AnswerExtras:
    """What stands beside the pieces of a chat answer, for both transports.

    Args:
        habit: Of the server that says it.

    Attributes:
        said: The pieces of its text, as they were said.
        details: Its `reasoning_details`, which go back with its calls.
        has_files: It has images, or other files.
        is_filtered: A filter said that it took something out.
    """

    __slots__ = (
        "_message",
        "_place",
        "_so_far",
        "_thought",
        "_thought_in",
        "details",
        "has_files",
        "is_filtered",
        "said",
    )

    def __init__(self, habit: DeltaStyle | None = None) -> None:
        self.said: list[str] = []
        self._so_far = CumulativePieces(habit)
        self._thought: CumulativePieces | None = None  # most answers have no reasoning
        self._thought_in = ""
        self.details: list[dict[str, Any]] = []
        self.is_filtered = self.has_files = False
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
        self._thought = self._thought or CumulativePieces()
        return self._thought.new(text)

    def new_files(self, parts: list[Any] | None) -> list[FileEvent]:
        """Return the files that stand beside a piece of text."""
        files = files_in(parts) if parts else []
        self.has_files = self.has_files or bool(files)
        return files

    def note_message(self, message: dict[str, Any], *, is_alone: bool) -> dict[str, Any] | None:
        """Note the message beside a delta; return what of it is to be taken as a delta, if it stands *alone*.

        Some servers send the whole message so far with each piece, some send it once, some in place of pieces.
        """
        self._message = message
        if not is_alone:
            return None
        said, text = "".join(self.said), message.get("content")
        if not said or not isinstance(text, str):
            return message
        held = self._so_far.rest(text)
        return {**message, "content": held + text.removeprefix(said + held)}

    def unsaid(self, *, has_calls: bool, has_reasoned: bool) -> dict[str, Any]:
        """Return, as a delta, what stands in the message alone and was never said in pieces."""
        message, self._message = self._message or {}, None
        rest: dict[str, Any] = {}
        text = message.get("content")
        if isinstance(text, list):
            text = said_in(text)[0]
        if held := self._so_far.rest(text or None):
            rest["content"] = held
        if self._thought is not None and (thought := self._thought.rest()):
            rest[self._thought_in] = thought
        said = "".join([*self.said, held])
        if isinstance(text, str) and text.startswith(said) and len(text) > len(said):
            rest["content"] = held + text[len(said) :]
        if not has_calls and message.get("tool_calls"):
            rest["tool_calls"] = message["tool_calls"]
        if not has_reasoned:
            rest.update({key: message[key] for key in ("reasoning_content", "reasoning") if message.get(key)})
        if message.get("images"):
            rest["images"] = message["images"]
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
