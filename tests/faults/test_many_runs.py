"""One of three workers dies with all its runs, while a fourth starts: they end, and nobody else's are touched.

`FAULT_RUNS=1500 FAULT_KEPT=10000` makes it that many runs beside that many ended ones; what it prints is then a
measurement of a quiet machine, of about two minutes.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import time
from contextlib import AsyncExitStack

import pytest
from aiohttp import ClientSession

from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_server import RedisServer
from tests.workers.process import Process, worker

RUNS = int(os.environ.get("FAULT_RUNS") or 30)
KEPT = int(os.environ.get("FAULT_KEPT") or 100)
OTHERS = 12
SLOW = "100000@10"
"""A token every ten seconds: they are alive, and take no CPU from those who take over."""

STARTS_AT_ONCE = 20
KEPT_AT_ONCE = 200
AGE = re.compile(r"^orchestrator_heartbeat_age_seconds (\S+)$", re.MULTILINE)


async def keep_ended(url: str, count: int) -> None:
    """Let the log hold *count* runs that ended before."""
    log = RedisLog(url, patience_s=PATIENCE_SECONDS)

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
    await log.aclose()


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


async def until_claimed(redis: RedisServer, runs: list[str]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), redis.client() as client:
        for run_id in runs:
            while await client.hget(f"fanin:default:run:{run_id}", "token") != b"2":
                await asyncio.sleep(0.05)


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
    redis: RedisServer, http: ClientSession
) -> None:
    await keep_ended(redis.url, KEPT)
    async with AsyncExitStack() as stack:
        many = ("--max-runs", str(2 * RUNS))
        victim = await stack.enter_async_context(worker(redis.url, *many))
        lost = await start_runs(http, victim.url, RUNS)
        await until_claimed(redis, lost)
        living = [await stack.enter_async_context(worker(redis.url, *many)) for _ in range(2)]
        others = await start_runs(http, living[0].url, OTHERS)
        await until_claimed(redis, others)
        owner = await redis.ask("HGET", f"fanin:default:run:{lost[0]}", "owner")
        owners = {
            run_id: await redis.ask("HGET", f"fanin:default:run:{run_id}", "owner") for run_id in others
        }
        lost += [run_id for run_id in others if owners[run_id] == owner]
        healthy = [run_id for run_id in others if owners[run_id] != owner]
        assert healthy
        ended = asyncio.Event()
        watching = asyncio.ensure_future(oldest_beat(http, living, ended))
        victim.send(signal.SIGKILL)
        killed_at = time.monotonic()
        fourth = asyncio.ensure_future(stack.enter_async_context(worker(redis.url, *many)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await redis.ask("ZCARD", "fanin:default:ended") < KEPT + len(lost):
                await asyncio.sleep(0.1)
        took = time.monotonic() - killed_at
        ended.set()
        print(f"{len(lost)} runs ended {took:.1f} s after their worker; oldest beat {await watching:.2f} s")
        await fourth
        assert set(await redis.ask("ZRANGE", "fanin:default:running", 0, -1)) == {
            each.encode() for each in healthy
        }
        for run_id in healthy:
            assert await redis.ask("HGET", f"fanin:default:run:{run_id}", "token") == b"2", (
                "nobody claimed it again"
            )
        for run_id in lost[:20]:
            async with http.get(f"{living[0].url}/v1/runs/{run_id}") as answer:
                agent = (await answer.json())["agents"]["one"]
            assert (agent["status"], agent["error"]["code"]) == ("error", "worker_lost")
