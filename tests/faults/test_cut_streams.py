"""Connections that end anywhere: at each byte of a run, again and again while it is said, and behind the log."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.eventlog import MemoryLog, subscription
from orchestrator.eventlog.base import Store
from orchestrator.events import Reasoning
from tests.contract.stores import STORES, Clock
from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import Serve, Service, events_in, finished_part, serving
from tests.support.shares import share
from tests.workers.agents import chain

from .oracle import Account, Baseline, agents_of, judge, whole_run

CHAINS = {"one": chain, "two": chain}
AT_ONCE = 8
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](tmp_path, Clock()) as ready:
        yield ready


async def cut_at(port: int, run_id: str, length: int, *, reset: bool) -> bytes:
    """Read *length* bytes of a stream's body and cut the connection; return the body so far."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        # HTTP/1.0, so that the body is not in chunks: its bytes are the stream's.
        writer.write(
            f"GET /v1/runs/{run_id}/events?framing=message HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(length)
        if reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return body
    finally:
        writer.transport.abort()


@pytest.mark.timeout(900)
async def test_run_of_200_events_cut_at_any_byte_is_whole_after_resuming(
    chance: random.Random, serve: Serve, rounds: int | None
) -> None:
    """Any byte is the end of a real connection; with what the next one brings, each event is there once.

    All bytes with `FAULT_ROUNDS`, else every twelfth from one by chance on: several in each event.
    """
    step = 1 if rounds else 12
    service = await serve({"a": chain, "b": chain})
    run_id = await service.start("96@0.0005")
    path = f"/v1/runs/{run_id}/events?framing=message"
    await service.ended(run_id)
    whole = await service.body(path)
    events = events_in(whole)
    judge(events, links=96)
    assert len(events) > 20, "a busy machine merges tokens, but never into so few"
    opening = whole.index(b"id: ")
    rests: dict[str, bytes] = {}

    async def cut(lengths: Iterator[int]) -> None:
        for length in lengths:
            body = await cut_at(service.port, run_id, length, reset=chance.random() < 0.5)
            assert body == whole[:length]
            kept = finished_part(body)
            last = kept.rpartition(b"id: ")[2].partition(b"\n")[0].decode() if b"id: " in kept else ""
            if last not in rests:
                rest = await service.body(path, **{"Last-Event-ID": last})
                assert rest[:opening] == whole[:opening]
                rests[last] = rest[opening:]
            assert (kept or whole[:opening])[opening:] + rests[last] == whole[opening:], f"cut at {length}"

    async def cut_all(lengths: range) -> None:
        await asyncio.gather(*[cut(one) for one in [iter(lengths)] * AT_ONCE])

    warm = len(whole) // 4
    await cut_all(range(chance.randrange(step), warm, step))
    baseline = Baseline()
    await cut_all(range(warm + chance.randrange(step), len(whole), step))
    assert len(rests) == len(events)
    await baseline.restored()
    print(f"cut at each {step}. of {len(whole)} bytes")


async def kick(http: ClientSession, service: Service, chance: random.Random, links: int, clients: int) -> int:
    """Let *clients* read three runs, each connection for a few bytes; return how many connections that took."""
    runs = [await service.start(f"{links}@0.005") for _ in range(3)]
    accounts = [Account(chance.choice(runs)) for _ in range(clients)]

    async def kicked(account: Account, patience: random.Random) -> None:
        while not account.ended:
            status = await account.connect(http, service.url, most=patience.randrange(1, 4000))
            assert status in (200, 204, 503), "503: a busy machine holds the store up"

    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*(kicked(one, random.Random(chance.random())) for one in accounts))
    told = {run_id: await whole_run(http, service.url, run_id) for run_id in runs}
    for account in accounts:
        judge(account.seen, links=links)
        assert account.seen == told[account.run_id]
    return sum(len(account.connections) for account in accounts)


@pytest.mark.timeout(600)
async def test_fifty_clients_kicked_again_and_again_lose_nothing(
    store: Store, http: ClientSession, chance: random.Random, rounds: int | None, serve: Serve
) -> None:
    """While three runs are said: each connection ends after a few bytes, most of them in the middle of a frame."""
    service = await serve(CHAINS, log=store)
    # Stores open their connections and files at their first use, some of them only when several wait.
    await kick(http, service, chance, 20, 10)
    baseline = Baseline()
    for _ in range(max(1, (rounds or 0) // 20)):
        assert await kick(http, service, chance, share(200, 100), 50) > share(500, 250)
    await baseline.restored(memory=32 * 1024 * 1024, files=4)


async def wordy(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Say a chain, and between its links more than a connection's buffers take."""
    async for said in chain(request):
        yield said
        yield Reasoning("x" * 3000)


async def trimmed(service: Service, run_id: str, beyond: int) -> None:
    """Wait until the log has lost a run's first *beyond* events."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await service.supervisor.log.open(run_id)).first <= beyond:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("when", ["before", "during"])
async def test_trimming_before_or_during_a_replay_is_declared(
    http: ClientSession, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """A slow reader's place is trimmed away under it: it hears of the gap, and the rest fits to the snapshot."""
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 8)
    log = MemoryLog(max_channel_bytes=200_000)
    async with serving({"one": wordy, "two": wordy}, log=log) as service:
        run_id = await service.start("600@0.005")
        account = Account(run_id)
        if when == "before":
            await account.connect(http, service.url, most=2000)
            assert account.cursor is not None
            await trimmed(service, run_id, len(account.seen))
            await account.follow(http, service.url)
        else:
            await read_slowly(service, account)
            await account.follow(http, service.url)
    judge(account.seen, gaps=True)
    gaps = [event for event in account.seen if event.type == "run.gap"]
    assert gaps
    assert {gap.data["reason"] for gap in gaps} == {"trimmed"}
    assert account.seen[-1].type == "run.done"
    assert agents_of(account.seen) == {"one": "done", "two": "done"}


async def read_slowly(service: Service, account: Account) -> None:
    """Read in one connection, and pause in it until the log has lost the server's place."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", service.port))
        request = f"GET /v1/runs/{account.run_id}/events HTTP/1.0\r\nHost: localhost\r\n\r\n"
        await loop.sock_sendall(sock, request.encode())
        body = b""
        while b"run.gap" not in body:
            piece = await asyncio.wait_for(loop.sock_recv(sock, 4096), PATIENCE_SECONDS)
            assert piece, "the stream ended without a gap"
            if not body:
                # By now the buffers are full, and the log goes on without us.
                await trimmed(service, account.run_id, 600)
            body += piece
    account.take(body.partition(b"\r\n\r\n")[2])
