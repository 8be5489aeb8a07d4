"""One primary of a Redis Cluster is killed under a service: runs of the other shards notice nothing.

`FAULT_ROUNDS` makes it many clients, and has more befall a cluster and a primary that Sentinels watch: a server stands
still for longer than a lease, and all slots move.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, ClientTimeout
from redis.crc import key_slot

from orchestrator.eventlog.redis.layout import PARTITIONS, Layout, partition_tags
from orchestrator.eventlog.redis.partitioned.partition_runs import number_of
from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_server import RedisServer
from tests.support.redis_topologies import RedisNodes, redis_nodes, redis_watched
from tests.workers.process import worker

from .conftest import ROUNDS
from .oracle import Account, judge
from .test_killed_fleets import begin_surely

LINKS, CLIENTS, ALL_CLIENTS = 60, 8, 60


async def port_of(nodes: RedisNodes, run_id: str) -> int:
    """Return the port of the node that has a run."""
    tags = list(partition_tags("fanin:", Layout(2, PARTITIONS)))
    return (await nodes.owner_of(key_slot(tags[number_of(run_id, PARTITIONS)].encode()))).port


async def test_only_runs_of_a_shard_that_failed_have_a_gap(
    http: ClientSession, tmp_path: Path, chance: random.Random, rounds: int | None
) -> None:
    """All of them go on to their end. Of the others' events none is lost, doubled, reordered or behind a gap."""
    count = ALL_CLIENTS if rounds else CLIENTS
    async with (
        redis_nodes(tmp_path / "nodes", primaries=3, replicas=3) as nodes,
        worker(nodes.url, "--workers", "2") as parent,
    ):
        accounts = [await begin_surely(http, parent.url, f"{LINKS}@0.05") for _ in range(count)]
        ports = {each.run_id: await port_of(nodes, each.run_id) for each in accounts}
        following = [asyncio.ensure_future(each.follow(http, parent.url)) for each in accounts]
        await asyncio.sleep(0.5)
        killed = chance.choice(nodes.primaries)
        await killed.stop(kill=True)
        accounts.append(await begin_surely(http, parent.url, "10@0.02"))
        following.append(asyncio.ensure_future(accounts[-1].follow(http, parent.url)))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*following)
        assert await parent.end() == 0
    print(
        f"{sum(ports[each.run_id] == killed.port for each in accounts[:-1])} of {count} runs were on the shard"
    )
    for each in accounts[:-1]:
        if ports[each.run_id] == killed.port:
            _ended(each)
        else:
            judge(each.seen, links=LINKS)


def _ended(account: Account) -> None:
    last = account.seen[-1]
    assert account.ended, last
    assert all(agent["status"] == "done" for agent in last.data["agents"].values()), last.data


# ── what else befalls servers, by the flag ───────────────────────────────────────────────────

STANDS_STILL_S, ANSWER_S = 12.0, 20.0
"""Longer than a lease; and how long a start may take on a machine that is busy with all of it."""

Befalls = Callable[[random.Random], Awaitable[None]]


async def freeze(server: RedisServer) -> None:
    server.pause()
    await asyncio.sleep(STANDS_STILL_S)
    server.resume()


async def move_all(nodes: RedisNodes, chance: random.Random) -> None:
    """Move each slot of the log to another primary, while its keys are written."""
    for tag in ("{fanin:}", *partition_tags("fanin:", Layout(2, PARTITIONS))):
        slot = key_slot(tag.encode())
        source = await nodes.owner_of(slot)
        to = chance.choice([node for node in nodes.primaries if node is not source])
        keys = await source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1)
        async for _ in nodes.move(slot, to, first=bytes(keys[0]).decode() if keys else ""):
            await asyncio.sleep(chance.uniform(0, 2.5))
        for node in nodes.primaries:
            await node.ask("CLUSTER", "SETSLOT", slot, "NODE", bytes(await to.ask("CLUSTER", "MYID")))


@asynccontextmanager
async def cluster(folder: Path, what: str) -> AsyncIterator[tuple[str, Befalls]]:
    async with redis_nodes(folder / "nodes", primaries=3, replicas=3 if what == "frozen" else 0) as nodes:
        if what == "moved":
            yield nodes.url, lambda chance: move_all(nodes, chance)
        else:
            yield nodes.url, lambda chance: freeze(chance.choice(nodes.primaries))


@asynccontextmanager
async def watched(folder: Path, what: str) -> AsyncIterator[tuple[str, Befalls]]:
    async with redis_watched(folder / "watched") as three:
        yield three.url, lambda chance: freeze(three.primary)


if ROUNDS:

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize(
        ("servers", "what"), [(cluster, "frozen"), (cluster, "moved"), (watched, "frozen")]
    )
    async def test_every_start_is_answered_and_every_run_ends_whatever_befalls_the_servers(
        servers: Callable[[Path, str], AbstractAsyncContextManager[tuple[str, Befalls]]],
        what: str,
        http: ClientSession,
        tmp_path: Path,
        chance: random.Random,
    ) -> None:
        """What clients miss of it is a declared gap; a start is a run, or 503 with when to ask again."""
        over, answers = False, 0
        started: list[Account] = []

        async def start_again_and_again(url: str) -> None:
            nonlocal answers
            while not over:
                body = {"message": "20@0.02"}
                async with http.post(f"{url}/v1/runs", json=body, timeout=ClientTimeout(ANSWER_S)) as answer:
                    answers += 1
                    if answer.status == 201:
                        started.append(Account((await answer.json())["run_id"]))
                    else:
                        assert (answer.status, answer.headers["Retry-After"]) == (503, "1"), (
                            await answer.text()
                        )
                await asyncio.sleep(0.3)

        async with servers(tmp_path, what) as (log, befall), worker(log, "--workers", "2") as parent:
            accounts = [await begin_surely(http, parent.url, "900@0.03") for _ in range(CLIENTS)]
            async with asyncio.TaskGroup() as tasks:
                for each in accounts:
                    tasks.create_task(each.follow(http, parent.url, limit=4 * PATIENCE_SECONDS))
                for _ in range(3):
                    tasks.create_task(start_again_and_again(parent.url))
                await befall(chance)
                await asyncio.sleep(3)
                over = True
            for each in started:
                await each.follow(http, parent.url)
            assert await parent.end() == 0
        print(f"{what}: {answers} starts, {len(started)} runs beside {len(accounts)}")
        for each in (*accounts, *started):
            judge(each.seen, gaps=True, links=900 if each in accounts else None)
            assert all(agent["status"] == "done" for agent in each.seen[-1].data["agents"].values())
