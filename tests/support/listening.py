"""How a server of a test listens, and stops without leaving a connection to the collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, closing
from socket import create_server
from typing import Protocol

from tests.support.patience import turns


def free_port() -> int:
    """Return a port that was free just now, for what must be told its port before it starts."""
    with closing(create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


class _HasDescriptor(Protocol):
    def fileno(self) -> int: ...


async def stop_accepting(sockets: Iterable[_HasDescriptor]) -> None:
    """Accept no more on listening *sockets*, and wait until what was accepted has reached its protocol.

    asyncio makes the transport of an accepted connection a turn of the loop later. When the listener is closed in
    between, that fails without a word and the socket stays open until the collector finds it: a warning, and so
    the failure of some later test. `test_listening.py` shows it.
    """
    loop = asyncio.get_running_loop()
    for each in sockets:
        loop.remove_reader(each.fileno())
    await turns(4)


async def stop_listening(server: asyncio.Server) -> None:
    """Close *server*, whose connections stay, after `stop_accepting`."""
    await stop_accepting(server.sockets)
    server.close()


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Serve each connection by *serve* on a port of the loopback, which is given; end all when it is left.

    A task that is cancelled before its first step closes nothing, so the connections are closed here.
    """
    writers: list[asyncio.StreamWriter] = []
    tasks: set[asyncio.Future[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_listening(server)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        await turns(2)
