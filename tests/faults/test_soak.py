"""Runs that begin, are cancelled, end and expire, while workers are killed: what all of it takes stays flat.

`FAULT_SOAK_S=1200` makes it twenty minutes at ten runs a second (`FAULT_SOAK_RATE=4`: at four), and compares memory,
Redis' keys and the time to a run's start of the first half with those of the second; a usual run is a few seconds. One
worker is never killed: its memory and descriptors are those that could grow. In each all runs end, nothing of them is
kept for longer than was asked for, and workers have no more descriptors open than when they were new.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import ClientError, ClientSession

from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.programs import children
from tests.support.redis_server import RedisServer
from tests.workers.process import Process, worker

from .oracle import judge, resident_bytes
from .test_killed_fleets import begin_surely

SOAK_S = float(os.environ.get("FAULT_SOAK_S") or 3)
LONG = SOAK_S >= 120
RUNS_PER_S, WORKERS = (float(os.environ.get("FAULT_SOAK_RATE") or 10), 3) if LONG else (4, 2)
AT_ONCE = 100
"""Runs under way at most: a machine that is too slow for the rate is given fewer, instead of ever more at once."""

KEPT_S, KILL_EVERY_S, SAMPLE_EVERY_S = (20, 30.0, 5.0) if LONG else (1, 2.0, 0.5)
CANCELLED = 0.2
"""The share of runs that their client cancels."""

GROWTH = 1.25
"""How much more the second half may take than the first."""

TOMBSTONES = 50
"""Forgotten runs that are still known as such: each is a key."""

SPARE = {"memory": 24e6, "eldest": 24e6, "files": 20, "keys": 200, "start_s": 0.05}
"""What it may take more whatever it took: an allocator's, a connection's and a scheduler's chance."""


SPARE_FILES = 6
"""Descriptors that a worker may have open for what it opens at the first use: connections that it keeps."""


class Sample(NamedTuple):
    memory: float
    eldest: float
    files: float
    keys: float
    start_s: float


def open_files(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def most_files(parent: Process) -> int:
    """Return how many descriptors the worker has open that has the most of them."""
    found = []
    for pid in children(parent.pid):
        with suppress(OSError):  # it was killed, and its successor is to come
            found.append(open_files(pid))
    return max(found, default=10**6)


class Soak:
    """Starts runs of one service, follows and cancels them, kills its workers, and samples what it takes."""

    def __init__(
        self, http: ClientSession, redis: RedisServer, parent: Process, chance: random.Random
    ) -> None:
        self._http, self._redis, self._parent, self._chance = http, redis, parent, chance
        self._room = asyncio.Semaphore(AT_ONCE)
        self._starts: list[float] = [0.0]
        self._eldest = children(parent.pid)[0]
        self.samples: list[Sample] = []
        self.runs = 0

    async def one(self) -> None:
        url, begun = self._parent.url, time.monotonic()
        account = await begin_surely(self._http, url, "20@0.03")
        self._starts.append(time.monotonic() - begun)
        following = asyncio.ensure_future(account.follow(self._http, url))
        if self._chance.random() < CANCELLED:
            with suppress(ClientError, ConnectionError):  # the worker that was asked has just been killed
                async with self._http.post(f"{url}/v1/runs/{account.run_id}/cancel") as answer:
                    # The run's worker may just have died, and its successor not be known; or it has expired.
                    assert answer.status in (202, 410, 503), await answer.text()
        await following
        judge(account.seen, links=20, codes=("worker_lost",))
        self.runs += 1

    async def starter(self, until: float) -> None:
        async with asyncio.TaskGroup() as runs:
            while time.monotonic() < until:
                await self._room.acquire()
                runs.create_task(self.one()).add_done_callback(lambda _: self._room.release())
                await asyncio.sleep(self._chance.expovariate(RUNS_PER_S))

    async def killer(self) -> None:
        while True:
            await asyncio.sleep(KILL_EVERY_S)
            if born := [pid for pid in children(self._parent.pid) if pid != self._eldest]:
                os.kill(self._chance.choice(born), signal.SIGKILL)

    async def sampler(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_EVERY_S)
            try:
                memory = statistics.mean(resident_bytes(pid) for pid in children(self._parent.pid))
            except (OSError, statistics.StatisticsError):
                continue  # one has just been killed
            keys = await self._redis.ask("DBSIZE")
            starts, self._starts = self._starts, self._starts[-1:]
            eldest = resident_bytes(self._eldest), open_files(self._eldest)
            self.samples.append(Sample(memory, *eldest, keys, statistics.median(starts)))


@pytest.mark.timeout(int(SOAK_S + 4 * PATIENCE_SECONDS))
async def test_what_a_service_takes_stays_flat(
    redis: RedisServer, http: ClientSession, tmp_path: Path, chance: random.Random
) -> None:
    bounds = ("--retention", f"{KEPT_S}s", "--max-tombstones", str(TOMBSTONES))
    async with worker(redis.url, "--workers", str(WORKERS), *bounds, fresh=True) as parent:
        fresh = most_files(parent)
        soak = Soak(http, redis, parent, chance)
        beside = [asyncio.ensure_future(soak.killer()), asyncio.ensure_future(soak.sampler())]
        try:
            await soak.starter(time.monotonic() + SOAK_S)
        finally:
            for task in beside:
                task.cancel()
        for result in await asyncio.gather(*beside, return_exceptions=True):
            assert isinstance(result, asyncio.CancelledError), result
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await redis.ask("ZCARD", "fanin:default:runs"):
                await asyncio.sleep(0.1)
        assert await redis.ask("KEYS", "fanin:default:run:*") == []
        await eventually(lambda: most_files(parent) <= fresh + SPARE_FILES)
    assert soak.runs >= RUNS_PER_S
    warm = soak.samples[len(soak.samples) // 5 :]
    halves = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    for name in Sample._fields:
        first, second = (statistics.median(getattr(each, name) for each in half) for half in halves)
        print(f"{name}: {first:.4g}, then {second:.4g}")
        assert not LONG or second <= first * GROWTH + SPARE[name], (name, first, second)
    print(f"{soak.runs} runs in {SOAK_S:.0f} s")
