"""Covers `orchestrator/agent/containment.py`: what an agent's own tasks raise ends none but that agent."""

from __future__ import annotations

import asyncio
import gc
import inspect
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.agent.containment import AGENT_THREADS, MOST_LINES, contain
from orchestrator.backends.base import AgentInput, Turn
from tests.support.patience import eventually, turns

Started = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


class Agent:
    """Whom a task belongs to."""


@pytest.fixture(autouse=True)
async def factory() -> AsyncIterator[None]:
    """Give the test's loop its factory back."""
    loop = asyncio.get_running_loop()
    before, handler = loop.get_task_factory(), loop.get_exception_handler()
    yield
    loop.set_task_factory(before)
    loop.set_exception_handler(handler)


async def exits(kind: type[BaseException]) -> None:
    await asyncio.sleep(0)
    raise kind(3)


async def in_group(coro: Coroutine[Any, Any, Any]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(coro)


async def below(coro: Coroutine[Any, Any, Any]) -> None:
    async def once_more() -> None:
        await asyncio.create_task(coro)

    await asyncio.create_task(once_more())


STARTED: dict[str, Started] = {
    "task": lambda coro: asyncio.create_task(coro, name="named"),
    "gather": lambda coro: asyncio.gather(coro),
    "group": in_group,
    "below": below,
}


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("how", STARTED)
async def test_a_task_of_an_agent_that_asks_the_process_to_end_fails(
    how: str, kind: type[BaseException]
) -> None:
    contain(Agent())
    with pytest.raises((RuntimeError, ExceptionGroup)) as failed:
        await STARTED[how](exits(kind))
    exc = failed.value.exceptions[0] if isinstance(failed.value, ExceptionGroup) else failed.value
    assert isinstance(exc, RuntimeError)
    assert isinstance(exc.__cause__, kind)


async def test_a_task_that_ends_so_when_it_is_cancelled_fails_too() -> None:
    contain(Agent())

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise SystemExit(3)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(RuntimeError):
        await task


async def test_a_task_that_is_cancelled_before_it_begins_leaves_no_warning() -> None:
    contain(Agent())
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()


async def test_whoever_looks_at_a_task_sees_its_own_coroutine() -> None:
    contain(Agent())
    task = asyncio.create_task(exits(SystemExit), name="mine")
    seen: Any = task.get_coro()
    assert (task.get_name(), seen.__name__, inspect.getcoroutinestate(seen)) == (
        "mine", "exits", inspect.CORO_CREATED,
    )  # fmt: skip
    task.cancel()
    await asyncio.wait([task])


async def test_other_tasks_are_as_before_and_the_loops_own_factory_still_makes_each() -> None:
    made: list[str] = []

    def own(loop: asyncio.AbstractEventLoop, coro: Any, **named: Any) -> asyncio.Task[Any]:
        made.append(type(coro).__name__)
        return asyncio.Task(coro, loop=loop, **named)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(own)

    async def agent() -> None:
        contain(Agent())
        await asyncio.create_task(asyncio.sleep(0))

    await asyncio.create_task(agent())
    await asyncio.create_task(agent())
    factory = loop.get_task_factory()
    await asyncio.create_task(asyncio.sleep(0))
    assert made == ["coroutine", "_Contained", "coroutine", "_Contained", "coroutine"]
    await asyncio.create_task(agent())
    assert loop.get_task_factory() is factory, "one is enough"


async def test_an_agent_whose_threads_all_wait_holds_up_neither_the_service_nor_another_agent() -> None:
    """A tool that waits for its server for ever, in as many runs as there are threads."""
    goes_on, asyncios_own = threading.Event(), asyncio.to_thread

    async def ask(agent: Agent, tool: Callable[[], Any]) -> Any:
        contain(agent)
        return await asyncios_own(tool)

    stuck = Agent()
    waiting = [asyncio.create_task(ask(stuck, goes_on.wait)) for _ in range(2 * AGENT_THREADS)]
    await turns()
    try:
        assert await asyncio.create_task(ask(Agent(), threading.current_thread)) is not None
        assert await asyncios_own(lambda: "page") == "page"
        assert await asyncio.get_running_loop().getaddrinfo("127.0.0.1", 80)
        assert not any(each.done() for each in waiting)
    finally:
        goes_on.set()
    assert await asyncio.gather(*waiting) == [True] * len(waiting)


async def test_what_no_agent_asks_for_is_done_by_the_loops_own_executor() -> None:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1, thread_name_prefix="mine") as own:
        loop.set_default_executor(own)

        async def agent() -> str:
            contain(Agent())
            return await asyncio.to_thread(name)

        def name() -> str:
            return threading.current_thread().name.partition("_")[0]

        assert (await asyncio.create_task(agent()), await asyncio.to_thread(name)) == ("agent", "mine")


