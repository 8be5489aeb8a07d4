"""Covers `orchestrator/backends/forwarded_approvals.py`: questions of an agent elsewhere, asked here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.forwarded_approvals import ForwardedApprovals
from orchestrator.errors import AgentError
from orchestrator.events import Approval, ApprovalRequest
from tests.support.patience import soon, turns

ASKED = ApprovalRequest("c1", "send", "{}")


class Person:
    """Answers when it is let, and keeps what was sent on."""

    def __init__(self, error: AgentError | None = None) -> None:
        self.may_answer = asyncio.Event()
        self.sent: list[Approval] = []
        self.request = AgentInput(
            "hi", approve=self.approve, reasons={"c1": "fine"}, answered_by={"c1": "Ann"}
        )
        self._error = error

    async def approve(self, call_id: str) -> bool:
        await self.may_answer.wait()
        if self._error is not None:
            raise self._error
        return True

    async def send(self, answer: Approval) -> None:
        self.sent.append(answer)

    def forwarded(self) -> ForwardedApprovals:
        return ForwardedApprovals(self.request, self.send)


async def events(*said: Emission, after: asyncio.Event) -> AsyncGenerator[Emission, None]:
    await after.wait()
    for each in said:
        yield each


async def test_an_answer_is_sent_on_while_the_stream_is_read_on() -> None:
    person, goes_on = Person(), asyncio.Event()
    stream = events("on", after=goes_on)
    async with person.forwarded() as forwarded:
        assert list(forwarded.take(ASKED)) == [ASKED]
        reading = asyncio.ensure_future(forwarded.next_of(stream))
        person.may_answer.set()
        await turns()
        assert person.sent == [Approval("c1", True, "fine", "Ann")]
        goes_on.set()
        assert await soon(reading) == "on"
        # What the other side says of the answer is known here.
        assert list(forwarded.take(Approval("c1", True))) == []
        assert list(forwarded.take("more")) == ["more"]
    await stream.aclose()


async def test_whoever_answers_there_ends_the_question_here() -> None:
    person = Person()
    elsewhere = Approval("c1", False)
    async with person.forwarded() as forwarded:
        list(forwarded.take(ASKED))
        await turns()
        assert list(forwarded.take(elsewhere)) == [elsewhere]
        person.may_answer.set()
        await turns()
    assert person.sent == []


async def test_an_answer_that_does_not_come_ends_the_wait_and_leaves_nothing_behind() -> None:
    person = Person(AgentError("approval_timeout", "Nobody."))
    before = asyncio.all_tasks()
    stream = events("never", after=asyncio.Event())
    async with person.forwarded() as forwarded:
        list(forwarded.take(ASKED))
        list(forwarded.take(ApprovalRequest("c2", "erase", "{}")))
        reading = asyncio.ensure_future(forwarded.next_of(stream))
        await turns()
        person.may_answer.set()
        with pytest.raises(AgentError, match="Nobody"):
            await soon(reading)
    await stream.aclose()
    await turns()
    assert asyncio.all_tasks() == before


async def test_a_question_that_is_asked_again_is_waited_for_and_answered_once() -> None:
    person = Person()
    before = asyncio.all_tasks()
    async with person.forwarded() as forwarded:
        for _ in range(3):
            assert list(forwarded.take(ASKED)) == [ASKED]
            await turns()
        assert len(asyncio.all_tasks() - before) == 1
        person.may_answer.set()
        await turns()
    assert person.sent == [Approval("c1", True, "fine", "Ann")]
    await turns()
    assert asyncio.all_tasks() == before
