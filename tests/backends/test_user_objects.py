"""Objects of the user's own are loaded, or made, as their functions want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from orchestrator.backends.user_objects import LazyObject


def accept(made: object) -> None:
    """Take whatever it is."""


async def test_what_is_made_later_is_made_once_whoever_leaves() -> None:
    going, made = asyncio.Event(), []

    async def make() -> str:
        made.append("made")
        await going.wait()
        return "it"

    later = LazyObject(make, accept)
    first, second = asyncio.create_task(later.get()), asyncio.create_task(later.get())
    await asyncio.sleep(0)
    first.cancel()
    going.set()
    assert await second == await later.get() == "it"
    assert first.cancelled()
    assert made == ["made"]
    await later.aclose()


async def test_a_context_is_left_by_the_task_that_entered_it() -> None:
    tasks: list[asyncio.Task[None] | None] = []

    @asynccontextmanager
    async def opened() -> AsyncIterator[str]:
        tasks.append(asyncio.current_task())
        try:
            yield "it"
        finally:
            tasks.append(asyncio.current_task())

    later = LazyObject(opened, accept)
    assert await later.get() == "it"
    await later.aclose()
    assert tasks[0] is tasks[1] is not asyncio.current_task()


async def test_one_that_fails_is_tried_again() -> None:
    answers = iter([ValueError("not yet"), "it"])

    async def make() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    later = LazyObject(make, accept)
    with pytest.raises(ValueError, match="not yet"):
        await later.get()
    assert await later.get() == "it"
    await later.aclose()
    await LazyObject(make, accept).aclose()
