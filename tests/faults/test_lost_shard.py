"""SIGKILL of one primary of a Redis Cluster under a service: runs of the other shards notice nothing.

`FAULT_ROUNDS` makes it many clients.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from aiohttp import ClientSession
from redis.crc import key_slot

from orchestrator.eventlog.redis.layout import PARTITIONS, Layout, partition_tags
from orchestrator.eventlog.redis.partition_runs import number_of
from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_topologies import RedisNodes, redis_nodes
from tests.workers.process import worker

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
