"""SIGKILL of workers of one service again and again, while clients start runs and follow them over connections that
are cut at any byte: on SQLite with four workers on one file, and on a Redis Cluster. Nothing is lost, doubled or
reordered.

`FAULT_ROUNDS=100` makes it a hundred kills and ten thousand cuts of each store, and the cluster one of six nodes.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientSession

from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.programs import children
from tests.support.redis_topologies import redis_nodes
from tests.workers.process import Process, worker

from .oracle import Account, judge, whole_run

LINKS, LOST = 60, ("worker_lost",)
AGENTS = ["one", "two", "again"]
WORKERS = {"sqlite": 4, "cluster": 2}
KILLS, CLIENTS, ALL_CLIENTS = 1, 2, 6
CUTS_PER_KILL, MOST_BYTES = 100, 4000
"""How many cuts there are at least in a long run, and the longest connection."""


@asynccontextmanager
async def on_sqlite(folder: Path, whole: bool) -> AsyncIterator[str]:
    yield f"sqlite:///{folder}/log.db"


@asynccontextmanager
async def on_cluster(folder: Path, whole: bool) -> AsyncIterator[str]:
    async with redis_nodes(folder / "nodes", primaries=3, replicas=3 if whole else 0) as nodes:
        yield nodes.url


LOGS: dict[str, Callable[[Path, bool], AbstractAsyncContextManager[str]]] = {
    "sqlite": on_sqlite,
    "cluster": on_cluster,
}


async def begin_surely(http: ClientSession, url: str, message: str) -> Account:
    """Start a run, however often the worker that was asked dies over it: the key makes it one run."""
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with http.post(
                    f"{url}/v1/runs", json={"message": message, "agents": AGENTS}, headers=headers
                ) as answer:
                    if answer.status in (200, 201):
                        return Account(str((await answer.json())["run_id"]))
                    assert answer.status == 503, await answer.text()
            except (ClientError, ConnectionError):
                pass
            await asyncio.sleep(0.1)


class Fleet:
    """The workers of one service, and clients that go on until they are told to stop."""

    def __init__(
        self, http: ClientSession, parent: Process, chance: random.Random, *, least_cuts: int
    ) -> None:
        self._http = http
        self._parent = parent
        self._chance = chance
        self._least_cuts = least_cuts
        self._over = False
        self.runs = self.lost = self.cuts = 0

    async def client(self) -> None:
        url = self._parent.url
        while not self._over or self.cuts < self._least_cuts:
            account = await begin_surely(self._http, url, f"{LINKS}@0.02")
            await self._follow(account)
            judge(account.seen, links=LINKS, codes=LOST)
            assert await whole_run(self._http, url, account.run_id) == account.seen
            self.runs += 1
            self.lost += sum(event.data.get("code") == "worker_lost" for event in account.seen)

    async def _follow(self, account: Account) -> None:
        """Read a run to its end over connections that end after some bytes."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not account.ended:
                status = await account.connect(
                    self._http, self._parent.url, most=self._chance.randrange(1, MOST_BYTES)
                )
                if status == 204:
                    break
                if status != 200:
                    await asyncio.sleep(0.05)
        self.cuts += len(account.connections) - 1

    async def killer(self, kills: int, workers: int) -> None:
        try:
            for _ in range(kills):
                await asyncio.sleep(self._chance.uniform(0.3, 2.0))
                born = children(self._parent.pid)
                os.kill(self._chance.choice(born), signal.SIGKILL)
                await eventually(lambda born=born: set(children(self._parent.pid)) - set(born))
                await eventually(lambda: len(children(self._parent.pid)) == workers)
        finally:
            self._over = True


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", sorted(LOGS))
async def test_clients_of_a_service_whose_workers_die_miss_nothing(
    store: str, http: ClientSession, tmp_path: Path, chance: random.Random, rounds: int | None
) -> None:
    workers, kills, clients = WORKERS[store], rounds or KILLS, ALL_CLIENTS if rounds else CLIENTS
    async with (
        LOGS[store](tmp_path, rounds is not None) as log,
        worker(log, "--workers", str(workers)) as parent,
    ):
        fleet = Fleet(http, parent, chance, least_cuts=CUTS_PER_KILL * (rounds or 0))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(clients):
                tasks.create_task(fleet.client())
            tasks.create_task(fleet.killer(kills, workers))
        assert await parent.end() == 0
    print(
        f"{store}: {kills} kills, {fleet.cuts} cuts, {fleet.runs} runs, {fleet.lost} attempts lost their worker"
    )
    assert fleet.runs >= clients
    assert fleet.cuts > clients
