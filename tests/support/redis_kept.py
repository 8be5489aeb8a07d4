"""Redis in its several topologies, each started by the first test that needs it and kept until the tests are over.

A topology takes seconds to agree, so tests share it: each has a log of its own there, by its prefix.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from .redis_server import redis_server
from .redis_topologies import Certificate, redis_nodes, redis_watched

Topology = Callable[[Path], AbstractAsyncContextManager[str]]


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[str]:
    async with redis_nodes(folder, primaries=3) as nodes:
        yield f"{nodes.url}?"


@asynccontextmanager
async def sentinel(folder: Path) -> AsyncIterator[str]:
    async with redis_watched(folder) as watched:
        yield f"{watched.url}?"


@asynccontextmanager
async def tls(folder: Path) -> AsyncIterator[str]:
    folder.mkdir()
    certificate = Certificate.make(folder)
    async with redis_server(folder / "redis", **certificate.options()) as server:
        yield f"rediss://127.0.0.1:{server.tls_port}/0?ssl_ca_certs={certificate.file}&"


@asynccontextmanager
async def socket(folder: Path) -> AsyncIterator[str]:
    folder.mkdir()
    path = folder / "redis.sock"
    async with redis_server(folder / "redis", unixsocket=str(path)):
        yield f"redis+unix://{path}?"


TOPOLOGIES: dict[str, Topology] = {"cluster": cluster, "sentinel": sentinel, "tls": tls, "socket": socket}


class KeptTopologies:
    """Topologies that run on an event loop of their own, because each test's loop ends with it."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stack = AsyncExitStack()
        self._addresses: dict[str, str] = {}
        self._prefixes = count()

    async def address(self, name: str) -> str:
        """Return the address of a log that nobody has used, in the topology of that name."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="redis topologies", daemon=True
            )
            self._thread.start()
            self._folder = TemporaryDirectory(prefix="redis-")
        if name not in self._addresses:
            entering = self._stack.enter_async_context(TOPOLOGIES[name](Path(self._folder.name, name)))
            self._addresses[name] = await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(entering, self._loop)
            )
        return f"{self._addresses[name]}prefix=log{next(self._prefixes)}:"

    def close(self) -> None:
        """End all that runs."""
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._folder.cleanup()
            self._loop = None


KEPT = KeptTopologies()
"""Those of this process; `tests/conftest.py` closes them."""
