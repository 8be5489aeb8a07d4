"""What subscribers cost: those that only wait, in memory; those that take nothing, until the send deadline."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.eventlog import MemoryLog
from orchestrator.events import Reasoning
from orchestrator.server.http import streams
from tests.support.commands import ROOT, environment
from tests.support.patience import eventually
from tests.support.service import Serve, Service

from .oracle import Baseline, resident_bytes

IDLE, IDLE_LONG = 1_000, 10_000
MOST_BYTES_EACH = 25 * 1024
DEAF = 40


async def deaf_clients(service: Service, run_id: str, stack: ExitStack, count: int) -> None:
    """Connect clients that ask for a stream and then take nothing: no byte, no end, no reset."""
    loop = asyncio.get_running_loop()
    for n in range(count):
        sock = stack.enter_context(socket.socket())
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", service.port))
        more = ("Accept-Encoding: gzip\r\n", "")[n % 2]
        await loop.sock_sendall(
            sock, f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode()
        )


async def noisy(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Say what no compression makes small, and what no snapshot keeps."""
    chance = random.Random(3)
    while True:
        yield Reasoning(chance.randbytes(4000).hex())
        await asyncio.sleep(0.002)


async def test_clients_that_take_nothing_cost_nothing_after_the_send_deadline(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """Their sockets stay open at the other end, as behind a black hole; here nothing of them is left."""
    monkeypatch.setattr(streams, "SEND_SECONDS", 1.0)
    monkeypatch.setattr(streams, "SEND_BUFFER_BYTES", 16 * 1024)
    log = MemoryLog(max_channel_bytes=2_000_000)
    service = await serve({"a": noisy}, log=log)
    run_id = await service.start()
    await asyncio.sleep(0.2)
    tasks = len(asyncio.all_tasks())
    baseline = Baseline()
    with ExitStack() as stack:
        await deaf_clients(service, run_id, stack, DEAF)
        # The first may be cut off before the last is let in, so only the sum of those cut off is certain.
        await eventually(lambda: service.dropped() >= DEAF)
        await eventually(lambda: not service.transports)
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        assert not service.streams._open
        assert not service.supervisor._presence
        assert service.run(run_id).status == "running", "the agents do not notice"
    await baseline.restored(memory=16 * 1024 * 1024)


async def test_idle_subscriber_costs_little(tmp_path: Path, rounds: int | None) -> None:
    """A process with thousands of them, measured from outside; one in 40 is on a channel, the rest on one run."""
    count = IDLE_LONG if rounds else IDLE
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < count + 500:
        pytest.skip(f"{count} subscribers need more than {hard} descriptors")
    command = [sys.executable, "-m", "tests.faults.idle_server"]
    with (
        subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process,
        ExitStack() as stack,
    ):
        try:
            assert process.stdout is not None
            ready = next(line for line in process.stdout if line.startswith("ready "))
            _, port, run_id = ready.split()

            async def subscribe(number: int) -> None:
                path = "channels/room" if number % 40 == 0 else f"runs/{run_id}"
                reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
                stack.callback(writer.close)
                writer.write(f"GET /v1/{path}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                await reader.readuntil(b"a.started")

            async def several(numbers: range) -> None:
                for start in range(0, len(numbers), 100):
                    await asyncio.gather(*map(subscribe, numbers[start : start + 100]))

            # The first ones also pay for what all share.
            await several(range(200))
            before = resident_bytes(process.pid)
            await several(range(200, 200 + count))
            await asyncio.sleep(1.0)
            each = (resident_bytes(process.pid) - before) / count
            print(f"{count} idle subscribers: {each / 1024:.1f} KiB each")
            assert each <= MOST_BYTES_EACH
        finally:
            process.kill()
