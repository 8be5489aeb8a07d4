"""Tests of the wait for an attempt's end."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.agent.deadlines import Deadlines
from orchestrator.agent.watch import Watch


@pytest.fixture
async def ends() -> tuple[asyncio.Future[None], asyncio.Future[None]]:
    loop = asyncio.get_running_loop()
    return loop.create_future(), loop.create_future()


@pytest.mark.parametrize("which", [0, 1])
async def test_it_is_over_as_soon_as_one_of_two_is_done(
    ends: tuple[asyncio.Future[None], asyncio.Future[None]], which: int
) -> None:
    watch = Watch(Deadlines(first_s=60, idle_s=60, total_s=60), *ends)
    assert not watch.over.done()
    ends[which].set_result(None)
    await watch.over
    watch.end()
    assert not any(end._callbacks for end in ends)


async def test_it_is_over_when_a_limit_is_reached_and_says_which(
    ends: tuple[asyncio.Future[None], asyncio.Future[None]],
) -> None:
    """The idle limit is looked at first, and again once the agent has said something."""
    deadlines = Deadlines(first_s=60, idle_s=0.01, total_s=60)
    watch = Watch(deadlines, *ends)
    deadlines.heard = True
    await watch.over
    assert (watch.code, [end.done() for end in ends]) == ("timeout_idle", [False, False])


async def test_a_limit_that_is_reached_already_is_not_waited_for(
    ends: tuple[asyncio.Future[None], asyncio.Future[None]],
) -> None:
    watch = Watch(Deadlines(first_s=60, idle_s=60, total_s=0), *ends)
    assert (watch.over.done(), watch.code) == (True, "timeout_total")


async def test_nothing_is_left_in_the_loop_once_it_has_ended(
    ends: tuple[asyncio.Future[None], asyncio.Future[None]],
) -> None:
    watch = Watch(Deadlines(first_s=60, idle_s=60, total_s=60), *ends)
    watch.end()
    assert watch._timer is not None
    assert watch._timer.cancelled()


@pytest.mark.parametrize("says", [True, False])
async def test_what_came_while_the_loop_was_held_up_counts(
    ends: tuple[asyncio.Future[None], asyncio.Future[None]], says: bool
) -> None:
    """The limit's timer and the agent's next word are then due in the same turn of the loop, the timer first."""
    deadlines = Deadlines(first_s=60, idle_s=30, total_s=600)
    watch = Watch(deadlines, *ends)
    deadlines.heard = True
    deadlines.last -= 40
    watch._look()
    if says:
        deadlines.last = deadlines.clock()
    await asyncio.sleep(0)
    assert watch.over.done() is not says
    watch.end()
