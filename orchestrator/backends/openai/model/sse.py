"""Splits an upstream's event stream into the data of its events. Owns no I/O and no meaning of the data.

`SSEParser` knows the whole format. Model providers send a small part of it, a few hundred times a second
for each agent, so that part has a way of its own here and everything else goes to the parser.
"""

from __future__ import annotations

from ....errors import AgentError
from ....sse_parser import MAX_EVENT_BYTES, EventTooLarge, SSEParser
from .stream_markers import named

MAX_SIMPLE_BYTES = 256 * 1024
"""Of an event that is still split in the simple way."""
_END = b"\n\n"
_DATA = b"data: "


class DataSplitter:
    """Turns the chunks of one response into the data of its events, however they are cut."""

    __slots__ = ("_begun", "_body", "_held", "_limit", "_parser", "_pieces")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._pieces: list[bytes] = []  # begin where an event begins
        self._held = 0
        self._parser: SSEParser | None = None
        self._body: list[bytes] | None = None
        self._begun = False

    def body(self) -> bytes | None:
        """Return what has come if it is no event stream but one JSON object; else None."""
        return None if self._body is None else b"".join(self._body)

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that *chunk* completes, in order.

        Raises:
            AgentError: `upstream_invalid`: an event is larger than any answer's.
        """
        try:
            return self._feed(chunk)
        except EventTooLarge as exc:
            raise AgentError(
                "upstream_invalid", "The model's provider sent an event without an end."
            ) from exc

    def joined(self, chunk: bytes) -> bytes:
        """Return what is held and *chunk*, from where an event begins; nothing is held then, and all is to be fed.

        Returns *chunk* as it is if the stream is not of the simple kind, or no event can end in it.
        """
        if not self._pieces or self._parser is not None or self._body is not None or b"\n" not in chunk:
            return chunk
        self._pieces.append(chunk)
        chunk = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        return chunk

    @property
    def is_between(self) -> bool:
        """Whether what comes next begins an event, in a stream of the simple kind."""
        return self._begun and not self._pieces and self._parser is None and self._body is None

    def _feed(self, chunk: bytes) -> list[bytes]:
        if not self._begun and (start := chunk.lstrip(b"\xef\xbb\xbf \t\r\n")):
            self._begun = True
            if start.startswith(b"{"):  # no line of an event stream begins so
                self._body = []
        if self._body is not None:
            self._body.append(chunk)
            self._held += len(chunk)
            if self._held > self._limit:
                raise EventTooLarge(self._limit)
            return []
        if self._parser is not None:
            return _parsed(self._parser, chunk)
        if self._pieces:
            if b"\n" not in chunk and b"\r" not in chunk:
                self._hold(chunk)
                return []
            self._pieces.append(chunk)
            chunk = b"".join(self._pieces)
            self._pieces.clear()
            self._held = 0
        # An event of many lines would be put together and split anew with each chunk.
        if (
            b"\r" in chunk
            or chunk.startswith(b"\xef")
            or (len(chunk) > MAX_SIMPLE_BYTES and _END not in chunk)
        ):
            self._parser = SSEParser(max_event_bytes=self._limit)
            return _parsed(self._parser, chunk)
        blocks = chunk.split(_END)
        if tail := blocks.pop():
            self._hold(tail)
        found: list[bytes] = []
        for block in blocks:
            if block.startswith(_DATA) and b"\n" not in block:
                found.append(block[6:])
            elif (data := _data_of(block)) is not None:
                found.append(data)
        return found

    def _hold(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > self._limit:
            raise EventTooLarge(self._limit)


def check_label(content_type: str) -> None:
    """Refuse a web page, as a sign-in or a proxy sends it.

    What else a body calls itself says little: event streams are sent as JSON, and JSON as an event stream.

    Raises:
        AgentError: `upstream_invalid`.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("text/html", "application/xhtml+xml"):
        message = f"The model's provider answered {kind} where a stream should be."
        raise AgentError("upstream_invalid", message)


def _data_of(block: bytes) -> bytes | None:
    """Join the data lines of one event whose lines end with LF; None if it has none, or is a sign of life."""
    lines = []
    name = b""
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line.startswith(b"event:"):
            name = line[6:].strip()
        elif line == b"data":
            lines.append(b"")
        elif line.startswith(b"error:"):  # older servers of llama.cpp's
            name = b"error"
            lines.append(line[6:].strip())
    if not lines:
        return None
    data = b"\n".join(lines)
    if not name or (name.startswith(b"response.") and name in data[:80]):  # OpenAI's begin with their name
        return data
    return _named(name, data)


def _parsed(parser: SSEParser, chunk: bytes) -> list[bytes]:
    found = []
    for event in parser.feed(chunk):
        data = event.data.encode()
        read = _named(event.event.encode(), data) if event.event else data
        if read is not None:
            found.append(read)
    return found


def _named(name: bytes, data: bytes) -> bytes | None:
    try:
        read = named(name.decode(), data.decode())
    except UnicodeDecodeError:
        return data
    return None if read is None else read.encode()
