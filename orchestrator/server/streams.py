"""Server-Sent-Events over aiohttp: headers, heartbeats, compression, and the end of slow clients.

Owns the socket's side of a stream. What is sent comes from `subscription`, its bytes from `framing`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from aiohttp import web

from ..errors import RequestError
from ..events import SNAPSHOT_TYPE, RunGap, encode_data, encode_snapshot
from ..framing import sse
from ..subscription import Idle, Item
from .compression import Compressor, choose_encoding

SEND_SECONDS = 8.0
"""A client that takes longer to make room for one piece is dropped."""

SEND_BUFFER_BYTES = 128 * 1024
"""The kernel's send buffer of one stream (it doubles the number): what a client that never reads costs."""

PIECE_BYTES = 64 * 1024
"""Written between two looks at the clock."""

USER_TIMEOUT_MS = 12_000
"""Unacknowledged data ends the connection after this; with the heartbeat a vanished client is noticed within 30 s."""

RETRY_MS = 1_000
DRAIN_RETRY_MS = 2_000


class ClientTooSlow(Exception):
    """The client did not take a piece within `SEND_SECONDS`."""


class EventStream:
    """One open stream to one client.

    Args:
        on_drop: Hears why a client was dropped.
    """

    def __init__(
        self, request: web.Request, *, headers: dict[str, str], on_drop: Callable[[str], None]
    ) -> None:
        self._request = request
        self._on_drop = on_drop
        encoding = choose_encoding(request.headers.get("Accept-Encoding", ""))
        self._compressor = Compressor(encoding) if encoding else None
        self.response = web.StreamResponse(
            headers={
                "Content-Type": sse.CONTENT_TYPE,
                "Cache-Control": "no-store, no-transform",
                "X-Accel-Buffering": "no",
                "Vary": "Accept-Encoding",
                **({"Content-Encoding": encoding} if encoding else {}),
                **headers,
            }
        )

    async def open(self) -> None:
        """Send the headers and the first bytes at once."""
        limit_socket(self._request.transport)
        await self.response.prepare(self._request)
        await self.send(sse.opening(RETRY_MS))

    async def send(self, data: bytes) -> None:
        """Write whole frames.

        Raises:
            ClientTooSlow: The connection was aborted. ConnectionError: It is gone.
        """
        if self._compressor is not None:
            data = self._compressor.compress(data)
        try:
            for start in range(0, len(data), PIECE_BYTES):
                async with asyncio.timeout(SEND_SECONDS):
                    await self.response.write(data[start : start + PIECE_BYTES])
        except TimeoutError:
            self._on_drop("too_slow")
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ClientTooSlow from None

    async def close(self) -> None:
        """End the stream in good order."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SEND_SECONDS):
                if self._compressor is not None:
                    await self.response.write(self._compressor.finish())
                await self.response.write_eof()


class Streams:
    """The open streams of this process, so that draining can speak to all of them."""

    def __init__(self) -> None:
        self._open: dict[EventStream, asyncio.Timeout] = {}
        self._empty = asyncio.Event()
        self._empty.set()
        self._draining = False
        self.sockets: set[web.WebSocketResponse] = set()

    async def serve(
        self,
        stream: EventStream,
        items: AsyncGenerator[Item, None],
        framing: sse.SseFraming,
        clock: Callable[[], int],
    ) -> web.StreamResponse:
        """Send *items* until their end, the client's, or the server's.

        Args:
            clock: The `t` of notices that are not in the log.
        """
        try:
            async with aclosing(items), asyncio.timeout(None) as scope:
                self._open[stream] = scope
                self._empty.clear()
                await stream.open()
                if self._draining:
                    await stream.send(sse.retry(DRAIN_RETRY_MS))
                async for item in items:
                    await stream.send(_render(item, framing, clock))
        except (ClientTooSlow, ConnectionError):
            return stream.response
        except (TimeoutError, RequestError):
            pass  # the server closes, or the run was deleted: the stream ends in good order
        finally:
            self._open.pop(stream, None)
            if not self._open:
                self._empty.set()
        await stream.close()
        return stream.response

    async def announce_drain(self) -> None:
        """Tell every client when to come back; the streams stay open while their runs end."""
        self._draining = True
        async with asyncio.TaskGroup() as group:
            for stream in list(self._open):
                group.create_task(_try_send(stream, sse.retry(DRAIN_RETRY_MS)))

    def close_all(self) -> None:
        """End every stream in good order, at its next step."""
        now = asyncio.get_running_loop().time()
        for scope in self._open.values():
            scope.reschedule(now)

    async def wait_closed(self, seconds: float) -> None:
        """Wait until every stream has ended, at most *seconds*."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._empty.wait()


async def _try_send(stream: EventStream, data: bytes) -> None:
    with suppress(ClientTooSlow, ConnectionError):
        await stream.send(data)


def limit_socket(transport: asyncio.Transport | None) -> None:
    """Bound what a client that never reads can hold, and how long a vanished one stays."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def _render(item: Item, framing: sse.SseFraming, clock: Callable[[], int]) -> bytes:
    if isinstance(item, list):
        return framing.entries(item)
    if isinstance(item, Idle):
        return sse.HEARTBEAT
    cursor = f"{item.cursor.epoch}-{item.cursor.seq}"
    t = clock()
    return framing.notice(RunGap.TYPE, encode_data(None, item.notice, t)) + b"".join(
        framing.notice(SNAPSHOT_TYPE, encode_snapshot(snapshot, t), event_id=cursor)
        for snapshot in item.snapshots
    )
