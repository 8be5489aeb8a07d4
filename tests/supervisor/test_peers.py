"""Covers `orchestrator/supervisor/peers.py`: what a worker does with work that it was given, and with requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from orchestrator.errors import LogUnavailable, NotFound
from orchestrator.eventlog.cluster import PeerRequest
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.run.commands import Command as RunCommand
from orchestrator.run.commands import encode
from orchestrator.supervisor.peers import BEGINNING_AT_ONCE, answer_commands, take_work
from tests.support.patience import eventually, soon


class ScriptedCluster:
    """A `Cluster` of one: what is put into `work` is taken, in order."""

    def __init__(self) -> None:
        self.work: asyncio.Queue[str] = asyncio.Queue()
        self.requests: asyncio.Queue[PeerRequest] = asyncio.Queue()
        self.offered: list[str] = []
        self.finished: list[str] = []

    async def offer_work(self, run_id: str) -> None:
        self.offered.append(run_id)

    async def take_work(self, worker: str) -> str:
        return await self.work.get()

    async def finish_work(self, run_id: str) -> None:
        self.finished.append(run_id)

    async def send(self, worker: str, command: bytes) -> bytes:
        raise NotImplementedError

    async def commands(self, worker: str) -> AsyncGenerator[PeerRequest, None]:
        while True:
            yield await self.requests.get()


class Executing:
    """What `take_work` needs of the runs that are executed here."""

    def __init__(self) -> None:
        self.records: list[RunRecord] = []
        self.fails: Exception | None = None

    async def resume(self, record: RunRecord) -> None:
        if self.fails is not None:
            raise self.fails
        self.records.append(record)

    def find(self, run_id: str) -> None:
        return None


class Admitting:
    """Whether there is room for more."""

    draining = False
    is_busy = False

    def starting(self, run_id: str) -> Any:
        return nullcontext()


class UnsteadyLog(MemoryLog):
    """A store that does not answer for as many calls as a test says."""

    refusals = 0

    async def find_run(self, run_id: str) -> RunRecord | None:
        self._maybe_refuse()
        return await super().find_run(run_id)

    async def claim_run(self, run_id: str, *, owner: str, token: int) -> RunRecord | None:
        self._maybe_refuse()
        return await super().claim_run(run_id, owner=owner, token=token)

    def _maybe_refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise LogUnavailable("the store is unavailable")


class Worker:
    def __init__(self, store: UnsteadyLog) -> None:
        self.cluster = ScriptedCluster()
        self.store = store
        self.executing = Executing()
        self.admission = Admitting()

    async def offered(self, run_id: str) -> None:
        """Make a run as another worker does, and have this one take it."""
        await self.store.create_run(
            RunRecord(
                run_id=run_id, channel=run_id, message="?", agents=["a"], conversation_id=None,
                on_disconnect="continue", created_at=1, owner="edge",
            )
        )  # fmt: skip
        self.cluster.work.put_nowait(run_id)

    @property
    def executed(self) -> list[tuple[str, str, int]]:
        return [(record.run_id, record.owner, record.token) for record in self.executing.records]


@asynccontextmanager
async def tending(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.ensure_future(work)
    try:
        yield task
        assert not task.done(), "one run, or one request, must not end the worker's task"
    finally:
        task.cancel()
        await asyncio.wait((task,))


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    store = UnsteadyLog()
    await store.start()
    found = Worker(store)
    taking = take_work(found.cluster, store, cast(Any, found.executing), cast(Any, found.admission), "w2")
    async with tending(taking):
        yield found
    await store.aclose()


async def test_offered_run_is_claimed_and_executed(worker: Worker) -> None:
    await worker.offered("run_1")
    await worker.offered("run_2")
    await eventually(lambda: len(worker.executed) == 2)
    assert worker.executed == [("run_1", "w2", 2), ("run_2", "w2", 2)]


async def test_run_that_another_has_claimed_meanwhile_stays_its_own(worker: Worker) -> None:
    """A worker that stood still took it long ago; to claim it now would end it where it is executed."""
    worker.admission.is_busy = True
    await worker.offered("run_1")
    assert await worker.store.claim_run("run_1", owner="w1", token=1) is not None
    worker.admission.is_busy = False
    await worker.offered("run_2")
    await eventually(lambda: worker.executed)
    assert worker.executed == [("run_2", "w2", 2)]
    assert worker.cluster.finished == []
    record = await worker.store.find_run("run_1")
    assert record is not None
    assert (record.owner, record.token) == ("w1", 2)


@pytest.mark.parametrize("refusals", [1, 2, 3])
async def test_work_is_not_forgotten_while_the_store_is_unavailable(worker: Worker, refusals: int) -> None:
    """Nobody else is given it while its taker lives."""
    worker.store.refusals = refusals
    await worker.offered("run_1")
    await eventually(lambda: worker.executed)
    assert worker.executed == [("run_1", "w2", 2)]


async def test_work_for_a_run_that_is_over_or_forgotten_is_finished(worker: Worker) -> None:
    worker.cluster.work.put_nowait("run_unknown")
    await worker.offered("run_1")
    await worker.store.end_run(Fence("run_1", 1), "cancelled", 5)
    await eventually(lambda: len(worker.cluster.finished) == 2)
    assert worker.cluster.finished == ["run_unknown", "run_1"]
    assert worker.executed == []


async def test_draining_worker_gives_work_on(worker: Worker) -> None:
    """It had begun to wait before that."""
    worker.admission.draining = True
    await worker.offered("run_1")
    await eventually(lambda: worker.cluster.offered)
    assert (worker.cluster.finished, worker.cluster.offered) == (["run_1"], ["run_1"])
    assert worker.executed == []


async def test_several_runs_begin_at_the_same_time(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits for the store a dozen times; one after the other, four hundred took sixteen seconds."""
    at_once = most = 0
    resume = worker.executing.resume

    async def slow(record: RunRecord) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        await resume(record)

    monkeypatch.setattr(worker.executing, "resume", slow)
    for n in range(40):
        await worker.offered(f"run_{n}")
    await eventually(lambda: len(worker.executed) == 40)
    assert 1 < most <= BEGINNING_AT_ONCE


