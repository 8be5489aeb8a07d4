"""Covers `orchestrator/supervisor/executor.py`: the runs that a worker executes, and how they end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from orchestrator.agent.attempt import Stop
from orchestrator.backends.base import AgentInput, Turn
from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.eventlog.run_store import RunRecord
from orchestrator.run.conversation import Conversations
from orchestrator.run.factory import RunFactory
from orchestrator.run.run import Run
from orchestrator.run.stored import StoredRuns
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor.executor import Executor
from orchestrator.telemetry.observer import Observer
from tests.support.patience import eventually, soon
from tests.support.spine import Script, ScriptedRegistry


class Places(Observer):
    """Counts agents by their state: all of them have left at the end, or are somewhere else."""

    def __init__(self) -> None:
        self.here = 0
        self.left = 0

    def agent_state(self, agent_id: str, old: Any, new: Any) -> None:
        self.here += (new is not None) - (old is not None)

    def run_left(self, run: Any) -> None:
        self.left += 1


class UnsteadyLog(MemoryLog):
    refusals = 0

    async def read_run(self, *args: Any, **keys: Any) -> list[Entry]:
        if self.refusals:
            self.refusals -= 1
            raise LogUnavailable("away")
        return await super().read_run(*args, **keys)


class Worker:
    def __init__(self, scripts: dict[str, Script], tasks: asyncio.TaskGroup, keys: Any) -> None:
        self.log = UnsteadyLog()
        self.observer = Places()
        self.registry = ScriptedRegistry(scripts, keys)
        self.conversations = Conversations(self.log)
        self.stored = StoredRuns(self.log)
        self.factory = RunFactory(
            self.registry, self.log, self.observer, limits=RunLimits(max_run_tokens=500)
        )
        self.runs = Executor(self.factory, self.log, self.stored, cluster=None, tasks=tasks)

    async def record(self, run_id: str = "run_1", **keys: Any) -> RunRecord:
        made = RunRecord(
            **{
                "run_id": run_id, "channel": run_id, "message": "hi", "agents": ["a"], "conversation_id": None,
                "on_disconnect": "continue", "created_at": 1, "owner": "w", **keys,
            }
        )  # fmt: skip
        return await self.log.create_run(made) or made

    async def begun(self, record: RunRecord) -> Run:
        """Begin a run as the supervisor does."""
        run = self.factory.make_new(record)
        self.runs.hold(run)
        await run.begin()
        return run

    async def claimed(self, run_id: str = "run_1") -> RunRecord:
        record = await self.log.find_run(run_id)
        assert record is not None
        claimed = await self.log.claim_run(run_id, owner="w2", token=record.token)
        assert claimed is not None
        return claimed

    async def events(self, run_id: str = "run_1") -> list[str]:
        bounds = await self.log.open(run_id)
        page = await self.log.read(run_id, Cursor(bounds.epoch, 0), most=1000)
        return [f"{entry.agent_id or 'run'}.{entry.type}" for entry in page]


@asynccontextmanager
async def working(scripts: dict[str, Script] | None = None, **keys: Any) -> AsyncIterator[Worker]:
    async with asyncio.TaskGroup() as tasks:
        worker = Worker(scripts or {"a": answers}, tasks, keys)
        await worker.log.start()
        await worker.registry.load()
        yield worker
        worker.runs.abandon_all()


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


async def silent(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "so"
    await asyncio.Event().wait()


async def test_a_run_is_executed_to_its_end_and_kept_as_stored() -> None:
    async with working() as worker:
        record = await worker.record()
        run = await worker.begun(record)
        assert run.spec.max_output_tokens == 500, "what it may spend is this worker's to say"
        worker.runs.execute(run, record)
        assert worker.runs.find("run_1") is run
        assert "run_1" in worker.runs
        await soon(worker.runs.wait_idle(1000))
        assert worker.runs.find("run_1") is None
        assert await worker.events() == ["run.started", "a.started", "a.token", "a.done", "run.done"]
        ended = await worker.log.find_run("run_1")
        assert ended is not None
        assert (ended.status, ended.ended_at) == ("completed", run.state.ended_at)
        assert (await worker.stored.read(ended)).state is run.state
        assert worker.observer.here == 0


async def test_a_lost_run_with_a_broken_request_ends_and_asks_nobody() -> None:
    """Executed with defaults it would be another run than the one that was asked for."""
    asked: list[str] = []

    async def notes(request: AgentInput) -> AsyncGenerator[str, None]:
        asked.append(request.message)
        yield "Yes."

    async with working({"a": notes}) as worker:
        record = await worker.record(conversation_id="c")
        await worker.begun(record)
        await worker.conversations.hold("c", "run_1")
        claimed = replace(await worker.claimed(), request="{")
        with capture_logs() as logs:
            await worker.runs.resume(claimed)
        assert [line["log_level"] for line in logs if line["event"] == "run_unreadable"] == ["error"]
        assert await worker.events() == ["run.started", "a.error", "run.done"]
        ended = await worker.log.find_run("run_1")
        assert ended is not None
        assert (ended.status, asked, worker.runs.running) == ("failed", [], 0)
        assert await worker.conversations.hold("c", "run_2") == "run_2"


async def test_what_an_ended_run_remembered_is_let_go_of_at_once() -> None:
    """Not when the garbage collector looks: histories are megabytes, and it may look a hundred runs later."""
    async with working() as worker:
        await worker.conversations.add("c", "a", Turn("earlier?", "Earlier.", None, "run_0"))
        record = await worker.record(conversation_id="c")
        run = await worker.begun(record)
        agent = run._agents["a"]
        assert agent.history is not None
        assert agent.task is not None
        pump = weakref.ref(agent.task.pump)
        gc.disable()
        try:
            worker.runs.execute(run, record)
            await soon(worker.runs.wait_idle(1000))
            assert (pump(), agent.history) == (None, None), "the pump's input holds the history, too"
        finally:
            gc.enable()


async def test_its_conversation_is_free_when_it_has_ended() -> None:
    async with working() as worker:
        record = await worker.record(conversation_id="c")
        await worker.conversations.hold("c", "run_1")
        worker.runs.execute(await worker.begun(record), record)
        await soon(worker.runs.wait_idle(1000))
        await worker.record("run_2", conversation_id="c")
        assert await worker.conversations.hold("c", "run_2") == "run_2"


async def test_a_run_whose_own_machinery_breaks_ends_for_its_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """They must not wait for ever; the log has the cause, without the question."""

    async def breaks(self: Run) -> None:
        raise ValueError(f"broken by {self.spec.message}")

    monkeypatch.setattr(Run, "execute", breaks)
    async with working() as worker:
        record = await worker.record(message="what nobody else may read")
        run = await worker.begun(record)
        with capture_logs() as logs:
            worker.runs.execute(run, record)
            await soon(worker.runs.wait_idle(1000))
        assert (await worker.events())[-2:] == ["a.error", "run.done"]
        assert run.status == "failed"
    [line] = [line for line in logs if line["event"] == "run_failed"]
    assert "ValueError: broken by " in line["stack"]
    assert "nobody else" not in line["stack"]


async def test_a_run_that_another_worker_has_is_left_without_another_word() -> None:
    async with working({"a": silent}) as worker:
        record = await worker.record()
        run = await worker.begun(record)
        with capture_logs() as logs:
            worker.runs.execute(run, record)
            await eventually(lambda: run.state.participants["a"].text)
            await worker.claimed()
            run.cancel(Stop("requested"))
            await soon(worker.runs.wait_idle(1000))
        assert "run_lost" in [line["event"] for line in logs]
        assert (await worker.events())[-1] == "a.token"
        assert (worker.observer.here, worker.observer.left) == (0, 1)


async def test_a_claimed_run_begins_or_goes_on_from_its_log() -> None:
    async with working({"a": answers, "b": silent}) as worker:
        await worker.record(agents=["a"])
        await worker.runs.resume(await worker.claimed())
        await soon(worker.runs.wait_idle(1000))
        assert (await worker.events())[0] == "run.started"
        lost = await worker.record("run_2", agents=["b"])
        run = await worker.begun(lost)
        worker.runs.execute(run, lost)
        await eventually(lambda: run.state.participants["b"].text)
        worker.runs.abandon_all()
        await soon(worker.runs.wait_idle(1000))
        assert (await worker.events("run_2"))[-1] == "b.token", "whoever is abandoned says nothing more"
        await worker.runs.resume(await worker.claimed("run_2"))
        await soon(worker.runs.wait_idle(1000))
        assert (await worker.events("run_2"))[-2:] == ["b.error", "run.done"]
        assert worker.observer.here == 0


async def test_a_claim_is_gone_on_with_when_the_store_is_there_again() -> None:
    """Nobody else would."""
    async with working() as worker:
        await worker.record()
        claimed = await worker.claimed()
        worker.log.refusals = 2
        going_on = asyncio.ensure_future(worker.runs.resume(claimed))
        await asyncio.sleep(0)
        assert "run_1" in worker.runs, "it is on its way"
        await soon(going_on)
        await soon(worker.runs.wait_idle(1000))
        assert (await worker.events())[-1] == "run.done"


async def test_a_run_that_has_ended_but_for_the_note_is_noted() -> None:
    async with working() as worker:
        record = await worker.record()
        worker.runs.execute(await worker.begun(record), record)
        await soon(worker.runs.wait_idle(1000))
        before = await worker.events()
        stored = await worker.log.find_run("run_1")
        assert stored is not None
        worker.stored.drop("run_1")
        await worker.runs.resume(replace(stored, status="running", ended_at=None))
        assert await worker.events() == before
        assert worker.runs.find("run_1") is None


async def test_a_claim_that_is_void_already_harms_nobody() -> None:
    async with working() as worker:
        await worker.record()
        claimed = await worker.claimed()
        assert await worker.log.claim_run("run_1", owner="w3", token=claimed.token) is not None
        with capture_logs() as logs:
            await worker.runs.resume(claimed)
        assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["run_lost"]
        assert worker.observer.here == 0
        assert await worker.events() == []


async def test_cancel_all_ends_also_those_that_are_on_their_way() -> None:
    async with working({"a": silent}) as worker:
        first = await worker.record()
        worker.runs.execute(await worker.begun(first), first)
        worker.runs.cancel_all()
        second = await worker.record("run_2")
        run = await worker.begun(second)
        worker.runs.execute(run, second)
        await soon(worker.runs.wait_idle(1000))
        for run_id in ("run_1", "run_2"):
            assert (await worker.events(run_id))[-2:] == ["a.error", "run.done"]
        assert run.state.participants["a"].error is not None
        assert run.state.participants["a"].error["code"] == "shutdown"


async def test_waiting_until_idle_has_a_limit() -> None:
    async with working({"a": silent}) as worker:
        record = await worker.record()
        worker.runs.execute(await worker.begun(record), record)
        await soon(worker.runs.wait_idle(0.01))
        assert worker.runs.find("run_1") is not None
