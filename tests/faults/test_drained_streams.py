"""1,000 streams at SIGTERM: each is told when to come back and ends whole; at the next server nothing is missing."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from aiohttp import ClientSession

from orchestrator.server.http import streams
from tests.support.listening import free_port
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.service import Event, RetryLine, events_in, parse_stream
from tests.workers.process import worker

from .oracle import begin, judge

STREAMS = 1000
ROOM = "/v1/channels/room/events"
TOLD = RetryLine(streams.DRAIN_RETRY_MS)


class Stream:
    """One client of the whole channel: its bytes, and whether the server ended it whole."""

    def __init__(self) -> None:
        self.body = b""
        self.opened = asyncio.Event()
        self.ended = False

    async def read(self, http: ClientSession, url: str, after: str | None = None) -> None:
        """Read to the end."""
        headers = {"Accept-Encoding": "identity", **({"Last-Event-ID": after} if after else {})}
        async with http.get(f"{url}{ROOM}", headers=headers) as answer:
            assert answer.status == 200
            async for piece in answer.content.iter_any():
                self.body += piece
                self.opened.set()
        self.ended = True


async def test_thousand_streams_at_sigterm_end_whole_and_resume(http: ClientSession, tmp_path: Path) -> None:
    log, port = f"sqlite:///{tmp_path}/log.db", free_port()
    first = [Stream() for _ in range(STREAMS)]
    async with worker(log, port=port) as one:
        reading = [asyncio.create_task(stream.read(http, one.url)) for stream in first]
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            await asyncio.gather(*(stream.opened.wait() for stream in first))
        account = await begin(http, one.url, "100@0.25", channel="room")
        await eventually(lambda: b"one.token" in first[-1].body)
        assert await one.end(signal.SIGTERM) == 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*reading)
    assert all(stream.ended for stream in first)
    cursors = []
    for stream in first:
        frames = parse_stream(stream.body)  # which fails where the last frame is not whole
        assert frames.count(TOLD) == 1
        cursors.append(next(str(f.id) for f in reversed(frames) if isinstance(f, Event)))
    second = [Stream() for _ in range(STREAMS)]
    async with worker(log, port=port) as one:
        reading = [
            asyncio.create_task(stream.read(http, one.url, cursor))
            for stream, cursor in zip(second, cursors, strict=True)
        ]
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            await asyncio.gather(*(stream.opened.wait() for stream in second))
        later = await begin(http, one.url, "3", channel="room")
        for each in (account, later):
            await each.follow(http, one.url)
        async with asyncio.timeout(PATIENCE_SECONDS):
            done = f'"run_id":"{later.run_id}","type":"done"'.encode()
            await eventually(lambda: all(done in stream.body for stream in second))
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)
    judge(account.seen, codes=("shutdown",))
    wanted = [event.id for event in account.seen] + [event.id for event in later.seen]
    for before, after in zip(first, second, strict=True):
        whole = events_in(before.body) + events_in(after.body)
        assert [event.id for event in whole] == wanted
