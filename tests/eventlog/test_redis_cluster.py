"""Covers `orchestrator/eventlog/redis/cluster.py`: what its Redis is asked for work and commands between workers.

The `Cluster` contract is `tests/contract/test_cluster.py`.
"""

from __future__ import annotations

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest

from orchestrator.eventlog import work_taker as taking_module
from orchestrator.eventlog.cluster import Cluster
from orchestrator.eventlog.redis import cluster as cluster_module
from orchestrator.eventlog.redis.cluster import RedisCluster
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from tests.support.patience import PATIENCE_SECONDS, eventually, soon

from ..support.redis_proxy import lose_answer, proxied
from ..support.redis_server import RedisServer, redis_server

NEVER_SECONDS = 1e6
IDLE_SECONDS = 0.1
Answer = Callable[[bytes], Awaitable[bytes]]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path / "redis") as running:
        yield running


@pytest.fixture
async def logs(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[RedisLog]]:
    """Three workers' logs. Nobody is given up because the machine is slow."""
    monkeypatch.setattr(taking_module, "LOOK_AFTER_SECONDS", 0.05)
    monkeypatch.setattr(cluster_module, "SEND_SECONDS", PATIENCE_SECONDS)
    async with AsyncExitStack() as stack:
        opened = [RedisLog(server.url, patience_s=PATIENCE_SECONDS) for _ in range(3)]
        for log in opened:
            stack.push_async_callback(log.aclose)
            await log.start()
        yield opened


@pytest.fixture
def workers(logs: list[RedisLog]) -> list[RedisCluster]:
    return [RedisCluster(log, idle_s=IDLE_SECONDS) for log in logs]


async def start(log: RedisLog, run_id: str) -> None:
    await log.create_run(
        RunRecord(
            run_id=run_id, channel=run_id, message="?", agents=["a"], conversation_id=None,
            on_disconnect="continue", created_at=1, owner="edge",
        )
    )  # fmt: skip


async def take(cluster: Cluster, worker: str) -> str:
    return await soon(cluster.take_work(worker))


async def takes_nothing(cluster: Cluster, worker: str) -> bool:
    """Whether a taker that looks after the dead several times finds nothing."""
    try:
        async with asyncio.timeout(5 * IDLE_SECONDS + 0.3):
            await cluster.take_work(worker)
    except TimeoutError:
        return True
    return False


async def serve(cluster: Cluster, worker: str, answer: Answer) -> None:
    async with aclosing(cluster.commands(worker)) as commands:
        async for command in commands:
            await command.reply(await answer(command.body))


async def echo(body: bytes) -> bytes:
    return b"echo " + body


# ── work ─────────────────────────────────────────────────────────────────────────────────────


