"""A turn of the letta backend: what it asks for, its approvals, its conversation, its pings."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import Any

import pytest
from pydantic import SecretStr

from orchestrator.backends.base import AgentInput, Finish, Turn
from orchestrator.backends.letta import backend as letta
from orchestrator.backends.letta.decoder import NOT_RUN
from orchestrator.events import ApprovalRequest, Status, ToolCall, ToolResult, Usage
from tests.support.letta.ask import answer_of, failure_of, sent
from tests.support.letta.wire import (
    CONVERSATION,
    DONE,
    SECRET,
    WELL,
    LettaWire,
    Stream,
    call,
    ping,
    returned,
    stop,
    text,
    usage,
)


async def test_the_request_asks_for_what_the_settings_say() -> None:
    """Pings keep a long thought alive, and the otid is how a lost run is found again."""
    wire = LettaWire(Stream([text("a"), *WELL]))
    await answer_of(wire, api_key=SecretStr("k-1"), stream_tokens=False, background=False)
    (body,) = sent(wire)
    assert (body["streaming"], body["include_pings"]) == (True, True)
    assert (body["stream_tokens"], body["background"]) == (False, False)
    (message,) = body["messages"]
    assert (message["role"], message["content"]) == ("user", "hi")
    assert message["otid"]
    assert {headers["Authorization"] for headers in wire.headers} == {"Bearer k-1"}


async def test_a_key_of_the_environment_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK would hand LETTA_API_KEY to whatever server `base_url` names."""
    monkeypatch.setenv("LETTA_API_KEY", SECRET)
    wire = LettaWire(Stream([text("a"), *WELL]))
    await answer_of(wire)
    assert SECRET not in json.dumps(wire.headers)


def asked(**piece: Any) -> dict[str, Any]:
    return call("approval_request_message", **piece)


APPROVAL = Stream(
    [
        asked(name="roll", arguments=None, tool_call_id="c1"),
        asked(name=None, arguments='{"sides": 6}', tool_call_id="c1"),
        stop("requires_approval"),
        usage(),
        DONE,
    ]
)


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_asked_for_answered_and_gone_on_from(approve: bool) -> None:
    """A call is told when it may run, not before; usage is the sum of both runs."""
    waited: list[str] = []

    async def answer(call_id: str) -> bool:
        waited.append(call_id)
        return approve

    after = [returned("c1", "4")] if approve else []
    wire = LettaWire(APPROVAL, Stream([*after, text("so be it"), *WELL]))
    emissions = await answer_of(wire, AgentInput("hi", approve=answer))
    told = [ToolCall("c1", "roll", '{"sides": 6}'), ToolResult("c1", "4", is_error=False)] if approve else []
    assert emissions == [
        ApprovalRequest("c1", "roll", '{"sides": 6}'),
        *told,
        "so be it",
        Finish("stop", Usage(14, 6)),
    ]
    assert waited == ["c1"]
    (message,) = sent(wire)[1]["messages"]
    assert message["approvals"] == [{"type": "approval", "approve": approve, "tool_call_id": "c1"}]


def two_asked() -> Stream:
    pieces = [asked(name="roll", arguments=f'{{"sides": {n}}}', tool_call_id=f"c{n}") for n in (6, 8)]
    return Stream([*pieces, stop("requires_approval"), usage(), DONE])


async def only_the_first(call_id: str) -> bool:
    return call_id == "c6"


async def test_one_of_two_calls_is_refused() -> None:
    """Both are answered at once; what the server returns for the refused one is told as its result alone."""
    wire = LettaWire(
        two_asked(), Stream([returned("c8", "denied", "error"), returned("c6", "4"), text("so"), *WELL])
    )
    wire.kept = ["c6", "c8"]
    emissions = await answer_of(wire, AgentInput("hi", approve=only_the_first))
    assert emissions[:-1] == [
        ApprovalRequest("c6", "roll", '{"sides": 6}'),
        ToolCall("c6", "roll", '{"sides": 6}'),
        ApprovalRequest("c8", "roll", '{"sides": 8}'),
        ToolResult("c8", "denied", is_error=True),
        ToolResult("c6", "4", is_error=False),
        "so",
    ]
    (message,) = sent(wire)[1]["messages"]
    assert [answer["approve"] for answer in message["approvals"]] == [True, False]


