"""Covers `backends/upstream/body_limits.py`: what httpx's and httpx2's clients hold of an answer is bounded."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import httpx2
import pytest

from orchestrator.backends.upstream.body_limits import BoundBody, ask_unpackable, read_as_stream
from orchestrator.backends.upstream.http_errors import MAX_BODY_BYTES
from orchestrator.errors import AgentError

LIBRARIES: list[Any] = [httpx, httpx2]
MOST = 100_000


class Server:
    """Answers with what it has, as often as it is read."""

    def __init__(self, library: Any, pieces: list[bytes], *, status: int = 200, packed: str = "") -> None:
        self.sent = 0
        self.asked: Any = None
        self.pieces = pieces

        class Body(library.AsyncByteStream):  # type: ignore[misc]
            async def __aiter__(body) -> AsyncIterator[bytes]:
                for piece in self.pieces:
                    self.sent += len(piece)
                    yield piece

        def answer(request: Any) -> Any:
            self.asked = request
            headers = {"content-encoding": packed} if packed else {}
            return library.Response(status, headers=headers, stream=Body())

        hooks = {"request": [ask_unpackable], "response": [BoundBody("The server", most=MOST)]}
        self.client = library.AsyncClient(transport=library.MockTransport(answer), event_hooks=hooks)

    async def read(self, *, stream: bool = False, lift: bool = False, **options: Any) -> bytes:
        if not stream:
            response: Any = await self.client.post("http://server/", **options)
            content: bytes = response.content
            return content
        async with self.client.stream("POST", "http://server/", **options) as response:
            if lift:
                read_as_stream(response)
            return b"".join([piece async for piece in response.aiter_bytes()])


@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_fits_is_read_whole(library: Any) -> None:
    server = Server(library, [b"x" * 1000] * 100)
    assert await server.read() == b"x" * MOST
    assert server.asked.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("asked", [{}, {"json": {"stream": False}}, {"content": b"stream"}])
async def test_no_more_is_read_of_what_does_not_fit(library: Any, asked: dict[str, Any]) -> None:
    server = Server(library, [b"x" * 1000] * 10_000)
    with pytest.raises(AgentError, match=r"The server answered with more") as refused:
        await server.read(**asked)
    assert refused.value.code == "upstream_invalid"
    assert server.sent < 2 * MOST


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    "asked",
    [
        {"json": {"stream": True}},
        {"content": b'{"stream": true}'},
        {"headers": {"accept": "application/json, text/event-stream"}},
        {"lift": True},
    ],
)
async def test_a_stream_may_be_as_long_as_it_likes(library: Any, asked: dict[str, Any]) -> None:
    server = Server(library, [b"x" * 1000] * 1000)
    assert len(await server.read(stream=True, **asked)) == 1_000_000


@pytest.mark.parametrize("library", LIBRARIES)
async def test_of_an_error_the_beginning_is_enough(library: Any) -> None:
    server = Server(library, [b"x" * 1000] * 10_000, status=500)
    assert MAX_BODY_BYTES <= len(await server.read(json={"stream": True})) <= MAX_BODY_BYTES + 1000
    assert server.sent <= MAX_BODY_BYTES + 1000


def raw(data: bytes) -> bytes:
    pack = zlib.compressobj(wbits=-15)
    return pack.compress(data) + pack.flush()


PACKED = {
    "gzip": (gzip.compress(b"so it is"), "gzip"),
    "zlib": (zlib.compress(b"so it is"), "deflate"),
    "raw": (raw(b"so it is"), "deflate"),
    "twice": (gzip.compress(b"so ") + gzip.compress(b"it is"), "GZip"),
    "not at all": (b"so it is", "utf-8"),
    "by name": (b"so it is", "identity, chunked"),
}


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("how", PACKED)
async def test_what_is_packed_is_unpacked_however_it_is_cut(library: Any, how: str, size: int) -> None:
    data, packed = PACKED[how]
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert await Server(library, pieces, packed=packed).read() == b"so it is"


@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_unpacks_to_more_than_fits_is_not_unpacked(library: Any) -> None:
    """And others have their turns while it is tried."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    bomb = gzip.compress(bytes(50_000_000))
    task = asyncio.create_task(other())
    with pytest.raises(AgentError, match=r"more than can be read"):
        await Server(library, [bomb], packed="gzip").read()
    before = turns
    whole = await Server(library, [bomb], packed="gzip").read(stream=True, json={"stream": True})
    task.cancel()
    assert (len(whole), turns - before > 500) == (50_000_000, True)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(
    ("data", "packed"), [(b"no gzip", "gzip"), (b"x", "br"), (b"x", "zstd"), (b"x", "gzip, gzip")]
)
async def test_what_is_packed_otherwise_is_refused(library: Any, data: bytes, packed: str) -> None:
    with pytest.raises(AgentError, match=r"The server packed its answer"):
        await Server(library, [data], packed=packed).read()
