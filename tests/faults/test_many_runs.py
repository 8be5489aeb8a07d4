"""One of three workers dies with all its runs, while a fourth starts: they end, and nobody else's are touched.

`FAULT_RUNS=1500 FAULT_KEPT=10000` makes it that many runs beside that many ended ones, on one server and on the three
of a Redis Cluster; what it prints is then a measurement of a quiet machine, of about two minutes each.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import ClientSession

from orchestrator.eventlog.base import Store
from orchestrator.eventlog.queued_status import CLAIMED
from orchestrator.eventlog.run_store import Fence, RunRecord
from tests.contract.stores import known_to_be_slow, log_of
from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_server import redis_server
from tests.support.redis_topologies import redis_nodes
from tests.workers.process import Process, worker

RUNS = int(os.environ.get("FAULT_RUNS") or 30)
KEPT = int(os.environ.get("FAULT_KEPT") or 100)
OTHERS = 12
SLOW = "100000@10"
"""A token every ten seconds: they are alive, and take no CPU from those who take over."""

STARTS_AT_ONCE = 20
KEPT_AT_ONCE = 200
PLACES = ["server", "cluster"] if "FAULT_RUNS" in os.environ else ["server"]
AGE = re.compile(r"^orchestrator_heartbeat_age_seconds (\S+)$", re.MULTILINE)


@pytest.fixture(params=PLACES)
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    if request.param == "server":
        async with redis_server(tmp_path / "redis") as server:
            yield server.url
        return
    async with redis_nodes(tmp_path / "nodes", primaries=3) as nodes:
        yield nodes.url


@pytest.fixture
async def log(url: str) -> AsyncIterator[Store]:
    """The workers' log, to look at and to fill."""
    opened = log_of(url)(url, patience_s=PATIENCE_SECONDS)
    async with known_to_be_slow():
        await opened.start()
        yield opened
        await opened.aclose()


async def keep_ended(log: Store, count: int) -> None:
    """Let the log hold *count* runs that ended before."""

    async def one(n: int) -> None:
        run_id = f"run_before_{n}"
        await log.create_run(
            RunRecord(
                run_id=run_id, channel=run_id, message="?", agents=["one"], conversation_id=None,
                on_disconnect="continue", created_at=int(time.time() * 1000), owner="before",
            )
        )  # fmt: skip
        await log.end_run(Fence(run_id, 1), "completed", int(time.time() * 1000))

    for begin in range(0, count, KEPT_AT_ONCE):
        await asyncio.gather(*(one(n) for n in range(begin, min(count, begin + KEPT_AT_ONCE))))


async def start_runs(http: ClientSession, url: str, count: int) -> list[str]:
    room = asyncio.Semaphore(STARTS_AT_ONCE)

    async def one() -> str:
        wanted = {"message": SLOW, "agents": ["one"]}
        headers = {"Idempotency-Key": secrets.token_hex(8)}
        async with room, asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with http.post(f"{url}/v1/runs", json=wanted, headers=headers) as answer:
                    if answer.status != 503:  # a slow machine's log
                        assert answer.status in (200, 201), await answer.text()
                        return str((await answer.json())["run_id"])
                await asyncio.sleep(0.5)

    return await asyncio.gather(*(one() for _ in range(count)))


async def records(log: Store, runs: list[str]) -> list[RunRecord]:
    found = await asyncio.gather(*(log.find_run(run_id) for run_id in runs))
    return [record for record in found if record is not None]


async def until_claimed(log: Store, runs: list[str]) -> None:
    """Wait until all have a worker: the first, or a later one if a busy machine held that up beyond its lease."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len([each for each in await records(log, runs) if each.token >= CLAIMED]) < len(runs):
            await asyncio.sleep(0.1)


async def oldest_beat(http: ClientSession, workers: list[Process], until: asyncio.Event) -> float:
    """Return the greatest age that a living worker's lease had."""
    oldest = 0.0
    while not until.is_set():
        for each in workers:
            async with http.get(f"{each.url}/metrics") as answer:
                found = AGE.search(await answer.text())
            assert found is not None
            oldest = max(oldest, float(found[1]))
        await asyncio.sleep(0.2)
    return oldest


@pytest.mark.timeout(3600)
async def test_death_of_a_full_worker_ends_its_runs_and_touches_no_others(
    url: str, log: Store, http: ClientSession
) -> None:
    await keep_ended(log, KEPT)
    async with AsyncExitStack() as stack:
        many = ("--max-runs", str(2 * RUNS))
        victim = await stack.enter_async_context(worker(url, *many))
        lost = await start_runs(http, victim.url, RUNS)
        await until_claimed(log, lost)
        living = [await stack.enter_async_context(worker(url, *many)) for _ in range(2)]
        others = await start_runs(http, living[0].url, OTHERS)
        await until_claimed(log, others)
        (owner,) = {each.owner for each in await records(log, lost[:1])}
        owners = {each.run_id: each.owner for each in await records(log, others)}
        lost += [run_id for run_id in others if owners[run_id] == owner]
        healthy = [run_id for run_id in others if owners[run_id] != owner]
        assert healthy
        ended = asyncio.Event()
        watching = asyncio.ensure_future(oldest_beat(http, living, ended))
        victim.send(signal.SIGKILL)
        killed_at = time.monotonic()
        fourth = asyncio.ensure_future(stack.enter_async_context(worker(url, *many)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum((await log.owners()).values()) > len(healthy):
                await asyncio.sleep(0.1)
        took = time.monotonic() - killed_at
        ended.set()
        print(f"{len(lost)} runs ended {took:.1f} s after their worker; oldest beat {await watching:.2f} s")
        await fourth
        assert {each.run_id for each in await log.running_runs()} == set(healthy)
        assert {each.token for each in await records(log, healthy)} == {CLAIMED}, "nobody claimed it again"
        for run_id in lost[:20]:
            async with http.get(f"{living[0].url}/v1/runs/{run_id}") as answer:
                agent = (await answer.json())["agents"]["one"]
            assert (agent["status"], agent["error"]["code"]) == ("error", "worker_lost")
