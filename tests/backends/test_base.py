"""Covers `orchestrator/backends/base.py`: the values that pass through a backend; its Protocol is tests/contract's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from orchestrator.backends.base import (
    AgentInput,
    Part,
    QuotedAnswer,
    Turn,
    as_current_input,
    close_iterator,
    current_input,
    set_current_input,
)
from orchestrator.errors import AgentError


async def test_nobody_approves_a_call_unless_somebody_can() -> None:
    with pytest.raises(AgentError, match="Nobody can answer") as refused:
        await AgentInput("hi").approve("c1")
    assert refused.value.code == "approval_timeout"


async def test_the_current_input_is_that_of_the_attempt_and_of_what_it_starts() -> None:
    one, two = AgentInput("one"), AgentInput("two")
    with pytest.raises(LookupError):
        current_input()

    async def asked() -> AgentInput:
        return current_input()

    with as_current_input(one):
        assert await asyncio.create_task(asked()) is one
        with as_current_input(two):
            assert current_input() is two
        assert current_input() is one
    with pytest.raises(LookupError):
        current_input()

    async def attempt(request: AgentInput) -> AgentInput:
        set_current_input(request)
        return await asked()

    assert await asyncio.gather(attempt(one), attempt(two)) == [one, two]


def test_the_words_of_a_request_are_all_that_was_asked_and_answered() -> None:
    heard = QuotedAnswer("b", 1, "Answer 1", "I agree.", 8)
    request = AgentInput(
        "And now?", history=(Turn("Who?", "Me."),), part=Part("The question", "final", heard=(heard,))
    )
    assert set(request.words()) == {"And now?", "Who?", "Me.", "The question", "I agree."}
    assert list(AgentInput("hi").words()) == ["hi"]


def test_two_requests_do_not_share_what_is_filled_in_later() -> None:
    one, two = AgentInput("hi"), AgentInput("hi")
    one.cancelled.set()
    assert not two.cancelled.is_set()
    assert one == two


async def test_an_iterator_is_closed_whatever_it_is() -> None:
    closed: list[str] = []

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            closed.append("generator")

    class Plain:
        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

    class OwnClosing(Plain):
        def aclose(self) -> None:
            closed.append("own")

    begun = generator()
    await anext(begun)
    for each in (begun, Plain(), OwnClosing()):
        await close_iterator(each)
    assert closed == ["generator", "own"]
