"""What becomes of runs whose worker was lost, or that ended before a restart. On every durable store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agent.attempt import Stop
from orchestrator.backends.base import AgentInput
from orchestrator.errors import Conflict, Gone, NotFound
from orchestrator.eventlog import open_log
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.run_list import RunQuery
from orchestrator.eventlog.subscription import IDLE, follow
from orchestrator.eventlog.view import View
from orchestrator.events import Approval, Snapshot, Status
from orchestrator.run.run import Run
from orchestrator.run.spec import StartRequest
from orchestrator.run.stored import StoredRun
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor import failover
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.spine import ScriptedRegistry, Seen, of, read, start, text_of

Reopen = Callable[[], Awaitable[Store]]


@pytest.fixture(params=["sqlite", "memory"])
async def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Reopen]:
    """Open the same store once more, as another worker does. Memory is shared only within a process."""
    opened: list[Store] = []

    async def again() -> Store:
        if request.param == "memory" and opened:
            return opened[0]
        opened.append(open_log("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/log.db"))
        await opened[-1].start()
        return opened[-1]

    yield again
    for store in opened:
        await store.aclose()


async def words(request: AgentInput) -> AsyncGenerator[str, None]:
    yield f"{len(request.history)} turns before "
    yield request.message


async def endless(request: AgentInput) -> AsyncGenerator[str, None]:
    while True:
        yield "x"
        await asyncio.sleep(0.002)


class Worker:
    """A supervisor that can be lost: frozen, as a stopped process is."""

    def __init__(
        self,
        store: Store,
        keys: dict[str, Any] | None = None,
        scripts: dict[str, Any] | None = None,
        **limits: Any,
    ) -> None:
        registry = ScriptedRegistry(scripts or {"a": words, "b": endless}, keys)
        self.supervisor = Supervisor(registry, store, limits=RunLimits(**limits))

    async def __aenter__(self) -> Supervisor:
        await self.supervisor.registry.load()
        return await self.supervisor.__aenter__()

    async def __aexit__(self, *exc: Any) -> None:
        await self.supervisor.__aexit__(None, None, None)


async def lose(supervisor: Supervisor) -> None:
    """Let a worker say nothing more to the others, while its tasks still want to append."""
    supervisor._serving[0].cancel()
    await supervisor.log.beat(supervisor.worker, 0.05)


async def follow_to_end(supervisor: Supervisor, run_id: str, after: str | None = None) -> list[Seen]:
    run = await supervisor.get(run_id)

    async def snapshots() -> list[Snapshot]:
        return [(await supervisor.get(run_id)).snapshot()]

    seen: list[Seen] = []
    items = follow(supervisor.log, View(run.spec.channel, run_id), after, snapshots)
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(items) as pages:
        async for page in pages:
            if page is not IDLE:  # it says after seconds of silence that the log is alive
                assert isinstance(page, list)
                seen += [Seen(entry) for entry in page]
    return seen


async def test_runs_of_before_are_there_after_a_restart(reopen: Reopen) -> None:
    async with Worker(await reopen()) as first:
        run = await start(first, "hello", agents=("a",))
        before = await read(first, run)
        await first.drain(1)
        told = run.snapshot()
    async with Worker(await reopen()) as second:
        found = await second.get(run.spec.run_id)
        assert isinstance(found, StoredRun)
        assert found.snapshot() == told
        assert await follow_to_end(second, run.spec.run_id) == before or [
            (e.id, e.data) for e in await follow_to_end(second, run.spec.run_id)
        ] == [(e.id, e.data) for e in before]
        middle = before[len(before) // 2]
        rest = await follow_to_end(second, run.spec.run_id, middle.id)
        assert [e.id for e in rest] == [e.id for e in before[len(before) // 2 + 1 :]]
        assert await second.nothing_after(found, before[-1].id)
        assert [r.run_id for r in (await second.page(RunQuery(5))).runs] == [run.spec.run_id]
        with pytest.raises(Conflict):
            await found.retry("a")
        found.cancel(Stop("requested"))
        with pytest.raises(NotFound):
            found.approve("a", Approval("c", True))


async def test_same_key_after_a_restart_is_the_same_run(reopen: Reopen) -> None:
    async with Worker(await reopen()) as first:
        run, _ = await first.start(StartRequest("hi", ("a",)), key="k")
        assert isinstance(run, Run)
        await read(first, run)
        await first.drain(1)
    async with Worker(await reopen()) as second:
        again, new = await second.start(StartRequest("hi", ("a",)), key="k")
        assert (again.spec.run_id, new) == (run.spec.run_id, False)
        with pytest.raises(Conflict):
            await second.start(StartRequest("other", ("a",)), key="k")


async def test_conversation_goes_on_after_a_restart(reopen: Reopen) -> None:
    async with Worker(await reopen()) as first:
        await read(first, await start(first, "one", agents=("a",), conversation_id="c"))
        await first.drain(1)
    async with Worker(await reopen()) as second:
        events = await read(second, await start(second, "two", agents=("a",), conversation_id="c"))
    assert text_of(events, "a") == "1 turns before two"


async def test_forgotten_run_stays_gone(reopen: Reopen) -> None:
    async with Worker(await reopen()) as first:
        run = await start(first, agents=("a",))
        await read(first, run)
        await first.forget(run.spec.run_id)
    async with Worker(await reopen()) as second:
        with pytest.raises(Gone, match="deleted"):
            await second.get(run.spec.run_id)


async def test_agents_of_a_lost_worker_end_with_worker_lost(reopen: Reopen) -> None:
    """Written once, within 10 s, by whoever notices; and the lost worker appends no more."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Worker(await reopen()))
        run = await start(first, agents=("a", "b"))
        await eventually(lambda: len(run.participants["b"].pieces) >= 5 and run.participants["a"].ended)
        await lose(first)
        second = await stack.enter_async_context(Worker(await reopen()))
        third = await stack.enter_async_context(Worker(await reopen()))
        events = await follow_to_end(second, run.spec.run_id)
        assert [e.data["code"] for e in of(events, "b", "error")] == ["worker_lost"]
        assert of(events, "a", "done")
        assert events[-1].name == "run.done"
        assert events[-1].data["status"] == "partial"
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        # The lost worker wakes up: it has lost the right to append.
        await eventually(lambda: not first._executor._owners)
        again = await follow_to_end(third, run.spec.run_id)
        assert [e.id for e in again] == [e.id for e in events]
        assert (await third.get(run.spec.run_id)).snapshot().agents["b"].error["code"] == "worker_lost"


