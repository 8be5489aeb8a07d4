"""The contract of the `Cluster` Protocol, held against every store that several workers can share.

A store without one says so: its `cluster()` is None. What a store does for it by itself is tested with that store.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import work_taker as taking
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.cluster import Cluster
from orchestrator.eventlog.redis import cluster as redis_cluster
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.eventlog.sqlite import cluster as sqlite_cluster
from tests.support.patience import PATIENCE_SECONDS, eventually, soon

from .stores import IDLE_SECONDS, SHARED, STORES, Clock, Workers

Answer = Callable[[bytes], Awaitable[bytes]]


@pytest.fixture(params=list(SHARED))
async def workers(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workers]:
    """Three workers on one store. Nobody is given up because the machine is slow."""
    monkeypatch.setattr(taking, "LOOK_AFTER_SECONDS", 0.05)
    for module in (redis_cluster, sqlite_cluster):
        monkeypatch.setattr(module, "SEND_SECONDS", PATIENCE_SECONDS)
    async with SHARED[request.param](tmp_path / "store", 3) as opened:
        yield opened


async def offer(worker: tuple[Store, Cluster], run_id: str) -> None:
    store, cluster = worker
    await store.create_run(
        RunRecord(
            run_id=run_id, channel=run_id, message="?", agents=["a"], conversation_id=None,
            on_disconnect="continue", created_at=1, owner="edge",
        )
    )  # fmt: skip
    await cluster.offer_work(run_id)


async def take(worker: tuple[Store, Cluster], name: str) -> str:
    return await soon(worker[1].take_work(name))


async def takes_nothing(worker: tuple[Store, Cluster], name: str) -> bool:
    """Whether a taker that looks after the dead several times finds nothing."""
    try:
        async with asyncio.timeout(5 * IDLE_SECONDS + 0.3):
            await worker[1].take_work(name)
    except TimeoutError:
        return True
    return False


async def serve(cluster: Cluster, worker: str, answer: Answer) -> None:
    async with aclosing(cluster.commands(worker)) as commands:
        async for command in commands:
            await command.reply(await answer(command.body))


async def echo(body: bytes) -> bytes:
    return b"echo " + body


@pytest.mark.parametrize("name", STORES)
async def test_a_store_says_whether_several_processes_can_share_it(name: str, tmp_path: Path) -> None:
    async with STORES[name](tmp_path, Clock()) as store:
        found = store.cluster()
        assert (found is not None) is (name in SHARED)
        assert store.cluster() is found, "one for each opened store: it holds the answers that are waited for"


# ── work ─────────────────────────────────────────────────────────────────────────────────────


async def test_offered_work_goes_to_one_taker_each_at_once(workers: Workers) -> None:
    """Also if its taker needs longer until it claims it than others leave work with the dead: it says that it lives."""
    edge, *executors = workers
    taken: list[str] = []

    async def execute(cluster: Cluster, worker: str) -> None:
        while True:
            taken.append(await cluster.take_work(worker))

    for n in range(len(executors)):
        await edge[0].beat(f"worker_{n}", PATIENCE_SECONDS)
    tasks = [asyncio.ensure_future(execute(one, f"worker_{n}")) for n, (_, one) in enumerate(executors)]
    for n in range(50):
        await offer(edge, f"run_{n}")
    await eventually(lambda: len(taken) >= 50)
    await asyncio.sleep(2 * IDLE_SECONDS)
    await offer(edge, "run_50")
    await eventually(lambda: "run_50" in taken)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(taken) == sorted(f"run_{n}" for n in range(51))


async def test_what_has_not_ended_is_counted_whoever_has_it(workers: Workers) -> None:
    edge, other, _ = workers
    for run_id in ("run_1", "run_2", "run_1"):
        await offer(edge, run_id)
    assert await edge[1].count_work() == 2
    assert [await take(other, "worker_1") for _ in range(2)] == ["run_1", "run_2"]
    assert await other[1].count_work() == 2
    for run_id in ("run_1", "run_1", "run_9"):
        await other[1].finish_work(run_id)
    assert await edge[1].count_work() == 1


async def test_offering_twice_changes_nothing(workers: Workers) -> None:
    edge, other, _ = workers
    for run_id in ("run_1", "run_2", "run_1"):
        await offer(edge, run_id)
    assert [await take(other, "worker_1") for _ in range(2)] == ["run_1", "run_2"]
    assert await takes_nothing(other, "worker_1")


async def test_work_for_a_run_that_is_over_is_given_to_nobody(workers: Workers) -> None:
    """It was cancelled, or deleted, while it waited."""
    edge, other, _ = workers
    for run_id in ("run_1", "run_2", "run_3"):
        await offer(edge, run_id)
    await edge[0].end_run(Fence("run_1", 1), "cancelled", 5)
    await edge[0].forget_run("run_2", "was deleted")
    assert await take(other, "worker_1") == "run_3"


async def test_work_of_a_taker_that_died_before_its_claim_goes_to_another(workers: Workers) -> None:
    edge, one, other = workers
    await offer(edge, "run_1")
    began = time.monotonic()
    await one[0].beat("worker_1", 1.0)
    assert await take(one, "worker_1") == "run_1"
    assert await take(other, "worker_2") == "run_1"
    assert time.monotonic() - began > 0.99, "not before its lease had ended"


async def test_claimed_work_is_given_to_nobody_else(workers: Workers) -> None:
    """Its taker is dead, but leases decide what becomes of the run."""
    edge, one, other = workers
    await offer(edge, "run_1")
    assert await take(one, "worker_1") == "run_1"
    assert await one[0].claim_run("run_1", owner="worker_1", token=1) is not None
    assert await takes_nothing(other, "worker_2")


async def test_a_cancelled_taker_loses_no_work(workers: Workers) -> None:
    """Cancelled at any moment around the answer."""
    edge, one, _ = workers
    await one[0].beat("worker_1", PATIENCE_SECONDS)
    taken = set()
    for n in range(40):
        await offer(edge, f"run_{n}")
        taking = asyncio.ensure_future(one[1].take_work("worker_1"))
        for _ in range(n % 20):
            await asyncio.sleep(0)
        taking.cancel()
        (end,) = await asyncio.gather(taking, return_exceptions=True)
        if isinstance(end, str):
            taken.add(end)
    while len(taken) < 40:
        taken.add(await take(one, "worker_1"))


# ── commands ─────────────────────────────────────────────────────────────────────────────────


async def test_commands_reach_their_worker_and_answers_their_sender(workers: Workers) -> None:
    async with asyncio.TaskGroup() as tasks:
        serving = [
            tasks.create_task(serve(one, f"worker_{n}", lambda body, n=n: echo(body + b" of %d" % n)))
            for n, (_, one) in enumerate(workers)
        ]
        asked = [
            workers[sender][1].send(f"worker_{to}", b"\x00\xff%d" % n)
            for n in range(20)
            for sender in range(3)
            for to in range(3)
        ]
        answers = await asyncio.gather(*asked)
        for task in serving:
            task.cancel()
    assert answers == [
        b"echo \x00\xff%d of %d" % (n, to) for n in range(20) for _ in range(3) for to in range(3)
    ]


async def test_a_worker_that_does_not_answer_is_given_up(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (redis_cluster, sqlite_cluster):
        monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    with pytest.raises(LogUnavailable, match="worker_9"):
        await soon(workers[0][1].send("worker_9", b"x"))


async def test_a_command_that_was_sent_before_its_worker_listens_is_heard(workers: Workers) -> None:
    sending = asyncio.ensure_future(workers[0][1].send("worker_1", b"x"))
    await asyncio.sleep(0.05)
    serving = asyncio.ensure_future(serve(workers[1][1], "worker_1", echo))
    assert await soon(sending) == b"echo x"
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