async def test_busy_worker_takes_nothing(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.supervisor.peers.BUSY_SECONDS", 0.001)
    await worker.offered("run_1")
    await eventually(lambda: worker.executed)
    worker.admission.is_busy = True
    await worker.offered("run_2")  # it waits for work already, and takes this one
    await worker.offered("run_3")
    await eventually(lambda: len(worker.executed) == 2)
    await asyncio.sleep(0.02)
    assert worker.cluster.work.qsize() == 1
    worker.admission.is_busy = False
    await eventually(lambda: len(worker.executed) == 3)


@pytest.mark.parametrize("failed", [RuntimeError("broken"), NotFound("was deleted")])
async def test_run_that_cannot_be_executed_does_not_end_the_others(worker: Worker, failed: Exception) -> None:
    worker.executing.fails = failed
    with capture_logs() as logs:
        await worker.offered("run_1")
        await eventually(lambda: worker.cluster.finished or logs)
    assert [line["event"] for line in logs] == (["work_failed"] if isinstance(failed, RuntimeError) else [])
    worker.executing.fails = None
    await worker.offered("run_2")
    await eventually(lambda: worker.executed)


# ── requests of other workers ────────────────────────────────────────────────────────────────


async def ask(cluster: ScriptedCluster, body: bytes, reply: Callable[[bytes], None]) -> None:
    replied = asyncio.Event()

    async def answer(body: bytes) -> None:
        replied.set()
        reply(body)

    cluster.requests.put_nowait(PeerRequest(body, answer))
    await soon(replied.wait())


async def test_requests_are_answered_one_after_another_whatever_becomes_of_one() -> None:
    """Neither a body that nobody can read nor an answer that does not arrive ends the task."""
    cluster, answers = ScriptedCluster(), []
    body = encode(RunCommand("cancel", "run_1"))

    def unavailable(body: bytes) -> None:
        raise LogUnavailable("no answer")

    with capture_logs() as logs:
        async with tending(answer_commands(cluster, cast(Any, Executing()), worker="w2")):
            cluster.requests.put_nowait(PeerRequest(b"not json", cast(Any, None)))
            await ask(cluster, body, unavailable)
            await ask(cluster, body, answers.append)
    assert [line["event"] for line in logs] == ["command_failed", "command_not_answered"]
    assert [json.loads(answer) for answer in answers] == [{"refused": "moved"}]
