"""What was said of a task's artifacts: kept to know what is new in one that is sent anew. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgspec import structs

from ...errors import AgentError
from ...events.agent import Reasoning, Token
from ...events.encoding import joined
from ...sse_parser import MAX_EVENT_BYTES
from ..base import Emission
from .card import WHO

MAX_NAMES = 10_000
"""Artifacts, and calls, of one task. The cap is a denial-of-service guard."""


class SaidText:
    """A text that grows by pieces. One that is larger than an event may be can never be sent anew.

    Adding a piece copies nothing of what is there: an answer of a million pieces would be copied a million times.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0

    def __bool__(self) -> bool:
        return self._size > 0

    def __len__(self) -> int:
        return len(self.text)

    @property
    def text(self) -> str:
        """All of it, halves of a character in two pieces made one."""
        if len(self._pieces) > 1:
            whole = "".join(self._pieces)
            self._pieces = [whole if whole.isascii() else _whole(self._pieces)]
        return self._pieces[0] if self._pieces else ""

    def add(self, piece: str) -> None:
        """Add a piece, if it is more than nothing. Raises AgentError (`upstream_invalid`) if it becomes too much."""
        if not piece:
            return  # no bound of size would ever meet them
        self._size += len(piece)
        if self._size > MAX_EVENT_BYTES:
            raise AgentError("upstream_invalid", f"{WHO} says more than can be followed.", retryable=False)
        self._pieces.append(piece)

    def begins(self, other: SaidText) -> bool:
        """Whether *other* begins with all of it."""
        return other.text.startswith(self.text)


@dataclass(slots=True)
class Artifact:
    """What was said of one artifact."""

    text: SaidText = field(default_factory=SaidText)
    thought: SaidText = field(default_factory=SaidText)
    parts: int = 0
    files: set[str] = field(default_factory=set)


def after(chars: int, pieces: Iterable[str | Token | Reasoning]) -> Iterator[Emission]:
    """Yield what *pieces* say beyond their first *chars* characters."""
    for piece in pieces:
        text = piece if isinstance(piece, str) else piece.text
        if rest := text[chars:]:
            yield rest if isinstance(piece, str) else structs.replace(piece, text=rest)
        chars = max(0, chars - len(text))


def _whole(pieces: list[str]) -> str:
    found: list[str] = []
    for piece in pieces:
        if found and piece[:1] >= "\udc00" and piece[:1] <= "\udfff":
            piece = joined(found.pop(), piece)
        found.append(piece)
    return "".join(found)
