"""Streams over aiohttp: headers, heartbeats, compression, and the end of slow clients.

Owns the socket's side of a stream. What is sent comes from `subscription`, its bytes from `framing`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress

from aiohttp import hdrs, web
from multidict import istr

from ...errors import RequestError
from ...eventlog.base import Entry
from ...eventlog.subscription import Idle, Item
from ...events.run import RunDone
from ...framing.base import Framing
from .compression import Compressor, choose_encoding
from .guards.request_scheduler import RoundShare

SEND_SECONDS = 8.0
"""A client that takes longer to make room for one piece is dropped."""

SEND_BUFFER_BYTES = 128 * 1024
"""The kernel's send buffer of one stream (it doubles the number): what a client that never reads costs."""

PIECE_BYTES = 64 * 1024
"""Framed for one subscriber at a time, and written between two looks at the clock."""

ROOM_BYTES = 32 * 1024
"""Less than the 64 KiB of asyncio's high-water mark: a write of so much into an empty buffer never waits."""

USER_TIMEOUT_MS = 12_000
"""Unacknowledged data ends the connection after this; with the heartbeat a vanished client is noticed within 30 s."""

PAGE_EVENTS = 32
"""From so many at once a reader is one who catches up; what comes live goes at once."""

_HEADERS: dict[str, str] = {hdrs.CACHE_CONTROL: "no-store, no-transform", istr("X-Accel-Buffering"): "no",
                            hdrs.VARY: "Accept-Encoding"}  # fmt: skip

RETRY_MS, DRAIN_RETRY_MS = 1_000, 2_000
ANNOUNCE_SECONDS = 1.0
"""How long the announcement of a drain waits for clients; the slower ones hear it with their next event."""


class ClientTooSlow(Exception):
    """The client did not take a piece within `SEND_SECONDS`."""


