"""Covers `orchestrator/agent/deadlines.py`, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.agent.deadlines import Deadlines

pytestmark = pytest.mark.looptime


def limits(first_s: float = 10, idle_s: float = 5, total_s: float = 100) -> Deadlines:
    return Deadlines(first_s=first_s, idle_s=idle_s, total_s=total_s)


def speak(deadlines: Deadlines) -> None:
    deadlines.last, deadlines.heard = deadlines.clock(), True


async def test_the_first_event_has_a_limit_of_its_own() -> None:
    """Looked at as often as the idle limit, which begins with the first event."""
    deadlines = limits()
    assert deadlines.remaining() == (5, "timeout_first_token")
    await asyncio.sleep(7)
    assert deadlines.remaining() == (pytest.approx(3), "timeout_first_token")
    await asyncio.sleep(3)
    left, code = deadlines.remaining()
    assert (left <= 0, code) == (True, "timeout_first_token")


async def test_each_event_begins_the_idle_limit_anew() -> None:
    deadlines = limits()
    for _ in range(5):
        await asyncio.sleep(4)
        speak(deadlines)
        assert deadlines.remaining() == (pytest.approx(5), "timeout_idle")
    await asyncio.sleep(5.1)
    left, code = deadlines.remaining()
    assert (left < 0, code) == (True, "timeout_idle")


async def test_the_whole_attempt_ends_however_much_it_says() -> None:
    deadlines = limits(total_s=12)
    for _ in range(3):
        await asyncio.sleep(4)
        speak(deadlines)
    left, code = deadlines.remaining()
    assert (left <= 0, code) == (True, "timeout_total")


async def test_time_spent_waiting_for_others_does_not_count() -> None:
    """For a reader or a person; nested waits count once, and no limit is reached meanwhile."""
    deadlines = limits(total_s=20)
    await asyncio.sleep(3)
    speak(deadlines)
    with deadlines.paused():
        await asyncio.sleep(30)
        with deadlines.paused():
            await asyncio.sleep(30)
            left, code = deadlines.remaining()
            assert (left > 0, code) == (True, "timeout_idle")
        await asyncio.sleep(30)
    assert deadlines.remaining() == (pytest.approx(5), "timeout_idle")
    await asyncio.sleep(4)
    speak(deadlines)
    await asyncio.sleep(4)
    speak(deadlines)
    assert deadlines.remaining() == (pytest.approx(5), "timeout_idle")
    await asyncio.sleep(4.5)
    speak(deadlines)
    assert deadlines.remaining() == (pytest.approx(20 - 3 - 12.5), "timeout_total")


async def test_a_pause_that_fails_ends_too() -> None:
    deadlines = limits()

    async def fails() -> None:
        with deadlines.paused():
            await asyncio.sleep(50)
            raise ValueError("broke")

    with pytest.raises(ValueError, match="broke"):
        await fails()
    assert deadlines.remaining() == (pytest.approx(5), "timeout_first_token")
