"""SIGKILL and SIGSTOP of a worker at random moments, through the service, on SQLite and on Redis.

Nothing that a client has seen is missing afterwards, and every run has its terminals within ten seconds.
"""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_server import RedisServer
from tests.workers.agents import held
from tests.workers.process import Process, worker

from .oracle import Account, agents_of, begin, judge, let_go, whole_run

STORES = ("redis", "sqlite")
KILLS, AT_ONCE = 2, 4
"""Of each store; `FAULT_ROUNDS` says another number."""

LINKS = 150
LOST = ("worker_lost",)
AGENTS = ["one", "two", "again"]
"""The last of them says `on_worker_lost: restart`."""


def log_of(store: str, redis: RedisServer, folder: Path) -> str:
    return redis.url if store == "redis" else f"sqlite:///{folder}/log.db"


async def begin_and_read(
    http: ClientSession, victim: Process, survivor: Process, store: str, gate: Path
) -> list[tuple[Account, asyncio.Task[int]]]:
    """Start runs at the victim and read them: on Redis through the other worker, which sees them live."""
    at = survivor if store == "redis" else victim
    accounts = [await begin(http, victim.url, held(LINKS, gate), agents=AGENTS) for _ in range(2)]
    return [(account, asyncio.create_task(account.connect(http, at.url))) for account in accounts]


async def until_under_way(http: ClientSession, url: str, run_ids: list[str]) -> None:
    """Wait until an agent of each run has said something."""
    for run_id in run_ids:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                async with http.get(f"{url}/v1/runs/{run_id}") as answer:
                    if any(agent.get("text") for agent in (await answer.json())["agents"].values()):
                        break
                await asyncio.sleep(0.05)


async def check_ended(http: ClientSession, url: str, account: Account, reading: asyncio.Task[int]) -> None:
    """Come back at *url* for the rest; all is there, once."""
    await let_go(reading, limit=PATIENCE_SECONDS)
    before = list(account.seen)
    await account.follow(http, url)
    again = await whole_run(http, url, account.run_id)
    assert account.seen == again
    assert account.seen[: len(before)] == before, "what a client has seen stays"
    judge(account.seen, links=LINKS, codes=LOST)
    assert agents_of(account.seen)["again"] == "done"


@pytest.mark.timeout(3600)
async def test_killed_worker_loses_nothing_that_a_client_has_seen(
    redis: RedisServer, http: ClientSession, tmp_path: Path, chance: random.Random, rounds: int | None
) -> None:
    """Each round kills several workers at moments of their own; one lives on and ends what they left."""
    both = (
        kill_workers(http, store, log_of(store, redis, tmp_path), tmp_path, chance, rounds)
        for store in STORES
    )
    for store, lost in zip(STORES, await asyncio.gather(*both), strict=True):
        assert lost > 0, "no kill came while a run was under way"
        print(f"{store}: {rounds or KILLS} kills, {lost} attempts lost their worker")


async def kill_workers(
    http: ClientSession, store: str, log: str, gates: Path, chance: random.Random, rounds: int | None
) -> int:
    """Kill workers on one log; return how many attempts that ended."""
    kills, lost = rounds or KILLS, 0
    async with worker(log) as survivor:

        async def one(delay: float, *, is_first: bool) -> int:
            gate = gates / f"{store}-{delay}"
            async with worker(log) as victim:
                read = await begin_and_read(http, victim, survivor, store, gate)
                if is_first:  # a busy machine may begin the others' runs after they are killed
                    await until_under_way(http, victim.url, [account.run_id for account, _ in read])
                await asyncio.sleep(delay)
                await victim.end(signal.SIGKILL)
            gate.touch()
            for account, reading in read:
                await check_ended(http, survivor.url, account, reading)
            return sum(e.data.get("code") == "worker_lost" for account, _ in read for e in account.seen)

        for start in range(0, kills, AT_ONCE):
            delays = [chance.uniform(0.0, 1.6) for _ in range(min(AT_ONCE, kills - start))]
            ends = [one(delay, is_first=start + n == 0) for n, delay in enumerate(delays)]
            lost += sum(await asyncio.gather(*ends))
    return lost


