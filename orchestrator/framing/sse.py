"""Entries → Server-Sent-Events bytes. No I/O; source: WHATWG HTML, 9.2 Server-sent events."""

from __future__ import annotations

from collections.abc import Iterable

from ..eventlog.base import Entry
from ..events.base import RUN
from ..events.run import RunStarted

CONTENT_TYPE = "text/event-stream"
HEARTBEAT = b": heartbeat\n\n"


def opening(retry_ms: int) -> bytes:
    """Return what the server sends at once, so that a client sees the stream is open."""
    return b"retry: %d\n: open\n\n" % retry_ms


def retry(milliseconds: int) -> bytes:
    """Tell the client to come back in *milliseconds*, before the server closes the stream."""
    return b"retry: %d\n\n" % milliseconds


class SseFraming:
    """How one subscriber wants its entries written.

    Args:
        named: Write an `event:` line; without it one `onmessage` handler sees all.
        with_run: Put `run_id` into the data, as a channel's stream has it.
    """

    def __init__(self, *, named: bool = True, with_run: bool = False) -> None:
        self._named = named
        self._with_run = with_run

    def entries(self, entries: Iterable[Entry]) -> bytes:
        """Return the frames of *entries*, joined."""
        if self._named and not self._with_run:
            return b"".join([entry.frame or _shared_frame(entry) for entry in entries])
        return b"".join([self._frame(entry) for entry in entries])

    def notice(self, type_: str, data: bytes, *, event_id: str | None = None) -> bytes:
        """Return one frame of the run's own that is not in the log: a gap, a snapshot."""
        head = f"id: {event_id}\n" if event_id is not None else ""
        name = f"event: {RUN}.{type_}\n" if self._named else ""
        return f"{head}{name}data: ".encode() + data + b"\n\n"

    def _frame(self, entry: Entry) -> bytes:
        data = data_with_run(entry) if self._with_run else entry.data
        return _frame(entry, data, named=self._named)


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
