"""The record of what one run has said, to say it again if a provider corrects its answer. Owns no queue."""

from __future__ import annotations

from ...events.agent import Reasoning, Token
from ...events.base import Payload
from ..stretch import Stretch


class EmissionRecord:
    """A run's payloads in order, texts as the pieces that they came in.

    Attributes:
        corrected: A text was replaced by another.
    """

    __slots__ = ("_closed", "_entries", "corrected")

    def __init__(self) -> None:
        self.corrected = False
        self._entries: list[Payload | Stretch] = []
        self._closed = True

    def add(self, payload: Payload) -> None:
        """Keep *payload*."""
        if not isinstance(payload, (Token, Reasoning)):
            self._entries.append(payload)
            return
        last = None if self._closed or not self._entries else self._entries[-1]
        voice = (type(payload), payload.speaker, payload.parent)
        if not isinstance(last, Stretch) or last.voice != voice:
            last = Stretch(*voice)
            self._entries.append(last)
            self._closed = False
        last.pieces.append(payload.text)

    def add_text(self, text: str, speaker: str | None, parent: str | None) -> None:
        """Keep what a `Token` of these would say."""
        last = self._entries[-1] if self._entries and not self._closed else None
        if type(last) is Stretch and last.kind is Token and last.speaker == speaker and last.parent == parent:
            last.pieces.append(text)
        else:
            self.add(Token(text, speaker, parent))

    def mark(self) -> int:
        """Return where the next payload will stand; nothing after it is joined to what is before."""
        self._closed = True
        return len(self._entries)

    def chars(self, until: int, parent: str | None) -> int:
        """Return how many characters of text were said inside of *parent* before the entry *until*."""
        said = (
            entry
            for entry in self._entries[:until]
            if isinstance(entry, Stretch) and entry.kind is Token and entry.parent == parent
        )
        return sum(len(piece) for entry in said for piece in entry.pieces)

    def replace_text(self, since: int, text: str, speaker: str | None, parent: str | None) -> None:
        """Put *text* in the place of all that this voice said from *since* on."""
        wrong = [
            at
            for at in range(since, len(self._entries))
            if isinstance(entry := self._entries[at], Stretch) and entry.voice == (Token, speaker, parent)
        ]
        for at in reversed(wrong):
            del self._entries[at]
        self._entries.insert(
            wrong[0] if wrong else len(self._entries), Stretch(Token, speaker, parent, [text])
        )
        self._closed = True
        self.corrected = True

    def payloads(self) -> tuple[Payload, ...]:
        """Return all that is to be said, each stretch as one payload."""
        return tuple(entry.payload() if isinstance(entry, Stretch) else entry for entry in self._entries)
