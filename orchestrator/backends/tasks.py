"""Work that a cancel of the caller must not tear apart: HTTP in one piece, clean-up to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def cancelled_once(work: Awaitable[_T]) -> _T:
    """Do *work*; pass the first cancel of the caller on to it, and no other.

    httpx closes its connection when a request is cancelled. A second cancel tears that closing apart, and
    the connection stays open and in the pool, for httpx believes that it is closed.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,))
    except asyncio.CancelledError:
        task.cancel()
        await _outlast(task)
        raise
    return task.result()


async def uninterrupted(work: Coroutine[Any, Any, None], seconds: float) -> None:
    """Do *work* to its end, or for *seconds*; a cancel of the caller waits for that and is passed on then.

    Raises:
        TimeoutError: The seconds are over; *work* was cancelled.
    """
    task = asyncio.create_task(_limited(work, seconds))
    interrupted = await _outlast(task)
    if interrupted is not None:
        raise interrupted
    task.result()


async def _outlast(task: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait for *task*, whatever happens; return the last cancel of the caller."""
    interrupted: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as exc:
            interrupted = exc
    if not task.cancelled():
        task.exception()  # fetched, so that asyncio does not report it as forgotten
    return interrupted


async def _limited(work: Coroutine[Any, Any, None], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await work
