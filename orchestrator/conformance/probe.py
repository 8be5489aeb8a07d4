"""One server under test: its calls, and its streams as events with the bytes that they came in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, ClientTimeout

from ..sse_parser import ServerSentEvent, SSEParser

STREAM = {"Accept": "text/event-stream"}


class Broken(Exception):
    """The server breaks a promise; the text says how."""


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
            raise Broken(f"{method} {path} was not answered within {self.patience:g} s") from None

    async def start(self, **headers: str) -> str:
        """Start a run; return its id."""
        reply = await self.call("POST", "/v1/runs", json=self.start_body, headers=headers)
        expect(reply.status == 201, f"POST /v1/runs answered {reply.status}, not 201")
        run_id = reply.json.get("run_id")
        expect(isinstance(run_id, str), "the snapshot has no run_id")
        return str(run_id)

    async def read(
        self, path: str, *, after: str | None = None, most: int | None = None, until: str | None = None
    ) -> Reply:
        """Read a stream: to its end, for *most* bytes, or until an event of type *until*.

        Raises:
            Broken: It does not get there in time.
        """
        headers = STREAM | ({"Last-Event-ID": after} if after is not None else {})
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
                    if until is not None and any(event.type == until for event in events):
                        break
        except TimeoutError:
            raise Broken(f"the stream {path} did not end within {self.patience:g} s") from None
        reply.body = body
        return reply
