"""Covers `orchestrator/panels/waiting.py`: when a stage is over, on virtual time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from orchestrator.events.base import AgentStatus
from orchestrator.panels.base import Answer
from orchestrator.panels.settings import StartWhen
from orchestrator.panels.waiting import Asked, Waiting

pytestmark = pytest.mark.looptime


def after(seconds: float, agent_id: str, status: AgentStatus = "done") -> asyncio.Task[Answer]:
    async def answer() -> Answer:
        await asyncio.sleep(seconds)
        return Answer(agent_id, agent_id, status, "Yes.")

    return asyncio.create_task(answer())


async def ending(when: StartWhen, asked: Asked) -> tuple[list[str], float]:
    """Return who ended until `start_when` came true, and after how many seconds that was."""
    loop, waiting = asyncio.get_running_loop(), Waiting(when)
    begun = loop.time()
    waiting._began_at = begun
    async with aclosing(waiting.as_they_end(asked)) as answers:
        found = [answer.agent_id async for answer in answers]
    for task in asked.values():
        task.cancel()
    return found, loop.time() - begun


async def test_all_are_waited_for_in_the_order_in_which_they_end() -> None:
    asked = {"a": after(3, "a"), "b": after(1, "b"), "c": after(2, "c", "error")}
    assert await ending(StartWhen(all=True), asked) == (["b", "c", "a"], pytest.approx(3))


async def test_a_quorum_counts_those_that_have_answered() -> None:
    """One that failed has ended, and has not answered."""
    asked = {"a": after(1, "a", "error"), "b": after(2, "b"), "c": after(3, "c"), "d": after(9, "d")}
    assert await ending(StartWhen(quorum=2), asked) == (["a", "b", "c"], pytest.approx(3))


async def test_a_quorum_that_nobody_can_reach_any_more_ends_with_the_last() -> None:
    asked = {"a": after(1, "a", "error"), "b": after(2, "b")}
    assert await ending(StartWhen(quorum=2), asked) == (["a", "b"], pytest.approx(2))


async def test_an_answer_that_takes_anothers_place_is_waited_for() -> None:
    waiting = Waiting(StartWhen(all=True))
    asked = {"a": after(1, "a", "error"), "b": after(5, "b")}
    found: list[tuple[str, str]] = []
    async with aclosing(waiting.as_they_end(asked)) as answers:
        async for answer in answers:
            found.append((answer.agent_id, answer.status))
            if answer.status == "error":
                assert waiting.replace("a", after(8, "a"))
    assert found == [("a", "error"), ("b", "done"), ("a", "done")]
    assert not waiting.replace("a", after(0, "a")), "nobody waits for any now"


async def test_a_stage_has_its_time_and_no_more() -> None:
    loop, waiting = asyncio.get_running_loop(), Waiting(StartWhen(all=True))
    asked = {"a": after(1, "a"), "b": after(2, "b")}
    await waiting.for_all(asked, 1e6)
    assert all(task.done() for task in asked.values())
    assert loop.time() == pytest.approx(2, abs=0.5)


@pytest.mark.looptime(False)
async def test_a_deadline_counts_from_the_stages_beginning_once_one_has_answered() -> None:
    """Its clock is the machine's: a deadline of no seconds has passed, so only an answer is waited for."""
    waiting = Waiting(StartWhen(deadline_s=1e-9))
    waiting.begin()
    asked = {
        "a": after(0, "a", "error"),
        "b": after(0.01, "b"),
        "c": asyncio.create_task(asyncio.Event().wait()),
    }
    async with aclosing(waiting.as_they_end(asked)) as answers:  # type: ignore[arg-type]  # one never answers
        found = [answer.agent_id async for answer in answers]
    asked["c"].cancel()
    assert found == ["a", "b"]
