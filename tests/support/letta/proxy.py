"""A TCP proxy that cuts connections while they carry a stream. Knows nothing of HTTP but its first line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

from tests.support.listening import listening


class CuttingProxy:
    """Listens on 127.0.0.1 from enter to exit and passes everything on to one port.

    Args:
        cuts: For the first connection that carries more than `cuts[0]` bytes back, the reset comes there;
            the next one is `cuts[1]`, and so on. Without any left, nothing is cut.

    Attributes:
        done: How many cuts were made. requests: The first line of each connection.
    """

    def __init__(self, port: int, cuts: Sequence[int]) -> None:
        self._target = port
        self._cuts = list(cuts)
        self._stack = AsyncExitStack()
        self.done = 0
        self.requests: list[str] = []
        self.url = ""

    async def __aenter__(self) -> CuttingProxy:
        self.url = f"http://127.0.0.1:{await self._stack.enter_async_context(listening(self._accept))}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        up = asyncio.create_task(self._up(reader, far_writer))
        try:
            await self._down(far_reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            up.cancel()
            writer.transport.abort()
            far_writer.transport.abort()
            await asyncio.gather(up, return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = True
        while data := await reader.read(65536):
            if first:
                self.requests.append(data.split(b"\r\n", 1)[0].decode())
                first = False
            writer.write(data)
            await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passed = 0
        while data := await reader.read(4096):
            passed += len(data)
            if self._cuts and passed > self._cuts[0]:
                del self._cuts[0]
                self.done += 1
                writer.write(data[: len(data) // 2])
                await writer.drain()
                return
            writer.write(data)
            await writer.drain()
