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

LIMIT = 30.0
CONFIG = "tests/workers/agents_config"


class Process:
    """One `orchestrator serve` of the test's own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url

    async def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), LIMIT)


@asynccontextmanager
async def worker(log: str, *options: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "serve", "--port", "0", "--config", CONFIG, "--log", log,
        "--drain", "0", *options,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), LIMIT)).decode()
        found = re.search(r"http://[\d.:]+", line)
        assert found is not None, line
        one = Process(process, found[0])
        async with ClientSession() as http, asyncio.timeout(LIMIT):
            while (await http.get(f"{one.url}/readyz")).status != 200:
                await asyncio.sleep(0.05)
        yield one
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


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


@pytest.mark.timeout(180)
@pytest.mark.parametrize("store", ["redis", "sqlite"])
async def test_killed_worker_loses_nothing_that_a_client_has_seen(
    redis: RedisServer, http: ClientSession, tmp_path: Path, store: str
) -> None:
    """SIGKILL in the middle, again and again: every run has its terminals within 10 s, each chain is whole."""
    log = redis.url if store == "redis" else f"sqlite:///{tmp_path}/log.db"
    async with worker(log) as survivor:
        for round_ in range(2):
            async with worker(log) as victim:
                at = survivor if store == "redis" else victim
                agents = ["one", "two", "again"]
                runs = [await begin(http, victim.url, 150, agents=agents) for _ in range(4)]
                readings = [asyncio.ensure_future(partly(http, at.url, run_id)) for run_id in runs]
                await asyncio.sleep(0.4 + 0.2 * round_)
                await victim.end(signal.SIGKILL)
            for run_id, reading in zip(runs, readings, strict=True):
                before = await reading
                last = str(before[-1].id) if before else None
                after = (
                    []
                    if before and before[-1].name == "run.done"
                    else await events(http, survivor.url, run_id, last)
                )
                whole = before + after
                assert [e.id for e in whole] == [e.id for e in await events(http, survivor.url, run_id)]
                assert seqs(whole) == list(range(1, len(whole) + 1))
                check_run(whole, 150)


async def partly(http: ClientSession, url: str, run_id: str) -> list[Event]:
    """Read until the stream ends or breaks; only whole frames count."""
    body = b""
    try:
        async with http.get(f"{url}/v1/runs/{run_id}/events") as answer:
            async for piece in answer.content.iter_any():
                body += piece
    except Exception:
        pass
    whole = body[: body.rfind(b"\n\n") + 2]
    return [frame for frame in parse_stream(whole) if isinstance(frame, Event)]


def check_run(seen: list[Event], links: int) -> None:
    """One terminal for each attempt and nothing of it afterwards; each agent's text is an unbroken chain."""
    assert (seen[0].name, seen[-1].name) == ("run.started", "run.done")
    for agent_id in seen[-1].data["agents"]:
        attempts: dict[int, str] = {}
        ended: set[int] = set()
        now = 0
        for event in seen:
            if event.data.get("agent_id") != agent_id:
                continue
            kind = event.data["type"]
            if kind == "started":
                now = event.data["attempt"]
                attempts[now] = ""
            elif kind == "token":
                assert now not in ended
                attempts[now] += event.data["text"]
            elif kind in ("done", "error", "cancelled"):
                assert event.data["attempt"] not in ended
                ended.add(event.data["attempt"])
                if kind == "error":
                    assert event.data["code"] == "worker_lost"
                else:
                    assert kind == "done"
                    assert check(agent_id, attempts[now]) == links
        assert ended == set(attempts)
        for text in attempts.values():
            check(agent_id, text)
    if any(e.name == "again.error" for e in seen):
        assert seen[-1].data["agents"]["again"]["status"] == "done"


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
