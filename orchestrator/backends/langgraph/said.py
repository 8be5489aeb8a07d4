"""What a graph has said, in order and by message: to say it again without what turned out void. Imports no library."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from ...events.agent import Reasoning, Token
from ...events.base import Payload
from ..base import Emission
from ..stretch import Stretch


class SaidByMessage:
    """The emissions of one attempt, texts as the pieces that they came in."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, Stretch | Payload]] = []
        self._last: dict[str, Stretch] = {}
        """Of each message; those that are said at once are passed on one after the other, and kept so."""

    def add(self, message: str, emission: Emission) -> None:
        """Keep what *message* says; empty for what is of none."""
        if isinstance(emission, str):
            emission = Token(emission)
        if not isinstance(emission, Token | Reasoning):
            if isinstance(emission, Payload):
                self._entries.append((message, emission))
            return
        if not emission.text:
            return
        voice = (type(emission), emission.speaker, emission.parent)
        last = self._last.get(message) if message else self._newest()
        if last is None or last.voice != voice:
            last = self._last[message] = Stretch(*voice)
            self._entries.append((message, last))
        last.pieces.append(emission.text)

    def _newest(self) -> Stretch | None:
        """Return what was said last, if it is of no message, and text."""
        message, what = self._entries[-1] if self._entries else ("", None)
        return what if not message and isinstance(what, Stretch) else None

    def holds(self, void: AbstractSet[str]) -> bool:
        """Return whether any of the answer's own words are of a message that is *void*."""
        return any(
            message in void and isinstance(what, Stretch) and what.kind is Token and what.parent is None
            for message, what in self._entries
        )

    def without(self, void: AbstractSet[str]) -> tuple[Payload, ...]:
        """Return what is left to be said if the messages in *void* are not."""
        return tuple(
            what.payload() if isinstance(what, Stretch) else what
            for message, what in self._entries
            if message not in void
        )
