"""What it costs on Redis to forget one run of a channel that many share, and that nothing of it stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.eventlog.base import Cursor, Draft
from orchestrator.eventlog.redis.log import RedisLog

from ..support.patience import PATIENCE_SECONDS
from ..support.redis_server import RedisServer, redis_server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def log(server: RedisServer) -> AsyncIterator[RedisLog]:
    opened = RedisLog(server.url, patience_s=PATIENCE_SECONDS)
    await opened.start()
    yield opened
    await opened.aclose()


def draft(run_id: str) -> Draft:
    return Draft(run_id, None, "started", b"{}")


async def runs_in(log: RedisLog) -> list[str]:
    bounds = await log.open("system")
    return [entry.run_id for entry in await log.read("system", Cursor(bounds.epoch, 0), most=10_000)]


async def commands(server: RedisServer) -> int:
    """Return how many commands Redis has carried out on streams, those of scripts included."""
    told = await server.ask("INFO", "commandstats")
    return sum(
        told.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("xrange", "xdel", "evalsha", "lrange")
    )


async def test_forgetting_a_run_costs_the_same_however_many_share_its_channel(
    server: RedisServer, log: RedisLog
) -> None:
    made, costs = 0, []
    for kept in (30, 1500):
        for n in range(made, kept):
            await log.append("system", [draft(f"run_{n}")])
        made = kept
        await log.open("system")
        before = await commands(server)
        await log.erase("system", f"run_{kept // 2}")
        costs.append(await commands(server) - before)
    # The task that ticks each second may come between.
    assert abs(costs[1] - costs[0]) <= 2, costs
    left = await runs_in(log)
    assert len(left) == 1498
    assert not {"run_15", "run_750"} & set(left)


@pytest.mark.parametrize("between", [False, True])
async def test_entries_of_an_earlier_release_go_with_their_run(
    between: bool, server: RedisServer, log: RedisLog
) -> None:
    """It keeps no list of a run's entries: it wrote the first ones, or writes beside us while workers are replaced."""
    meta = log.keys.channel("system").meta
    if between:
        await log.append("system", [draft("a")])
    placed = await server.ask("HGET", meta, "placed") or b"0"
    for run_id in ("a", "b", "a"):
        await log.append("system", [draft(run_id)])
    # As if the three had been written without a list.
    await server.ask("HSET", meta, "placed", placed)
    for run_id in ("a", "b"):
        await server.ask("DEL", meta.removesuffix("meta") + f"of:{run_id}")
    if not between:
        await server.ask("HDEL", meta, "placed", "unplaced")
    for run_id in ("a", "c"):
        await log.append("system", [draft(run_id)])
    await log.erase("system", "a")
    assert await runs_in(log) == ["b", "c"]
    await log.erase("system", "c")
    assert await runs_in(log) == ["b"]
    await log.erase("system", "b")
    assert await server.ask("KEYS", "fanin:default:{system}:*") == []


async def test_place_of_a_run_that_was_trimmed_is_not_taken_for_anothers(
    server: RedisServer, log: RedisLog
) -> None:
    await log.append("system", [draft("old")])
    for name in ("log", "meta"):
        await server.ask("DEL", log.keys.channel("system").meta.removesuffix("meta") + name)
    await log.append("system", [draft("new")])
    await log.erase("system", "old")
    assert await runs_in(log) == ["new"]