async def test_agent_that_may_be_repeated_is_taken_over(reopen: Reopen) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Worker(await reopen()))
        run = await start(first, "again", agents=("a", "b"))
        await eventually(lambda: run.participants["b"].pieces)
        await lose(first)
        keys = {"b": {"on_worker_lost": "restart"}}
        second = await stack.enter_async_context(Worker(await reopen(), keys))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (taken := second._executor.find(run.spec.run_id)) is None:
                await asyncio.sleep(0.02)
        await eventually(
            lambda: [taken.participants["b"].attempt, taken.participants["b"].status] == [2, "running"]
        )
        taken.cancel(Stop("requested"), "b")
        events = await follow_to_end(second, run.spec.run_id)
    said = [(e.type, e.data["attempt"]) for e in of(events, "b") if "attempt" in e.data]
    assert said == [("started", 1), ("error", 1), ("retry", 2), ("started", 2), ("cancelled", 2)]
    assert of(events, "b", "retry")[0].data["code"] == "worker_lost"


async def anchored(request: AgentInput) -> AsyncGenerator[Any, None]:
    """Say where its upstream work is, and what it was told of that."""
    yield Status("thinking", anchor=f"work of attempt {request.attempt}")
    yield f"anchor {request.anchor} "
    while request.attempt == 1:
        await asyncio.sleep(0.01)


async def test_agent_that_can_be_found_again_is_taken_over_unasked(reopen: Reopen) -> None:
    """Without `on_worker_lost: restart`: it does not begin again, it goes on with the same upstream work."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Worker(await reopen(), scripts={"a": anchored}))
        run = await start(first, "again", agents=("a",))
        await eventually(lambda: run.participants["a"].pieces)
        await lose(first)
        second = await stack.enter_async_context(Worker(await reopen(), scripts={"a": anchored}))
        events = await follow_to_end(second, run.spec.run_id)
    said = [(e.type, e.data["attempt"]) for e in of(events, "a") if "attempt" in e.data]
    assert said == [("started", 1), ("error", 1), ("retry", 2), ("started", 2), ("done", 2)]
    assert [e.data["text"] for e in of(events, "a", "token")] == ["anchor None ", "anchor work of attempt 1 "]
    assert events[-1].data["status"] == "completed"


async def test_run_whose_start_was_broken_off_begins_all_the_same(
    reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client may leave in the middle of its POST, with the run in the store already: it must not stay there."""
    monkeypatch.setattr(failover, "ADRIFT_SECONDS", 0.2)
    async with Worker(await reopen()) as supervisor:
        for turns in range(12):
            starting = asyncio.ensure_future(supervisor.start(StartRequest("hi", ("a",))))
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            await asyncio.wait((starting,))
        async with asyncio.timeout(PATIENCE_SECONDS):
            # Some were kept before their client left.
            while {run.status for run in (await supervisor.page(RunQuery(50))).runs} != {"completed"}:
                await asyncio.sleep(0.05)
