"""Entries → Server-Sent-Events bytes. No I/O; source: WHATWG HTML, 9.2 Server-sent events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from ..eventlog.base import Entry
from ..eventlog.gap import Gap
from ..events.base import RUN
from ..events.encoding import encode_data, encode_snapshot
from ..events.json_chunks import is_large, snapshot_pieces
from ..events.run import RunGap, RunStarted
from ..events.snapshot import SNAPSHOT_TYPE, Snapshot
from .base import StatelessFraming, Subscriber

HEARTBEAT = b": heartbeat\n\n"
END = b"\n\n"


class SseFraming(StatelessFraming):
    """The stream of `GET /v1/runs/{run_id}/events`; a channel's data also has `run_id`."""

    content_type: ClassVar[str] = "text/event-stream"
    named: ClassVar[bool] = True
    """Whether frames carry an `event:` line; without it one `onmessage` handler sees all."""

    def __init__(self, subscriber: Subscriber = Subscriber("")) -> None:  # noqa: B008  it is frozen
        super().__init__(subscriber)
        self._with_run = subscriber.run_id is None
        self._shared = self.named and not self._with_run
        self._states: list[tuple[bytes, Snapshot, int]] = []  # an empty deque holds 0.7 KiB
        """Large states that are still to be sent, each with how its frame begins."""

    def opening(self, retry_ms: int) -> bytes:
        return b"retry: %d\n: open\n\n" % retry_ms

    def entries(self, entries: Sequence[Entry]) -> bytes:
        if self._shared:
            return b"".join([entry.frame or _shared_frame(entry) for entry in entries])
        return b"".join([self._frame(entry) for entry in entries])

    def gap(self, gap: Gap, t: int) -> Iterator[bytes]:
        cursor = f"{gap.cursor.epoch}-{gap.cursor.seq}"
        if gap.is_first:
            yield self._head(RunGap.TYPE) + encode_data(None, gap.notice, t) + END
        for left, snapshot in zip(range(len(gap.snapshots) - 1, -1, -1), gap.snapshots, strict=True):
            # Only the last of a channel's moves a client's cursor: one that is cut off before it gets all again.
            event_id = None if left or not gap.is_last else cursor
            if self.has_rest or is_large(snapshot):
                self.has_rest = True
                self._states.append((self._head(SNAPSHOT_TYPE, event_id), snapshot, t))
            else:
                yield self._head(SNAPSHOT_TYPE, event_id) + encode_snapshot(snapshot, t) + END

    def rest(self) -> Iterator[bytes]:
        while self._states:
            head, snapshot, t = self._states[0]
            yield head
            yield from snapshot_pieces(snapshot, t)
            del self._states[0]
            self.has_rest = bool(self._states)
            yield END

    def heartbeat(self) -> bytes:
        return HEARTBEAT

    def retry(self, milliseconds: int) -> bytes:
        return b"retry: %d\n\n" % milliseconds

    def _head(self, type_: str, event_id: str | None = None) -> bytes:
        """Return how a frame of the run's own begins that is not in the log: a gap, a snapshot."""
        head = f"id: {event_id}\n" if event_id is not None else ""
        name = f"event: {RUN}.{type_}\n" if self.named else ""
        return f"{head}{name}data: ".encode()

    def _frame(self, entry: Entry) -> bytes:
        data = data_with_run(entry) if self._with_run else entry.data
        return _frame(entry, data, named=self.named)


class UnnamedSseFraming(SseFraming):
    """The same without `event:` lines."""

    named = False


def data_with_run(entry: Entry) -> bytes:
    """Return an entry's data with `run_id` in front; `run.started` has it already."""
    if entry.agent_id is None and entry.type == RunStarted.TYPE:
        return entry.data
    return b'{"run_id":"%b",%b' % (entry.run_id.encode(), entry.data[1:])


def _shared_frame(entry: Entry) -> bytes:
    entry.frame = frame = _frame(entry, entry.data, named=True)
    return frame


def _frame(entry: Entry, data: bytes, *, named: bool) -> bytes:
    name = f"event: {entry.agent_id or RUN}.{entry.type}\n" if named else ""
    return f"id: {entry.epoch}-{entry.seq}\n{name}data: ".encode() + data + b"\n\n"
