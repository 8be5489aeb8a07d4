"""Finds out whether each piece of an answer says all before it again, as some servers send it. Owns no I/O."""

from __future__ import annotations

from dataclasses import dataclass

REPEATED_CHARS = 8
"""Of a text so long that grows, no third piece is awaited."""


@dataclass(slots=True)
class DeltaStyle:
    """How one server says the answers of one model, as far as the last of them showed.

    Attributes:
        repeats: Whether each piece said all before it again; None while no answer has shown it.
    """

    repeats: bool | None = None


class CumulativePieces:
    """Takes off each piece of a text what was said before, if the pieces repeat that.

    A second piece that grows out of the first may be a word that begins as the answer does, so it is held until the
    next one decides. Three that grow out of each other do not come by chance, unless they are one thing again and
    again (`ha`, `haha`, `hahaha`) or numbers. If the answer ends with two, the server's habit decides; of a server that
    has shown none, `he`, `hello` is `hello`, and `ha`, `haha` is what an ordinary server said.
    """

    __slots__ = ("_habit", "_held", "_repeats", "_whole")

    def __init__(self, habit: DeltaStyle | None = None) -> None:
        self._habit = DeltaStyle() if habit is None else habit
        self._whole = ""  # the newest piece; of plain ones the first
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
        before = self._whole
        if self._repeats:
            if not piece.startswith(before):
                return piece
            self._whole = piece
            return piece[len(before) :]
        if not before:
            self._whole = piece
            return piece
        return self._second(piece, before) if self._held is None else self._third(piece, before, self._held)

    def _second(self, piece: str, before: str) -> str:
        if not piece.startswith(before) or len(piece) == len(before):
            return self._decide(False, piece)
        if len(before) >= REPEATED_CHARS and _is_telling(before):
            return self._decide(True, piece)
        self._held = piece
        return ""

    def _third(self, piece: str, before: str, held: str) -> str:
        self._held = None
        if piece.startswith(held) and _is_telling(piece):
            return self._decide(True, piece)
        return self._decide(False, held + piece)

    def _decide(self, repeats: bool, piece: str) -> str:
        before = self._whole
        self._repeats = self._habit.repeats = repeats
        if not repeats:
            return piece
        self._whole = piece
        return piece[len(before) :]

    def rest(self, whole: str | None = None) -> str:
        """Return what is still to be said at the answer's end; *whole* is the answer, if the server sent it."""
        held, self._held = self._held, None
        if held is None:
            return ""
        self._repeats = False
        is_whole = held == whole or (whole is None and self._may_be_whole(held))
        return held[len(self._whole) :] if is_whole else held

    def _may_be_whole(self, held: str) -> bool:
        if self._habit.repeats is not None:
            return self._habit.repeats
        return _is_telling(held)


def _is_telling(text: str) -> bool:
    """Whether no server says the beginning of *text* and then all of it by chance.

    A rule of dashes, a laugh and a number are said so: their pieces look alike.
    """
    if len(set(text)) <= 2 or text.strip().isdigit():
        return False
    half = len(text) // 2
    return not any(text[period:] == text[:-period] for period in range(1, half + 1))
