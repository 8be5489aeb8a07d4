"""A real redis-server for tests: a process of its own on a free port, in a folder of its own.

Owns the process: it is started, frozen, restarted and ended here, by its pid.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tests.support.listening import free_port
from tests.support.patience import PATIENCE_SECONDS

from .parts import require


class RedisServer:
    """One server. `url` stays the same over restarts.

    Args:
        options: More lines of its configuration, as `maxmemory="5mb"`.
        append_only: Whether what it holds outlives a restart.
        sentinel: Whether it is a Sentinel, which holds nothing.
    """

    def __init__(
        self, folder: Path, *, append_only: bool = False, sentinel: bool = False, **options: str
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.tls_port = int(options.get("tls_port", 0))
        self._mode = ["--sentinel"] if sentinel else []
        kept = {} if sentinel else {"appendonly": "yes" if append_only else "no", "save": '""'}
        self._options = kept | options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "redis.conf"
        lines = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(self.folder), **self._options}
        config.write_text("".join(f"{name.replace('_', '-')} {value}\n" for name, value in lines.items()))
        with (self.folder / "redis.log").open("ab") as output:
            self._process = subprocess.Popen(
                [require("redis-server"), str(config), *self._mode], stdout=output
            )
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await self._answers():
                await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        try:
            return bool(await self.ask("PING"))
        except exceptions.AuthenticationError:
            return True
        except exceptions.ConnectionError:
            return False

    async def ask(self, *command: str | bytes | int) -> Any:
        """Send one command over a connection of its own."""
        async with asyncio.timeout(PATIENCE_SECONDS), self.client() as client:
            return await client.execute_command(*command)

    def client(self) -> Redis:
        """Make a client for several commands, to be closed by its user."""
        # A limit of redis-py's own goes through `wait_for`, which in Python 3.11 may swallow a cancel: a task
        # that asks again and again would then go on for ever.
        once = Retry(NoBackoff(), 0)
        return Redis(host="127.0.0.1", port=self.port, protocol=2, socket_timeout=None, retry=once)

    async def flush(self) -> None:
        await self.ask("FLUSHALL")

    def pause(self) -> None:
        """Freeze it: connections stay, nothing is answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    async def stop(self, *, kill: bool = False) -> None:
        """End it, so that it saves what it keeps; *kill* gives it no time to."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        await asyncio.to_thread(process.wait, PATIENCE_SECONDS)

    async def restart(self, *, kill: bool = False) -> None:
        await self.stop(kill=kill)
        await self.start()

    async def kill_clients(self) -> int:
        """Cut all other connections; returns how many."""
        return int(await self.ask("CLIENT", "KILL", "TYPE", "normal"))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the Redis does not run")
        return self._process


@asynccontextmanager
async def redis_server(
    folder: Path, *, append_only: bool = False, **options: str
) -> AsyncIterator[RedisServer]:
    """Run a server while inside."""
    server = RedisServer(folder, append_only=append_only, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(kill=True)
