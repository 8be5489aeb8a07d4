"""The stores that the contract suites are held against, fresh for each test.

A store joins with one line in `STORES`: a name and an async context manager that makes it. Its argument
is a folder of the test's own, and a clock in seconds since 1970 that the test may turn.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from orchestrator.eventlog.base import Store
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import parse_address
from tests.support.redis_server import redis_server


class Clock:
    """The time of day, moved on by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


OpenStore = Callable[[Path, Clock], AbstractAsyncContextManager[Store]]


@asynccontextmanager
async def memory(folder: Path, clock: Clock) -> AsyncIterator[Store]:
    store = MemoryLog(clock=clock)
    await store.start()
    yield store
    await store.aclose()


@asynccontextmanager
async def sqlite(folder: Path, clock: Clock) -> AsyncIterator[Store]:
    store = SQLiteLog(parse_address(f"sqlite:///{folder / 'log.db'}"), clock=clock)
    await store.start()
    yield store
    await store.aclose()


@asynccontextmanager
async def redis(folder: Path, clock: Clock) -> AsyncIterator[Store]:
    async with redis_server(folder) as server:
        store = RedisLog(server.url, ahead=lambda: clock.ahead)
        await store.start()
        yield store
        await store.aclose()


STORES: dict[str, OpenStore] = {"memory": memory, "sqlite": sqlite, "redis": redis}
