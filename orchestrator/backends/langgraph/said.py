"""What a graph has said, in order and by message: to say it again without what turned out void. Imports no library."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from ...events.agent import Reasoning, Token
from ...events.base import Payload
from ..base import Emission

_Voice = tuple[type[Token] | type[Reasoning], str | None, str | None]


class SaidByMessage:
    """The emissions of one attempt, texts as the pieces that they came in."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, _Voice | Payload, list[str]]] = []
        self._last: dict[str, tuple[str, _Voice | Payload, list[str]]] = {}
        """Of each message; those that are said at once are passed on one after the other, and kept so."""

    def add(self, message: str, emission: Emission) -> None:
        """Keep what *message* says; empty for what is of none."""
        if isinstance(emission, str):
            emission = Token(emission)
        if not isinstance(emission, Token | Reasoning):
            if isinstance(emission, Payload):
                self._entries.append((message, emission, []))
            return
        if not emission.text:
            return
        voice = (type(emission), emission.speaker, emission.parent)
        last = self._last.get(message) if message else self._entries[-1] if self._entries else None
        if last is None or last[:2] != (message, voice):
            last = self._last[message] = (message, voice, [])
            self._entries.append(last)
        last[2].append(emission.text)

    def holds(self, void: AbstractSet[str]) -> bool:
        """Return whether any of the answer's own words are of a message that is *void*."""
        return any(
            message in void and isinstance(what, tuple) and what[0] is Token and what[2] is None
            for message, what, _ in self._entries
        )

    def without(self, void: AbstractSet[str]) -> tuple[Payload, ...]:
        """Return what is left to be said if the messages in *void* are not."""
        return tuple(
            what[0]("".join(pieces), what[1], what[2]) if isinstance(what, tuple) else what
            for message, what, pieces in self._entries
            if message not in void
        )
