"""Follows a stream on a server: lost connections, each event once, who is notified. Knows no run's state."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple
from weakref import WeakSet

import aiohttp

from ..sse_parser import EventTooLarge, ServerSentEvent, SSEParser
from .event import Event, SeenCursor, is_snapshot, parse_event
from .http import Backoff, ClientError, Http, refusal
from .run_view import Connection, ConnectionDetail

BUFFERED_EVENTS = 1024
"""Of one iterator. When it is full, reading waits; the server may then drop us, and we come back by id."""


class _Loss(NamedTuple):
    """Why a connection is gone, and how many seconds the server asked to wait."""

    cause: str
    retry_after: float | None = None


class Follower(ABC):
    """Reads one stream, from event to event across lost connections, until its end or `detach`.

    Iterating yields each event once, in order; `run.gap` and `run.snapshot` come if the log could not go
    on. What is known may be some events ahead of the one yielded. An iterator sees what arrives after it was
    made, so the first one sees all; one that is held but not asked holds the others back. Iterating raises
    ClientError if the stream cannot be followed any more.

    Args:
        path, params: Where the stream is.
        after: The id that was seen last; None is before the first event.
        give_up_s: How long it is followed without a connection; None: for ever.
        family: Those that a closing client leaves; this one joins them.

    Attributes:
        connection: `connecting`, `open`, `retrying` (lost, will be back) or `closed`.
        detail: What is the matter with it, as a code and a message; None if nothing is.
        failure: Why it cannot be followed; None while it can, and once it has ended.
    """

    def __init__(
        self,
        http: Http,
        path: str,
        params: Mapping[str, str],
        *,
        after: str | None,
        give_up_s: float | None,
        family: WeakSet[Follower],
    ) -> None:
        self.connection: Connection = "connecting"
        self.detail: ConnectionDetail | None = None
        self.failure: Exception | None = None
        self._http = http
        self._path = path
        self._params = params
        self._cursor = SeenCursor(after)
        self._give_up_s = give_up_s
        self._family = family
        self._backoff = Backoff()
        self._reader: asyncio.Task[None] | None = None
        self._buffers: list[_Buffer] = []
        family.add(self)

    def __aiter__(self) -> AsyncIterator[Event]:
        buffer = _Buffer(closed=self.connection == "closed")
        self._buffers.append(buffer)
        self._read()
        return _Iterator(self, buffer)

    async def detach(self) -> None:
        """Stop following; what is followed goes on at the server. Iterators end."""
        if self._reader is None:
            self._close()
        else:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    # ── what a stream of one kind knows ───────────────────────────────────────────────────────

    @abstractmethod
    def _take(self, event: Event) -> bool:
        """Take *event* into what is known; False if it was known already."""

    @abstractmethod
    def _over(self) -> bool:
        """Whether nothing can follow."""

    @abstractmethod
    async def _catch_up(self) -> None:
        """Take what the server knows: it says that the cursor stands at the stream's end."""

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def _read(self) -> asyncio.Task[None]:
        if self._reader is None:
            # Owned here and ended by `detach`, which a closing Client calls for all its family.
            self._reader = asyncio.create_task(self._follow(), name=f"follow {self._path}")
        return self._reader

    async def _follow(self) -> None:
        try:
            if self.connection != "closed":
                await self._reconnect_until_over()
        except Exception as exc:  # noqa: BLE001 -- raised where it is read, a bug's no less than a refusal
            self.failure = exc
        finally:
            self._close()

    def _close(self) -> None:
        self.connection, self.detail = "closed", None
        for buffer in self._buffers:
            buffer.close()

    async def _reconnect_until_over(self) -> None:
        loop = asyncio.get_running_loop()
        lost_at: float | None = None
        while (loss := await self._connect()) is not None:
            if self.connection == "open" or lost_at is None:
                lost_at = loop.time()
            self.connection, self.detail = "retrying", ConnectionDetail("lost", loss.cause)
            if self._give_up_s is not None and loop.time() - lost_at >= self._give_up_s:
                raise ClientError(f"{self._http.base} is out of reach ({loss.cause})")
            await asyncio.sleep(self._backoff.next_delay(loss.retry_after))

    async def _connect(self) -> _Loss | None:
        """Read one connection to its end. None says that the stream is over, too."""
        try:
            await self._read_stream()
        except ClientError as exc:
            if not exc.temporary:
                raise
            return _Loss(str(exc), exc.retry_after)
        except aiohttp.ClientSSLError as exc:
            raise ClientError(f"{self._http.base} cannot be trusted ({exc})") from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            return None if self._over() else _Loss(str(exc) or type(exc).__name__)
        return None if self._over() else _Loss("the stream ended early")

    async def _read_stream(self) -> None:
        async with self._http.stream(self._path, self._cursor.last, self._params) as response:
            if response.status == 204:
                await self._catch_up()
                return
            if response.status != 200:
                raise await refusal(response)
            if response.content_type != "text/event-stream":
                raise ClientError(f"{self._http.base} answers with {response.content_type}, not a stream")
            self.connection, self.detail = "open", None
            parser = SSEParser()
            async for chunk in response.content.iter_any():
                for event in _parse(parser, chunk):
                    await self._hand_on(event)
                if parser.retry_ms is not None:
                    self._backoff.base_s = parser.retry_ms / 1000
                if self._over():
                    return

    async def _hand_on(self, raw: ServerSentEvent) -> None:
        event = parse_event(raw.data, id=raw.id, name=raw.event)
        if event is None:
            return
        try:
            fresh = self._take(event)
        except (KeyError, TypeError, AttributeError) as exc:
            raise ClientError(f"{self._http.base} sent a {event.name} that is not of this protocol") from exc
        if not fresh:
            return
        if event.id is not None and not is_snapshot(event):
            # Not for gaps: a server that answers each request with one must not be asked at full speed.
            self._backoff.reset()
        await self._deliver(event)

    async def _deliver(self, event: Event) -> None:
        """Have every iterator yield *event*; wait while one is full."""
        self._buffers = [buffer for buffer in self._buffers if not buffer.closed]
        for buffer in list(self._buffers):
            await buffer.put(event)


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[ServerSentEvent]:
    """Yield the events of a stream, to its end."""
    parser = SSEParser()
    async for chunk in response.content.iter_any():
        for event in _parse(parser, chunk):
            yield event


