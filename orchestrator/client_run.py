"""Owns following and steering one run on a server: lost connections, each event once, who is told."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import NamedTuple

import aiohttp

from .client_http import TRIES, Backoff, ClientError, Http, path_of, refusal
from .runview import Cursor, Event, RunHandle, RunView, is_snapshot, parse_event
from .sse_parser import EventTooLarge, ServerSentEvent, SSEParser

BUFFERED_EVENTS = 1024
"""Of one iterator. When it is full, reading waits; the server may then drop us, and we come back by id."""


class _Loss(NamedTuple):
    """Why a connection is gone, and how many seconds the server asked to stay away."""

    cause: str
    retry_after: float | None = None


class Run(RunHandle):
    """A run on a server. Leaving it, in whatever way, never cancels it.

    Iterating yields each event once, in order, across lost connections; `run.gap` and `run.snapshot` come
    where the log could not go on. The view may be some events ahead of the one yielded. An iterator sees
    what arrives after it was made, so the first one sees all; one that is held but not asked holds the
    others back. Iterating raises ClientError where the run cannot be followed any more.

    Attributes:
        connection: `connecting`, `open`, `retrying` (lost, will be back) or `closed`.
        failure: Why the run cannot be followed; None while it can, and once it has ended.
    """

    def __init__(
        self, http: Http, view: RunView, *, after: str | None = None, give_up_s: float | None = None
    ) -> None:
        self.view = view
        self.connection = "connecting"
        self.failure: Exception | None = None
        self._http = http
        self._cursor = Cursor(after)
        self._give_up_s = give_up_s
        self._backoff = Backoff()
        self._reader: asyncio.Task[None] | None = None
        self._buffers: list[_Buffer] = []

    def __aiter__(self) -> AsyncIterator[Event]:
        buffer = _Buffer(closed=self.connection == "closed")
        self._buffers.append(buffer)
        self._read()
        return _Iterator(self, buffer)

    async def result(self) -> RunView:
        """Follow the run to its end and return what it came to; one agent's failure never raises.

        After `detach` it returns what is known. Cancelling it leaves the run and its reading alone.

        Raises:
            ClientError: The run cannot be followed: unknown, deleted, expired, not allowed.
        """
        await asyncio.wait([self._read()])
        if self.failure is not None:
            raise self.failure
        return self.view

    async def cancel(self, agent_id: str | None = None) -> None:
        """Ask for the end of one agent, or of all; acknowledged here, `cancelled` follows as an event.

        Raises:
            ClientError: 404 where the run has no such agent. An ended run is no error.
        """
        part = () if agent_id is None else ("agents", agent_id)
        path = path_of("runs", self.id, *part, "cancel")
        self.view.acknowledge(await self._http.call("POST", path, body={}, tries=TRIES))

    async def retry(self, agent_id: str) -> None:
        """Ask for a new attempt of an agent that has ended; ClientError 409 where it has not."""
        await self._http.call("POST", path_of("runs", self.id, "agents", agent_id, "retry"), body={})

    async def add(self, agent_id: str) -> None:
        """Let one more agent answer. ClientError 409 where it takes part already, or the run has ended."""
        await self._http.call("POST", path_of("runs", self.id, "agents"), body={"agent_id": agent_id})

    async def approve(self, agent_id: str, call_id: str, approve: bool = True) -> None:
        """Answer an `approval_request`. ClientError 404 where none waits."""
        path = path_of("runs", self.id, "agents", agent_id, "approvals", call_id)
        await self._http.call("POST", path, body={"approve": approve})

    async def detach(self) -> None:
        """Stop following; the run goes on at the server. Iterators end."""
        if self._reader is None:
            self._close()
        else:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    # ── following ─────────────────────────────────────────────────────────────────────────────

    def _read(self) -> asyncio.Task[None]:
        if self._reader is None:
            # Owned by this run and ended by `detach`, which a closing Client calls for each of its runs.
            self._reader = asyncio.create_task(self._follow(), name=f"follow {self.id}")
        return self._reader

    async def _follow(self) -> None:
        try:
            if self.connection != "closed":
                await self._reconnect_until_ended()
        except Exception as exc:  # noqa: BLE001 -- raised where the run is read, a bug's no less than a refusal
            self.failure = exc
        finally:
            self._close()

    def _close(self) -> None:
        self.connection = "closed"
        for buffer in self._buffers:
            buffer.close()

    async def _reconnect_until_ended(self) -> None:
        loop = asyncio.get_running_loop()
        lost_at: float | None = None
        while (loss := await self._connect()) is not None:
            if self.connection == "open" or lost_at is None:
                lost_at = loop.time()
            self.connection = "retrying"
            if self._give_up_s is not None and loop.time() - lost_at >= self._give_up_s:
                raise ClientError(f"{self._http.base} is out of reach ({loss.cause})")
            await asyncio.sleep(self._backoff.next_delay(loss.retry_after))

    async def _connect(self) -> _Loss | None:
        """Read one connection to its end. None says that the run has ended, too."""
        try:
            await self._read_stream()
        except ClientError as exc:
            if not exc.temporary:
                raise
            return _Loss(str(exc), exc.retry_after)
        except aiohttp.ClientSSLError as exc:
            raise ClientError(f"{self._http.base} cannot be trusted ({exc})") from exc
        except (aiohttp.ClientError, TimeoutError, OSError) as exc:
            return None if self.view.ended else _Loss(str(exc) or type(exc).__name__)
        return None if self.view.ended else _Loss("the stream ended early")

    async def _read_stream(self) -> None:
        async with self._http.stream(path_of("runs", self.id, "events"), self._cursor.last) as response:
            if response.status == 204:
                self.view.replace(await self._http.call("GET", path_of("runs", self.id), tries=TRIES))
                return
            if response.status != 200:
                raise await refusal(response)
            if response.content_type != "text/event-stream":
                raise ClientError(f"{self._http.base} answers with {response.content_type}, not a stream")
            self.connection = "open"
            parser = SSEParser()
            async for chunk in response.content.iter_any():
                for event in _parse(parser, chunk):
                    await self._take(event)
                if parser.retry_ms is not None:
                    self._backoff.base_s = parser.retry_ms / 1000
                if self.view.ended:
                    return

    async def _take(self, raw: ServerSentEvent) -> None:
        event = parse_event(raw.data, id=raw.id, name=raw.event)
        if event is None or not self._cursor.accept(event):
            return
        try:
            self.view.apply(event)
        except (KeyError, TypeError, AttributeError) as exc:
            raise ClientError(f"{self._http.base} sent a {event.name} that is not of this protocol") from exc
        if event.id is not None and not is_snapshot(event):
            # Not for gaps: a server that answers each request with one must not be asked at full speed.
            self._backoff.reset()
        self._buffers = [buffer for buffer in self._buffers if not buffer.closed]
        for buffer in list(self._buffers):
            await buffer.put(event)


def _parse(parser: SSEParser, chunk: bytes) -> list[ServerSentEvent]:
    try:
        return parser.feed(chunk)
    except EventTooLarge as exc:
        # Coming back by id would only fetch the same event again.
        raise ClientError(str(exc)) from exc


class _Buffer:
    """What one iterator has not taken yet. Bounded: a full one makes the reader wait."""

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
        """Return the oldest event; None where it is closed and empty. Cancelling loses nothing."""
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
    """One `async for` over a run. Dropping it, by a `break` say, lets its reader go on without it."""

    def __init__(self, run: Run, buffer: _Buffer) -> None:
        self._run = run
        self._buffer = buffer

    async def __anext__(self) -> Event:
        event = await self._buffer.take()
        if event is not None:
            return event
        if self._run.failure is not None:
            raise self._run.failure
        raise StopAsyncIteration

    def __del__(self) -> None:
        self._buffer.close()
