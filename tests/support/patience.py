"""How long tests wait for what has to come: the one place that says it.

A wait ends as soon as it is over, so a generous limit costs nothing but the time until something that hangs is
noticed. A machine under load is no failure: no test asserts that something took few milliseconds (`tests/bench`
measures), and none takes a pause for an event. `TEST_PATIENCE=4` makes every limit four times as long.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

SCALE = float(os.environ.get("TEST_PATIENCE", "1"))

PATIENCE_SECONDS = 120.0 * SCALE
"""For anything that has to come: an event, a process that listens, a page that shows a text."""

PATIENCE_MS = PATIENCE_SECONDS * 1000
"""The same for Playwright."""

LOOK_AGAIN_SECONDS = 0.01

_T = TypeVar("_T")


async def eventually(true: Callable[[], object], *, limit: float = PATIENCE_SECONDS) -> None:
    """Wait until *true()* is; fail after *limit* seconds."""
    async with asyncio.timeout(limit):
        while not true():
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def soon(work: Awaitable[_T], *, limit: float = PATIENCE_SECONDS) -> _T:
    """Await *work*; fail after *limit* seconds."""
    # Not `wait_for`: in Python 3.11 it may swallow a cancel that comes as the work ends.
    async with asyncio.timeout(limit):
        return await work


def wait_until(
    true: Callable[[], object], what: str = "it has not come", *, limit: float = PATIENCE_SECONDS
) -> None:
    """Wait until *true()* is, in a test that is no coroutine; fail with *what* after *limit* seconds."""
    deadline = time.monotonic() + limit
    while not true():
        if time.monotonic() >= deadline:
            raise TimeoutError(what)
        time.sleep(LOOK_AGAIN_SECONDS)


async def turns(count: int = 20) -> None:
    """Let the loop's other tasks go on: what is ready after so many turns has happened, the rest waits for I/O."""
    for _ in range(count):
        await asyncio.sleep(0)
