"""Covers `orchestrator/agent/approvals.py`: calls that wait for a person, on virtual time."""

from __future__ import annotations

import asyncio

import pytest

from orchestrator.agent.approvals import MOST_WAITING, Approvals
from orchestrator.agent.deadlines import Deadlines
from orchestrator.agent.mailbox import Mailbox
from orchestrator.errors import AgentError
from orchestrator.events import Approval

pytestmark = pytest.mark.looptime


class Desk:
    def __init__(self, timeout_s: float = 60) -> None:
        self.mailbox = Mailbox("a")
        self.deadlines = Deadlines(first_s=10, idle_s=5, total_s=20)
        self.approvals = Approvals(self.mailbox, self.deadlines, timeout_s)


async def test_an_answer_is_in_the_mailbox_before_the_agent_goes_on() -> None:
    desk = Desk()
    desk.approvals.open("c1")
    waiting = asyncio.ensure_future(desk.approvals.wait("c1"))
    await asyncio.sleep(0)
    assert desk.approvals.is_waiting
    answer = Approval("c1", approve=False, reason="Not today.", by="ann")
    assert desk.approvals.answer(answer)
    assert not waiting.done()
    assert desk.mailbox.take(10) == [answer]
    assert await waiting is False
    assert desk.approvals.reasons == {"c1": "Not today."}
    assert not desk.approvals.is_waiting


async def test_an_answer_may_come_before_the_agent_waits_for_it() -> None:
    """A request is on the wire before its agent's task gets its turn, so a fast client must not be refused."""
    desk = Desk()
    desk.approvals.open("c1")
    assert desk.approvals.answer(Approval("c1", approve=True))
    assert await desk.approvals.wait("c1") is True


async def test_what_nobody_asked_or_what_was_answered_is_refused() -> None:
    desk = Desk()
    assert not desk.approvals.answer(Approval("other", approve=True))
    desk.approvals.open("c1")
    assert desk.approvals.answer(Approval("c1", approve=True))
    assert not desk.approvals.answer(Approval("c1", approve=False, reason="too late"))
    assert desk.approvals.reasons == {}
    assert len(desk.mailbox.take(10)) == 1


async def test_a_call_that_is_asked_twice_is_answered_once() -> None:
    """Whoever waits since the first time would not hear of it."""
    desk = Desk()
    desk.approvals.open("c1")
    waiting = asyncio.ensure_future(desk.approvals.wait("c1"))
    await asyncio.sleep(0)
    desk.approvals.open("c1")
    assert desk.approvals.answer(Approval("c1", approve=True))
    assert await waiting is True


async def test_a_call_that_was_answered_before_anybody_waited_may_be_asked_anew() -> None:
    desk = Desk()
    desk.approvals.open("c1")
    assert desk.approvals.answer(Approval("c1", approve=True))
    desk.approvals.open("c1")
    assert desk.approvals.answer(Approval("c1", approve=False))
    assert await desk.approvals.wait("c1") is False


async def test_more_than_a_person_could_answer_ends_the_attempt() -> None:
    desk = Desk()
    for number in range(MOST_WAITING):
        desk.approvals.open(f"c{number}")
    desk.approvals.open("c0")
    with pytest.raises(AgentError, match="1,000 approvals at once") as caught:
        desk.approvals.open("one more")
    assert (caught.value.code, caught.value.retryable) == ("upstream_invalid", False)
    assert desk.approvals.answer(Approval("c5", approve=True))
    assert await desk.approvals.wait("c5") is True
    desk.approvals.open("in its place")


async def test_time_spent_waiting_for_a_person_is_not_the_attempts() -> None:
    desk = Desk()
    desk.approvals.open("c1")
    waiting = asyncio.ensure_future(desk.approvals.wait("c1"))
    await asyncio.sleep(50)
    desk.approvals.answer(Approval("c1", approve=True))
    assert await waiting
    assert desk.deadlines.remaining() == (pytest.approx(5), "timeout_first_token")


async def test_a_call_that_nobody_answers_fails_and_waits_no_more() -> None:
    desk = Desk(timeout_s=60)
    desk.approvals.open("c1")
    with pytest.raises(AgentError, match="within 60 s") as caught:
        await desk.approvals.wait("c1")
    assert caught.value.code == "approval_timeout"
    assert not desk.approvals.answer(Approval("c1", approve=True))


@pytest.mark.parametrize("asked", [(), ("c2",)])
async def test_an_answer_for_which_nobody_was_asked_is_not_waited_for(asked: tuple[str, ...]) -> None:
    """Nobody sees that it waits, so it would until its limit."""
    desk = Desk()
    for call_id in asked:
        desk.approvals.open(call_id)
    with pytest.raises(AgentError, match=r"'c1', for which it sent no approval_request") as caught:
        await desk.approvals.wait("c1")
    assert (caught.value.code, caught.value.retryable) == ("internal", False)


async def test_an_agent_may_wait_before_its_request_is_sent() -> None:
    """A tool that puts its request into a queue, and waits at once, is ahead of the stream that reads the queue."""
    desk = Desk()
    waiting = asyncio.ensure_future(desk.approvals.wait("c1"))
    await asyncio.sleep(5)
    assert not desk.approvals.is_waiting
    assert not desk.approvals.answer(Approval("c1", approve=True))
    desk.approvals.open("c1")
    assert desk.approvals.is_waiting
    assert desk.approvals.answer(Approval("c1", approve=True))
    assert await waiting is True


async def test_two_that_wait_for_one_answer_both_hear_it_though_a_third_is_cancelled() -> None:
    desk = Desk()
    desk.approvals.open("c1")
    waiting = [asyncio.ensure_future(desk.approvals.wait("c1")) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    assert desk.approvals.answer(Approval("c1", approve=True))
    assert await asyncio.gather(*waiting[1:]) == [True, True]
    assert not desk.approvals.is_waiting


async def test_answered_questions_are_none_that_wait() -> None:
    desk = Desk()
    for number in range(MOST_WAITING + 1):
        desk.approvals.open(f"c{number}")
        assert desk.approvals.answer(Approval(f"c{number}", approve=True))
    assert not desk.approvals.is_waiting


async def test_a_cancelled_attempt_leaves_no_open_call() -> None:
    desk = Desk()
    desk.approvals.open("c1")
    waiting = asyncio.ensure_future(desk.approvals.wait("c1"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not desk.approvals.is_waiting
