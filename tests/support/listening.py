"""How a server of a test listens, and stops without leaving a connection to the collector."""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from socket import create_server
from typing import Protocol

from tests.support.patience import turns

PORTS = range(20_000, 32_000)
"""Below those that a system picks by itself for who asks for any port, and for connections that go out."""


def free_port() -> int:
    """Return a port that nobody has and nobody else is given, for what must be told its port before it starts.

    One that the system picks may be picked again before a server that stops for a moment is back at it: for another
    server, or for a connection of another test. So all processes of a user take turns through ports of their own.
    """
    turn = os.open(f"{tempfile.gettempdir()}/ports-of-tests-{os.getuid()}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        last = int(os.pread(turn, 16, 0) or os.getpid())
        for port in (PORTS[n % len(PORTS)] for n in range(last + 1, last + 1 + len(PORTS))):
            if _is_free(port):
                os.pwrite(turn, b"%-16d" % (port - PORTS.start), 0)
                return port
    finally:
        os.close(turn)
    raise RuntimeError(f"no port of {PORTS} is free")


def _is_free(port: int) -> bool:
    try:
        create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


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
