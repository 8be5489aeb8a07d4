"""Splits an upstream's event stream into the data of its events. Owns no I/O and no meaning of the data.

`SSEParser` knows the whole format. Model providers send a small part of it, a few hundred times a second
for each agent, so that part has a way of its own here and everything else goes to the parser.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ....errors import AgentError
from ....sse_parser import MAX_EVENT_BYTES, EventTooLarge, SSEParser

_END = b"\n\n"
_DATA = b"data: "


class DataSplitter:
    """Turns the chunks of one response into the data of its events, however they are cut."""

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._limit = max_event_bytes
        self._pieces: list[bytes] = []  # begin where an event begins
        self._held = 0
        self._parser: SSEParser | None = None

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

    def _feed(self, chunk: bytes) -> list[bytes]:
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
        if b"\r" in chunk or chunk.startswith(b"\xef"):
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


def decoded_loosely(payload: bytes, shape: Any) -> Any:
    """Decode JSON in which halves of a character stand alone: JavaScript cuts a text between them.

    They come out as they are; whoever joins the pieces has to clean the whole.

    Raises:
        ValueError: It is no JSON, or (msgspec's) not of the *shape*.
    """
    return msgspec.convert(json.loads(payload), shape)


def _data_of(block: bytes) -> bytes | None:
    """Join the data lines of one event whose lines end with LF; None where it has none."""
    lines = []
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            lines.append(line[6:] if line[5:6] == b" " else line[5:])
        elif line == b"data":
            lines.append(b"")
    return b"\n".join(lines) if lines else None


def _parsed(parser: SSEParser, chunk: bytes) -> list[bytes]:
    return [event.data.encode() for event in parser.feed(chunk)]
