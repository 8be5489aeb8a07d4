"""Several messages of one agent that are being said at once, passed on one after the other. Knows no framework.

An answer is one text: nodes of a graph or subagents that speak at the same time would be mixed word by word in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .base import Emission

MAX_HELD = 20_000
"""Pieces that wait for their turn; beyond it they go out as they are. A memory guard."""
MAX_HELD_CHARS = 4 * 1024 * 1024
"""Of all these pieces together, likewise."""
SILENT_PIECES = 64
"""So many pieces of others, and none of its own: the message whose turn it is has ended, or its model has failed."""


class InterleavedMessages:
    """Says what belongs to one message, and holds what belongs to others back until that has ended."""

    def __init__(self) -> None:
        self._now: str | None = None
        self._since = 0
        self._count = self._chars = 0
        self._held: dict[str, list[Emission]] = {}
        self._ended: set[str] = set()

    def take(self, message: str, said: Iterable[Emission]) -> Iterator[Emission]:
        """Yield what is to be said now of what *message* says; in the place of what has to wait, nothing but life."""
        for each in said:
            if self._now is None and not self._held:
                self._now = message
            if message == self._now:
                self._since = 0
                yield each
                continue
            self._held.setdefault(message, []).append(each)
            self._since, self._count = self._since + 1, self._count + 1
            self._chars += _size_of(each)
            yield ""  # an agent that says nothing for long would be taken for dead
        if self._count > MAX_HELD or self._chars > MAX_HELD_CHARS:
            yield from self.end_all()
        elif self._since > SILENT_PIECES and self._now is not None:
            yield from self.end(self._now)

    def end(self, message: str) -> Iterator[Emission]:
        """Yield what had to wait for the end of *message*."""
        if message != self._now:
            if message in self._held:
                self._ended.add(message)
            return
        self._now, self._since = None, 0
        while self._held and self._now is None:
            following = next(iter(self._held))
            pieces = self._held.pop(following)
            self._count -= len(pieces)
            self._chars -= sum(map(_size_of, pieces))
            yield from pieces
            if following not in self._ended:
                self._now = following
            self._ended.discard(following)

    def end_all(self) -> Iterator[Emission]:
        """Yield all that still waits."""
        held, self._held = self._held, {}
        self._now, self._since, self._count, self._chars = None, 0, 0, 0
        self._ended.clear()
        for pieces in held.values():
            yield from pieces


def _size_of(said: Emission) -> int:
    return len(said if isinstance(said, str) else getattr(said, "text", ""))
