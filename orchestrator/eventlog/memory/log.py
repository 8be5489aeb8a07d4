"""The log in this process's memory: fast, bounded, and gone with the process."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

from ..base import Bounds, Cursor, Draft, Entry, Take, check_cursor, new_epoch
from ..cluster import Cluster
from ..run_store import Fence
from ..waiting import MOST_HANDED, READERS_PER_TURN, ReaderPlace, until_woken, wake, wake_all
from .runs import MemoryRuns

ENTRY_OVERHEAD_BYTES = 200
"""What an entry costs beside its data: the object, its frame's head and its place in the list."""

PAGE_BYTES = 1024 * 1024
"""What a page has at most, as in the other stores: it is decoded and written in one go."""

ERASED = ""

ERASED_AT_ONCE = 2000
"""Entries erased in one round of the event loop, of a run in a channel that others share."""


class _Channel:
    __slots__ = (
        "_aim", "_behind", "_handing", "bytes", "entries", "epoch", "first", "holes", "places", "readers",
    )  # fmt: skip

    def __init__(self) -> None:
        self.epoch = new_epoch()
        self.entries: list[Entry] = []
        self.first = 1
        self.holes = 0
        self.bytes = 0
        self.places: dict[str, list[int]] | None = None
        """Run → the seqs of its entries, in a channel that several share; None before anybody asked."""
        self.readers: dict[asyncio.Future[bool], ReaderPlace] = {}
        self._behind: list[asyncio.Future[bool]] = []  # the next one last
        self._aim = 0
        self._handing = False

    @property
    def last(self) -> int:
        return self.first + len(self.entries) - 1

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.epoch, self.first, self.last)

    def places_of(self, run_id: str) -> list[int]:
        """Return where a run's entries are; the first to ask lets the whole channel be looked through once."""
        if self.places is None:
            self.places = {}
            self.note_places(self.entries)
        return self.places.get(run_id, [])

    def note_places(self, added: list[Entry]) -> None:
        """Note where *added* are, if anybody asks for that."""
        if self.places is not None:
            for entry in added:
                if entry.run_id != ERASED:
                    self.places.setdefault(entry.run_id, []).append(entry.seq)

    def drop_first(self, count: int) -> None:
        """Let the oldest *count* entries go."""
        gone = self.entries[:count]
        # Not entry by entry: removing from a list's front moves all that follows.
        del self.entries[:count]
        self.first += count
        self.holes -= sum(entry.run_id == ERASED for entry in gone)
        if self.places is not None:
            for run_id in {entry.run_id for entry in gone} - {ERASED}:
                seqs = self.places[run_id]
                del seqs[: bisect_right(seqs, self.first - 1)]
                if not seqs:
                    del self.places[run_id]

    def wake(self) -> None:
        wake_all(self.readers)
        self.readers.clear()

    def tell(self) -> None:
        """Let the readers take what was added: the first of them now, the others in the loop's next turns."""
        if self.holes:
            self._behind.clear()
            self.wake()
        elif not self._handing:
            self._hand_on()

    def _hand_on(self) -> None:
        """Hand what they have not had to as many as one turn may serve; wake those that do not take it."""
        behind, readers = self._behind, self.readers
        if not behind:
            last = self.last
            if self._aim >= last:
                self._handing = False
                return
            self._aim = last
            if len(readers) == 1 and not self._handing:  # as a rule
                ((reader, only),) = readers.items()
                if only.seq < last and not self._taken(only):
                    wake(reader)
                    del readers[reader]
                return
            behind.extend(reversed(readers))
        for _ in range(min(READERS_PER_TURN, len(behind))):
            reader = behind.pop()
            place = readers.get(reader)
            if place is not None and place.seq < self.last and not self._taken(place):
                wake(reader)
                del readers[reader]
        # Also after the last of many, or what is added in this very turn would be handed on in it, too.
        self._handing = self._handing or bool(behind)
        if self._handing:
            asyncio.get_running_loop().call_soon(self._hand_on)

    def _taken(self, place: ReaderPlace) -> bool:
        start = place.seq + 1 - self.first
        if place.take is None or self.holes or start < 0 or len(self.entries) - start > MOST_HANDED:
            return False
        try:
            taken = place.take(self.entries[start:])
        except Exception:  # noqa: BLE001 - a reader that fails must not take the writer with it, and fails again by itself
            return False
        place.seq = self.last
        return taken


