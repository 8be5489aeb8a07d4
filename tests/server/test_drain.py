"""SIGTERM to a real `orchestrator serve`: nobody new, streams told when to come back, runs ended, exit code 0."""

from __future__ import annotations

import asyncio
import signal
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, ClientTimeout, WSMsgType

from orchestrator import AgentInput
from orchestrator.backends.base import Emission
from orchestrator.eventlog import MemoryLog
from orchestrator.events import Data
from orchestrator.server.http import streams
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.service import (
    FLOOD_KEYS,
    Event,
    Frame,
    Process,
    RetryLine,
    Serve,
    StreamReader,
    endless,
    flood,
    parse_stream,
    serving_process,
    silent,
    write_agents,
)

STREAM = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
LONG = str(10 * PATIENCE_SECONDS)
"""Seconds to drain for: whoever waits until they are over has waited in vain."""

DRAIN_RETRY = RetryLine(streams.DRAIN_RETRY_MS)


@asynccontextmanager
async def ready(
    tmp_path: Path, *arguments: str, **agents: str
) -> AsyncIterator[tuple[Process, ClientSession]]:
    async with AsyncExitStack() as stack:
        folder = write_agents(tmp_path, **agents)
        service = await stack.enter_async_context(serving_process(folder, *arguments))
        timeout = ClientTimeout(total=2 * PATIENCE_SECONDS)
        session = await stack.enter_async_context(ClientSession(timeout=timeout, auto_decompress=False))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await _get(session, f"{service.url}/readyz"))[0] != 200:
                await asyncio.sleep(0.02)
        yield service, session


async def _get(session: ClientSession, url: str, method: str = "GET", **options: Any) -> tuple[int, Any, Any]:
    async with session.request(method, url, **options) as response:
        return response.status, await response.json(content_type=None), response.headers


async def start(session: ClientSession, service: Process, **keys: Any) -> tuple[ClientResponse, StreamReader]:
    response = await session.post(f"{service.url}/v1/runs", json={"message": "hi", **keys}, headers=STREAM)
    assert response.status == 200, await response.text()
    return response, StreamReader(response)


def types(frames: list[Frame]) -> list[str]:
    return [frame.type for frame in frames if isinstance(frame, Event)]


async def test_sigterm_drains_and_exits_with_0(tmp_path: Path) -> None:
    """Streams hear of it and go on, nothing new begins, and what ends in time ends well."""
    async with ready(tmp_path, "--drain", LONG, short="until_file", gated="until_file") as (service, session):
        first, gate = tmp_path / "first", tmp_path / "open"
        _, finite = await start(session, service, agents=["short"], message=str(first))
        _, mixed = await start(session, service, agents=["short", "gated"], message=str(gate))
        await finite.until("short.token")
        await mixed.until("gated.token")
        service.send(signal.SIGTERM)
        for stream in (finite, mixed):
            while await stream.frame() != DRAIN_RETRY:
                pass
        status, problem, headers = await _get(session, f"{service.url}/readyz")
        assert (status, problem["status"]) == (503, 503)
        assert int(headers["Retry-After"]) >= 1
        status, problem, headers = await _get(
            session, f"{service.url}/v1/runs", "POST", json={"message": "late"}
        )
        assert (status, problem["status"]) == (503, 503)
        assert int(headers["Retry-After"]) >= 1
        assert (await _get(session, f"{service.url}/healthz"))[0] == 200
        first.touch()
        assert types(await finite.rest())[-2:] == ["short.done", "run.done"]
        gate.touch()
        rest = types(await mixed.rest())
        assert {"gated.done", "short.done"} <= set(rest)
        assert rest[-1] == "run.done"
        assert await service.wait() == 0


async def test_what_goes_on_after_the_drain_is_ended_in_good_order(tmp_path: Path) -> None:
    async with ready(tmp_path, "--drain", "0.5", long="endless") as (service, session):
        _, stream = await start(session, service, agents=["long"])
        await stream.until("long.token")
        before = time.monotonic()
        service.send(signal.SIGTERM)
        rest = await stream.rest()
        assert time.monotonic() - before > 0.49, "it had its time"
        assert types(rest)[-2:] == ["long.error", "run.done"]
        last, done = [f.data for f in rest if isinstance(f, Event)][-2:]
        assert (last["code"], done["status"]) == ("shutdown", "failed")
        assert await service.wait() == 0


async def test_drain_without_runs_exits_at_once(tmp_path: Path) -> None:
    async with ready(tmp_path, "--drain", LONG, a="steady") as (service, session):
        response = await session.get(f"{service.url}/v1/channels/room/events", headers=STREAM)
        stream = StreamReader(response)
        await stream.frame()
        async with session.ws_connect(f"{service.url}/v1/ws") as ws:
            service.send(signal.SIGINT)
            assert DRAIN_RETRY in await stream.rest(), "a channel's stream ends too, in good order"
            message = await ws.receive(PATIENCE_SECONDS)
            assert (message.type, message.data) == (WSMsgType.CLOSE, 1012)
        assert await service.wait() == 0


