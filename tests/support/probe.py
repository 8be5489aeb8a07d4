"""Serves an application on a real socket for one test and asks it one question; owns no assertion."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession, web
from multidict import CIMultiDictProxy

from orchestrator.server.http.problem import PROBLEM_TYPE
from orchestrator.server.http.runner import ProblemRunner
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


@asynccontextmanager
async def listen(app: web.Application, **options: Any) -> AsyncIterator[int]:
    """Serve *app* on loopback; yield the port."""
    options.setdefault("access_log", None)
    runner = ProblemRunner(app, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def ask(
    app: Callable[[], web.Application], method: str = "GET", path: str = "/x", **options: Any
) -> Answer:
    """Serve a fresh application, ask it once, return the whole answer."""
    async with listen(app()) as port, ClientSession() as session:
        return await fetch(session, port, method, path, **options)


async def fetch(session: ClientSession, port: int, method: str, path: str, **options: Any) -> Answer:
    options.setdefault("allow_redirects", False)
    async with session.request(method, f"http://127.0.0.1:{port}{path}", **options) as response:
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
