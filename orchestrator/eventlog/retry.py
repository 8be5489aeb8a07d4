"""Tries again while the store is unavailable: what is owed to a client may come late, but has to come."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

from ..errors import LogUnavailable

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0

_T = TypeVar("_T")


async def until_available(call: Callable[[], Awaitable[_T]]) -> _T:
    """Await *call* again and again, with growing pauses, while it raises LogUnavailable; return its result.

    stamina logs every pause but the first. Cancelling is as safe as *call* is. Raises what else *call* raises.
    """
    try:
        # Nearly always that is all: a retrying context costs more than many a call that it goes around.
        return await call()
    except LogUnavailable:
        await asyncio.sleep(FIRST_PAUSE_SECONDS * (1 + random.random()))  # noqa: S311 - a pause is no secret
    async for attempt in stamina.retry_context(
        on=LogUnavailable,
        attempts=None,
        timeout=None,
        wait_initial=FIRST_PAUSE_SECONDS,
        wait_max=LONGEST_PAUSE_SECONDS,
        wait_jitter=FIRST_PAUSE_SECONDS,
    ):
        with attempt:
            return await call()
    raise AssertionError("stamina goes on until the call returns or raises")
