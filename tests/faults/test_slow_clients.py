"""Clients that read slowly, never, or have vanished: dropped soon, at little cost, and nobody else notices."""

from __future__ import annotations

import asyncio
import base64
import fcntl
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.eventlog import MemoryLog, subscription
from orchestrator.framing.sse import SseFraming
from orchestrator.server.http import streams
from orchestrator.server.http.guards.security import SecuritySettings
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.service import FLOOD_KEYS, Serve, Service, endless, flood, serving, silent

DROP_BYTES = 1024 * 1024


async def ticking(request: AgentInput) -> AsyncGenerator[Emission, None]:
    while True:
        yield "t"
        await asyncio.sleep(0.02)


def log() -> MemoryLog:
    return MemoryLog(max_channel_bytes=16_000_000)


def buffered(transport: asyncio.Transport) -> int:
    """Bytes that the server holds for one client: in the process, and in the kernel's send queue."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.fileno() < 0:
        return 0
    queued = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))[0]
    return int(queued) + transport.get_write_buffer_size()


@asynccontextmanager
async def raw_client(service: Service, request: bytes) -> AsyncIterator[socket.socket]:
    """Connect, send *request*, and leave what comes to the test: nothing reads by itself."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", service.port))
        await loop.sock_sendall(sock, request)
        yield sock