class EventStream:
    """One open stream to one client.

    Args:
        framing: Makes its bytes; it is of this one connection.
        on_drop: Hears why a client was dropped.
    """

    def __init__(
        self,
        request: web.Request,
        framing: Framing,
        *,
        headers: dict[str, str],
        on_drop: Callable[[str], None],
    ) -> None:
        self._request = request
        self.framing = framing
        self._on_drop = on_drop
        encoding = choose_encoding(request.headers.get("Accept-Encoding", ""))
        self._compressor = Compressor(encoding) if encoding else None
        self._writing = asyncio.Lock()
        self._drain_announced = False
        self.share: RoundShare | None = None
        """Of each round of the loop, for what is written in more than one piece."""
        self.is_direct = False
        """Whether `take` may write, as nothing else is to be said to the client."""
        self._made: tuple[int, bytes] | None = None
        """Frames that `take` has made and not written, and the seq up to which they go: a framing that folds cannot
        make them again."""
        self._held = b""
        """What goes with the next write, or when this turn of the loop is over."""
        sent: dict[str, str] = {
            hdrs.CONTENT_TYPE: framing.content_type,
            **_HEADERS,
            **({hdrs.CONTENT_ENCODING: encoding} if encoding else {}),
            **framing.headers,
            **headers,
        }
        self.response = web.StreamResponse(headers=sent)

    @property
    def sending(self) -> bool:
        """Whether frames are on their way, so that ending the stream now would cut one."""
        return self._writing.locked() or self.framing.has_rest

    async def open(self) -> None:
        """Send the headers and the first bytes, in one write with the events that are there already.

        If there are none, they go when this turn of the loop is over.
        """
        if not getattr(self._request.protocol, "is_limited", False):
            limit_socket(self._request.transport)
        opening = self.framing.opening(RETRY_MS)
        self.response._send_headers_immediately = not opening  # else they go with it
        await self.response.prepare(self._request)
        if not self.hold(opening):
            await self.send(opening)

    def hold(self, data: bytes) -> bool:
        """Write *data* with what else is said in this turn of the loop, or after it; False if that might wait."""
        if self._compressor is not None or self._writing.locked():
            return False
        if not self._has_room(len(self._held) + len(data)):
            return False
        if data and not self._held:
            asyncio.get_running_loop().call_soon(self._let_go)
        self._held += data
        return True

    def _let_go(self) -> None:
        """Write what is held, if nothing else was said; a client that has gone is `send`'s to notice."""
        held, self._held = self._held, b""
        if held:
            self._write_now(held)

    async def send(self, data: bytes) -> None:
        """Write whole frames; those of another caller come before or after them, never between.

        Raises:
            ClientTooSlow: The connection was aborted. ConnectionError: It is gone.
        """
        if not data:
            return
        data, self._held = self._held + data, b""
        async with self._writing:
            for start in range(0, len(data), PIECE_BYTES):
                if start and self.share is not None:
                    await self.share.take()
                await self._write(data[start : start + PIECE_BYTES])

    async def _write(self, piece: bytes) -> None:
        if self._compressor is not None:
            piece = self._compressor.compress(piece)
        if self._has_room(len(piece)):
            await self.response.write(piece)
            return
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self.response.write(piece)
        except TimeoutError:
            self._drop()
            raise ClientTooSlow from None

    def take(self, entries: list[Entry]) -> bool:
        """Write *entries* now, without a task that wakes; False, and nothing was written, if that might wait."""
        framing = self.framing
        if not self.is_direct or self._made is not None or self._compressor is not None or self._held:
            return False
        if self._writing.locked() or not self._has_room(0):
            return False
        data = framing.entries(entries)
        if len(data) > ROOM_BYTES or framing.is_finished or framing.has_rest:
            if framing.folds:
                self._made = entries[-1].seq, data
            return False
        # A client that has just gone is `send`'s to notice.
        return not data or self._write_now(data)

    def _write_now(self, data: bytes) -> bool:
        """Write *data*, for which there is room, so that the write runs to its end at the first step."""
        writing = self.response.write(data)
        try:
            writing.send(None)
        except StopIteration:
            return True
        except (ConnectionError, RuntimeError):
            return False
        writing.close()
        return True

    def frames(self, item: Item, clock: Callable[[], int]) -> Iterator[bytes]:
        """Yield the frames of *item*, those that are made already before the others."""
        framing = self.framing
        if self._made is not None and not isinstance(item, Idle):
            (seq, data), self._made = self._made, None
            if isinstance(item, list):
                yield data
                yield from framing.rest()
                item = [entry for entry in item if entry.seq > seq]
                if not item or framing.is_finished:
                    return
        yield from render(item, framing, clock)

    async def tell_drain(self) -> None:
        """Send the client once when to come back, but not within a frame. Raises as `send`."""
        if not self._drain_announced and not self.framing.has_rest:
            self._drain_announced = True
            await self.send(self.framing.retry(DRAIN_RETRY_MS))

    async def close(self) -> None:
        """End the stream in good order, or cut it if the client does not take the end."""
        last, self._held = self._held, b""
        if self._compressor is None and not self._writing.locked() and self._has_room(len(last)):
            with suppress(ConnectionError):
                await self.response.write_eof(last)  # a few bytes for which there is room: no clock
            return
        try:
            async with asyncio.timeout(SEND_SECONDS), self._writing:
                if self._compressor is not None:
                    await self.response.write(self._compressor.finish())
                await self.response.write_eof(last)
        except TimeoutError:
            self._drop()
        except ConnectionError:
            pass  # gone by itself

    def _has_room(self, size: int) -> bool:
        """Whether *size* bytes can be written without waiting for the client, and so without a clock."""
        transport = self._request.transport
        return size <= ROOM_BYTES and transport is not None and not transport.get_write_buffer_size()

    def _drop(self) -> None:
        self._on_drop("too_slow")
        if self._request.transport is not None:
            self._request.transport.abort()


