"""One scrape for all workers behind one socket: each is asked over a socket of its own, and the samples are summed.

Owns the folder of those sockets. What is counted is `telemetry.metrics`'s.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, UnixConnector, web

from ..telemetry.metrics import add_up

ASK_SECONDS = 2.0
"""A sibling that does not answer so long is left out: it may just have died."""

ALONE = "alone"
"""The query parameter by which workers ask each other for what only one of them counts."""


class SiblingMetrics:
    """The metrics that the workers of one parent report to each other.

    Args:
        folder: Of the parent's own, which nobody else may enter.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = folder / f"{os.getpid()}.sock"

    async def listen(self, runner: web.AppRunner) -> None:
        """Answer siblings over this worker's own socket, which goes with *runner*."""
        await web.UnixSite(runner, str(self._own)).start()

    async def render(self, own: bytes) -> bytes:
        """Return *own* and all siblings' expositions as one, in Prometheus' text format."""
        siblings = [path for path in self._folder.glob("*.sock") if path != self._own]
        found = await asyncio.gather(*(self._ask(path) for path in siblings))
        return add_up([own, *_present(found)])

    async def _ask(self, path: Path) -> bytes | None:
        with suppress(ClientError, OSError, TimeoutError):
            timeout = ClientTimeout(total=ASK_SECONDS)
            async with (
                ClientSession(connector=UnixConnector(str(path)), timeout=timeout) as session,
                session.get(f"http://localhost/metrics?{ALONE}") as answer,
            ):
                if answer.status == 200:
                    return await answer.read()
        _forget_dead(path)
        return None


def _present(found: Iterable[bytes | None]) -> list[bytes]:
    return [each for each in found if each is not None]


def _forget_dead(path: Path) -> None:
    """Remove the socket of a worker that is no more: nobody else would."""
    try:
        os.kill(int(path.stem), 0)
    except OSError:
        path.unlink(missing_ok=True)
