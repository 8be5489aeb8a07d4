"""A Letta run outlives the worker that began it: the next one attaches to it, and sends nothing twice.

The same against a real Letta server is in `test_letta_real.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Emission, Finish
from orchestrator.backends.letta.backend import LettaBackend
from orchestrator.errors import AgentError
from orchestrator.events import ApprovalRequest, Status, ToolCall, ToolResult

from ...support.letta.ask import backend_at, said, sent, words
from ...support.letta.wire import (
    CONVERSATION,
    DONE,
    RUN,
    WELL,
    Answer,
    LettaWire,
    Stream,
    call,
    ping,
    returned,
    stop,
    text,
    usage,
)
from ...support.spine import of, read, start, supervised

ASKING = Stream(
    [
        call("approval_request_message", name="roll", arguments='{"sides": 6}', tool_call_id="c1"),
        stop("requires_approval"),
        usage(),
        DONE,
    ]
)
FOUND = f"/v1/conversations/{CONVERSATION}/stream"


def ask(**keys: Any) -> AgentInput:
    """A request of its own: what happens to it is told to nobody else."""
    return AgentInput("hi", **keys)


def talk(**keys: Any) -> AgentInput:
    return ask(conversation_id="talk", **keys)


async def yes(call_id: str) -> bool:
    return True


def anchors(emissions: list[Emission]) -> list[str]:
    return [e.anchor for e in emissions if isinstance(e, Status) and e.anchor is not None]


async def begun(backend: LettaBackend, request: AgentInput, until: str) -> list[Emission]:
    """Listen until *until* was said, then be gone as a worker is that another one has taken over from."""
    heard: list[Emission] = []
    async with aclosing(backend.stream(request)) as stream:
        async for emission in stream:
            heard.append(emission)
            if emission == until:
                break
        request.taken.set()
    return heard


async def test_next_worker_reads_the_run_from_its_beginning_and_sends_nothing() -> None:
    wire = LettaWire(
        Stream([ping(1), text("a", 2), text("b", 3)], "stall"),
        Stream([ping(1), text("a", 2), text("b", 3), text("c", 4), *WELL]),
    )
    async with wire, backend_at(wire.url) as first, backend_at(wire.url) as second:
        heard = await begun(first, talk(), "b")
        assert isinstance(heard[0], Status), "it is known before anything is sent"
        (anchor,) = anchors(heard)
        assert not wire.cancelled.is_set(), "the run is the next worker's now"
        emissions = await said(second, talk(anchor=anchor))
    assert words(emissions) == "abc"
    assert emissions[-1] == Finish("stop", emissions[-1].usage, {"conversation_id": CONVERSATION})  # type: ignore[union-attr]
    (message,) = sent(wire)
    (body,) = (body for _, path, body in wire.calls if path == FOUND)
    assert body["otid"] == message["messages"][0]["otid"]


async def test_who_is_not_taken_over_cancels_its_run_as_ever() -> None:
    wire = LettaWire(Stream([ping(1), text("a", 2)], "stall"))
    async with wire, backend_at(wire.url) as backend, aclosing(backend.stream(ask())) as stream:
        async for emission in stream:
            if emission == "a":
                break
        await stream.aclose()
        assert wire.cancelled.is_set()


async def test_run_that_was_found_again_is_cancelled_at_the_server_too() -> None:
    wire = LettaWire(
        Stream([ping(1), text("a", 2)], "stall"), Stream([ping(1), text("a", 2), text("b", 3)], "stall")
    )
    async with wire, backend_at(wire.url) as backend:
        (anchor,) = anchors(await begun(backend, ask(), "a"))
        async with aclosing(backend.stream(ask(anchor=anchor))) as stream:
            assert [await anext(stream), await anext(stream)] == ["a", "b"]
        (body,) = (body for _, path, body in wire.calls if path.endswith("/cancel"))
        assert body == {"run_ids": [RUN]}


@pytest.mark.parametrize("then", ["end", "reset"])
async def test_connection_to_a_found_run_may_break_as_any_other(then: str) -> None:
    wire = LettaWire(
        Stream([ping(1), text("a", 2)], "stall"),
        Stream([ping(1), text("a", 2)], then),
        Stream([text("b", 3), *WELL]),
    )
    async with wire, backend_at(wire.url) as backend:
        (anchor,) = anchors(await begun(backend, ask(), "a"))
        assert words(await said(backend, ask(anchor=anchor))) == "ab"
    assert len(sent(wire)) == 1


async def test_message_that_the_lost_worker_never_sent_is_sent() -> None:
    """It died right after it had said that it would: the server knows of no such run."""
    wire = LettaWire(Answer(404), Stream([ping(1), text("a", 2), *WELL]))
    async with wire, backend_at(wire.url) as backend:
        anchor = '{"conversation": "conv-of-old", "begun": ["otid-1"]}'
        assert words(await said(backend, ask(anchor=anchor))) == "a"
    assert [path for path in wire.paths() if path.endswith(("/stream", "/messages"))] == [
        "/v1/conversations/conv-of-old/stream",
        f"/v1/conversations/{CONVERSATION}/messages",
    ]


@pytest.mark.parametrize("anchor", ["", "nonsense", "[]", "{}", '{"conversation": 5, "begun": []}'])
async def test_anchor_of_something_else_begins_anew(anchor: str) -> None:
    wire = LettaWire(Stream([text("a", 1), *WELL]))
    async with wire, backend_at(wire.url) as backend:
        assert words(await said(backend, ask(anchor=anchor))) == "a"
    assert len(sent(wire)) == 1


async def test_approval_that_waited_is_asked_for_again() -> None:
    wire = LettaWire(ASKING, ASKING, Stream([returned("c1", "4"), text("so be it"), *WELL]))
    request = talk(approve=yes)
    async with wire, backend_at(wire.url) as backend:
        heard: list[Emission] = []
        async with aclosing(backend.stream(request)) as stream:
            while not heard or not isinstance(heard[-1], ApprovalRequest):
                heard.append(await anext(stream))
            request.taken.set()
        (anchor,) = anchors(heard)
        emissions = await said(backend, talk(approve=yes, anchor=anchor))
    assert emissions[:-1] == [
        ApprovalRequest("c1", "roll", '{"sides": 6}'),
        ToolCall("c1", "roll", '{"sides": 6}'),
        ToolResult("c1", "4", is_error=False),
        "so be it",
    ]
    assert [body["messages"][0].get("type") for body in sent(wire)] == [None, "approval"]


async def test_approval_that_was_passed_on_is_not_asked_for_again() -> None:
    """Both runs of the turn are read again, and nothing is sent."""
    after = [returned("c1", "4"), text("so ", 5), text("be it", 6)]
    wire = LettaWire(
        ASKING, Stream([*after[:2]], "stall"), ASKING, Stream([*after, *WELL])
    )  # what each worker is answered
    async with wire, backend_at(wire.url) as backend:
        first = anchors(await begun(backend, talk(approve=yes), "so "))
        assert len(first) == 2
        emissions = await said(backend, talk(approve=yes, anchor=first[-1]))
    assert emissions[:-1] == [
        ToolCall("c1", "roll", '{"sides": 6}'),
        ToolResult("c1", "4", is_error=False),
        "so ",
        "be it",
    ]
    otids = [body["messages"][0]["otid"] for body in sent(wire)]
    assert [body["otid"] for _, path, body in wire.calls if path == FOUND] == otids
    assert len(otids) == 2


async def test_approval_that_was_lost_on_its_way_is_an_error() -> None:
    """Whether a person's yes was passed on must not be guessed."""
    wire = LettaWire(ASKING, Answer(404))
    anchor = f'{{"conversation": "{CONVERSATION}", "begun": ["otid-1", "otid-2"]}}'
    async with wire, backend_at(wire.url) as backend:
        with pytest.raises(AgentError) as caught:
            await said(backend, talk(approve=yes, anchor=anchor))
    assert (caught.value.code, caught.value.retryable) == ("worker_lost", False)
    assert sent(wire) == []


