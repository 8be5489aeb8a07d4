"""Redis under faults, as clients of the service see it: restarted, flushed, frozen, full, or deaf after a write.

What the log itself does then is in `test_redis_log.py`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession

from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_proxy import lose_answer, proxied
from tests.support.redis_server import RedisServer, redis_server
from tests.workers.agents import held
from tests.workers.process import Process, until_ready, worker

from .oracle import Account, agents_of, begin, judge, whole_run

LINKS = 250


@asynccontextmanager
async def reading(
    http: ClientSession, one: Process, folder: Path, *, runs: int = 3
) -> AsyncIterator[list[Account]]:
    """Begin runs and read them while inside, where none ends; at the end they have all ended."""
    gate = folder / "gate"
    accounts = [await begin(http, one.url, held(LINKS, gate)) for _ in range(runs)]
    tasks = [asyncio.create_task(account.follow(http, one.url)) for account in accounts]
    await asyncio.sleep(0.3)
    yield accounts
    gate.touch()
    await asyncio.gather(*tasks)


async def check_goes_on(http: ClientSession, one: Process) -> None:
    """The service is as it was."""
    await until_ready(http, one.url)
    account = await begin(http, one.url, "5")
    await account.follow(http, one.url)
    judge(account.seen, links=5)


async def test_restarted_redis_loses_nothing(http: ClientSession, tmp_path: Path) -> None:
    """With its append-only file: killed in the middle and started again, the same streams go on."""
    async with (
        redis_server(tmp_path, append_only=True, appendfsync="always") as redis,
        worker(redis.url) as one,
    ):
        async with reading(http, one, tmp_path) as accounts:
            await redis.stop(kill=True)
            await until_ready(http, one.url, 503)
            async with http.post(f"{one.url}/v1/runs", json={"message": "5"}) as answer:
                assert answer.status == 503
            await redis.start()
        for account in accounts:
            judge(account.seen, links=LINKS)
            assert account.seen == await whole_run(http, one.url, account.run_id)
        await check_goes_on(http, one)


async def test_flushed_redis_is_a_declared_gap_and_the_runs_go_on(
    redis: RedisServer, http: ClientSession, tmp_path: Path
) -> None:
    async with worker(redis.url) as one:
        ended = await begin(http, one.url, "5")
        await ended.follow(http, one.url)
        async with reading(http, one, tmp_path) as accounts:
            await redis.flush()
        for account in accounts:
            judge(account.seen, gaps=True)
            gaps = [event.data["reason"] for event in account.seen if event.type == "run.gap"]
            assert gaps, "a flush is no secret"
            assert set(gaps) <= {"epoch", "ahead", "trimmed"}
            assert agents_of(account.seen) == {"one": "done", "two": "done"}
        async with http.get(f"{one.url}/v1/runs/{ended.run_id}") as answer:
            assert answer.status == 404, "an ended run went with Redis' memory"
        await check_goes_on(http, one)


async def test_paused_redis_delays_and_loses_nothing(
    redis: RedisServer, http: ClientSession, tmp_path: Path
) -> None:
    """Its own `CLIENT PAUSE`, and the kernel's SIGSTOP: longer than our patience, shorter than a client's."""
    async with worker(redis.url) as one, worker(redis.url) as two:
        async with reading(http, one, tmp_path) as accounts:
            await redis.ask("CLIENT", "PAUSE", 2500, "ALL")
            await asyncio.sleep(3.2)
            redis.pause()
            await until_ready(http, two.url, 503)
            for url in (one.url, two.url):
                async with http.post(f"{url}/v1/runs", json={"message": "5"}) as answer:
                    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
            await asyncio.sleep(5.5)  # longer than a lease, too
            redis.resume()
        for account in accounts:
            judge(account.seen, links=LINKS)
            assert account.seen == await whole_run(http, two.url, account.run_id)
        await check_goes_on(http, one)
        await check_goes_on(http, two)


async def test_redis_without_memory_delays_and_loses_nothing(http: ClientSession, tmp_path: Path) -> None:
    """`maxmemory` with `noeviction`: writes are refused until somebody makes room."""
    async with redis_server(tmp_path, maxmemory_policy="noeviction") as redis, worker(redis.url) as one:
        async with reading(http, one, tmp_path) as accounts:
            await redis.ask("CONFIG", "SET", "maxmemory", "1")
            await until_ready(http, one.url, 503)
            async with http.post(f"{one.url}/v1/runs", json={"message": "5"}) as answer:
                assert answer.status == 503, await answer.text()
            for account in accounts:
                async with http.get(f"{one.url}/v1/runs/{account.run_id}") as answer:
                    assert (await answer.json())["status"] == "running", "what is there can be read"
            await redis.ask("CONFIG", "SET", "maxmemory", "0")
        for account in accounts:
            judge(account.seen, links=LINKS)
            assert account.seen == await whole_run(http, one.url, account.run_id)
        await check_goes_on(http, one)


async def test_write_whose_answer_is_lost_is_there_once(
    redis: RedisServer, http: ClientSession, chance: random.Random, tmp_path: Path
) -> None:
    """The write was applied and the connection died: again and again, at moments of chance's own."""
    async with proxied(redis) as (proxy, url), worker(url) as one:
        async with reading(http, one, tmp_path) as accounts:
            for _ in range(16):
                # What every token goes through.
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await lose_answer(proxy, b"EVALSHA")
                await asyncio.sleep(chance.uniform(0.0, 0.1))
        assert proxy.cuts > 5
        for account in accounts:
            judge(account.seen, links=LINKS)
            assert account.seen == await whole_run(http, one.url, account.run_id)
        await check_goes_on(http, one)
