"""Covers `backends/upstream/lenient_connector.py`: much that arrives at once is taken in portions, in order, whole."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from aiohttp import ClientSession, web
from pytest_aiohttp import AiohttpServer

from orchestrator.backends.upstream.connections import new_session
from orchestrator.backends.upstream.lenient_connector import PORTION_BYTES, MendedHandler

SIZE = 40 * PORTION_BYTES + 17
WHOLE = b"".join(b"%08d" % number for number in range(SIZE // 8 + 1))


@pytest.fixture
async def answering(aiohttp_server: AiohttpServer) -> Any:
    async def answer(request: web.Request) -> web.Response:
        response = web.Response(body=WHOLE, content_type="text/plain")
        if "packed" in request.query:
            response = web.Response(body=gzip.compress(WHOLE, 1), headers={"Content-Encoding": "gzip"})
        elif "chunked" in request.query:
            response.enable_chunked_encoding()
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    return await aiohttp_server(app)


@pytest.mark.parametrize("how", ["", "?chunked", "?packed"])
async def test_what_arrives_at_once_is_taken_whole_by_a_reader_of_any_pace(answering: Any, how: str) -> None:
    async with new_session() as session:
        for slow in (False, True):
            async with session.get(f"{answering.make_url('/')}{how}") as response:
                got = []
                while piece := await response.content.readany():
                    got.append(piece)
                    for _ in range(20 * slow):
                        await asyncio.sleep(0)
                assert b"".join(got) == WHOLE


async def test_the_connection_is_used_again(answering: Any) -> None:
    used = set()
    async with new_session() as session:
        for _ in range(3):
            async with session.get(answering.make_url("/")) as response:
                assert response.connection is not None
                used.add(response.connection.protocol)
                assert await response.read() == WHOLE
    assert len(used) == 1


async def test_nothing_more_than_a_portion_is_taken_in_a_turn(
    answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    take = MendedHandler._take

    def noted(handler: MendedHandler, data: bytes) -> None:
        taken.append(len(data))
        take(handler, data)

    monkeypatch.setattr(MendedHandler, "_take", noted)
    async with new_session() as session, session.get(answering.make_url("/")) as response:
        assert await response.read() == WHOLE
    assert max(taken) <= PORTION_BYTES


async def test_others_have_their_turns_between_the_portions() -> None:
    turns: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, new_session() as session:
        port = server.sockets[0].getsockname()[1]
        reading = asyncio.create_task(_read(session, port, turns))
        while not reading.done():
            turns.append("other")
            await asyncio.sleep(0)
        assert await reading == WHOLE
    assert "piece piece" not in " ".join(turns)


async def _read(session: ClientSession, port: int, turns: list[str]) -> bytes:
    got = []
    async with session.get(f"http://127.0.0.1:{port}/") as response:
        while piece := await response.content.readany():
            assert len(piece) <= PORTION_BYTES
            turns.append("piece")
            got.append(piece)
    return b"".join(got)


async def test_what_waits_when_the_connection_breaks_is_taken_first() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + WHOLE)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, new_session() as session:
        port = server.sockets[0].getsockname()[1]
        async with session.get(f"http://127.0.0.1:{port}/") as response:
            assert await response.read() == WHOLE
