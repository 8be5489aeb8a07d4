"""Covers `orchestrator/agent/pace.py`, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.agent.pace import SLICE_SECONDS, Pace

pytestmark = pytest.mark.looptime


@pytest.mark.parametrize(("rate", "size"), [(100, 5), (1, 1), (0.1, 1), (1000, 50)])
async def test_text_is_cut_into_parts_that_look_even(rate: float, size: int) -> None:
    parts = Pace(rate).split("x" * 101)
    assert "".join(parts) == "x" * 101
    assert {len(part) for part in parts[:-1]} == {size}
    assert len(parts[0]) / rate <= max(SLICE_SECONDS, 1 / rate)


async def test_nothing_has_no_parts() -> None:
    assert Pace(10).split("") == []


async def test_the_first_part_goes_at_once_and_the_others_at_the_pace() -> None:
    pace, loop = Pace(10), asyncio.get_running_loop()
    began = loop.time()
    went = []
    for _ in range(4):
        await pace.wait(5)
        went.append(loop.time() - began)
    assert went == pytest.approx([0.0, 0.5, 1.0, 1.5])


async def test_unused_time_is_not_saved_up() -> None:
    """Else an agent that thought for a minute would then burst."""
    pace, loop = Pace(10), asyncio.get_running_loop()
    await pace.wait(5)
    await asyncio.sleep(60)
    began = loop.time()
    await pace.wait(5)
    await pace.wait(5)
    assert loop.time() - began == pytest.approx(0.5)
