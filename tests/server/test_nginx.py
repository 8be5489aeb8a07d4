"""The example's nginx.conf on a real nginx: nothing is held back, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from orchestrator.client import Client, Event, Run
from tests.support.commands import ROOT
from tests.support.listening import free_port
from tests.support.parts import require
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.served import orchestrator, paced_agents

CONF = ROOT / "examples" / "nginx" / "nginx.conf"
NAME = "chat.example"
ORIGIN = f"https://{NAME}"
SLOW = {"message": "hi", "agents": ["optimist"]}


@contextmanager
def nginx_before(server: str, folder: Path) -> Iterator[str]:
    """Run nginx with the example's file, but for its two ports; give its address."""
    port = free_port()
    text = CONF.read_text()
    for written, wanted in (("listen 127.0.0.1:8000;", f"listen 127.0.0.1:{port};"),
                            ("server 127.0.0.1:8080;", f"server {server.removeprefix('http://')};")):  # fmt: skip
        assert text.count(written) == 1
        text = text.replace(written, wanted)
    conf = folder / "nginx.conf"
    conf.write_text(text)
    # A worker of another user, as root's nginx has one by default, could not write into this folder.
    more = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    command = [
        require("nginx"),
        "-p",
        str(folder),
        "-e",
        "stderr",
        "-c",
        str(conf),
        "-g",
        f"daemon off; {more}",
    ]
    with (folder / "errors").open("w") as errors, subprocess.Popen(command, stderr=errors) as process:
        try:
            wait_until(lambda: _is_open(port, process, folder / "errors"), f"nginx does not listen on {port}")
            yield f"http://127.0.0.1:{port}"
            assert process.poll() is None
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def _is_open(port: int, process: subprocess.Popen[bytes], errors: Path) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        assert process.poll() is None, errors.read_text()
        return False
    return True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require("nginx")
    folder = paced_agents(tmp_path_factory.mktemp("agents"), analyst=18, optimist=2, skeptic=18)
    with orchestrator("--config", str(folder), "--allow-host", NAME, "--allow-origin", ORIGIN) as address:
        yield address


@pytest.fixture(scope="module")
def proxy(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nginx_before(server, tmp_path_factory.mktemp("nginx")) as address:
        yield address


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_SECONDS)) as session:
        yield session


async def arrivals(run: Run, *, until: int) -> dict[str, Event]:
    """Follow *run* until *until* tokens are there; return the events by id."""
    seen: dict[str, Event] = {}
    tokens = 0
    async for event in run:
        assert event.id is not None
        seen[event.id] = event
        tokens += event.type == "token"
        if tokens == until:
            break
    return seen


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_each_event_passes_at_once(
    server: str, proxy: str, encoding: str, session: aiohttp.ClientSession
) -> None:
    """What the agent has said is there while it goes on: a buffer of nginx's would hold all of it back to the end."""
    session.headers["Accept-Encoding"] = encoding
    async with (
        Client(server) as near,
        Client(proxy, session=session) as far,
        asyncio.timeout(PATIENCE_SECONDS),
    ):
        run = await far.start("Should we move to a four-day week?", agents=["optimist"])
        behind, direct = await asyncio.gather(arrivals(run, until=5), arrivals(near.attach(run.id), until=5))
        snapshot = await near.snapshot(run.id)
        assert snapshot["status"] == "running"
        await run.cancel()
        assert (await run.result()).ended
    assert len(behind) == len(direct) > 5
    assert list(behind) == list(direct)
    # The fifth token was said half a second after the first one, and the answer was far from its end.
    said = [event.t / 1000 for event in behind.values() if event.type == "token"]
    assert said[-1] - said[0] > 0.5


async def test_a_stream_that_a_post_opens_passes_at_once(proxy: str, session: aiohttp.ClientSession) -> None:
    """The first token is there while the agent goes on, and its headers say how it was sent."""
    headers = {"Accept": "text/event-stream"}
    async with session.post(f"{proxy}/v1/runs", json=SLOW, headers=headers) as answer:
        assert answer.status == 200
        assert answer.headers["Server"].startswith("nginx")
        assert answer.content_type == "text/event-stream"
        async for line in answer.content:
            if line.startswith(b"data:") and b'"type":"token"' in line:
                break
        run_id = answer.headers["Run-Id"]
    async with session.get(f"{proxy}/v1/runs/{run_id}") as answer:
        assert (await answer.json())["status"] == "running"
    async with session.post(f"{proxy}/v1/runs/{run_id}/cancel") as answer:
        assert answer.status == 202


async def test_who_comes_back_through_nginx_misses_nothing(
    proxy: str, session: aiohttp.ClientSession
) -> None:
    async with Client(proxy) as client, asyncio.timeout(PATIENCE_SECONDS):
        run = await client.start("Should we move to a four-day week?", agents=["analyst"])
        first = list(await arrivals(run, until=10))
        await run.detach()
        again = client.attach(run.id, after=first[-1])
        rest = [event.id async for event in again]
        events = f"{proxy}/v1/runs/{run.id}/events"
        async with session.get(events, headers={"Last-Event-ID": str(rest[-1])}) as answer:
            assert answer.status == 204
    numbers = [int(str(at).rpartition("-")[2]) for at in first + rest]
    assert numbers == list(range(1, len(numbers) + 1))
    assert rest


async def test_a_websocket_passes_both_ways(proxy: str, session: aiohttp.ClientSession) -> None:
    async with session.ws_connect(f"{proxy}/v1/ws") as ws:
        await ws.send_json({"op": "start", "ref": 1, "message": "Should we move to a four-day week?"})
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["type"] != "token":
            seen.append(await ws.receive_json(timeout=PATIENCE_SECONDS))
        await ws.send_json({"op": "cancel", "run_id": seen[0]["run_id"]})
        while "agent_id" in seen[-1] or seen[-1]["type"] != "done":
            seen.append(await ws.receive_json(timeout=PATIENCE_SECONDS))
    assert seen[-1]["status"] == "cancelled"


async def test_the_longest_message_passes(proxy: str) -> None:
    async with Client(proxy) as client:
        run = await client.start("ä" * 100_000, agents=["analyst"])
        await run.cancel()
        assert len((await client.snapshot(run.id))["message"]) == 100_000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": NAME}, 200),
        ({"Host": "other.example"}, 403),
        ({"Host": NAME, "Origin": ORIGIN}, 200),
        ({"Host": NAME, "Origin": "https://other.example"}, 403),
    ],
)
async def test_the_server_sees_whom_the_client_asked_for(
    proxy: str, session: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    """nginx hands the Host on, so the server's own checks still hold behind it."""
    async with session.get(f"{proxy}/v1/agents", headers=headers) as answer:
        assert answer.status == status


async def test_a_page_behind_nginx_is_at_home(proxy: str, session: aiohttp.ClientSession) -> None:
    """The page's own origin is nginx's address, with its port: no allow-list is needed for it."""
    async with session.get(f"{proxy}/v1/agents", headers={"Origin": proxy}) as answer:
        assert answer.status == 200
