"""The limit with a model server behind it: an `asyncio.Protocol` on both sides, one write per turn of the loop.

Nothing here is a program that anybody would keep: it takes every answer to be 200 and chunked, each event to be
within one line, and knows no error. It says what the loop, the two sockets and the JSON cost by themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections import deque
from urllib.parse import parse_qs, urlsplit

import msgspec

from ..sources import Plan, parse_plan
from .hand import Said, asked, decode, encode
from .launch import launch

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
    b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class Upstream(asyncio.Protocol):
    """One kept-alive connection to the model server; carries one answer at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rest = b""
        self._said = Said("", "token", "")
        self._reader: Reader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, reader: Reader, agent_id: str, request: bytes) -> None:
        self._reader, self._said.agent_id = reader, agent_id
        self._name = f"event: {agent_id}.token\ndata: ".encode()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        reader = self._reader
        if reader is None:
            return
        for line in lines:
            if line.startswith(b"data: {"):
                choices = decode(line[6:]).choices
                if choices and (text := choices[0].delta.content):
                    self._said.text = text
                    reader.tell(self._name + encode(self._said) + b"\n\n")
            elif line == b"0\r":
                self._rest, self._reader = b"", None
                self._pool.idle.append(self)
                reader.ended()
                return


class Pool:
    """The connections to the model server that nobody uses just now."""

    def __init__(self, url: str) -> None:
        self.address = urlsplit(url)
        self.idle: deque[Upstream] = deque()

    async def ask(self, reader: Reader, agent_id: str, plan: Plan) -> None:
        body = msgspec.json.encode(asked(plan))
        head = f"POST {self.address.path}/chat/completions HTTP/1.1\r\nHost: {self.address.netloc}\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        upstream = self.idle.pop() if self.idle else None
        if upstream is None:
            loop, host, port = (
                asyncio.get_running_loop(),
                self.address.hostname or "",
                self.address.port or 80,
            )
            _, upstream = await loop.create_connection(lambda: Upstream(self), host, port)
        upstream.ask(reader, agent_id, request)


class Reader(asyncio.Protocol):
    """One who asks; what all agents say in a turn of the loop is one write."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._pending: list[bytes] = []
        self._left = 0
        self._asking: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        found = re.match(rb"GET (\S+)", data)
        assert found is not None
        plan = parse_plan(parse_qs(urlsplit(found[1].decode()).query)["plan"][0])
        self._transport.write(HEAD)
        self._left = plan.agents
        for n in range(plan.agents):
            task = self._loop.create_task(self._pool.ask(self, f"a{n}", plan))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    def tell(self, frame: bytes) -> None:
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(frame)

    def ended(self) -> None:
        self._left -= 1
        if not self._left:
            self._flush()
            self._transport.write(b"0\r\n\r\n")
            self._transport.close()

    def _flush(self) -> None:
        if self._pending:
            data = b"".join(self._pending)
            self._pending.clear()
            self._transport.write(b"%x\r\n%b\r\n" % (len(data), data))


async def main(options: argparse.Namespace) -> None:
    pool, loop = Pool(options.upstream), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Reader(pool), "127.0.0.1", 0, backlog=2048)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    launch(main)
