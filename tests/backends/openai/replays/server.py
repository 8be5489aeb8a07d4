"""A real HTTP server on 127.0.0.1 that answers with recorded bytes, as they were sent, headers and all.

Written over bare sockets: an HTTP library would mend what is odd about an answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from tests.support.listening import listening

Header = tuple[str, str]


@dataclass(frozen=True)
class Reply:
    """One recorded answer.

    Attributes:
        body: Its bytes, in the pieces in which they are written.
        chunked: Sent in chunks, as streams are; else to the end of the connection.
        cut: The connection is reset after the body, in the middle of a chunk.
    """

    body: Sequence[bytes]
    status: int = 200
    headers: Sequence[Header] = (("Content-Type", "text/event-stream"),)
    chunked: bool = True
    cut: bool = False


@dataclass(frozen=True)
class Asked:
    """One request that came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class ReplayServer:
    """Answers the requests that come in with `replies`, one after another; the last one again and again.

    Attributes:
        before_answer: Called before each answer, with the number of the request.
    """

    replies: list[Reply] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    origin: str = ""
    before_answer: Callable[[int], None] = lambda number: None
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return f"{self.origin}/v1"

    async def __aenter__(self) -> ReplayServer:
        self.origin = f"http://127.0.0.1:{await self._stack.enter_async_context(listening(self._serve))}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = await _request(reader)
                self.asked.append(asked)
                self.before_answer(len(self.asked))
                reply = self.replies[min(len(self.asked), len(self.replies)) - 1]
                if not await _answer(writer, reply):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (h.partition(":") for h in head[1:] if h)
    }
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    try:
        body = json.loads(raw) if raw else None
    except ValueError:
        body = raw
    return Asked(method, path, headers, body)


async def _answer(writer: asyncio.StreamWriter, reply: Reply) -> bool:
    """Write one answer; False where the connection cannot be used again."""
    head = [f"HTTP/1.1 {reply.status} Recorded", *(f"{name}: {value}" for name, value in reply.headers)]
    head.append("Transfer-Encoding: chunked" if reply.chunked else "Connection: close")
    writer.write("\r\n".join([*head, "", ""]).encode("latin-1"))
    for piece in reply.body:
        if piece:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if reply.chunked else piece)
            await writer.drain()
    if reply.cut:
        writer.write(b"400\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.05)  # a reset would overtake what the client has not read
        writer.transport.abort()
        return False
    if reply.chunked:
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    return reply.chunked
