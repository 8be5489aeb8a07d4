"""An nginx that buffers, compresses and gives up what is idle: our headers and heartbeats hold against it."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from orchestrator.eventlog import subscription
from tests.support.parts import require
from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import Comment, Event, Frame, Puppet, Serve, StreamReader, parse_frame, serving

from .nginx import Addresses, nginx

IDLE = {"first_token_timeout_s": 600, "idle_timeout_s": 600, "timeout_s": 600}


class Reader:
    """A client behind nginx that reads frame by frame; `protocol` is what it spoke."""

    def __init__(self, chunks: AsyncIterator[bytes], protocol: str) -> None:
        self._chunks = chunks
        self._rest = b""
        self._ready: list[Frame] = []
        self.protocol = protocol

    async def frame(self) -> Frame:
        while not self._ready:
            async with asyncio.timeout(PATIENCE_SECONDS * 5):
                self._rest += await anext(self._chunks)
            *blocks, self._rest = self._rest.split(b"\n\n")
            self._ready = [frame for block in blocks for frame in parse_frame(block)]
        return self._ready.pop(0)

    async def until(self, type_: str) -> Event:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (isinstance(frame := await self.frame(), Event) and frame.type == type_):
                pass
        return frame


Connect = Callable[[Addresses, str, str], AbstractAsyncContextManager[Reader]]


@asynccontextmanager
async def over_http1(at: Addresses, run_id: str, encoding: str) -> AsyncIterator[Reader]:
    headers = {"Accept-Encoding": encoding}
    async with (
        ClientSession() as http,
        http.get(f"{at.plain}/v1/runs/{run_id}/events", headers=headers) as answer,
    ):
        assert answer.status == 200
        assert answer.headers["Server"].startswith("nginx")
        assert answer.headers.get("Content-Encoding", "identity") == encoding
        yield Reader(aiter(answer.content.iter_any()), "1.1")


@asynccontextmanager
async def over_http2(at: Addresses, run_id: str, encoding: str) -> AsyncIterator[Reader]:
    """curl as the client: aiohttp speaks no HTTP/2."""
    more = ["--compressed", "--header", "Accept-Encoding: gzip"] if encoding == "gzip" else []
    process = await asyncio.create_subprocess_exec(
        require("curl"), "--silent", "--insecure", "--no-buffer", "--http2", "--dump-header", "-", *more,
        f"{at.tls}/v1/runs/{run_id}/events", stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None

    async def chunks() -> AsyncIterator[bytes]:
        assert process.stdout is not None
        while chunk := await process.stdout.read(65536):
            yield chunk

    try:
        head = await asyncio.wait_for(process.stdout.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
        assert head.startswith(b"HTTP/2 200"), head
        assert (b"content-encoding: gzip" in head.lower()) == (encoding == "gzip")
        yield Reader(chunks(), "2")
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize("connect", [over_http1, over_http2])
async def test_each_event_passes_before_the_next_is_said(tmp_path: Path, connect: Connect) -> None:
    """With buffering and gzip on: what has not arrived when the next is waited for never comes here."""
    for encoding in ("identity", "gzip"):
        puppet = Puppet()
        async with serving({"a": puppet}) as service:
            folder = tmp_path / encoding
            folder.mkdir()
            async with nginx(service.port, folder, read_timeout=60) as at:
                run_id = await service.start()
                async with connect(at, run_id, encoding) as reader:
                    await reader.until("a.started")
                    for n in range(20):
                        puppet.say(f"word {n} ")
                        assert (await reader.until("a.token")).data["text"] == f"word {n} "
                    puppet.end()
                    await reader.until("run.done")


@pytest.mark.parametrize("connect", [over_http1, over_http2])
async def test_idle_stream_outlives_the_proxys_patience(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int | None, connect: Connect
) -> None:
    """60 s against a heartbeat of 15 s; in a usual run both at a tenth."""
    scale = 1.0 if rounds else 1 / 10
    patience = 60 * scale
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", subscription.HEARTBEAT_SECONDS * scale)
    puppet = Puppet()
    service = await serve({"a": puppet}, keys={"a": {"limits": IDLE}})
    async with (
        nginx(service.port, tmp_path, read_timeout=patience) as at,
    ):
        run_id = await service.start()
        async with connect(at, run_id, "identity") as reader:
            await reader.until("a.started")
            idle_since, heartbeats = time.monotonic(), 0
            while time.monotonic() - idle_since < patience * 1.3:
                heartbeats += isinstance(await reader.frame(), Comment)
            assert heartbeats >= 4
            puppet.say("still here")
            puppet.end()
            assert (await reader.until("a.done")).data["text"] == "still here"
            await reader.until("run.done")


async def test_nginx_gives_up_a_stream_without_heartbeats(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the heartbeat is for: without it this proxy ends the stream, and the client misses nothing either."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 600.0)
    puppet = Puppet()
    service = await serve({"a": puppet})
    async with (
        nginx(service.port, tmp_path, read_timeout=5) as at,
    ):
        run_id = await service.start()
        path = f"{at.plain}/v1/runs/{run_id}/events"
        async with ClientSession() as http:
            async with http.get(path) as answer:
                reader = StreamReader(answer)
                last = (await reader.until("a.started"))[-1]
                with pytest.raises((EOFError, ClientError)):
                    await reader.frame()
            puppet.say("said meanwhile")
            puppet.end()
            async with http.get(path, headers={"Last-Event-ID": str(last.id)}) as answer:
                seen = await StreamReader(answer).until("run.done")
        assert [event.type for event in seen] == ["a.token", "a.done", "run.done"]
