"""The newest entries of one channel, held once for all of its readers in this process. Owns no I/O.

A tail *covers* the entries later than `start`, up to `end`: whatever Redis has there, it has too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import attrgetter

from ..base import Cursor, Entry
from ..waiting import EndReaders

TAIL_BYTES = 256 * 1024
"""What a tail holds at most beside its newest batch; a reader further behind reads from Redis."""

_ENTRY_BYTES = 200
_seq = attrgetter("seq")


class Tail:
    """What is known of a channel's end, and who waits there."""

    __slots__ = ("bytes", "end", "entries", "epoch", "own_at", "readers", "stale", "start", "used_at")

    def __init__(self, at: Cursor, now: float) -> None:
        self.epoch = at.epoch
        self.start = self.end = at.seq
        self.entries: list[Entry] = []
        self.bytes = 0
        self.readers = EndReaders()
        self.stale = False
        """Whether what is held may be wrong: readers ask Redis, and what they hear makes it right again."""
        self.used_at = now
        self.own_at = -1.0
        """When this process, the only one that may, last appended here."""

    def covers(self, after: Cursor) -> bool:
        """Whether a reader at *after* finds here whatever Redis has."""
        return not self.stale and after.epoch == self.epoch and self.start <= after.seq <= self.end

    def later_than(self, after: Cursor, most: int) -> list[Entry]:
        """Return up to *most* entries later than *after*."""
        first = bisect_right(self.entries, after.seq, key=_seq)
        return self.entries[first : first + most]

    def has_news(self, after: Cursor) -> bool:
        """Whether a reader at *after* should read rather than wait."""
        if self.stale or after.epoch != self.epoch or after.seq < self.start:
            return True
        return bool(self.entries) and self.entries[-1].seq > after.seq

    def extend(self, entries: list[Entry]) -> bool:
        """Add what comes next, and hand it on; False if it does not come next, or is of another epoch."""
        first, last = entries[0], entries[-1]
        if self.stale or first.epoch != self.epoch:
            self.stale = True
        elif first.seq == self.end + 1:
            self._add(entries, last.seq)
            self.readers.hand(entries)
            return True
        elif last.seq > self.end:
            return False
        self.readers.wake()
        return not self.stale

    def advance(self, entries: Sequence[Entry]) -> None:
        """Add what Redis has later than `end`, in order; what is missing between was erased."""
        if self.stale or entries[0].epoch != self.epoch:
            self.stale = True
        elif entries[-1].seq > self.end:
            fresh = [entry for entry in entries if entry.seq > self.end]
            self._add(fresh, fresh[-1].seq)
        self.readers.wake()

    def adopt(self, after: Cursor, epoch: str, last: int, page: Sequence[Entry]) -> None:
        """Take over what a reader got from Redis: all that there is later than *after*, up to *last*."""
        if not self.stale and self.epoch == epoch and last < self.end:
            return
        fresh = list(page)
        if not self.stale and self.epoch == epoch and self.start <= after.seq <= self.end:
            fresh = [entry for entry in page if entry.seq > self.end]
        else:
            self.epoch, self.start = epoch, after.seq
            self.entries, self.bytes = [], 0
        self.stale = False
        if fresh:
            self._add(fresh, last)
            self.readers.wake()
        self.end = max(last, after.seq)

    def distrust(self) -> None:
        """Let the readers ask Redis again."""
        self.stale = True
        self.entries, self.bytes = [], 0
        self.readers.wake()

    def empty(self) -> None:
        """Hold nothing any more; all who wait have seen it."""
        self.entries, self.bytes, self.start = [], 0, self.end

    def _add(self, entries: Sequence[Entry], end: int) -> None:
        size = sum([len(entry.data) + _ENTRY_BYTES for entry in entries])
        if self.bytes + size > TAIL_BYTES and self.entries:
            self._shorten(TAIL_BYTES // 2 - size)
        self.entries += entries
        self.bytes += size
        self.end = end

    def _shorten(self, keep: int) -> None:
        gone = 0
        while self.bytes > max(0, keep) and gone < len(self.entries):
            self.bytes -= len(self.entries[gone].data) + _ENTRY_BYTES
            gone += 1
        if gone:
            self.start = self.entries[gone - 1].seq
            del self.entries[:gone]