class Streams:
    """The open streams of this process, so that draining can speak to all of them."""

    def __init__(self) -> None:
        self._open: dict[EventStream, asyncio.Timeout] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self._closing = False
        self.sockets: set[web.WebSocketResponse] = set()
        self.share = RoundShare()
        """What those that catch up take of each round of the loop."""

    async def serve(
        self,
        stream: EventStream,
        items: AsyncGenerator[Item, None],
        clock: Callable[[], int],
        *,
        seen: AsyncGenerator[list[Entry], None] | None = None,
    ) -> web.StreamResponse:
        """Send *items* until their end, the client's, or the server's.

        Args:
            clock: The `t` of notices that are not in the log.
            seen: What the client has seen before *items*, for a framing that folds.
        """
        try:
            async with aclosing(items), asyncio.timeout(None) as scope:
                self._open[stream], stream.share = scope, self.share
                self._empty.clear()
                await stream.open()
                if seen is not None:
                    await self._catch_up(stream, seen)
                await self._forward(stream, items, clock)
        except (ClientTooSlow, ConnectionError):
            return stream.response
        except (TimeoutError, RequestError):
            pass  # the server closes, or the run was deleted: the stream ends in good order
        finally:
            del self._open[stream]
            if not self._open:
                self._empty.set()
        await stream.close()
        return stream.response

    async def _forward(
        self, stream: EventStream, items: AsyncGenerator[Item, None], clock: Callable[[], int]
    ) -> None:
        framing = stream.framing
        stream.is_direct = not (self._draining or self._closing)
        if self._draining:
            await stream.tell_drain()
        async for item in items:
            is_last = (is_live := _is_live(item)) and _is_end(item)
            pieces = stream.frames(item, clock)
            while True:
                if not is_live:
                    await self.share.take()
                if (data := next(pieces, None)) is None:
                    break
                if not (is_last and stream.hold(data)):
                    await stream.send(data)
                if self._draining:
                    await stream.tell_drain()
                if self._closing and not framing.has_rest:
                    return
            if framing.is_finished:
                return
            del item, pieces  # a state may be megabytes
        await stream.send(framing.closing())

    async def _catch_up(self, stream: EventStream, seen: AsyncGenerator[list[Entry], None]) -> None:
        """Let the stream's framing know what its client has seen, so that it goes on from there."""
        async with aclosing(seen):
            async for page in seen:
                for portion in portions(page):
                    await self.share.take()
                    stream.framing.skip(portion)
        await stream.send(stream.framing.resumed())
        for piece in stream.framing.rest():
            await self.share.take()
            await stream.send(piece)

    async def announce_drain(self) -> None:
        """Send every client when to come back; the streams stay open while their runs end.

        A client that is slow to take what it gets now hears it right after that.
        """
        self._draining = True
        self._stop_direct()
        with suppress(TimeoutError):
            async with asyncio.timeout(ANNOUNCE_SECONDS), asyncio.TaskGroup() as group:
                for stream in list(self._open):
                    if not stream.sending:
                        group.create_task(_tell_drain(stream))

    def close_all(self) -> None:
        """End every stream in good order: now, or once the frames that are on their way are written."""
        self._closing = True
        self._stop_direct()
        now = asyncio.get_running_loop().time()
        for stream, scope in self._open.items():
            if not stream.sending:
                scope.reschedule(now)

    def _stop_direct(self) -> None:
        """Let each further event pass `_forward`, which knows what else is to be said."""
        for stream in self._open:
            stream.is_direct = False

    async def wait_closed(self, seconds: float) -> None:
        """Wait until every stream has ended, at most *seconds*."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()


async def _tell_drain(stream: EventStream) -> None:
    with suppress(ClientTooSlow, ConnectionError):
        await stream.tell_drain()


def limit_socket(transport: asyncio.Transport | None) -> None:
    """Bound what a client that never reads can hold, and how long a vanished one stays."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def render(item: Item, framing: Framing, clock: Callable[[], int]) -> Iterator[bytes]:
    """Yield an item's frames, joined to no more bytes than a client that never reads may cost."""
    if isinstance(item, list):
        for portion in portions(item):
            yield framing.entries(portion)
            yield from framing.rest()
    elif isinstance(item, Idle):
        yield framing.heartbeat()
    else:
        yield from framing.gap(item, clock())
        yield from framing.rest()


def _is_live(item: Item) -> bool:
    """Whether an item goes at once; a page of a few large events takes a round as long as one of very many."""
    return (
        isinstance(item, list)
        and len(item) < PAGE_EVENTS
        and sum(len(entry.data) for entry in item) <= PIECE_BYTES
    )


def _is_end(item: Item) -> bool:
    """Whether an item ends with a run's end, with which most streams end."""
    return isinstance(item, list) and item[-1].agent_id is None and item[-1].type == RunDone.TYPE


def portions(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Cut a page if its data exceeds `PIECE_BYTES`; an entry larger than that goes alone."""
    start = size = 0
    for n, entry in enumerate(entries):
        if size and size + len(entry.data) > PIECE_BYTES:
            yield entries[start:n]
            start, size = n, 0
        size += len(entry.data)
    yield entries[start:]
