"""Covers `orchestrator/eventlog/redis/layout.py`: logs that earlier releases made, and those of later ones.

`recorded_keys/layout1.jsonl` holds the commands that make what the release before the second layout wrote: a run that
was taken over, one that has ended, two of one channel, one that was forgotten, one that waits, a conversation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, Gone, LogUnavailable
from orchestrator.eventlog.base import Cursor, Draft
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from tests.support.patience import PATIENCE_SECONDS, eventually, soon

from ..support.redis_server import RedisServer, redis_server

RECORDED = Path(__file__).with_name("recorded_keys")


async def restore(server: RedisServer, *, root: str = "fanin:") -> None:
    """Make the keys of the first layout as they were recorded."""
    async with server.client() as client, client.pipeline(transaction=False) as pipe:
        for line in (RECORDED / "layout1.jsonl").read_text().splitlines():
            name, key, *words = json.loads(line)
            if name == "XGROUP":
                words, key = [key, *words], ""
                words[1] = words[1].replace("fanin:", root)
                pipe.execute_command(name, *words)
            else:
                pipe.execute_command(
                    name, key.replace("fanin:", root, 1), *(word.encode("latin-1") for word in words)
                )
        await pipe.execute()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path / "redis") as running:
        yield running


async def told(log: RedisLog, channel: str) -> list[tuple[str, bytes]]:
    bounds = await log.open(channel)
    return [(e.run_id, e.data) for e in await log.read(channel, Cursor(bounds.epoch, 0), most=99)]


async def listening(server: RedisServer) -> RedisLog:
    """Open a log, and wait until it knows by what a flush is noticed."""
    log = RedisLog(server.url, patience_s=PATIENCE_SECONDS)
    listener = await log.listening()
    await eventually(lambda: listener._incarnation is not None)
    return log


def record(run_id: str) -> RunRecord:
    return RunRecord(
        run_id=run_id, channel=run_id, message="?", agents=["a"], conversation_id=None,
        on_disconnect="continue", created_at=1, owner="worker_3",
    )  # fmt: skip


async def test_log_of_the_first_layout_is_read_and_goes_on_under_its_names(server: RedisServer) -> None:
    """So workers of the release before, which know no other names, share it with this one's."""
    await restore(server)
    log = RedisLog(server.url, patience_s=PATIENCE_SECONDS)
    await log.start()
    listed = [run.run_id for run in await log.list_runs(limit=9)]
    assert listed == ["run_waiting", "run_room2", "run_room1", "run_ended", "run_running"]
    assert await told(log, "run_running") == [("run_running", b'{"n":%d}' % n) for n in (1, 2, 3, 4)]
    assert await told(log, "room") == [(f"run_room{n}", b'{"n":%d}' % m) for m in (1, 2) for n in (1, 2)]
    assert await told(log, "system") == [("run_ended", b'{"n":9}')]
    with pytest.raises(Gone, match="was deleted"):
        await log.find_run("run_forgotten")
    assert (await log.create_run(record("run_new"))).run_id == "run_new"
    assert await log.owners() == {"worker_1": 3, "worker_2": 1, "worker_3": 1}
    (entry,) = await log.append(
        "run_running", [Draft("run_running", "a", "token", b"5")], fence=Fence("run_running", 2)
    )
    assert entry.seq == 5
    assert list(await log.turns("talk", "a")) == [b"a turn"]
    assert await log.holder_of("talk2") == "run_running"
    cluster = log.cluster()
    assert await cluster.count_work() == 1
    assert await soon(cluster.take_work("worker_3")) == "run_waiting"
    keys = {bytes(key) for key in await server.ask("KEYS", "*")}
    assert not [key for key in keys if key.startswith(b"fanin:default:")]
    await log.aclose()


async def test_new_log_has_its_tenant_in_every_key(server: RedisServer) -> None:
    for _ in range(2):
        log = RedisLog(server.url, patience_s=PATIENCE_SECONDS)
        await log.create_run(record("run_1"))
        await log.append("run_1", [Draft("run_1", "a", "token", b"1")], fence=Fence("run_1", 1))
        await log.aclose()
    keys = {bytes(key) for key in await server.ask("KEYS", "*")} - {b"fanin:layout"}
    assert all(key.startswith(b"fanin:default:") for key in keys)


@pytest.mark.parametrize("kept", ["3 16", "2", "x y", ""])
async def test_log_of_a_later_release_is_refused(server: RedisServer, kept: str) -> None:
    await server.ask("SET", "fanin:layout", kept)
    log = RedisLog(server.url, patience_s=PATIENCE_SECONDS)
    with pytest.raises(ConfigError, match="later release"):
        await log.start()
    await log.aclose()


async def test_flushed_log_that_another_release_began_anew_is_not_written_beside_it(
    server: RedisServer,
) -> None:
    """Two workers under different names would each see half of the runs."""
    log = await listening(server)
    async with server.client() as client, client.pipeline() as pipe:
        pipe.flushall().set("fanin:incarnation", "old")
        await pipe.execute()
    await eventually(lambda: not log.available)
    with pytest.raises(LogUnavailable, match="start this worker again"):
        await log.create_run(record("run_1"))
    await log.aclose()


async def test_flushed_log_keeps_its_layout(server: RedisServer) -> None:
    log = await listening(server)
    await server.flush()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await server.ask("GET", "fanin:layout") != b"2 1":
            await asyncio.sleep(0.02)
    await log.append("c", [Draft("r", "a", "token", b"1")])
    await log.aclose()
