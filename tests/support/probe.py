"""What the fixtures `listen` and `ask` of `tests/conftest.py` serve an application with, and what they answer."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, get_port_socket
from multidict import CIMultiDictProxy

from orchestrator.server.http.problem import PROBLEM_TYPE
from orchestrator.server.http.runner import ProblemRunner
from orchestrator.server.listener import BACKLOG
from tests.support.listening import stop_accepting
from tests.support.patience import PATIENCE_SECONDS


@dataclass(frozen=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]
    content_type: str
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document; fails where the answer is none."""
        assert self.content_type == PROBLEM_TYPE, (self.status, self.content_type, self.body[:200])
        document: dict[str, Any] = self.json
        assert document["status"] == self.status
        assert {"type", "title", "detail"} <= document.keys()
        return document


class ProblemServer(TestServer):
    """Serves an application as `orchestrator serve` does; *options* go to its runner."""

    def __init__(
        self, app: web.Application, *, host: str = "127.0.0.1", port: int = 0, **options: Any
    ) -> None:
        super().__init__(app, host=host, port=port or None, socket_factory=self._listen)
        self._options = {"access_log": None, **options}
        self._socket: socket.socket | None = None

    def _listen(self, host: str, port: int, family: socket.AddressFamily) -> socket.socket:
        self._socket = get_port_socket(host, port, family)
        return self._socket

    async def start_server(self, *args: Any, **options: Any) -> None:
        await super().start_server(*args, **options)
        if self._socket is not None:
            self._socket.listen(BACKLOG)  # aiohttp's own is for few clients at once

    async def close(self) -> None:
        if self._socket is not None and self._socket.fileno() >= 0:
            await stop_accepting([self._socket])
        await super().close()

    async def _make_runner(self, **options: Any) -> web.BaseRunner:
        return ProblemRunner(self.app, **options | self._options)


Client = TestClient[web.Request, web.Application]
Listen = Callable[..., Awaitable[Client]]
Ask = Callable[..., Awaitable[Answer]]


async def fetch(client: Client, method: str, path: str, **options: Any) -> Answer:
    """Ask once, and return the whole answer; a redirect is one."""
    options.setdefault("allow_redirects", False)
    async with client.request(method, path, **options) as response:
        body = await response.read()
        return Answer(response.status, response.headers, response.content_type, body)


async def exchange(port: int, data: bytes) -> tuple[bytes, bytes]:
    """Send bytes, read until the server closes; return the answer's head and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        await writer.drain()
        answer = await asyncio.wait_for(reader.read(), PATIENCE_SECONDS)
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body