@pytest.mark.parametrize("kind", [Agent, dict], ids=["weak", "no key"])
async def test_the_threads_of_an_agent_that_has_gone_end(kind: Callable[[], object]) -> None:
    threads: list[threading.Thread] = []

    async def once() -> None:
        contain(kind())
        threads.append(await asyncio.to_thread(threading.current_thread))

    await asyncio.create_task(once())
    gc.collect()
    await asyncio.to_thread(threads[0].join)
    assert not threads[0].is_alive()


# ── what nobody awaits ────────────────────────────────────────────────────────────────────────

QUESTION = "my question of 4242 words"


async def fails(key: str) -> None:
    raise ValueError(f"cannot answer {QUESTION}")


def in_task() -> None:
    asyncio.create_task(fails("plain key")).add_done_callback(lambda _: None)


def in_callback() -> None:
    def called(key: str = "plain key") -> None:
        raise ValueError(f"cannot answer {QUESTION}")

    asyncio.get_running_loop().call_soon(called)


def in_thread() -> None:
    def called(key: str = "plain key") -> None:
        raise ValueError(f"cannot answer {QUESTION}")

    asyncio.get_running_loop().run_in_executor(None, called)


def in_gathering() -> None:
    asyncio.gather(fails("plain key"))


@pytest.fixture
async def heard() -> list[dict[str, Any]]:
    """Give the loop a handler of an application's own; return what it is called with."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: found.append(context))
    return found


@pytest.mark.parametrize("begin", [in_task, in_callback, in_thread, in_gathering])
async def test_what_an_agent_leaves_unawaited_is_logged_as_its_own_without_local_variables(
    begin: Callable[[], None], heard: list[dict[str, Any]]
) -> None:
    async def attempt() -> None:
        contain(Agent(), AgentInput(QUESTION, run_id="run_1", agent_id="one"))
        begin()
        await turns()

    with capture_logs() as logs:
        await asyncio.create_task(attempt())
        await eventually(lambda: gc.collect() >= 0 and bool(logs))
    (line,) = logs
    assert (line["event"], line["run_id"], line["agent_id"]) == ("agent_task_failed", "run_1", "one")
    assert line["stack"].endswith("\nValueError")
    assert "test_containment.py" in line["stack"]
    assert "exc_info" not in line
    assert QUESTION not in str(line)
    assert "plain key" not in str(line)
    assert heard == []


async def test_of_what_one_attempt_leaves_unawaited_few_lines_are_logged_and_nothing_is_kept(
    heard: list[dict[str, Any]],
) -> None:
    """An agent may leave thousands of tasks, and one of them may live as long as the process."""
    memory = Agent()
    request = AgentInput(QUESTION, run_id="run_1", agent_id="one", history=(Turn("q", "a", memory, "run_0"),))
    kept = weakref.ref(memory)
    staying = asyncio.Event()

    async def attempt(request: AgentInput) -> asyncio.Task[bool]:
        contain(Agent(), request)
        for _ in range(MOST_LINES * 3):
            in_task()
        await turns()
        return asyncio.create_task(staying.wait())

    with capture_logs() as logs:
        task = await asyncio.create_task(attempt(request))
        del request, memory
        gc.collect()
    assert [line["is_last_line"] for line in logs] == [False] * (MOST_LINES - 1) + [True]
    assert kept() is None
    assert heard == []
    staying.set()
    await task


@pytest.mark.parametrize("begin", [in_task, in_callback])
async def test_what_no_agent_began_is_the_applications_own_handlers(
    begin: Callable[[], None], heard: list[dict[str, Any]]
) -> None:
    async def attempt() -> None:
        contain(Agent(), AgentInput(QUESTION))

    with capture_logs() as logs:
        await asyncio.create_task(attempt())
        begin()
        await turns()
        gc.collect()
    assert logs == []
    (context,) = heard
    assert isinstance(context["exception"], ValueError)
