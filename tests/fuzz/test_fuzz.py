"""Odd inputs of every kind: no 5xx, no traceback, no hang, no socket closed for what it was told.

A bounded share runs with the other tests; `--fuzz-inputs 50000 tests/fuzz` takes that many, `--fuzz-seed` others.
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSMsgType
from structlog.testing import capture_logs

from orchestrator.config import load_config
from orchestrator.errors import ConfigError
from orchestrator.eventlog import open_log
from orchestrator.server.http.guards.security import SecuritySettings
from orchestrator.server.http.runner import site_of
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.service import Serve, Service, serving, words
from .inputs import PATHS_OF_OPERATORS, Odd

AGENTS = {"a": words("x", "y"), "b": words("z")}
AT_ONCE = 8
YAML = "backend: offline\ntitle: A\ninstructions: Say little.\nlimits: {timeout_s: 3}\nretry: {attempts: 2}\n"
PANEL = 'method: judge\nmembers: [a, b]\nmoderator: {agent: a}\nprompt: "{question}"\nvalid: x\n'


def share(request: pytest.FixtureRequest, part: float) -> range:
    """The seeds of one kind of input, a part of all."""
    first = int(request.config.getoption("--fuzz-seed")) * 10_000_000
    return range(first, first + max(20, int(int(request.config.getoption("--fuzz-inputs")) * part)))


def failures(logs: list[Any]) -> list[Any]:
    return [log for log in logs if log["log_level"] in ("error", "critical")]


async def exchange(port: int, data: bytes) -> tuple[int | None, bytes]:
    """Send *data*, return the status and the head of what came; None where the connection was closed unheard."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await reader.read(2000)
    finally:
        writer.close()
    return (int(head[9:12]) if head.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")) else None), head


@pytest.fixture
async def fuzzed() -> AsyncIterator[Service]:
    async with serving(AGENTS) as service:
        with capture_logs() as logs:
            yield service
            assert (await service.call("GET", "/readyz")).status == 200
        assert failures(logs) == []


async def test_requests(fuzzed: Service, request: pytest.FixtureRequest) -> None:
    run_id = await fuzzed.start(agents=["a"])
    await ask_all(fuzzed.port, share(request, 0.55), lambda odd: odd.request(run_id, fuzzed.port))


async def test_requests_at_the_operators_port(serve: Serve, request: pytest.FixtureRequest) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    service = await serve(AGENTS, security=SecuritySettings(admin_port=port))
    site = site_of(service.runner, listener)
    await site.start()
    with capture_logs() as logs:
        run_id = await service.start(agents=["a"])
        make = partial(Odd.request, run_id=run_id, port=port, paths=PATHS_OF_OPERATORS)
        await ask_all(port, share(request, 0.05), make)
        status, _ = await exchange(
            port, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert status == 200
        assert (await service.call("GET", "/metrics")).status == 404, "it is at the other port alone"
    assert failures(logs) == []


async def ask_all(port: int, seeds: Iterable[int], make: Callable[[Odd], bytes]) -> None:
    """Send what *make* makes of each seed, some at once; nothing but 503 with `Retry-After` may be 5xx."""
    left = iter(seeds)

    async def some() -> None:
        for seed in left:
            data = make(Odd(seed))
            status, head = await exchange(port, data)
            allowed = status is None or status < 500 or (status == 503 and b"Retry-After" in head)
            assert allowed, (seed, data, head)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(some())


async def test_messages_of_a_socket(fuzzed: Service, request: pytest.FixtureRequest) -> None:
    run_id = await fuzzed.start(agents=["a"])
    async with fuzzed.session.ws_connect(f"{fuzzed.url}/v1/ws", max_msg_size=0) as ws:
        for seed in share(request, 0.2):
            message = Odd(seed).message(run_id)
            await ws.send_str(message)
            # The answer to this comes after all that the message caused, and before it where that goes on.
            await ws.send_json({"op": "nonsense", "ref": f"seed {seed}"})
            while True:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    told = await ws.receive()
                assert told.type is WSMsgType.TEXT, (seed, message, told)
                answer = told.json()
                status = answer.get("problem", {}).get("status", 0)
                assert status < 500, (seed, message, answer)
                if answer.get("ref") == f"seed {seed}":
                    break


async def test_cursors(fuzzed: Service, request: pytest.FixtureRequest) -> None:
    run_id = await fuzzed.start(agents=["a"])
    await fuzzed.ended(run_id)
    known = (await fuzzed.find(run_id)).snapshot().last_event_id or ""
    for seed in share(request, 0.1):
        cursor = Odd(seed).cursor(known)
        head = f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n".encode()
        status, answer = await exchange(fuzzed.port, head + b"Last-Event-ID: " + cursor + b"\r\n\r\n")
        assert status in (200, 204, 400), (seed, cursor, answer)


def test_files_of_agents_and_panels(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "panels").mkdir()
    for agent_id in ("b", "c"):
        (tmp_path / f"{agent_id}.yaml").write_text("backend: offline\n")
    refused = 0
    for seed in share(request, 0.05):
        odd = Odd(seed)
        (tmp_path / "a.yaml").write_bytes(odd.yaml(YAML))
        (tmp_path / "panels" / "p.yaml").write_bytes(odd.yaml(PANEL))
        try:
            load_config(tmp_path, {})
        except ConfigError:
            refused += 1
    assert refused


async def test_rows_of_other_releases(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "log.db"
    async with serving(AGENTS, log=open_log(f"sqlite:///{path}")) as service:
        ids = [await service.start(channel="c", conversation_id=f"t{n}") for n in range(6)]
        await eventually(lambda: not service.supervisor.running)
    with closing(sqlite3.connect(path)) as db:
        kept = dict(db.execute("SELECT run_id, record FROM runs").fetchall())
    for seed in share(request, 0.002):
        odd = Odd(seed)
        with closing(sqlite3.connect(path)) as db:
            for run_id in ids:
                db.execute("UPDATE runs SET record = ? WHERE run_id = ?", (odd.row(kept[run_id]), run_id))
                if odd.chance(0.5):
                    db.execute("UPDATE runs SET summary = ? WHERE run_id = ?", (odd.bytes(), run_id))
            db.execute("UPDATE turns SET turn = ?", (odd.bytes(),))
            db.commit()
        with capture_logs() as logs:
            async with serving(AGENTS, log=open_log(f"sqlite:///{path}")) as service:
                calls = [
                    "/v1/runs",
                    "/v1/runs?q=x&status=completed",
                    *(f"/v1/runs/{run_id}" for run_id in ids),
                ]
                for call in calls:
                    assert (await service.call("GET", call)).status == 200, (seed, call)
                status, head = await exchange(
                    service.port,
                    b"GET /v1/channels/c/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: x-1\r\n\r\n",
                )
                assert status == 200, (seed, head)
                started = await service.call(
                    "POST", "/v1/runs", json={"message": "x", "conversation_id": "t0"}
                )
                assert started.status == 201, (seed, started)
                await eventually(lambda: not service.supervisor.running)
                await service.call("DELETE", f"/v1/runs/{started.json['run_id']}")
        assert failures(logs) == [], seed
