"""Bytes that connections which hear the same hold in common, so that each is in memory once. Knows no dialect."""

from __future__ import annotations

from collections.abc import Hashable

KEPT_BYTES = 150
"""What is held beside the bytes themselves, about."""


class Interned:
    """Values by name. Whoever makes another value of a name goes on with its own."""

    __slots__ = ("__weakref__", "_known", "size")

    def __init__(self) -> None:
        self._known: dict[Hashable, bytes] = {}
        self.size = 0
        """Bytes, about."""

    def one(self, name: Hashable, value: bytes) -> bytes:
        """Return what others hold under *name* if it equals *value*; else *value*, which the first one shares."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = value
            self.size += KEPT_BYTES + len(value)
        return known if known == value else value