@pytest.mark.timeout(3600)
async def test_frozen_worker_that_comes_back_cannot_append(
    redis: RedisServer, http: ClientSession, tmp_path: Path, chance: random.Random, rounds: int | None
) -> None:
    """SIGSTOP looks like a death to the others; after SIGCONT the old owner must not say another word.

    A short freeze, on the other hand, costs nobody anything.
    """
    for n in range(max(1, (rounds or 0) // 20)):
        await asyncio.gather(
            *(
                freeze_worker(http, log_of(store, redis, tmp_path), tmp_path / f"{store}-{n}", chance)
                for store in STORES
            )
        )


async def freeze_worker(http: ClientSession, log: str, gate: Path, chance: random.Random) -> None:
    """Freeze a worker shortly, and then until its lease is over; wake it up when others have ended its runs."""
    async with worker(log) as victim, worker(log) as survivor:
        accounts = [await begin_at(http, victim, held(400, gate), AGENTS, asleep=survivor) for _ in range(2)]
        reading = [asyncio.create_task(account.connect(http, victim.url)) for account in accounts]
        await freeze(victim, chance.uniform(0.1, 0.5))
        await asyncio.sleep(chance.uniform(0.1, 0.3))
        victim.send(signal.SIGSTOP)
        gate.touch()
        ended = [Account(account.run_id) for account in accounts]
        await asyncio.gather(*(account.follow(http, survivor.url) for account in ended))
        victim.send(signal.SIGCONT)
        # It has more to say, and tries to: that is refused.
        await asyncio.sleep(1.0)
        for account in ended:
            judge(account.seen, links=400, codes=LOST)
            assert agents_of(account.seen) == {"one": "error", "two": "error", "again": "done"}
            assert await whole_run(http, survivor.url, account.run_id) == account.seen
            assert await whole_run(http, victim.url, account.run_id) == account.seen
        await let_go(*reading, limit=PATIENCE_SECONDS)
        for account, told in zip(accounts, ended, strict=True):
            await account.follow(http, victim.url)
            assert account.seen == told.seen


async def begin_at(
    http: ClientSession, owner: Process, message: str, agents: list[str], *, asleep: Process
) -> Account:
    """Start a run that *owner* executes: the other worker sleeps until it has begun, so it cannot take it."""
    asleep.send(signal.SIGSTOP)
    try:
        account = await begin(http, owner.url, message, agents=agents)
        reading = asyncio.create_task(account.connect(http, owner.url, most=1000))
        await asyncio.wait_for(reading, PATIENCE_SECONDS)
    finally:
        asleep.send(signal.SIGCONT)
    return Account(account.run_id)


async def freeze(process: Process, seconds: float) -> None:
    """Stop *process* for less than its lease."""
    process.send(signal.SIGSTOP)
    await asyncio.sleep(seconds)
    process.send(signal.SIGCONT)


async def test_client_of_another_worker_sees_the_loss_and_the_end(
    redis: RedisServer, http: ClientSession
) -> None:
    """Started on A, streamed and cancelled in part on B; then A is killed."""
    async with worker(redis.url) as a, worker(redis.url) as b:
        account = await begin_at(http, a, "1000", ["one", "two"], asleep=b)
        reading = asyncio.create_task(account.connect(http, b.url))
        async with http.post(f"{b.url}/v1/runs/{account.run_id}/agents/one/cancel") as answer:
            assert answer.status == 202
        await asyncio.sleep(0.3)
        await a.end(signal.SIGKILL)
        assert await reading == 200
    judge(account.seen, codes=LOST)
    assert agents_of(account.seen) == {"one": "cancelled", "two": "error"}
    assert len(account.connections) == 1, "its one connection outlived the other worker"
