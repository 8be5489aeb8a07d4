"""One server under test: its calls, and its streams as events with the bytes that they came in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, ClientTimeout, ClientWebSocketResponse, ClientWSTimeout

from ..sse_parser import ServerSentEvent, SSEParser

STREAM = {"Accept": "text/event-stream"}


AT_ONCE_SECONDS = 0.1
"""What comes so soon after a stream's first bytes is its opening."""


class Broken(Exception):
    """The server breaks a promise; the text says how."""


class ProbeTimeout(Broken):
    """The server let the kit wait for what it has to do."""


def expect(holds: object, how: str) -> None:
    """Raise Broken with *how* unless something holds."""
    if not holds:
        raise Broken(how)


@dataclass(frozen=True, slots=True)
class WireEvent:
    """One event as it was on the wire."""

    id: str | None
    name: str
    data: dict[str, Any]

    @property
    def type(self) -> str:
        return str(self.data.get("type"))

    @property
    def agent_id(self) -> str | None:
        found = self.data.get("agent_id")
        return found if isinstance(found, str) else None


@dataclass(slots=True)
class Reply:
    """One answer; of a stream as much as was read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    events: list[WireEvent] = field(default_factory=list)

    @property
    def json(self) -> dict[str, Any]:
        try:
            found = json.loads(self.body)
        except ValueError:
            raise Broken(f"an answer of status {self.status} is no JSON") from None
        expect(isinstance(found, dict), "an answer is no JSON object")
        return dict(found)


def read_event(event: ServerSentEvent) -> WireEvent:
    """Read an event's data.

    Raises:
        Broken: It is not one line of a JSON object.
    """
    try:
        data = json.loads(event.data)
    except ValueError:
        raise Broken(f"the data of {event.event!r} is no JSON") from None
    expect(
        isinstance(data, dict) and "\n" not in event.data,
        f"the data of {event.event!r} is no one-line object",
    )
    return WireEvent(event.id, event.event, data)


def _has(kind: str) -> Callable[[list[WireEvent]], bool]:
    return lambda events: any(event.type == kind for event in events)


class ProbeSocket:
    """One WebSocket to the server under test."""

    def __init__(self, socket: ClientWebSocketResponse, patience: float) -> None:
        self._socket = socket
        self._patience = patience

    async def ask(self, **message: Any) -> None:
        """Send one request."""
        await self._socket.send_json(message)

    async def read(self, is_last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Return the messages up to the first that *is_last*.

        Raises:
            Broken: It does not come in time, or one is no JSON object.
        """
        received: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(self._patience):
                while not received or not is_last(received[-1]):
                    message = await self._socket.receive_json()
                    expect(isinstance(message, dict), "a message is no JSON object")
                    received.append(message)
        except TimeoutError:
            raise ProbeTimeout(f"the WebSocket did not say all within {self._patience:g} s") from None
        return received


class Probe:
    """Asks one server.

    Args:
        patience: Seconds until something that has to happen is taken as never happening.
        agents: Who is asked; the server's default ones if left out.
    """

    def __init__(
        self, session: ClientSession, url: str, *, message: str, agents: list[str] | None, patience: float
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self.patience = patience
        self.start_body: dict[str, Any] = {"message": message, **({"agents": agents} if agents else {})}

    async def call(self, method: str, path: str, **options: Any) -> Reply:
        """Ask once and read the whole answer. Raises Broken if none comes."""
        timeout = ClientTimeout(total=self.patience)
        try:
            async with self._session.request(
                method, self._url + path, timeout=timeout, **options
            ) as response:
                return Reply(response.status, response.headers, await response.read())
        except TimeoutError:
            raise ProbeTimeout(f"{method} {path} was not answered within {self.patience:g} s") from None

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[ProbeSocket]:
        """Open a WebSocket, and close it in the end."""
        try:
            async with asyncio.timeout(self.patience):
                opened = await self._session.ws_connect(
                    self._url + "/v1/ws", timeout=ClientWSTimeout(ws_close=2)
                )
        except TimeoutError:
            raise ProbeTimeout(f"no WebSocket was opened within {self.patience:g} s") from None
        async with opened:
            yield ProbeSocket(opened, self.patience)

    async def start(self, **keys: Any) -> str:
        """Start a run, with further *keys* of its body; return its id."""
        reply = await self.call("POST", "/v1/runs", json=self.start_body | keys)
        expect(reply.status == 201, f"POST /v1/runs answered {reply.status}, not 201")
        run_id = reply.json.get("run_id")
        expect(isinstance(run_id, str), "the snapshot has no run_id")
        return str(run_id)

    async def read(
        self,
        path: str,
        *,
        after: str | None = None,
        most: int | None = None,
        until: str | Callable[[list[WireEvent]], bool] | None = None,
    ) -> Reply:
        """Read a stream: to its end, for *most* bytes, or until an event of type *until*, or until that holds.

        Raises:
            Broken: It does not get there in time.
        """
        headers = STREAM | ({"Last-Event-ID": after} if after is not None else {})
        is_enough = _has(until) if isinstance(until, str) else until
        parser, body, events = SSEParser(), b"", list[WireEvent]()
        reply = Reply(0, {}, b"", events)
        try:
            async with (
                asyncio.timeout(self.patience),
                self._session.get(
                    self._url + path, headers=headers, timeout=ClientTimeout(total=None)
                ) as response,
            ):
                reply.status, reply.headers = response.status, response.headers
                async for chunk in response.content.iter_any():
                    taken = chunk if most is None else chunk[: most - len(body)]
                    body += taken
                    events += [read_event(event) for event in parser.feed(taken)]
                    if most is not None and len(body) >= most:
                        break
                    if is_enough is not None and is_enough(events):
                        break
        except TimeoutError:
            raise ProbeTimeout(f"the stream {path} did not end within {self.patience:g} s") from None
        reply.body = body
        return reply

    async def listen(self, path: str, seconds: float) -> list[bytes]:
        """Return the lines of the first bytes that come after a stream's opening; none after *seconds* without any.

        Raises:
            OutOfTime: It does not open in time.
        """
        clock = asyncio.get_running_loop().time
        opening = asyncio.timeout(self.patience)
        try:
            async with (
                opening,
                self._session.get(
                    self._url + path, headers=STREAM, timeout=ClientTimeout(total=None)
                ) as response,
            ):
                expect(response.status == 200, f"{path} is answered with {response.status}")
                await response.content.readany()
                begun = clock()
                opening.reschedule(None)
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        while chunk := await response.content.readany():
                            if clock() - begun > AT_ONCE_SECONDS:
                                return chunk.splitlines()
                return []
        except TimeoutError:
            raise ProbeTimeout(f"the stream {path} did not begin within {self.patience:g} s") from None
