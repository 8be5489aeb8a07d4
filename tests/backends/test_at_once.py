"""Covers `orchestrator/backends/at_once.py`: a coroutine whose first step is taken before a task is made of it."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from orchestrator.agent.containment import contain
from orchestrator.backends.at_once import AtOnce

Made = asyncio.Task[str] | asyncio.Future[str]


def made(coro: AtOnce) -> Made:
    """Make a task of *coro* as an agent's own libraries do."""

    def make() -> Made:
        contain(object())
        return asyncio.create_task(coro)

    return contextvars.copy_context().run(make)


async def says(text: str, *, after: asyncio.Future[None] | None = None) -> str:
    if after is not None:
        await after
        await asyncio.sleep(0)
    return text


async def fails(*, after: asyncio.Future[None] | None = None) -> str:
    if after is not None:
        await after
    raise ValueError("no")


async def test_what_ends_with_its_first_step_needs_no_task() -> None:
    task = made(AtOnce(says("now")))
    assert (task.done(), await task) == (True, "now")
    assert not isinstance(task, asyncio.Task)


async def test_what_waits_goes_on_in_a_task() -> None:
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = made(AtOnce(says("later", after=first)))
    assert not task.done()
    first.set_result(None)
    assert await task == "later"


@pytest.mark.parametrize("waits", [False, True])
async def test_a_failure_is_for_whoever_awaits_the_end(waits: bool) -> None:
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = made(AtOnce(fails(after=first if waits else None)))
    first.set_result(None)
    with pytest.raises(ValueError, match="no"):
        await task


@pytest.mark.parametrize("steps", [0, 1])
async def test_a_cancel_reaches_it_where_it_waits(steps: int) -> None:
    first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = made(AtOnce(says("never", after=first)))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert first.cancelled() == bool(steps)


async def test_without_such_a_task_factory_it_is_a_coroutine_like_any_other() -> None:
    assert await AtOnce(says("now")) == "now"
    assert await asyncio.Task(AtOnce(says("now"))) == "now"