async def test_second_signal_quits_at_once(tmp_path: Path) -> None:
    async with ready(tmp_path, "--drain", LONG, a="endless") as (service, session):
        _, stream = await start(session, service)
        await stream.until("a.token")
        service.send(signal.SIGTERM)
        while await stream.frame() != DRAIN_RETRY:
            pass
        service.send(signal.SIGTERM)
        assert await service.wait() == 128 + signal.SIGTERM


async def test_client_that_does_not_read_does_not_hold_the_drain_up(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """The announcement waits for nobody long, and a blocked stream is cut, not finished."""
    monkeypatch.setattr(streams, "SEND_SECONDS", 3.0)
    monkeypatch.setattr(streams, "ANNOUNCE_SECONDS", 0.2)
    service = await serve({"a": flood}, keys={"a": FLOOD_KEYS}, log=MemoryLog(max_channel_bytes=4_000_000))
    run_id = await service.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1024)
    writer.write(f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    (stream,) = await _opened(service.streams)
    await eventually(lambda: stream.sending)
    started = time.monotonic()
    while time.monotonic() - started < 0.5:
        await asyncio.sleep(0.05)
        started = started if stream.sending else time.monotonic()
    service.supervisor.refuse_new()
    await service.streams.announce_drain()
    assert stream.sending, "it has not waited until the client was given up"
    await service.supervisor.drain(0.1)
    service.streams.close_all()
    await service.streams.wait_closed(PATIENCE_SECONDS)
    assert not service.streams._open
    writer.close()
    del reader


async def _opened(found: streams.Streams) -> list[streams.EventStream]:
    await eventually(lambda: found._open)
    return list(found._open)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_announcement_comes_between_frames_and_only_once(encoding: str, serve: Serve) -> None:
    """It shares the wire and the compressor with what is being sent."""
    service = await serve({"a": endless, "b": endless, "mute": silent})
    readers = []
    for agents in (["a", "b"], ["mute"]):
        run_id = await service.start(agents=agents)
        headers = {"Accept-Encoding": encoding}
        path = f"/v1/runs/{run_id}/events"
        readers.append(asyncio.create_task(service.call("GET", path, headers=headers)))
    await eventually(lambda: len(service.streams._open) == 2)
    await service.streams.announce_drain()
    await service.streams.announce_drain()
    await service.supervisor.drain(0.2)
    for answer in await asyncio.gather(*readers):
        body = zlib.decompress(answer.body, 31) if encoding == "gzip" else answer.body
        frames = parse_stream(body)
        assert frames.count(DRAIN_RETRY) == 1
        assert types(frames)[-1] == "run.done"


async def rows(request: AgentInput) -> AsyncIterator[Emission]:
    for n in range(100):
        yield Data("rows", [n, ["x" * 1000] * 60])


async def test_announcement_waits_for_the_end_of_a_large_state(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """It is sent in pieces, and a line of another kind within its frame would break it."""
    monkeypatch.setattr(streams, "SEND_SECONDS", 10 * PATIENCE_SECONDS)
    monkeypatch.setattr(streams, "USER_TIMEOUT_MS", int(10_000 * PATIENCE_SECONDS))
    service = await serve({"a": rows, "mute": silent}, log=MemoryLog(max_channel_bytes=1_000_000))
    run_id = await service.start(agents=["a", "mute"])
    run = await service.supervisor.get(run_id)
    await eventually(lambda: run.participants["a"].status == "done")
    path = f"/v1/runs/{run_id}/events"
    async with service.stream(path, headers={"Last-Event-ID": "other-1"} | STREAM) as reader:
        (stream,) = await _opened(service.streams)
        await eventually(lambda: stream.framing.has_rest and stream._writing.locked())
        await service.streams.announce_drain()
        await service.supervisor.drain(0.1)
        frames = await reader.rest()
    assert frames.count(DRAIN_RETRY) == 1
    assert types(frames)[:2] == ["run.gap", "run.snapshot"]
    assert types(frames)[-1] == "run.done"


async def test_stream_that_opens_during_the_drain_hears_it_at_once(serve: Serve) -> None:
    """EventSource gives up for good at a 503, so a stream is answered as ever."""
    service = await serve({"a": silent})
    run_id = await service.start()
    await service.streams.announce_drain()
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        frames = [await stream.frame() for _ in range(3)]
        assert frames[2] == DRAIN_RETRY
        await stream.until("a.started")
        service.streams.close_all()
        assert await stream.rest() == []
