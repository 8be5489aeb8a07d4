"""Covers `orchestrator/agent/containment.py`: what an agent's own tasks raise ends none but that agent."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from orchestrator.agent.containment import contain_tasks

Started = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]


@pytest.fixture(autouse=True)
async def factory() -> AsyncIterator[None]:
    """Give the test's loop its factory back."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    yield
    loop.set_task_factory(before)


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
    "wait_for": lambda coro: asyncio.wait_for(coro, 60),
    "group": in_group,
    "below": below,
}


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("how", STARTED)
async def test_a_task_of_an_agent_that_asks_the_process_to_end_fails(
    how: str, kind: type[BaseException]
) -> None:
    contain_tasks()
    with pytest.raises((RuntimeError, ExceptionGroup)) as failed:
        await STARTED[how](exits(kind))
    exc = failed.value.exceptions[0] if isinstance(failed.value, ExceptionGroup) else failed.value
    assert isinstance(exc, RuntimeError)
    assert isinstance(exc.__cause__, kind)


async def test_a_task_that_ends_so_when_it_is_cancelled_fails_too() -> None:
    contain_tasks()

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
    contain_tasks()
    task = asyncio.create_task(asyncio.sleep(60))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()


async def test_whoever_looks_at_a_task_sees_its_own_coroutine() -> None:
    contain_tasks()
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
        contain_tasks()
        await asyncio.create_task(asyncio.sleep(0))

    await asyncio.create_task(agent())
    await asyncio.create_task(agent())
    factory = loop.get_task_factory()
    await asyncio.create_task(asyncio.sleep(0))
    assert made == ["coroutine", "_Contained", "coroutine", "_Contained", "coroutine"]
    await asyncio.create_task(agent())
    assert loop.get_task_factory() is factory, "one is enough"
