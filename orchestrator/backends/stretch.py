"""Neighbouring pieces of text that belong together, kept to be said again as one. Knows no kind."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..events.agent import Reasoning, Token
from .base import Voice


@dataclass(slots=True)
class Stretch:
    """Neighbouring pieces of one voice."""

    kind: type[Token] | type[Reasoning]
    speaker: str | None
    parent: str | None
    pieces: list[str] = field(default_factory=list)

    @property
    def voice(self) -> Voice:
        return self.kind, self.speaker, self.parent

    def payload(self) -> Token | Reasoning:
        """Return all of it as one."""
        return self.kind("".join(self.pieces), self.speaker, self.parent)
