"""How a reader waits at the end of a log, whatever the store, and is handed what is appended meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from .base import Entry, Take

READERS_PER_TURN = 64
"""Readers that are handed new entries in one turn of the loop: each is a write to a socket, and of a thousand nobody
else would get a turn for tens of milliseconds."""

MOST_HANDED = 256
"""Entries handed to a reader at once; one that is further behind reads for itself."""


async def until_woken(reader: asyncio.Future[bool], seconds: float) -> bool:
    """Wait until *reader* is woken; False after *seconds*. Cancelling is safe.

    With a timer, for `asyncio.timeout` costs several times as much, at each event of each reader.
    """
    expiry = reader.get_loop().call_later(seconds, wake, reader, False)
    try:
        return await reader
    finally:
        expiry.cancel()


def wake(reader: asyncio.Future[bool], woken: bool = True) -> None:
    """End a reader's wait, unless it has ended."""
    if not reader.done():
        reader.set_result(woken)


def wake_all(readers: Iterable[asyncio.Future[bool]]) -> None:
    """End the wait of each: there is something to read."""
    for reader in readers:
        wake(reader)


class ReaderPlace:
    """Where a reader waits: how it takes what comes, and the seq that it has had."""

    __slots__ = ("seq", "take")

    def __init__(self, take: Take | None, seq: int) -> None:
        self.take = take
        self.seq = seq


class EndReaders:
    """Those who wait at the end of one channel of a store that tells its readers what this process appends."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[asyncio.Future[bool], ReaderPlace] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, reader: asyncio.Future[bool], take: Take | None = None, seq: int = 0) -> None:
        """Let *reader* wait; *take* gets what comes right behind *seq*."""
        self._places[reader] = ReaderPlace(take, seq)

    def discard(self, reader: asyncio.Future[bool]) -> None:
        """Let *reader* go, if it is still here."""
        self._places.pop(reader, None)

    def wake(self) -> None:
        """End the wait of all: each reads for itself."""
        wake_all(self._places)
        self._places.clear()

    def hand(self, entries: list[Entry]) -> None:
        """Hand on what was appended, in this very turn, to as many as one may serve; wake those that do not take it."""
        woken = []
        for number, (reader, place) in enumerate(list(self._places.items())):
            if number >= READERS_PER_TURN or not _taken(place, entries):
                woken.append(reader)
        for reader in woken:
            wake(reader)
            del self._places[reader]


def _taken(place: ReaderPlace, entries: list[Entry]) -> bool:
    if place.take is None or place.seq != entries[0].seq - 1 or len(entries) > MOST_HANDED:
        return False
    try:
        taken = place.take(entries)
    except Exception:  # noqa: BLE001 - a reader that fails must not take the writer with it, and fails again by itself
        return False
    if taken:
        place.seq = entries[-1].seq
    return taken
