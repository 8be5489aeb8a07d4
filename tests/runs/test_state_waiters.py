"""Covers `orchestrator/run/state_waiters.py`: waiting until a run's state is such and such."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.run.state_waiters import StateWaiters
from tests.support.patience import soon, turns


async def test_what_is_true_already_is_not_waited_for() -> None:
    conditions = StateWaiters()
    await soon(conditions.wait(lambda: True))
    assert not conditions


async def test_a_look_wakes_those_whose_condition_has_come_true_and_no_others() -> None:
    conditions, reached = StateWaiters(), 0
    first = asyncio.ensure_future(conditions.wait(lambda: reached >= 1))
    second = asyncio.ensure_future(conditions.wait(lambda: reached >= 2))
    await turns()
    conditions.check()
    await turns()
    assert not first.done()
    reached = 1
    conditions.check()
    await soon(first)
    assert not second.done()
    assert conditions
    reached = 2
    conditions.check()
    await soon(second)
    assert not conditions


async def test_a_change_that_nobody_looks_at_wakes_nobody() -> None:
    """So whoever changes the state has to look: nothing polls."""
    conditions, true = StateWaiters(), False
    waiting = asyncio.ensure_future(conditions.wait(lambda: true))
    await turns()
    true = True
    await turns()
    assert not waiting.done()
    conditions.check()
    await soon(waiting)


async def test_whoever_gives_up_is_forgotten() -> None:
    conditions = StateWaiters()
    waiting = asyncio.ensure_future(conditions.wait(lambda: False))
    await turns()
    assert conditions
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not conditions
    conditions.check()


async def test_looking_twice_before_a_waiter_had_its_turn_is_safe() -> None:
    conditions, true = StateWaiters(), False
    waiting = asyncio.ensure_future(conditions.wait(lambda: true))
    await turns()
    true = True
    conditions.check()
    conditions.check()
    await soon(waiting)
