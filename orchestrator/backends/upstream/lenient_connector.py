"""Connections that mend the heads of answers which aiohttp refuses and other clients read. Owns no request.

A gateway that streams what it got whole leaves the answer's `Content-Length` beside `Transfer-Encoding: chunked`. The
chunks then decide (RFC 9112, 6.3), as for the SDK's client; aiohttp would refuse the answer after it was paid for.

Who reads an answer may also be called when something of it has arrived: a task that wakes costs what a token does.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

PORTION_BYTES = 32 * 1024
"""Taken in one turn of the loop. What a loop reads at once, eight times as much or more, may be 40,000 events."""
_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"(?im)^content-length[ \t]*:[^\n]*\n")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding[ \t]*:[^\n]*\bchunked[ \t]*\r?$")
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d\b")
_LENGTHS = re.compile(rb"(?im)^content-length[ \t]*:[ \t]*([^\r\n]*?)[ \t]*\r?\n")


class MendedConnector(aiohttp.TCPConnector):
    """A connector whose connections mend each answer's head before it is parsed.

    Args:
        max_head_bytes: A longer head is passed on as it is; the parser has the limits.
    """

    def __init__(self, *, max_head_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        make: Any = functools.partial(MendedHandler, self._loop, max_head_bytes)
        self._factory = make


class _Few(list[Any]):
    """A queue of few: an empty deque holds 0.7 KiB, and a connection awaits one answer at a time."""

    __slots__ = ()

    def popleft(self) -> Any:
        return self.pop(0)


class MendedHandler(ResponseHandler):
    """One connection of a `MendedConnector`.

    Attributes:
        on_arrival: Called, with False, once what was read is with the answer's reader, and with True once the
            connection is lost; only while an answer is read. Whoever sets it takes it away.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_head_bytes: int) -> None:
        super().__init__(loop)
        heads: Any = _Few()
        self._buffer = heads
        self._max_head_bytes = max_head_bytes
        self._head: bytes | None = (
            None  # of the awaited answer, as far as it has come; None once it is passed on
        )
        self.on_arrival: Callable[[bool], None] | None = None
        self._waiting = b""

    def set_response_params(self, **options: Any) -> None:
        self._head = b""
        self.on_arrival = None
        super().set_response_params(**options)

    @property
    def should_close(self) -> bool:
        """Whether the connection is of no use any more, as with something that nobody waits for."""
        return bool(self._waiting) or super().should_close

    def data_received(self, data: bytes) -> None:
        # Without data a parser goes on with what it has, which came before all that waits.
        if not data or (not self._waiting and len(data) <= PORTION_BYTES):
            self._take(data)
            return
        if not self._waiting:
            self._pause_transport_reading()
            self._loop.call_soon(self._go_on)
        self._waiting += data

    def _go_on(self) -> None:
        """Take the next portion, in a turn of its own; the last one lets the server send again."""
        if not self._waiting or self._reading_paused:
            return
        data, self._waiting = self._waiting[:PORTION_BYTES], self._waiting[PORTION_BYTES:]
        self._take(data)
        if not self._reading_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        if self._waiting:
            self._loop.call_soon(self._go_on)
        else:
            super()._resume_transport_reading()

    def _take(self, data: bytes) -> None:
        if self._head is None or self._parser is None:
            super().data_received(data)
            if self.on_arrival is not None and data:  # without data a parser goes on that was held up
                self.on_arrival(False)
            return
        head = self._head = self._head + data
        end = _END.search(head)
        while end is not None and _INTERIM.match(
            head
        ):  # `100 Continue`: the answer's own head is still to come
            super().data_received(head[: end.end()])
            head = self._head = head[end.end() :]
            end = _END.search(head)
        if end is None and len(head) <= self._max_head_bytes:
            return
        self._head = None
        super().data_received(head if end is None else mended(head[: end.end()]) + head[end.end() :])

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on reading if it was held up; aiohttp asks after each read, and would let the parser look at nothing."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def connection_lost(self, exc: BaseException | None) -> None:
        waiting, self._waiting = self._waiting, b""
        if waiting:
            self._take(waiting)
        head, self._head = self._head, None
        if head and self._parser is not None:
            super().data_received(head)  # half a head: the parser says what that is
        super().connection_lost(exc)
        on_arrival, self.on_arrival = self.on_arrival, None
        if on_arrival is not None:
            on_arrival(True)


def mended(head: bytes) -> bytes:
    """Return an answer's head without a length that its chunks overrule, or that it says twice."""
    lengths = _LENGTHS.findall(head)
    if not lengths:
        return head
    if _CHUNKED.search(head):
        return _LENGTH.sub(b"", head)
    if len(lengths) > 1 and len(set(lengths)) == 1:
        return _LENGTH.sub(b"", head, count=len(lengths) - 1)
    return head
