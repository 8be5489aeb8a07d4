"""Clients that come and go, in good order or in the middle of anything, leave nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import struct
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.events import Status
from orchestrator.server.http import runner
from tests.support.patience import PATIENCE_SECONDS, eventually, turns

from ..support.service import Serve, Service, silent

CONNECTS = 8_000 if os.environ.get("FAULT_ROUNDS") else 2_000
WARM_UP = CONNECTS // 4
AT_ONCE = 50
RSS_TOLERANCE_BYTES = 8 * 1024 * 1024
"""After a warm-up, what an allocator may still keep; with `FAULT_ROUNDS` a leak of 1 KiB per connection would show."""


async def said_much(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Leave something to replay, then be quiet."""
    for n in range(200):
        yield Status("working", f"step {n}")
    await asyncio.Event().wait()


@pytest.fixture
async def service(serve: Serve) -> Service:
    return await serve({"a": silent, "much": said_much})


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Visitors:
    """Clients that connect, do something odd, and leave."""

    def __init__(self, service: Service, run_id: str) -> None:
        self._service = service
        self._random = random.Random(20)
        stream = f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n"
        channel = "GET /v1/channels/room/events HTTP/1.1\r\nHost: localhost\r\n"
        self._gzip = (stream + "Accept-Encoding: gzip\r\n\r\n").encode()
        self._streams = [(stream + "\r\n").encode(), (channel + "\r\n").encode(), self._gzip]
        body = b'{"message": "x", "agents": ["nobody"]}'
        self._post = (
            b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        ) + body
        self._upgrade = (
            b"GET /v1/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )

    async def come_and_go(self, count: int) -> None:
        left = iter(range(count))

        async def one_after_another() -> None:
            for _ in left:
                await self._visit()

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_another())

    async def _visit(self) -> None:
        kind = self._random.randrange(8)
        request = self._random.choice(self._streams)
        if kind == 0:
            request = b""
        elif kind in (1, 2):
            request = request[: self._random.randrange(1, len(request))]  # in the middle of headers
        elif kind == 3:
            request = self._post[: self._random.randrange(60, len(self._post) + 1)]  # of the body, too
        elif kind == 4:
            request = self._upgrade
        reader, writer = await asyncio.open_connection("127.0.0.1", self._service.port)
        try:
            writer.write(request)
            if kind >= 4:
                await asyncio.wait_for(reader.read(self._random.randrange(1, 2000)), PATIENCE_SECONDS)
            if self._random.random() < 0.5:  # a reset instead of an end
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                writer.transport.abort()
        except ConnectionError:
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def settle(service: Service) -> None:
    await eventually(lambda: not service.transports)
    await eventually(lambda: not service.streams._open and not service.streams.sockets)
    await asyncio.sleep(0.1)
    gc.collect()


async def test_thousands_of_connects_and_disconnects_leave_nothing(service: Service) -> None:
    """Tasks and descriptors exactly, memory within a tolerance, as they were."""
    run_id = await service.start(agents=["much"], channel="room")
    visitors = Visitors(service, run_id)
    await visitors.come_and_go(WARM_UP)
    await settle(service)
    tasks, files, memory = len(asyncio.all_tasks()), descriptors(), resident_bytes()
    await visitors.come_and_go(CONNECTS)
    await settle(service)
    assert len(asyncio.all_tasks()) == tasks
    assert descriptors() == files
    grown = resident_bytes() - memory
    assert grown < RSS_TOLERANCE_BYTES, f"{grown / CONNECTS:.0f} bytes each"
    assert not service.supervisor._presence
    assert service.run(run_id).status == "running"


async def test_stream_of_a_client_that_left_is_closed_at_once(service: Service) -> None:
    """Without waiting for the next write, which may be far away."""
    run_id = await service.start(agents=["a"])
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    await reader.readuntil(b"a.started")
    assert len(service.streams._open) == 1
    writer.close()
    await eventually(lambda: not service.streams._open)
    assert not service.supervisor._presence


@pytest.mark.parametrize("sent", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: "])
async def test_headers_that_never_end_close_the_connection(
    service: Service, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """A byte now and then must not hold a connection for ever (slowloris)."""
    monkeypatch.setattr(runner, "HEADERS_SECONDS", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(sent)
    before = time.monotonic()

    async def dribble() -> None:
        while sent:
            writer.write(b"a")
            await asyncio.sleep(0.05)

    dribbling = asyncio.create_task(dribble())
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
    assert time.monotonic() - before > 0.3
    dribbling.cancel()
    writer.close()
    await eventually(lambda: not service.transports)


async def test_slow_headers_that_end_in_time_are_answered(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the timer ends with them: a stream lives longer than its headers' limit."""
    limit = 4.0
    monkeypatch.setattr(runner, "HEADERS_SECONDS", limit)
    run_id = await service.start(agents=["a"])
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    for part in (f"GET /v1/runs/{run_id}/events HT", "TP/1.1\r\nHost: ", "localhost\r\n\r\n"):
        writer.write(part.encode())
        await turns()
    await reader.readuntil(b"a.started")
    await asyncio.sleep(limit + 0.2)
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    await asyncio.wait_for(reader.readuntil(b"run.done"), PATIENCE_SECONDS)
    writer.close()


async def test_idle_connection_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """Also one that began a second request and never ended its headers."""
    monkeypatch.setattr(runner, "KEEPALIVE_SECONDS", 0.5)
    service = await serve({"a": silent})
    for more in (b"", b"GET / HTTP/1.1\r\nHos"):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"}")
        writer.write(more)
        with suppress(ConnectionResetError):  # it may be closed before there is more
            assert await asyncio.wait_for(reader.read(), PATIENCE_SECONDS) == b""
        writer.close()


async def test_posting_client_that_leaves_at_once_starts_a_whole_run_or_none(service: Service) -> None:
    body = b'{"message": "x", "agents": ["a"]}'
    head = (
        b"POST /v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Accept: text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(head + body)
        writer.transport.abort()
    await eventually(lambda: not service.transports)
    listed = (await service.call("GET", "/v1/runs?limit=200")).json["runs"]
    await eventually(
        lambda: all(r.participants["a"].status == "running" for _, r in service.supervisor._executor.items())
    )
    for run in listed:
        await service.call("POST", f"/v1/runs/{run['run_id']}/cancel")
        assert (await service.events(run["run_id"]))[-1].type == "run.done"
