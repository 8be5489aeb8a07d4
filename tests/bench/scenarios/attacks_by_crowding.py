"""Attacks below the requests: many small pieces of what a connection may bring."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import suppress
from urllib.parse import urlsplit

from .attack_target import Target

PATIENCE_SECONDS = 5.0


async def _send(target: Target, data: bytes, *, times: int = 1, pause: float = 0.0) -> None:
    """Send bytes over a connection of their own, and read what comes; whatever the server makes of it is right."""
    address = urlsplit(target.url)
    with suppress(OSError, TimeoutError):
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + times * pause):
                for _ in range(times):
                    writer.write(data)
                    await writer.drain()
                    await asyncio.sleep(pause)
                while await reader.read(65536):
                    pass
        finally:
            writer.close()


def _head(target: Target, *lines: str) -> bytes:
    words = [
        "POST /v1/runs HTTP/1.1",
        f"Host: {urlsplit(target.url).netloc}",
        "Content-Type: application/json",
    ]
    return "\r\n".join([*words, *lines, "", ""]).encode()


async def headers(target: Target) -> None:
    """Headers without an end"""
    data = _head(target, *(f"a{n}: b" for n in range(target.options.pick(20_000, 200))))
    await asyncio.gather(*(_send(target, data) for _ in range(target.options.pick(60, 2))))


async def chunks(target: Target) -> None:
    """Bodies in chunks of one byte"""
    data = _head(target, "Transfer-Encoding: chunked") + b"1\r\n \r\n" * target.options.pick(400_000, 2000)
    await asyncio.gather(*(_send(target, data) for _ in range(target.options.pick(10, 2))))


async def dribbling(target: Target) -> None:
    """Bodies that come a byte at a time, over many connections"""
    await asyncio.gather(*(_dribble(target) for _ in range(target.options.pick(400, 4))))


async def _dribble(target: Target) -> None:
    address = urlsplit(target.url)
    with suppress(OSError):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(_head(target, "Content-Length: 8000000") + b"{")
        for _ in range(target.options.pick(60, 3)):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.close()


async def packed(target: Target) -> None:
    """Packed bodies, a thousand times as long as they come"""
    body = gzip.compress(b'{"message":"' + b"x" * 7_000_000 + b'"}')
    head = _head(target, "Content-Encoding: gzip", f"Content-Length: {len(body)}", "Connection: close")
    await target.many(target.options.pick(40, 2), 16, lambda _: _send(target, head + body))


async def pings(target: Target) -> None:
    """Pings over WebSockets"""

    async def one(_: int) -> None:
        with suppress(ConnectionError):
            async with target.session.ws_connect(f"{target.url}/v1/ws", autoping=False) as ws:
                for _ in range(target.options.pick(5000, 50)):
                    await ws.ping(b"x" * 100)

    await target.many(8, 8, one)
