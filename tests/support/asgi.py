"""Serves an ASGI app of another library in this process, on a port of its own, and counts its connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from tests.support.patience import PATIENCE_SECONDS


class AsgiServer:
    """A running server."""

    def __init__(self, server: uvicorn.Server, url: str) -> None:
        self.url = url
        self._server = server

    @property
    def open_connections(self) -> int:
        return len(self._server.server_state.connections)

    @property
    def active_requests(self) -> int:
        return len(self._server.server_state.tasks)

    async def all_closed(self) -> None:
        """Wait until no client has a connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.open_connections:
                await asyncio.sleep(0.01)

    def drop_all(self) -> None:
        """Cut every connection, as a network does."""
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()


def free_socket() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    return made


@asynccontextmanager
async def serving_asgi(app: Any, listening: socket.socket | None = None) -> AsyncIterator[AsgiServer]:
    """Serve *app* until the block ends."""
    listening = listening or free_socket()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(
        app, log_level="error", lifespan="off", timeout_graceful_shutdown=1, timeout_keep_alive=60
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # of older releases
    server.capture_signals = _no_signals  # type: ignore[method-assign]  # they are the test runner's
    task = asyncio.create_task(server.serve(sockets=[listening]), name="uvicorn RequestHandler")
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not server.started:
                await asyncio.sleep(0.01)
        yield AsgiServer(server, url)
    finally:
        server.should_exit = True
        await task
        listening.close()


class _no_signals:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...