def _parse(parser: SSEParser, chunk: bytes) -> list[ServerSentEvent]:
    try:
        return parser.feed(chunk)
    except EventTooLarge as exc:
        # Coming back by id would only fetch the same event again.
        raise ClientError(str(exc)) from exc


class _Buffer:
    """The events that one iterator has not taken yet. Bounded: a full one makes the reader wait."""

    def __init__(self, *, closed: bool) -> None:
        self.closed = closed
        self._events: deque[Event] = deque()
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, event: Event) -> None:
        while len(self._events) >= BUFFERED_EVENTS and not self.closed:
            self._room.clear()
            await self._room.wait()
        self._events.append(event)
        self._filled.set()

    async def take(self) -> Event | None:
        """Return the oldest event; None if it is closed and empty. Cancelling loses nothing."""
        while not self._events:
            if self.closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        self._room.set()
        return self._events.popleft()

    def close(self) -> None:
        self.closed = True
        self._filled.set()
        self._room.set()


class _Iterator(AsyncIterator[Event]):
    """One `async for` over a stream. Dropping it, by a `break` say, lets its reader go on without it."""

    def __init__(self, followed: Follower, buffer: _Buffer) -> None:
        self._followed = followed
        self._buffer = buffer

    async def __anext__(self) -> Event:
        event = await self._buffer.take()
        if event is not None:
            return event
        if self._followed.failure is not None:
            raise self._followed.failure
        raise StopAsyncIteration

    def __del__(self) -> None:
        self._buffer.close()
