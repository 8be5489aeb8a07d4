"""Several worker processes on one real Redis: any of them serves any run, and one that dies loses no event."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from .commands import ROOT, environment
from .parts import require
from .redis_server import RedisServer
from .service import Event, parse_stream
from .workers.agents import check

@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    require("redis-server")
    server = RedisServer(tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def begin(http: ClientSession, url: str, count: int, **keys: Any) -> str:
    async with http.post(f"{url}/v1/runs", json={"message": str(count), **keys}) as answer:
        assert answer.status == 201, await answer.text()
        return str((await answer.json())["run_id"])


async def events(http: ClientSession, url: str, run_id: str, after: str | None = None) -> list[Event]:
    headers = {"Last-Event-ID": after} if after else {}
    async with asyncio.timeout(LIMIT), http.get(f"{url}/v1/runs/{run_id}/events", headers=headers) as answer:
        assert answer.status == 200
        return [frame for frame in parse_stream(await answer.read()) if isinstance(frame, Event)]


def text_of(seen: list[Event], agent_id: str) -> str:
    return "".join(e.data["text"] for e in seen if e.name == f"{agent_id}.token")


def seqs(seen: list[Event]) -> list[int]:
    return [int(str(e.id).partition("-")[2]) for e in seen]


@pytest.mark.timeout(120)
async def test_any_worker_serves_and_commands_any_run(redis: RedisServer, http: ClientSession) -> None:
    """Without sticky sessions: started on one, read and cancelled on the other."""
    async with worker(redis.url) as a, worker(redis.url) as b:
        for start_at, ask_at in ((a, b), (b, a)):
            run_id = await begin(http, start_at.url, 500)
            reading = asyncio.ensure_future(events(http, ask_at.url, run_id))
            await asyncio.sleep(0.3)
            for url, agent_id in ((ask_at.url, "one"), (start_at.url, "two")):
                async with http.post(f"{url}/v1/runs/{run_id}/agents/{agent_id}/cancel") as answer:
                    assert answer.status == 202, await answer.text()
                    state = (await answer.json())["agents"][agent_id]["status"]
                    assert state in ("cancelling", "cancelled")
            async with http.post(f"{ask_at.url}/v1/runs/{run_id}/agents/one/retry") as answer:
                assert answer.status in (202, 409)
            async with http.post(f"{ask_at.url}/v1/runs/{run_id}/cancel") as answer:
                assert answer.status == 202
            seen = await reading
            assert seqs(seen) == list(range(1, len(seen) + 1))
            assert seen[-1].name == "run.done"
            for agent_id in ("one", "two"):
                assert [e.type for e in seen if e.name == f"{agent_id}.cancelled"]
            async with http.get(f"{start_at.url}/v1/runs/{run_id}") as answer:
                assert (await answer.json())["status"] == "cancelled"
        async with http.get(f"{a.url}/v1/runs") as listed:
            assert len((await listed.json())["runs"]) == 2


@pytest.mark.timeout(120)
async def test_workers_behind_one_socket_replace_each_other(redis: RedisServer, http: ClientSession) -> None:
    """`--workers 2`: a killed process is replaced, and SIGTERM ends all of them."""
    async with worker(redis.url, "--workers", "2") as parent:
        children = Path(f"/proc/{parent.process.pid}/task/{parent.process.pid}/children")
        first = children.read_text().split()
        assert len(first) == 2
        runs = [await begin(http, parent.url, 100) for _ in range(6)]
        await asyncio.sleep(0.2)
        os.kill(int(first[0]), signal.SIGKILL)
        for run_id in runs:
            seen = await reconnecting(parent.url, run_id)
            check_run(seen, 100)
        async with asyncio.timeout(LIMIT):
            while len(set(children.read_text().split()) - {first[0]}) < 2:
                await asyncio.sleep(0.05)
        assert await parent.end() == 0


async def reconnecting(url: str, run_id: str) -> list[Event]:
    """Read a run as an EventSource does: come back with the last id until it has ended."""
    seen: list[Event] = []
    async with asyncio.timeout(LIMIT):
        while not seen or seen[-1].name != "run.done":
            async with ClientSession() as http:
                last = {"Last-Event-ID": str(seen[-1].id)} if seen else {}
                body = b""
                try:
                    async with http.get(f"{url}/v1/runs/{run_id}/events", headers=last) as answer:
                        async for piece in answer.content.iter_any():
                            body += piece
                except Exception:
                    await asyncio.sleep(0.1)
                whole = body[: body.rfind(b"\n\n") + 2]
                seen += [frame for frame in parse_stream(whole) if isinstance(frame, Event)]
    assert seqs(seen) == list(range(1, len(seen) + 1))
    return seen


@pytest.mark.timeout(90)
async def test_worker_without_its_redis_says_so_and_goes_on_when_it_is_back(
    redis: RedisServer, http: ClientSession
) -> None:
    async with worker(redis.url) as one:
        run_id = await begin(http, one.url, 300)
        reading = asyncio.ensure_future(reconnecting(one.url, run_id))
        await asyncio.sleep(0.3)
        redis.pause()
        async with asyncio.timeout(LIMIT):
            while (await http.get(f"{one.url}/readyz")).status != 503:
                await asyncio.sleep(0.1)
        async with http.post(f"{one.url}/v1/runs", json={"message": "5"}) as answer:
            assert answer.status == 503
            assert json.loads(await answer.text())["status"] == 503
        redis.resume()
        async with asyncio.timeout(LIMIT):
            while (await http.get(f"{one.url}/readyz")).status != 200:
                await asyncio.sleep(0.1)
        check_run(await reading, 300)
        check_run(await reconnecting(one.url, await begin(http, one.url, 5)), 5)
