"""`orchestrator serve` with the chaining agents, as processes of a test's own. Ends what it started, by pid."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO

from aiohttp import ClientError, ClientSession

from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS
from tests.support.zygote import command, real_pid

CONFIG = "tests/workers/agents_config"
STARTS = 10
"""How often a worker may end at its start: it does when a busy machine holds its store up."""


class Process:
    """One `orchestrator serve`. `url` is its address, `pid` what serves; `process` may only stand for that."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, pid: int) -> None:
        self.process = process
        self.url = url
        self.pid = pid

    def send(self, number: int) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Signal it, and return its exit code."""
        self.send(number)
        return await asyncio.wait_for(self.process.wait(), PATIENCE_SECONDS)


@asynccontextmanager
async def worker(
    log: str,
    *options: str,
    port: int = 0,
    config: str | Path = CONFIG,
    module: str = "orchestrator",
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    fresh: bool = False,
    **env: str,
) -> AsyncIterator[Process]:
    """Run a worker on *log* while inside; it is ready when this enters.

    Args:
        module: What is run in the place of `orchestrator`. stderr: Where its log goes.
        fresh: Start an interpreter, whose memory is its own, and not a fork of one that has loaded all.
        env: Further variables of its environment.
    """
    own = fresh or module != "orchestrator"  # such a module changes what others find when they are loaded

    async def start() -> asyncio.subprocess.Process:
        program = (sys.executable, "-m", module) if own else command()
        return await asyncio.create_subprocess_exec(
            *program, "serve", "--port", str(port), "--config", str(config), "--log", log, "--drain", "0", *options,
            stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT, env=environment(**env),
        )  # fmt: skip

    process, serving = await start(), None
    try:
        for _ in range(STARTS):
            if (url := await _address_once_ready(process)) is not None:
                break
            await process.wait()
            process = await start()
        else:
            raise AssertionError("it ends instead of serving, however often it is started")
        yield (serving := Process(process, url, process.pid if own else real_pid(process.pid)))
    finally:
        if serving is not None:
            await serving.end(signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
            await process.wait()


async def _address_once_ready(process: asyncio.subprocess.Process) -> str | None:
    """Return where *process* serves; None if it ends, as it does if a busy machine holds its store up for long."""
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS), ClientSession() as http:
        found = re.search(r"http://[\d.:]+", (await process.stdout.readline()).decode())
        while found is not None and process.returncode is None:
            with suppress(ClientError):
                async with http.get(f"{found[0]}/readyz") as answer:
                    if answer.status == 200:
                        return found[0]
            await asyncio.sleep(0.05)
    return None


async def until_ready(
    http: ClientSession, url: str, status: int = 200, limit: float = PATIENCE_SECONDS
) -> None:
    """Wait until `/readyz` answers *status*."""
    async with asyncio.timeout(limit):
        while True:
            try:
                async with http.get(f"{url}/readyz") as answer:
                    if answer.status == status:
                        return
            except ClientError:
                pass
            await asyncio.sleep(0.05)
