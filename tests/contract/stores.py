"""The stores that the contract suites are held against, fresh for each test.

A store joins with one line in `STORES`: a name and an async context manager that makes it. Its argument
is a folder of the test's own, and a clock in seconds since 1970 that the test may turn. One that several processes
can share joins with another line in `SHARED`, which opens it as each of several workers does.

`TEST_REDIS=cluster,sentinel,tls,socket` adds a Redis Cluster, one behind Sentinels, one over TLS, and one behind a Unix
socket. What is other there, `tests/eventlog/test_redis_topologies` and `test_redis_tls` show always.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from orchestrator.eventlog.base import Store
from orchestrator.eventlog.cluster import Cluster
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.redis.cluster import RedisCluster
from orchestrator.eventlog.redis.connection import endpoints
from orchestrator.eventlog.redis.connection.address import parse_address as parse_redis_address
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.redis.partitioned.log import PartitionedLog
from orchestrator.eventlog.redis.partitioned.work import PartitionedWork
from orchestrator.eventlog.sqlite.cluster import SQLiteCluster
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import parse_address
from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_kept import KEPT
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
        store = RedisLog(server.url, ahead=lambda: clock.ahead, patience_s=PATIENCE_SECONDS)
        await store.start()
        yield store
        await store.aclose()


WANTED = os.environ.get("TEST_REDIS", "").replace(",", " ").split()


@asynccontextmanager
async def known_to_be_slow() -> AsyncIterator[None]:
    """Let no Sentinel or node be given up because the machine is slow."""
    with patch.object(endpoints, "LOOK_UP_SECONDS", PATIENCE_SECONDS):
        yield


def in_topology(name: str) -> OpenStore:
    """Return what opens a log in a topology that all tests share."""

    @asynccontextmanager
    async def opened(folder: Path, clock: Clock) -> AsyncIterator[Store]:
        url = await KEPT.address(name)
        store = log_of(url)(url, ahead=lambda: clock.ahead, patience_s=PATIENCE_SECONDS)
        async with known_to_be_slow():
            await store.start()
            yield store
            await store.aclose()

    return opened


def log_of(url: str) -> type[RedisLog] | type[PartitionedLog]:
    """Return the kind of log for this address. In tests it waits long for a Redis that a busy machine holds up."""
    return PartitionedLog if parse_redis_address(url).kind == "cluster" else RedisLog


STORES: dict[str, OpenStore] = {"memory": memory, "sqlite": sqlite, "redis": redis}
STORES |= {f"redis_{name}": in_topology(name) for name in WANTED}


IDLE_SECONDS = 0.1
"""How long work stays with a taker that died before it claimed it, in these tests."""

Workers = list[tuple[Store, Cluster]]
OpenWorkers = Callable[[Path, int], AbstractAsyncContextManager[Workers]]


@asynccontextmanager
async def redis_workers(folder: Path, count: int) -> AsyncIterator[Workers]:
    async with redis_server(folder) as server, AsyncExitStack() as stack:
        logs = [RedisLog(server.url, patience_s=PATIENCE_SECONDS) for _ in range(count)]
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


def workers_in_topology(name: str) -> OpenWorkers:
    """Return what opens a log in a topology as several workers do."""

    @asynccontextmanager
    async def opened(folder: Path, count: int) -> AsyncIterator[Workers]:
        url = await KEPT.address(name)
        async with known_to_be_slow(), AsyncExitStack() as stack:
            workers: Workers = []
            for _ in range(count):
                log = log_of(url)(url, patience_s=PATIENCE_SECONDS)
                stack.push_async_callback(log.aclose)
                await log.start()
                workers.append((log, _cluster_of(log)))
            yield workers

    return opened


def _cluster_of(log: RedisLog | PartitionedLog) -> Cluster:
    if isinstance(log, PartitionedLog):
        return PartitionedWork(log.home, log, idle_s=IDLE_SECONDS)
    return RedisCluster(log, idle_s=IDLE_SECONDS)


SHARED: dict[str, OpenWorkers] = {"redis": redis_workers, "sqlite": sqlite_workers}
SHARED |= {f"redis_{name}": workers_in_topology(name) for name in WANTED}
"""The stores whose `cluster()` is not None."""
