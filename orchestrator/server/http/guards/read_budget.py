"""How much of what clients send is parsed in one round of the loop, so that no crowd stands before a stream.

A thousand connections that each bring a little, or a few that bring thousands of requests at once, would be read and
parsed within the same round, before any request is one that `turns` could put off. Owns no connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

ROUND_SECONDS = 0.002
"""CPU time of a round that parsing takes, about."""


class Reader(Protocol):
    """A connection with data that has come and was put off."""

    def read_on(self) -> float:
        """Parse a piece of it; return the CPU time it took."""
        ...

    @property
    def has_unread(self) -> bool:
        """Whether there is more."""
        ...


class ReadBudget:
    """Says who may parse in this round; the others go on in later ones, in the order in which they came."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._counting = False
        self._waiting: deque[Reader] = deque()

    @property
    def has_room(self) -> bool:
        """Whether nobody waits, and this round has time left."""
        return self._spent < ROUND_SECONDS and not self._waiting

    def note(self, seconds: float) -> None:
        """Note that somebody has parsed for so long."""
        self._spent += seconds
        self._count()

    def put_off(self, reader: Reader) -> None:
        """Let *reader* read on in a later round."""
        self._waiting.append(reader)
        self._count()

    def _count(self) -> None:
        if not self._counting:
            self._counting = True
            asyncio.get_running_loop().call_soon(self._begin_round)

    def _begin_round(self) -> None:
        self._counting, self._spent = False, 0.0
        while self._waiting and self._spent < ROUND_SECONDS:
            reader = self._waiting.popleft()
            self._spent += reader.read_on()
            if reader.has_unread:
                self._waiting.append(reader)
        if self._waiting or self._spent:
            self._count()