class MemoryLog(MemoryRuns):
    """An `EventLog` and `RunStore` in memory.

    Args:
        max_channel_bytes: A channel that grows beyond this loses its oldest entries, and readers
            that stood there get a gap.
        clock: Seconds, for how long forgotten runs are known.
    """

    def __init__(
        self, *, max_channel_bytes: int = 64 * 1024 * 1024, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(clock)
        self._channels: dict[str, _Channel] = {}
        self._max_channel_bytes = max_channel_bytes
        self._size = 0

    async def start(self) -> None:
        """Do nothing: there is nothing to open."""

    def cluster(self) -> Cluster | None:
        return None

    @property
    def available(self) -> bool:
        return True

    @property
    def size(self) -> int:
        return self._size + self.record_bytes

    async def append(
        self, channel: str, drafts: Sequence[Draft], *, fence: Fence | None = None
    ) -> list[Entry]:
        if fence is not None:
            self.check_fence(fence)
        book = self._book(channel)
        seq = book.last
        if len(drafts) == 1:  # as a rule, at human pace
            added = [Entry(book.epoch, seq + 1, *drafts[0])]
            grown = _cost(added[0])
        else:
            added = [Entry(book.epoch, seq + n, *draft) for n, draft in enumerate(drafts, 1)]
            grown = sum([_cost(entry) for entry in added])
        book.entries += added
        if book.places is not None:
            book.note_places(added)
        book.bytes += grown
        self._size += grown
        if book.bytes > self._max_channel_bytes:
            self._trim(book, self._max_channel_bytes * 9 // 10)
        book.tell()
        return added

    async def open(self, channel: str) -> Bounds:
        return self._book(channel).bounds

    async def read(self, channel: str, after: Cursor, *, most: int) -> list[Entry]:
        book = self._book(channel)
        check_cursor(after, book.bounds)
        start = after.seq + 1 - book.first
        page = book.entries[start : start + most]
        if book.holes:
            while page and not (kept := [entry for entry in page if entry.run_id != ERASED]):
                start += most
                page = book.entries[start : start + most]
            page = kept if page else []
        return _short(page)

    async def read_run(self, channel: str, run_id: str, after: Cursor | None, *, most: int) -> list[Entry]:
        book = self._book(channel)
        if after is not None:
            check_cursor(after, book.bounds)
        seqs = book.places_of(run_id)
        start = 0 if after is None else bisect_right(seqs, after.seq)
        return _short([book.entries[seq - book.first] for seq in seqs[start : start + most]])

    async def wait(self, channel: str, after: Cursor, seconds: float, *, take: Take | None = None) -> bool:
        book = self._book(channel)
        if book.epoch != after.epoch or (book.last > after.seq and not book.holes):
            return True
        reader: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Only who stands at the end may take: what is between would be left out.
        book.readers[reader] = ReaderPlace(take if book.last == after.seq else None, book.last)
        try:
            return await until_woken(reader, seconds)
        finally:
            book.readers.pop(reader, None)
            self._drop_if_empty(channel, book)

    async def erase(self, channel: str, run_id: str) -> None:
        book = self._book(channel)
        for n, seq in enumerate(list(book.places_of(run_id)), 1):
            if n % ERASED_AT_ONCE == 0:
                await asyncio.sleep(0)
            if seq < book.first or book.entries[seq - book.first].run_id == ERASED:
                continue  # trimmed meanwhile, or erased by another caller
            entry = book.entries[seq - book.first]
            self._free(book, entry)
            book.entries[seq - book.first] = Entry(entry.epoch, seq, ERASED, None, ERASED, b"")
            book.holes += 1
        if book.places is not None:
            book.places.pop(run_id, None)
        if book.holes >= len(book.entries) and self._channels.get(channel) is book:
            del self._channels[channel]
        book.wake()

    async def aclose(self) -> None:
        for book in self._channels.values():
            book.wake()
        self._channels.clear()
        self._size = 0

    async def shrink(self, size: int) -> None:
        for book in sorted(self._channels.values(), key=lambda book: book.bytes, reverse=True):
            if self.size <= size:
                return
            self._trim(book, max(0, book.bytes - (self.size - size)))

    def _book(self, channel: str) -> _Channel:
        book = self._channels.get(channel)
        if book is None:
            book = self._channels[channel] = _Channel()
        return book

    def _drop_if_empty(self, channel: str, book: _Channel) -> None:
        if not book.entries and not book.readers and self._channels.get(channel) is book:
            del self._channels[channel]

    def _trim(self, book: _Channel, keep: int) -> None:
        gone = 0
        while book.bytes > keep and gone < len(book.entries) - 1:
            self._free(book, book.entries[gone])
            gone += 1
        book.drop_first(gone)

    def _free(self, book: _Channel, entry: Entry) -> None:
        if entry.run_id != ERASED:
            freed = _cost(entry)
            book.bytes -= freed
            self._size -= freed


def open_store(url: str) -> MemoryLog:
    """Make the store for ``memory:``."""
    return MemoryLog()


def _short(page: list[Entry]) -> list[Entry]:
    """Cut *page* if its data exceeds `PAGE_BYTES`; its first entry stays."""
    size = 0
    for n, entry in enumerate(page):
        size += len(entry.data)
        if size > PAGE_BYTES and n:
            return page[:n]
    return page


def _cost(entry: Entry) -> int:
    # Twice: the data, and the frame that is made from it once.
    return 2 * len(entry.data) + ENTRY_OVERHEAD_BYTES