async def test_foreground_run_has_no_anchor() -> None:
    """It ends with its connection, so there is nothing to find."""
    wire = LettaWire(Stream([text("a"), *WELL]))
    async with (
        wire,
        backend_at(wire.url, background=False) as backend,
        aclosing(backend.stream(ask())) as stream,
    ):
        assert anchors([emission async for emission in stream]) == []


# ── in a run ─────────────────────────────────────────────────────────────────────────────────


async def test_anchor_is_no_first_word() -> None:
    """Else an upstream that never answers would have the longer time limit between words."""

    async def deaf(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield Status("thinking", anchor="there")
        await asyncio.Event().wait()

    keys = {"a": {"limits": {"first_token_timeout_s": 0.1}, "retry": {"attempts": 1}}}
    async with supervised({"a": deaf}, keys=keys) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert [e.data["code"] for e in of(events, "a", "error")] == ["timeout_first_token"]


async def test_retry_of_an_attempt_gets_no_anchor() -> None:
    """It has ended what it began upstream; only a loss leaves something behind."""
    got: list[str | None] = []

    async def fails(request: AgentInput) -> AsyncGenerator[Any, None]:
        got.append(request.anchor)
        yield Status("thinking", anchor="there")
        if request.attempt == 1:
            raise AgentError("upstream_unavailable", "busy")

    async with supervised({"a": fails}, keys={"a": {"retry": {"backoff_s": 0.01}}}) as supervisor:
        await read(supervisor, await start(supervisor))
    assert got == [None, None]
