"""Reads `text/event-stream`: bytes in, events out. Knows no socket and no protocol of ours.

Source: WHATWG HTML, 9.2 Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import OrchestratorError

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Bound of one event's lines. The cap is a denial-of-service guard against a stream without blank lines."""

MAX_RETRY_MS = 24 * 60 * 60 * 1000
"""A longer `retry:` is taken for this; it also keeps `int` away from thousands of digits."""

_BOM = b"\xef\xbb\xbf"


class EventTooLarge(OrchestratorError):
    """One event, or one line, is larger than the parser's bound. The parser is of no use afterwards."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an event of the stream is larger than max_event_bytes ({limit})")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One dispatched event.

    Attributes:
        event: The `event:` line, else ``message``.
        data: The `data:` lines, joined with line feeds.
        last_event_id: What a reconnecting client sends; inherited if this event has no `id:`.
        id: This event's own `id:` line; None if it has none.
    """

    event: str
    data: str
    last_event_id: str
    id: str | None


class SSEParser:
    """Turns the chunks of one response into events, however they are cut.

    A new response needs a new parser; hand it the `last_event_id` of the one before.

    Attributes:
        retry_ms: The last valid `retry:` line, None before one came.
        last_event_id: The last `id:` line of a finished event.
    """

    def __init__(self, *, last_event_id: str = "", max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.retry_ms: int | None = None
        self.last_event_id = last_event_id
        self._limit = max_event_bytes
        self._head: bytes | None = b""  # what may become a BOM; None once the stream's start is behind us
        self._skip_lf = False
        self._pieces: list[bytes] = []  # an unfinished line
        self._pieces_bytes = 0
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._event = b""
        self._id_buffer = last_event_id
        self._own_id: str | None = None

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that *chunk* completes, in order.

        An event that its blank line has not ended is held back; the end of the stream drops it.

        Raises:
            EventTooLarge: More than `max_event_bytes` were gathered for one event or line.
        """
        if self._head is not None:
            chunk = self._strip_bom(chunk)
        if self._skip_lf and chunk:
            # The CR that ended the last chunk has ended its line already; this LF is its second half.
            self._skip_lf = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if not chunk:
            return []
        if b"\r" in chunk:
            self._skip_lf = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return self._split(chunk)

    def _strip_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _split(self, chunk: bytes) -> list[ServerSentEvent]:
        first, *rest = chunk.split(b"\n")
        self._hold(first)
        if not rest:
            return []
        line = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        tail = rest.pop()
        self._pieces = []
        self._pieces_bytes = 0
        events: list[ServerSentEvent] = []
        for finished in (line, *rest):
            if finished:
                self._field(finished)
            elif (event := self._dispatch()) is not None:
                events.append(event)
        if tail:
            self._hold(tail)
        return events

    def _hold(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._pieces_bytes += len(piece)
        if self._pieces_bytes + self._data_bytes > self._limit:
            raise EventTooLarge(self._limit)

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if name == b"data":
            self._data.append(value)
            self._data_bytes += len(value) + 1
            if self._data_bytes > self._limit:
                raise EventTooLarge(self._limit)
        elif name == b"event":
            self._event = value
        elif name == b"id":
            if b"\0" not in value:
                self._id_buffer = self._own_id = value.decode("utf-8", "replace")
        elif name == b"retry" and value.isdigit():
            digits = value.lstrip(b"0") or b"0"
            self.retry_ms = MAX_RETRY_MS if len(digits) > 9 else min(int(digits), MAX_RETRY_MS)

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_event_id = self._id_buffer
        event = None
        if self._data:
            event = ServerSentEvent(
                self._event.decode("utf-8", "replace") if self._event else "message",
                b"\n".join(self._data).decode("utf-8", "replace"),
                self.last_event_id,
                self._own_id,
            )
            self._data = []
            self._data_bytes = 0
        self._event = b""
        self._own_id = None
        return event
