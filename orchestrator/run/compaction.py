"""A run's events in fewer: an agent's pieces in a row are one, and of a bar that moves there is its newest place.

Whoever has to know all that led to a place far behind takes in these instead of the log. Owns no reading, and gives
up on a run whose digest would be large: its log is then read as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from ..eventlog.base import Cursor, Entry
from ..events.agent import Reasoning, Retry, Started, Status, Token
from ..events.base import Payload
from ..events.content import Progress
from ..events.encoding import encode_data

SPAN_EVENTS = 1024
"""Events are joined only within so many seqs: at each multiple of it the digest says exactly what the log does."""

MOST_BYTES = 2 * 1024 * 1024
"""Of one run, about. A run of so many single events would not be shortened by much."""

ENTRY_BYTES = 200
"""What an entry costs beside its text, about."""


class _Span:
    """Pieces of one kind that one agent said in a row."""

    __slots__ = ("first", "kind", "pieces", "seq")

    def __init__(self, first: Entry, kind: type[Token | Reasoning], text: str) -> None:
        self.first, self.kind, self.pieces = first, kind, [text]
        self.seq = first.seq

    def join(self) -> None:
        """Keep the pieces as one text: each piece by itself costs some 60 bytes beside its letters."""
        if len(self.pieces) > 1:
            self.pieces[:] = ["".join(self.pieces)]

    def entry(self) -> Entry:
        """Return the pieces as one event in the place of the first."""
        first = self.first
        self.join()
        data = encode_data(first.agent_id, self.kind(self.pieces[0]), 0)
        return Entry(first.epoch, first.seq, first.run_id, first.agent_id, first.type, data)


class Compactor:
    """The digest of one run, which grows with it."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes, about."""
        self._kept: list[Entry | _Span] = []
        self._growing: dict[str | None, _Span] = {}
        self._bars: dict[tuple[str | None, str | None], int] = {}
        self._epoch = ""
        self._newest = 0
        self._ends = 0
        """The last seq with which what grows may be joined."""
        self._has_given_up = False

    def take(self, entry: Entry, payload: Payload) -> None:
        """Take in the run's next event; *payload* is what it says."""
        if self._has_given_up:
            return
        self._newest = entry.seq
        if entry.seq > self._ends and not self._begin_span(entry):
            return
        span = self._growing.get(entry.agent_id)
        if span is not None and type(payload) is span.kind and payload.parent is None:  # nearly every event
            span.pieces.append(payload.text)
            self.size += len(payload.text)
            if self.size > MOST_BYTES:
                self._give_up()
            return
        if isinstance(payload, Token | Reasoning):
            self._take_piece(entry, payload)
        elif isinstance(payload, Progress):
            self._take_bar(entry, payload)
        elif not isinstance(payload, Status):
            if (grown := self._growing.pop(entry.agent_id, None)) is not None:
                grown.join()
            if isinstance(payload, Started | Retry):
                self._bars.clear()
            self._keep(entry, len(entry.data))
        if self.size > MOST_BYTES:
            self._give_up()

    def take_texts(self, entries: Sequence[Entry], texts: list[str]) -> None:
        """Take in tokens of one agent in a row, none of which a nested agent said."""
        if self._has_given_up:
            return
        first, last = entries[0], entries[-1]
        span = self._growing.get(first.agent_id)
        if last.seq > self._ends or span is None or span.kind is not Token:
            for entry, text in zip(entries, texts, strict=True):
                self.take(entry, Token(text))
            return
        self._newest = last.seq
        span.pieces += texts
        self.size += sum(map(len, texts))
        if self.size > MOST_BYTES:
            self._give_up()

    def exact_at(self, cursor: Cursor) -> int:
        """Return the last seq up to *cursor* at which it says what the log does; 0 if there is none."""
        if cursor.epoch != self._epoch:
            return 0
        return min(cursor.seq, self._newest) // SPAN_EVENTS * SPAN_EVENTS

    def entries(self, last: int) -> Iterator[Entry]:
        """Yield the entries up to the seq *last*, which `exact_at` has returned."""
        for each in self._kept[: bisect_right(self._kept, last, key=attrgetter("seq"))]:
            yield each.entry() if isinstance(each, _Span) else each

    def _begin_span(self, entry: Entry) -> bool:
        """Begin with the next seqs; return False if the log is another than it was, and what it had may be lost."""
        if entry.epoch != self._epoch:
            if self._epoch:
                self._give_up()
                return False
            self._epoch = entry.epoch
        self._ends = -(-entry.seq // SPAN_EVENTS) * SPAN_EVENTS
        for grown in self._growing.values():
            grown.join()
        self._growing.clear()
        self._bars.clear()
        return True

    def _take_piece(self, entry: Entry, payload: Token | Reasoning) -> None:
        if payload.parent is not None or not payload.text:
            return  # a nested agent's words are no part of the answer, and an empty piece opens no part of it
        if (grown := self._growing.get(entry.agent_id)) is not None:
            grown.join()
        span = self._growing[entry.agent_id] = _Span(entry, type(payload), payload.text)
        self._keep(span, len(payload.text))

    def _take_bar(self, entry: Entry, payload: Progress) -> None:
        key = entry.agent_id, payload.progress_id
        place = self._bars.get(key)
        if place is None:
            self._bars[key] = len(self._kept)
            self._keep(entry, len(entry.data))
            return
        self._kept[place] = Entry(
            entry.epoch, self._kept[place].seq, entry.run_id, entry.agent_id, entry.type, entry.data
        )

    def _keep(self, each: Entry | _Span, size: int) -> None:
        self._kept.append(each)
        self.size += ENTRY_BYTES + size

    def _give_up(self) -> None:
        self._has_given_up, self._epoch, self.size = True, "", 0
        self._kept.clear()
        self._growing.clear()
        self._bars.clear()
