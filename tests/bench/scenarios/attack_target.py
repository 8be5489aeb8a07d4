"""The agents of a server under attack, and what a caller may do to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from aiohttp import ClientSession

from orchestrator.events import Data, Payload, Reasoning, ToolCall, ToolResult

from ..options import Options

AGENTS = ("canary", "brief", "wordy", "restless", "full")
"""Functions of this file, each an agent of that name."""


def write_agents(folder: Path) -> None:
    """Write the files of all agents."""
    for name in AGENTS:
        (folder / f"{name}.yaml").write_text(f"backend: function\nstream: {__name__}:{name}\n")


async def canary(request: object) -> AsyncGenerator[str, None]:
    """Ten tokens a second until somebody ends it."""
    while True:
        yield "tick "
        await asyncio.sleep(0.1)


async def brief(request: object) -> AsyncGenerator[str, None]:
    yield "yes"


async def wordy(request: object) -> AsyncGenerator[str, None]:
    """An answer of 190,000 characters."""
    for _ in range(19):
        yield "wordy word" * 1000


async def restless(request: object) -> AsyncGenerator[str | Payload, None]:
    """20,000 events that can be joined nowhere: each begins another part of the answer."""
    for n in range(4000):
        yield Reasoning("hm ")
        yield f"word{n} "
        yield ToolCall(f"c{n}", "look", "{}")
        yield ToolResult(f"c{n}", "ok", is_error=False)
        yield Reasoning("so ")
        if n % 50 == 0:
            await asyncio.sleep(0)


async def full(request: object) -> AsyncGenerator[str | Payload, None]:
    """As much as an answer may hold beside its text: 1,000 pieces of data."""
    for n in range(1000):
        yield Data("rows", ["x" * 100] * 150, data_id=f"d{n}")
        if n % 10 == 0:
            await asyncio.sleep(0)
    yield "wordy word" * 19_000


class Target:
    """The server under attack, and what a caller does to it. Sizes come from *options*."""

    def __init__(self, url: str, session: ClientSession, options: Options) -> None:
        self.url, self.session, self.options = url, session, options

    async def post(self, body: bytes, path: str = "/v1/runs") -> int:
        headers = {"Content-Type": "application/json"}
        async with self.session.post(self.url + path, data=body, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def start(self, **keys: object) -> int:
        return await self.post(json.dumps({"message": "hi", "agents": ["brief"], **keys}).encode())

    async def finished(self, **keys: object) -> str:
        """Start a run, read its stream to the end; return its id."""
        body = json.dumps({"message": "hi", "agents": ["brief"], **keys})
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        async with self.session.post(f"{self.url}/v1/runs", data=body, headers=headers) as answer:
            end = b""
            async for data in answer.content.iter_any():
                end = (end + data)[-4000:]
            assert answer.status == 200, end
            assert b'"status":"completed"' in end, end
            return answer.headers["Run-Id"]

    async def get(self, path: str) -> bytes:
        """Read a page to its end."""
        async with self.session.get(self.url + path, headers={"A2A-Version": "1.0"}) as answer:
            data = await answer.read()
            # 503: answers of others wait for their readers. 410: the bound on the log has let the oldest run go.
            assert answer.status in (200, 410, 503), (path, answer.status, data)
            return data

    async def delete(self, path: str) -> int:
        async with self.session.delete(self.url + path) as answer:
            return answer.status

    async def many(self, count: int, at_once: int, start: Callable[[int], object]) -> None:
        """Await *start* for each number, some at once."""
        numbers = iter(range(count))

        async def worker() -> None:
            for n in numbers:
                await start(n)  # type: ignore[misc]  # a coroutine

        await asyncio.gather(*(worker() for _ in range(at_once)))
