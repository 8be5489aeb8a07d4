"""Covers `orchestrator/eventlog/retry.py`: what is owed to a client may come late, but has to come."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.errors import Fenced, LogUnavailable
from orchestrator.eventlog.retry import LONGEST_PAUSE_SECONDS, until_available
from tests.support.patience import soon

pytestmark = pytest.mark.looptime


class Store:
    """Raises as often as a test says, and notes when it was asked."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked_at: list[float] = []

    async def ask(self) -> str:
        self.asked_at.append(asyncio.get_running_loop().time())
        if self.errors:
            raise self.errors.pop(0)
        return "kept"


async def test_an_answer_comes_at_once() -> None:
    store = Store()
    assert await until_available(store.ask) == "kept"
    assert store.asked_at == [0]


async def test_it_asks_again_with_growing_pauses_for_as_long_as_it_takes() -> None:
    store = Store(*(LogUnavailable("away") for _ in range(40)))
    assert await until_available(store.ask) == "kept"
    pauses = [later - before for before, later in zip(store.asked_at, store.asked_at[1:], strict=False)]
    assert len(pauses) == 40
    assert pauses[0] < 0.5 < pauses[-1] <= LONGEST_PAUSE_SECONDS + 0.1
    assert sum(pauses) > 20, "a store may be unavailable for long"


@pytest.mark.parametrize("error", [Fenced("another owner"), ValueError("broken")])
async def test_any_other_failure_is_the_callers(error: Exception) -> None:
    store = Store(LogUnavailable("away"), error)
    with pytest.raises(type(error), match=str(error)):
        await until_available(store.ask)
    assert len(store.asked_at) == 2


async def test_cancelling_ends_the_waiting() -> None:
    store = Store(*(LogUnavailable("away") for _ in range(10_000)))
    waiting = asyncio.ensure_future(until_available(store.ask))
    await asyncio.sleep(10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await soon(waiting)
    asked = len(store.asked_at)
    await asyncio.sleep(10)
    assert len(store.asked_at) == asked