def get(run_id: str, *headers: str) -> bytes:
    lines = [f"GET /v1/runs/{run_id}/events HTTP/1.1", "Host: localhost", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


def upgrade(run_id: str) -> bytes:
    """A WebSocket handshake, and at once the operation that follows the run."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    lines = [
        "GET /v1/ws HTTP/1.1", "Host: localhost", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", "", "",
    ]  # fmt: skip
    text = json.dumps({"op": "attach", "run_id": run_id}).encode()
    return "\r\n".join(lines).encode() + bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text


async def sip(sock: socket.socket) -> None:
    """Read one byte a second until the connection is gone."""
    loop = asyncio.get_running_loop()
    try:
        while await loop.sock_recv(sock, 1):
            await asyncio.sleep(1)
    except ConnectionError:
        pass


async def test_slow_readers_are_dropped_in_time_and_space_and_hurt_nobody(serve: Serve) -> None:
    """One that never reads, one that sips, one compressed, one WebSocket, beside one that reads."""
    scripts = {"loud": flood, "tick": ticking}
    service = await serve(scripts, keys={"loud": FLOOD_KEYS}, log=log())
    run_id = await service.start()
    ticks = 0

    async def read_fast() -> None:
        nonlocal ticks
        async with service.stream(f"/v1/runs/{run_id}/events?agents=tick") as stream:
            while True:
                ticks += len((await stream.until("tick.token"))[-1].data["text"])

    fast = asyncio.create_task(read_fast())
    await eventually(lambda: ticks > 5)
    fast_connections = set(service.transports)
    before = ticks
    async with (
        raw_client(service, get(run_id)),
        raw_client(service, get(run_id)) as sipping,
        raw_client(service, get(run_id, "Accept-Encoding: gzip")),
        raw_client(service, upgrade(run_id)),
    ):
        sipper = asyncio.create_task(sip(sipping))
        peak = 0
        await eventually(lambda: len(service.transports) == len(fast_connections) + 4)
        slow = set(service.transports) - fast_connections
        # Compressed, the flood of x is tiny: that client is slow only once megabytes have passed.
        async with asyncio.timeout(PATIENCE_SECONDS):
            while service.dropped() < 3:
                peak = max(peak, *map(buffered, slow))
                await asyncio.sleep(0.01)
        heard, said = ticks, len(service.run(run_id).snapshot().agents["tick"].text)
        assert 64 * 1024 < peak < DROP_BYTES, "they were blocked, and cost no more than that"
    assert not fast.done()
    for task in (fast, sipper):
        task.cancel()
    await asyncio.wait((fast, sipper))
    assert heard - before > 50, "while they were blocked, the agents went on"
    assert heard > said - 20, "and the fast one waited for nobody"
    snapshot = service.run(run_id).snapshot()
    assert snapshot.status == "running"


async def test_replay_frames_a_piece_at_a_time(serve: Serve) -> None:
    """A page of long events would be megabytes, held for a client that does not take them."""
    service = await serve({"a": flood}, keys={"a": FLOOD_KEYS}, log=log())
    run_id = await service.start()
    await eventually(lambda: service.supervisor.log.size > 8_000_000)
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    await service.ended(run_id)
    run = service.run(run_id)
    items = subscription.follow(
        service.supervisor.log,
        subscription.View(run_id, run_id),
        None,
        lambda: _nothing(),
    )
    sizes = []
    async for item in items:
        sizes += [len(data) for data in streams.render(item, SseFraming(), lambda: run.t)]
    assert sum(sizes) > 3_000_000
    assert max(sizes) < 2 * streams.PIECE_BYTES


async def _nothing() -> list[Any]:
    return []


async def test_every_stream_bounds_what_the_kernel_holds_and_how_long(serve: Serve) -> None:
    service = await serve({"a": silent})
    run_id = await service.start()
    async with raw_client(service, get(run_id)) as sock:
        await asyncio.get_running_loop().sock_recv(sock, 10)
        (transport,) = [
            t for t in service.transports if buffered(t) == 0 and _port(t) == sock.getsockname()[1]
        ]
        server = transport.get_extra_info("socket")
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * streams.SEND_BUFFER_BYTES
        timeout = server.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert timeout == streams.USER_TIMEOUT_MS
        assert timeout / 1000 + subscription.HEARTBEAT_SECONDS < 30, (
            "a vanished client is noticed within 30 s"
        )


def _port(transport: asyncio.Transport) -> int:
    return int(transport.get_extra_info("peername")[1])


# ── a client whose machine has gone ───────────────────────────────────────────────────────────

CLIENT = """
import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sock.sendall(f"GET {sys.argv[3]} HTTP/1.1\\r\\nHost: {sys.argv[1]}\\r\\n\\r\\n".encode())
sock.recv(100)
print("reading", flush=True)
while sock.recv(4096):
    pass
"""
HOST, PEER = "10.213.47.1", "10.213.47.2"
_cables = itertools.count()
"""The kernel takes its time to remove a cable, so each needs a name of its own."""


def _ip(*arguments: str) -> None:
    subprocess.run(("ip", *arguments), check=True, capture_output=True, timeout=PATIENCE_SECONDS)


@contextmanager
def other_machine() -> Iterator[str]:
    """Make a network namespace with a cable to this one; yield its name. Skips where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2 for a network namespace")
    name, cable = f"fanin{os.getpid()}", f"fi{os.getpid()}-{next(_cables)}"
    try:
        _ip("netns", "add", name)
    except subprocess.CalledProcessError:
        pytest.skip("network namespaces are not allowed here")
    try:
        _ip("link", "add", cable, "type", "veth", "peer", "name", "far", "netns", name)
        _ip("address", "add", f"{HOST}/30", "dev", cable)
        _ip("link", "set", cable, "up")
        _ip("-n", name, "address", "add", f"{PEER}/30", "dev", "far")
        _ip("-n", name, "link", "set", "far", "up")
        yield name
    finally:
        _ip("link", "delete", cable)  # the namespace itself lives until its last socket is closed
        _ip("netns", "delete", name)


@pytest.mark.parametrize("talks", [False, True])
async def test_vanished_client_is_noticed(monkeypatch: pytest.MonkeyPatch, talks: bool) -> None:
    """No FIN, no RST, as when a laptop closes: only unanswered data tells. Both clocks are shortened."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 1.0)
    monkeypatch.setattr(streams, "USER_TIMEOUT_MS", 1500)
    with other_machine() as name:
        async with serving(
            {"a": endless if talks else silent}, host=HOST, security=SecuritySettings(host=HOST)
        ) as service:
            run_id = await service.start()
            client = await asyncio.create_subprocess_exec(
                "ip", "netns", "exec", name, sys.executable, "-c", CLIENT, HOST, str(service.port),
                f"/v1/runs/{run_id}/events", stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                assert client.stdout is not None
                assert await asyncio.wait_for(client.stdout.readline(), PATIENCE_SECONDS) == b"reading\n"
                mine = [t for t in service.transports if t.get_extra_info("peername")[0] == PEER]
                assert len(mine) == 1
                _ip("-n", name, "link", "set", "far", "down")
                await eventually(mine[0].is_closing)
                await eventually(lambda: not service.streams._open)
                assert service.run(run_id).status == "running"
            finally:
                client.kill()
                await client.wait()