async def test_a_call_that_the_server_has_dropped_is_not_asked_for() -> None:
    """An agent that makes one call at a time streams all and keeps one; an answer to another is an error there."""
    wire = LettaWire(two_asked(), Stream([returned("c6", "4"), text("so"), *WELL]))
    wire.kept = ["c6"]
    emissions = await answer_of(wire, AgentInput("hi", approve=only_the_first))
    assert [e.call_id for e in emissions if isinstance(e, ApprovalRequest)] == ["c6"]
    assert ToolCall("c8", "roll", '{"sides": 8}') in emissions
    assert ToolResult("c8", NOT_RUN, is_error=True) in emissions
    (message,) = sent(wire)[1]["messages"]
    assert [answer["tool_call_id"] for answer in message["approvals"]] == ["c6"]


async def test_an_approval_that_nobody_answers_ends_the_attempt() -> None:
    """The error is the waiter's own, and nothing is sent on the person's behalf."""
    wire = LettaWire(APPROVAL)
    assert (await failure_of(wire)).code == "approval_timeout"
    assert len(sent(wire)) == 1


def turn(number: int, memory: Any = None) -> Turn:
    return Turn(f"question {number}", f"answer {number}", memory)


async def test_a_run_without_a_conversation_stands_alone() -> None:
    """It gets an empty one of its own, and hands no memory on."""
    wire = LettaWire(Stream([text("a"), *WELL]))
    emissions = await answer_of(wire, AgentInput("hi", history=(turn(1, {"conversation_id": "conv-0"}),)))
    assert wire.paths("/v1/conversations/") == [
        "/v1/conversations/",
        f"/v1/conversations/{CONVERSATION}/messages",
    ]
    assert emissions[-1] == Finish("stop", Usage(7, 3), None)


async def test_a_conversation_goes_on_from_the_turn_before() -> None:
    """A copy, so that a turn that fails or is cancelled leaves nothing behind in the one after it."""
    wire = LettaWire(Stream([text("a"), *WELL]))
    history = (turn(1, {"conversation_id": "conv-7"}), turn(2, {"conversation_id": "conv-8"}))
    emissions = await answer_of(wire, AgentInput("hi", conversation_id="c", history=history))
    assert wire.paths("/v1/conversations/") == [
        "/v1/conversations/conv-8/fork",
        "/v1/conversations/conv-8f/messages",
    ]
    assert [message["content"] for message in sent(wire)[0]["messages"]] == ["hi"]
    assert emissions[-1] == Finish("stop", Usage(7, 3), {"conversation_id": "conv-8f"})


@pytest.mark.parametrize("memory", [None, "other", {"conversation_id": None}, {"thread": "x"}])
async def test_turns_that_letta_does_not_know_are_told_in_words(memory: Any) -> None:
    """The agent was another backend's before, or its memory is not ours."""
    wire = LettaWire(Stream([text("a"), *WELL]))
    await answer_of(wire, AgentInput("hi", conversation_id="c", history=(turn(1, memory),)))
    told = [(message["role"], message["content"]) for message in sent(wire)[0]["messages"]]
    assert told == [("user", "question 1"), ("assistant", "answer 1"), ("user", "hi")]
    assert len({message["otid"] for message in sent(wire)[0]["messages"]}) == 3


async def test_a_server_without_conversations_is_asked_the_old_way() -> None:
    """An older one knows only the agent's own list of messages."""
    wire = LettaWire(Stream([text("a"), *WELL]), conversations=False)
    emissions = await answer_of(wire, AgentInput("hi", conversation_id="c"))
    assert wire.paths("/messages") == ["/v1/agents/agent-1/messages"]
    assert emissions[-1] == Finish("stop", Usage(7, 3), None)


@pytest.mark.looptime
async def test_pings_bridge_a_long_thought_but_not_for_ever() -> None:
    """The pump's idle limit must not hit a server at work, and must hit one that only pings."""
    pulse = letta._Pulse(60)
    told = []
    for seconds in range(20, 2000, 20):
        await asyncio.sleep(20)
        if pulse.ping():
            told.append(seconds)
    gaps = {after - before for before, after in pairwise(told)}
    assert told[0] == 20
    assert gaps == {20}
    assert told[-1] == 60 * letta.QUIET_LIMIT


@pytest.mark.looptime
async def test_pings_beside_an_agent_that_speaks_are_not_told() -> None:
    """They would be noise between its words."""
    pulse = letta._Pulse(60)
    for _ in range(20):
        await asyncio.sleep(10)
        pulse.said()
        await asyncio.sleep(5)
        assert not pulse.ping()


async def test_a_told_ping_is_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what the agent is at."""
    monkeypatch.setattr(letta, "QUIET_SHARE", 0.0)
    running = [call(name="roll", arguments="{}", tool_call_id="c1"), ping(), returned("c1", "4"), ping()]
    emissions = await answer_of(LettaWire(Stream([*running, text("x"), *WELL])))
    assert [e.status for e in emissions if isinstance(e, Status)] == ["tool", "thinking"]
