"""A relay before a real Redis that loses an answer, or keeps a command back, at a chosen moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .listening import listening
from .redis_server import RedisServer


class Proxy:
    """What the relay does to whom. `cuts` counts the answers that were lost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.marker = b""
        """The connection over which a command with these bytes goes is cut instead of answered."""
        self.cuts = 0
        self.delayed = b""
        """A command with these bytes is kept back until `release` is set, even if its sender leaves."""
        self.release = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._port)
        marked = asyncio.Event()

        async def forward() -> None:
            while data := await reader.read(65536):
                if self.marker and self.marker in data:
                    marked.set()
                if self.delayed and self.delayed in data:
                    await self.release.wait()
                up_writer.write(data)
            up_writer.close()

        forwarding = asyncio.ensure_future(forward())
        try:
            while data := await up_reader.read(65536):
                if marked.is_set():
                    self.cuts += 1
                    break
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            forwarding.cancel()
            await asyncio.gather(forwarding, return_exceptions=True)
            up_writer.close()
            writer.close()


@asynccontextmanager
async def proxied(server: RedisServer) -> AsyncIterator[tuple[Proxy, str]]:
    proxy = Proxy(server.port)
    async with listening(proxy.serve) as port:
        yield proxy, f"redis://127.0.0.1:{port}/0"


async def lose_answer(proxy: Proxy, marker: bytes) -> None:
    """Lose the answer to the next command that holds *marker*, and no other."""
    proxy.marker, before = marker, proxy.cuts
    while proxy.cuts == before:
        await asyncio.sleep(0)
    proxy.marker = b""
