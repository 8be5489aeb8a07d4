"""The memory that this process has of channels in a file: bounds, the newest entries, who waits. No I/O.

The file is the truth; all here may go at any time and is read again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable
from operator import attrgetter

from ..base import Bounds, Entry, new_epoch
from ..waiting import EndReaders

TAIL_EVENTS = 1024
"""Newest entries of a channel kept for those who follow it live; the older half goes beyond this."""

TAIL_BYTES = 1024 * 1024
"""The same in bytes of data."""

ALL_TAILS_BYTES = 32 * 1024 * 1024
"""Of all channels; the channel written to longest ago loses its tail first."""

IDLE_BOOKS = 4096
"""Channels remembered though nobody waits for them: a memory guard."""

_seq: Callable[[Entry], int] = attrgetter("seq")


class CachedChannel:
    """One channel. `bounds` None: not known, ask the file. `proposed`: its epoch if it has to be made."""

    __slots__ = (
        "asked",
        "bounds",
        "changes",
        "name",
        "proposed",
        "readers",
        "tail",
        "tail_after",
        "tail_bytes",
        "void",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.bounds: Bounds | None = None
        self.proposed: str | None = None
        self.changes = 0
        """Grows with each change, so that what was read meanwhile is known to be old."""
        self.asked = 0
        """How many questions about it are with the file: a book is not closed over them."""
        self.readers = EndReaders()
        self.tail: list[Entry] = []
        self.tail_after = 0
        """The tail holds every entry later than this."""
        self.tail_bytes = 0
        self.void = (0, 0)
        """No entry is later than the one and not later than the other: they were erased."""

    def loaded(self, bounds: Bounds | None) -> Bounds:
        """Take what the file says; None if it has no such channel."""
        if bounds is None:
            self.proposed = self.proposed or new_epoch()
            bounds = Bounds(self.proposed, 1, 0)
        else:
            self.proposed = None
        self.bounds = bounds
        return bounds

    def added(self, bounds: Bounds, entries: list[Entry]) -> None:
        """Note entries that are in the file now, and hand them to who waits for them."""
        self.changes += 1
        self.proposed = None
        before = entries[0].seq - 1
        follows = self.bounds is not None and self.bounds.epoch == bounds.epoch and self.bounds.last == before
        if not follows:
            self.drop_tail()
        if not self.tail:
            self.tail_after = before
        self.bounds = bounds
        self.tail += entries
        self.tail_bytes += sum([len(entry.data) for entry in entries])
        if len(self.tail) > TAIL_EVENTS or self.tail_bytes > TAIL_BYTES:
            self._shorten_tail()
        if follows:
            self.readers.hand(entries)
        else:
            self.readers.wake()

    def has_after(self, seq: int) -> bool:
        """Whether there may be an entry later than *seq*: True if that is not known."""
        if self.bounds is None:
            return True
        return self.bounds.last > seq and not (self.void[0] <= seq and self.bounds.last <= self.void[1])

    def from_tail(self, after: int, most: int) -> list[Entry]:
        """Return entries later than *after*; empty if the file must be asked."""
        if not self.tail or after < self.tail_after:
            return []
        start = bisect_right(self.tail, after, key=_seq)
        return self.tail[start : start + most]

    def forget(self) -> None:
        """Know nothing any more; who waits looks again."""
        self.changes += 1
        self.bounds = None
        self.void = (0, 0)
        self.drop_tail()
        self.readers.wake()

    def drop_tail(self) -> int:
        """Free the tail; return its bytes."""
        freed, self.tail_bytes = self.tail_bytes, 0
        self.tail = []
        return freed

    def _shorten_tail(self) -> None:
        gone = 0
        while gone < len(self.tail) - 1 and (
            len(self.tail) - gone > TAIL_EVENTS // 2 or self.tail_bytes > TAIL_BYTES // 2
        ):
            self.tail_bytes -= len(self.tail[gone].data)
            gone += 1
        if gone:
            self.tail_after = self.tail[gone - 1].seq
            del self.tail[:gone]


class ChannelCache:
    """The books there are, the one written to longest ago first."""

    def __init__(self) -> None:
        self.books: OrderedDict[str, CachedChannel] = OrderedDict()
        self._most = 0
        self._tails_bytes = 0

    def find(self, name: str) -> CachedChannel:
        """Return a channel's book; make it if there is none."""
        book = self.books.get(name)
        if book is None:
            if len(self.books) >= max(self._most, IDLE_BOOKS):
                self._sweep()
            book = self.books[name] = CachedChannel(name)
        return book

    def added(self, name: str, bounds: Bounds, entries: list[Entry]) -> None:
        """Note entries of a channel; keep all tails together small."""
        book = self.find(name)
        before = book.tail_bytes
        book.added(bounds, entries)
        self.books.move_to_end(name)
        self._tails_bytes += book.tail_bytes - before
        if self._tails_bytes > ALL_TAILS_BYTES:
            self._free_tails(book)

    def saw(self, book: CachedChannel, bounds: Bounds) -> None:
        """Take bounds that were read: they may be older than what is known, or newer."""
        known = book.bounds
        if known is None:
            return
        if known.epoch != bounds.epoch:
            self.forget(book.name)
            return
        book.bounds = Bounds(known.epoch, max(known.first, bounds.first), max(known.last, bounds.last))
        if bounds.last > known.last:
            book.readers.wake()

    def forget(self, name: str) -> None:
        """Know nothing of a channel any more."""
        if (book := self.books.get(name)) is not None:
            self._tails_bytes -= book.tail_bytes
            book.forget()

    def forget_all(self) -> None:
        """Know nothing any more."""
        for book in self.books.values():
            book.forget()
        self._tails_bytes = 0

    def remove(self, name: str) -> None:
        """Close the book of a channel that is gone; its next incarnation gets a new one."""
        self.forget(name)
        self.books.pop(name, None)

    def remove_if_unused(self, book: CachedChannel) -> None:
        """Close the book of a channel that was only asked for."""
        if book.proposed is not None and not book.readers and self.books.get(book.name) is book:
            del self.books[book.name]

    def _free_tails(self, last: CachedChannel) -> None:
        for book in self.books.values():
            if self._tails_bytes <= ALL_TAILS_BYTES * 3 // 4 or book is last:
                return
            self._tails_bytes -= book.drop_tail()

    def _sweep(self) -> None:
        for book in [book for book in self.books.values() if not book.readers and not book.asked]:
            self.remove(book.name)
        self._most = 2 * len(self.books)
