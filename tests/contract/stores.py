"""The stores that the contract suites are held against, fresh for each test.

A store joins with one line in `STORES`: a name and an async context manager that makes it. Its argument
is a folder of the test's own, and a clock in seconds since 1970 that the test may turn. One that several processes
can share joins with another line in `SHARED`, which opens it as each of several workers does.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path

from orchestrator.eventlog.base import Store
from orchestrator.eventlog.cluster import Cluster
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.redis.cluster import RedisCluster
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.redis.partitioned_log import PartitionedLog
from orchestrator.eventlog.redis.partitioned_work import PartitionedWork
from orchestrator.eventlog.sqlite.cluster import SQLiteCluster
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import parse_address
from tests.support.redis_server import redis_server
from tests.support.redis_topologies import redis_nodes


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


@asynccontextmanager
async def redis_cluster(folder: Path, clock: Clock) -> AsyncIterator[Store]:
    async with redis_nodes(folder, primaries=3) as nodes:
        store = PartitionedLog(nodes.url, ahead=lambda: clock.ahead)
        await store.start()
        yield store
        await store.aclose()


STORES: dict[str, OpenStore] = {"memory": memory, "sqlite": sqlite, "redis": redis}
if os.environ.get("TEST_REDIS_CLUSTER"):
    # Each test waits two seconds until its nodes agree. What is other there, `test_redis_topologies` shows always.
    STORES["redis_cluster"] = redis_cluster


IDLE_SECONDS = 0.1
"""How long work stays with a taker that died before it claimed it, in these tests."""

Workers = list[tuple[Store, Cluster]]
OpenWorkers = Callable[[Path, int], AbstractAsyncContextManager[Workers]]


@asynccontextmanager
async def redis_workers(folder: Path, count: int) -> AsyncIterator[Workers]:
    async with redis_server(folder) as server, AsyncExitStack() as stack:
        logs = [RedisLog(server.url) for _ in range(count)]
        for log in logs:
            stack.push_async_callback(log.aclose)
            await log.start()
        yield [(log, RedisCluster(log, idle_s=IDLE_SECONDS)) for log in logs]


@asynccontextmanager
async def sqlite_workers(folder: Path, count: int) -> AsyncIterator[Workers]:
    folder.mkdir()
    async with AsyncExitStack() as stack:
        logs = [SQLiteLog(parse_address(f"sqlite:///{folder / 'log.db'}")) for _ in range(count)]
        for log in logs:
            stack.push_async_callback(log.aclose)
            await log.start()
        clusters = [SQLiteCluster(log, idle_s=IDLE_SECONDS) for log in logs]
        for cluster in clusters:
            stack.callback(cluster.close)
        yield list(zip(logs, clusters, strict=True))


@asynccontextmanager
async def redis_cluster_workers(folder: Path, count: int) -> AsyncIterator[Workers]:
    async with redis_nodes(folder, primaries=3) as nodes, AsyncExitStack() as stack:
        logs = [PartitionedLog(nodes.url) for _ in range(count)]
        for log in logs:
            stack.push_async_callback(log.aclose)
            await log.start()
        yield [(log, PartitionedWork(log.home, log, idle_s=IDLE_SECONDS)) for log in logs]


SHARED: dict[str, OpenWorkers] = {"redis": redis_workers, "sqlite": sqlite_workers}
if "redis_cluster" in STORES:
    SHARED["redis_cluster"] = redis_cluster_workers
"""The stores whose `cluster()` is not None."""
