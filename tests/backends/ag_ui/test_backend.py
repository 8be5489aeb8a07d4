"""Pydantic AI's own AG-UI server answers, servers of 0.0.x do, and our own agents by our own AG-UI dialect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator import AgentError, Usage
from orchestrator.backends.ag_ui.backend import AgUiBackend
from orchestrator.backends.ag_ui.settings import AgUiSettings
from orchestrator.backends.base import AgentInput, Emission, Turn
from orchestrator.events import ApprovalRequest, Data, Reasoning, Status, Token, ToolCall, ToolResult
from tests.dialects.agents import CHATTY, ODD, TOOLED, dialects_served
from tests.support.ag_ui_server import ag_ui_frames, echo_frames, pydantic_ai_served
from tests.support.emissions import Answering, ask, finish_of, gather, of_kind, reasoning_in, text_in
from tests.support.parts import require_library
from tests.support.patience import PATIENCE_SECONDS, eventually


@asynccontextmanager
async def reaching(url: str, **keys: Any) -> AsyncIterator[AgUiBackend]:
    backend = AgUiBackend(AgUiSettings.model_validate({"agent_id": "far", "url": url, **keys}), {})
    try:
        yield backend
    finally:
        await backend.aclose()


async def told(frames: list[dict[str, Any] | str], **keys: Any) -> list[Emission]:
    """Return what the backend says of *frames*."""

    async def stream(body: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        for frame in frames:
            yield frame

    async with ag_ui_frames(stream) as (server, _), reaching(f"{server.url}/", **keys) as backend:
        return await ask(backend)


FINISHED: dict[str, Any] = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}


async def test_the_frames_of_older_servers_are_understood() -> None:
    """0.0.x says THINKING for REASONING, and sends pieces without a beginning or an end."""
    said = await told(
        [
            {"type": "THINKING_TEXT_MESSAGE_CONTENT", "delta": "hm"},
            {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m1", "role": "assistant", "delta": "Let me "},
            {"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "toolCallName": "look", "delta": '{"at":'},
            {"type": "TOOL_CALL_CHUNK", "delta": '"sky"}'},
            {"type": "TOOL_CALL_RESULT", "messageId": "m2", "toolCallId": "c", "content": "blue"},
            {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m3", "delta": "see."},
            {"type": "RAW", "event": {"anything": 1}},
            FINISHED,
        ]
    )
    assert said[:-1] == [
        Reasoning("hm"),
        Token("Let me "),
        ToolCall("c", "look", '{"at":"sky"}'),
        ToolResult("c", "blue", is_error=False),
        Token("see."),
    ]


async def test_what_stands_beside_the_answer_is_told() -> None:
    said = await told(
        [
            {"type": "STEP_STARTED", "stepName": "search"},
            {"type": "SUBAGENT_STARTED", "subagentRunId": "s1", "name": "clerk"},
            {"type": "TEXT_MESSAGE_START", "messageId": "u", "role": "user"},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "u", "delta": "the question again"},
            {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant", "subagentRunId": "s1"},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "Found.", "subagentRunId": "s1"},
            {"type": "STATE_SNAPSHOT", "snapshot": {"messages": ["x" * 100_000], "step": 2}},
            {"type": "ACTIVITY_SNAPSHOT", "messageId": "p", "activityType": "Plan", "content": {"n": 1}},
            {"type": "CUSTOM", "name": "My Event!", "value": [1]},
            {"type": "CUSTOM", "name": "large", "value": "x" * 70_000},
            {**FINISHED, "usage": [{"inputTokens": 3, "outputTokens": 4, "reasoningTokens": 1}]},
        ]
    )
    assert of_kind(said, Status) == [Status("step", "search"), Status("subagent", "clerk begins")]
    assert of_kind(said, Token) == [Token("Found.", speaker="clerk")]
    assert of_kind(said, Data) == [
        Data("activity.plan", {"n": 1}, "p"),
        Data("my-event-", [1]),
        Data("state", {"step": 2}, "state"),
    ]
    assert finish_of(said).usage == Usage(3, 4, reasoning_tokens=1)


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([{"type": "RUN_ERROR", "message": "key sk-secret", "code": "budget"}], "budget"),
        ([{"type": "RUN_ERROR", "message": "key sk-secret", "code": "rate_limit"}], "upstream_rate_limited"),
        ([{"type": "RUN_ERROR", "message": "key sk-secret"}], "upstream_rejected"),
        ([{**FINISHED, "outcome": {"type": "cancelled"}}], "upstream_rejected"),
        ([{"type": "RUN_STARTED"}], "upstream_unavailable"),
        (["data: {broken\n\n"], "upstream_invalid"),
        (["data: [1]\n\n"], "upstream_invalid"),
        ([{"no": "type"}], "upstream_invalid"),
        (["data: " + "[" * 100_000 + "\n\n"], "upstream_invalid"),
        ([{"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "t"},
          {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": "x" * 1_100_000}], "upstream_invalid"),
    ],
)  # fmt: skip
async def test_what_goes_wrong_has_a_code_and_no_secret(
    frames: list[dict[str, Any] | str], code: str
) -> None:
    with pytest.raises(AgentError) as caught:
        await told(frames)
    assert caught.value.code == code
    assert "secret" not in caught.value.message


async def test_one_who_refuses_the_version_is_asked_without_it() -> None:
    refuses = frozenset({"protocolVersion"})
    async with ag_ui_frames(echo_frames, refuses=refuses) as (server, asked):
        async with reaching(f"{server.url}/") as backend:
            assert text_in(await ask(backend, "a b")) == "a b "
            assert text_in(await ask(backend, "c")) == "c "
        async with reaching(f"{server.url}/", protocol="1.0") as backend:
            with pytest.raises(AgentError, match="HTTP 422"):
                await ask(backend)
        assert len(asked) == 2


async def test_an_answer_that_is_not_streamed_is_in_the_messages() -> None:
    async def stream(body: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        answer = {"id": "a", "role": "assistant", "content": "Whole."}
        yield {"type": "MESSAGES_SNAPSHOT", "messages": [*body["messages"], answer]}
        yield FINISHED

    async with ag_ui_frames(stream) as (server, asked), reaching(f"{server.url}/") as backend:
        first = await ask(backend, "one", conversation_id="c")
        assert text_in(first) == "Whole."
        turn = Turn("one", "Whole.", finish_of(first).memory)
        assert text_in(await ask(backend, "two", conversation_id="c", history=(turn,))) == "Whole."
        assert [m["content"] for m in asked[1]["messages"]] == ["one", "Whole.", "two"]
        assert asked[0]["threadId"] == asked[1]["threadId"]
        assert asked[1]["messages"][0]["id"] == asked[0]["messages"][0]["id"]


async def test_an_interrupt_of_the_draft_is_answered_in_its_form() -> None:
    """`outcome` is the bare word there, the question stands beside it, and `resume` is no list."""
    asked_for = {"id": "i1", "reason": "human_approval", "payload": {"sum": 3}}

    async def stream(body: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        if "resume" not in body:
            yield {**FINISHED, "outcome": "interrupt", "interrupt": asked_for}
            return
        yield {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "role": "assistant", "delta": "Done."}
        yield FINISHED

    async with ag_ui_frames(stream) as (server, asked), reaching(f"{server.url}/") as backend:
        said = await gather(backend.stream(Answering(True, "well").of(AgentInput("hi"))))
    (question,) = of_kind(said, ApprovalRequest)
    assert json.loads(question.arguments) == {"reason": "human_approval", "payload": {"sum": 3}}
    assert asked[1]["resume"] == {"interruptId": "i1", "payload": {"approved": True, "reason": "well"}}
    assert text_in(said) == "Done."


async def test_closing_closes_the_connection() -> None:
    async def stream(body: dict[str, Any]) -> AsyncIterator[dict[str, Any] | str]:
        yield {"type": "TEXT_MESSAGE_CHUNK", "messageId": "m", "delta": "on"}
        await asyncio.Event().wait()

    async with ag_ui_frames(stream) as (server, _), reaching(f"{server.url}/") as backend:
        generator = backend.stream(AgentInput("hi"))
        assert await anext(generator) == Token("on")
        assert server.open_connections == 1
        async with asyncio.timeout(PATIENCE_SECONDS):
            await generator.aclose()
        await server.all_closed()


# ── Pydantic AI's server ──────────────────────────────────────────────────────────────────────


async def test_pydantic_ais_server_answers_calls_tools_and_asks() -> None:
    require_library("pydantic_ai")
    from pydantic_ai import Agent, DeferredToolRequests
    from pydantic_ai.messages import ToolReturnPart
    from pydantic_ai.models.function import AgentInfo, DeltaToolCall, FunctionModel

    async def model(messages: list[Any], info: AgentInfo) -> AsyncIterator[Any]:
        returned = [p for p in messages[-1].parts if isinstance(p, ToolReturnPart)]
        if not returned:
            yield "Let me. "
            yield {1: DeltaToolCall("look", '{"at":"sky"}', tool_call_id="c1")}
            yield {2: DeltaToolCall("send", '{"to":"all"}', tool_call_id="c2")}
            return
        for part in returned:
            yield f"{part.tool_name}: {part.content}. "

    agent = Agent(FunctionModel(stream_function=model), output_type=[str, DeferredToolRequests])

    @agent.tool_plain
    def look(at: str) -> str:
        return f"{at} is blue"

    @agent.tool_plain(requires_approval=True)
    def send(to: str) -> str:
        return f"sent to {to}"

    async with pydantic_ai_served(agent) as server, reaching(f"{server.url}/") as backend:
        for approve, ending in ((True, "send: sent to all. "), (False, "send: ")):
            said = await gather(backend.stream(Answering(approve, "no thanks").of(AgentInput("hi"))))
            assert text_in(said).startswith("Let me. ")
            assert ending in text_in(said)
            assert ("sent to all" in text_in(said)) is approve
            assert [c.name for c in of_kind(said, ToolCall)] == ["look", "send"]
            (request,) = of_kind(said, ApprovalRequest)
            assert (request.name, request.arguments) == ("send", '{"to":"all"}')


# ── our own dialect ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("protocol", ["1.0", "0.0"])
async def test_a_round_trip_through_our_own_dialect_gives_the_same(protocol: str) -> None:
    async with dialects_served() as service:
        async with reaching(f"{service.url}/v1/ag-ui/chatty", protocol=protocol) as backend:
            said = await ask(backend)
            assert (text_in(said), reasoning_in(said)) == ("".join(CHATTY), "hm, odd " + ODD)
        async with reaching(f"{service.url}/v1/ag-ui/tooled", protocol=protocol) as backend:
            said = await ask(backend)
            assert text_in(said) == "".join(TOOLED)
            assert of_kind(said, ToolResult) == [ToolResult("tooled:c1", "blue\u2028sky", is_error=False)]
        async with reaching(f"{service.url}/v1/ag-ui/failing", protocol=protocol) as backend:
            with pytest.raises(AgentError) as caught:
                await ask(backend)
            assert caught.value.code == "upstream_unavailable"


@pytest.mark.parametrize("approve", [True, False])
async def test_our_own_approvals_go_round(approve: bool) -> None:
    async with dialects_served() as service, reaching(f"{service.url}/v1/ag-ui/asking") as backend:
        said = await gather(backend.stream(Answering(approve).of(AgentInput("hi"))))
        (request,) = of_kind(said, ApprovalRequest)
        assert (request.name, request.arguments) == ("send", '{"to":"all"}')
        assert text_in(said) == ("May I? Sent." if approve else "May I? Not sent.")


async def test_leaving_our_own_dialect_closes_its_stream() -> None:
    async with dialects_served() as service, reaching(f"{service.url}/v1/ag-ui/endless") as backend:
        generator = backend.stream(AgentInput("hi"))
        while await anext(generator) != Token("on "):
            pass
        assert len(service.transports) == 1
        await generator.aclose()
        await eventually(lambda: service.transports == [])