async def test_offered_work_wakes_who_waits_for_it(
    logs: list[RedisLog], workers: list[RedisCluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait until the taker looks again by itself."""
    monkeypatch.setattr(taking_module, "LOOK_AGAIN_SECONDS", NEVER_SECONDS)
    for n in range(10):
        taking = asyncio.ensure_future(take(workers[1], "worker_1"))
        await asyncio.sleep(0.02)
        await start(logs[0], f"run_{n}")
        await workers[0].offer_work(f"run_{n}")
        assert await taking == f"run_{n}"


async def test_offering_twice_and_finishing_twice_change_nothing(
    server: RedisServer, logs: list[RedisLog], workers: list[RedisCluster]
) -> None:
    for run_id in ("run_1", "run_2", "run_1"):
        await start(logs[0], run_id)
        await workers[0].offer_work(run_id)
    assert [await take(workers[1], "worker_1") for _ in range(2)] == ["run_1", "run_2"]
    assert await takes_nothing(workers[1], "worker_1")
    for _ in range(2):
        await workers[2].finish_work("run_1")
    await workers[2].finish_work("run_9")
    assert await server.ask("XLEN", "fanin:default:work") == 1
    assert (await server.ask("XPENDING", "fanin:default:work", "executors"))["pending"] == 1


async def test_work_for_a_run_that_is_over_is_given_to_nobody(
    server: RedisServer, logs: list[RedisLog], workers: list[RedisCluster]
) -> None:
    """It was cancelled while it waited."""
    for run_id in ("run_1", "run_2", "run_3"):
        await start(logs[0], run_id)
        await workers[0].offer_work(run_id)
    await logs[0].end_run(Fence("run_1", 1), "cancelled", 5)
    await logs[0].forget_run("run_2", "was deleted")
    assert await take(workers[1], "worker_1") == "run_3"
    assert await server.ask("XLEN", "fanin:default:work") == 1


async def test_taker_goes_on_waiting_while_redis_is_away(
    server: RedisServer, logs: list[RedisLog], workers: list[RedisCluster]
) -> None:
    taking = asyncio.ensure_future(take(workers[1], "worker_1"))
    await asyncio.sleep(0.1)
    await server.stop(kill=True)
    await eventually(lambda: not (logs[0].available or logs[1].available))
    await server.start()
    await eventually(lambda: logs[0].available)
    await start(logs[0], "run_1")
    await workers[0].offer_work("run_1")
    assert await taking == "run_1"


# ── commands ─────────────────────────────────────────────────────────────────────────────────


async def test_command_sent_before_the_worker_listens_is_heard(
    server: RedisServer, logs: list[RedisLog], workers: list[RedisCluster]
) -> None:
    sending = asyncio.ensure_future(workers[0].send("worker_1", b"x"))
    while not await server.ask("EXISTS", logs[0].keys.inbox("worker_1")):
        await asyncio.sleep(0.01)
    serving = asyncio.ensure_future(serve(workers[1], "worker_1", echo))
    assert await sending == b"echo x"
    serving.cancel()


async def test_cut_connections_carry_no_command_out_twice(
    server: RedisServer, workers: list[RedisCluster]
) -> None:
    heard: list[bytes] = []

    async def note(body: bytes) -> bytes:
        heard.append(body)
        return body

    serving = asyncio.ensure_future(serve(workers[1], "worker_1", note))
    cuts = 0
    for n in range(30):
        sending = asyncio.ensure_future(workers[0].send("worker_1", b"%d" % n))
        # At another moment of each command: while it is posted, heard, carried out and answered. Once, or a slow
        # machine, which needs longer to connect again, would get nowhere.
        await asyncio.sleep(n % 10 * 0.0005)
        cuts += await server.kill_clients()
        done, _ = await asyncio.wait(
            (sending, serving), timeout=PATIENCE_SECONDS, return_when=FIRST_COMPLETED
        )
        assert done == {sending}, done
        assert sending.result() == b"%d" % n
    serving.cancel()
    await asyncio.wait((serving,), timeout=PATIENCE_SECONDS)
    assert serving.cancelled()
    assert heard == [b"%d" % n for n in range(30)]
    assert cuts > 30


async def test_command_that_came_twice_is_carried_out_once(
    server: RedisServer, workers: list[RedisCluster]
) -> None:
    """Its sender did not hear that it was posted, and posted it again."""
    heard: list[bytes] = []

    async def note(body: bytes) -> bytes:
        heard.append(body)
        return body

    serving = asyncio.ensure_future(serve(workers[1], "worker_1", note))
    async with proxied(server) as (proxy, url):
        log = RedisLog(url, patience_s=PATIENCE_SECONDS)
        sender = RedisCluster(log)
        await sender.send("worker_1", b"first")
        losing = asyncio.ensure_future(lose_answer(proxy, b"second"))
        await sender.send("worker_1", b"second")
        await losing
        await sender.send("worker_1", b"third")
        await log.aclose()
    serving.cancel()
    assert heard == [b"first", b"second", b"third"]


async def test_inboxes_go_by_themselves(server: RedisServer, workers: list[RedisCluster]) -> None:
    serving = asyncio.ensure_future(serve(workers[1], "worker_1", echo))
    await workers[0].send("worker_1", b"x")
    serving.cancel()
    inboxes = await server.ask("KEYS", "fanin:default:inbox:*")
    assert len(inboxes) >= 2
    for inbox in inboxes:
        assert 0 < await server.ask("PTTL", inbox) <= 60_000
