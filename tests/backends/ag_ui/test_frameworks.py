"""What LangGraph's and Microsoft's own AG-UI servers were seen to send, word for word, and what it means.

The servers themselves answer in `tests/backends/test_foreign_servers.py`, which is asked for by `TEST_FOREIGN=1`.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator import Usage
from orchestrator.backends.ag_ui.reading import RunReading
from orchestrator.backends.ag_ui.shared_state import MAX_ACTIVITIES, MAX_STATE_CHARS, SharedState
from orchestrator.backends.ag_ui.transcript import Transcript
from orchestrator.backends.base import AgentInput, Emission, Turn
from orchestrator.events import ApprovalRequest, Data, ToolCall, ToolResult
from orchestrator.events.content import MOST
from tests.backends.ag_ui.test_backend import reaching
from tests.support.ag_ui_server import ag_ui_frames
from tests.support.emissions import Answering, ask, finish_of, gather, of_kind, text_in

Frame = dict[str, Any]
FINISHED: Frame = {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"}


def read(*frames: Frame, state: Any = None) -> list[Emission]:
    """Return what a run of *frames* says."""
    reading = RunReading(Transcript({"id": "q", "role": "user", "content": "hi"}), state)
    return [each for frame in (*frames, FINISHED) for each in reading.feed(frame)]


def snapshot(*messages: Frame) -> Frame:
    return {
        "type": "MESSAGES_SNAPSHOT",
        "messages": [{"id": "q", "role": "user", "content": "hi"}, *messages],
    }


def said(message_id: str, text: str) -> Frame:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": text}


def answer(message_id: str, content: str) -> Frame:
    return {"id": message_id, "role": "assistant", "content": content}


def piece(call_id: str, arguments: str) -> Frame:
    """A LangChain model's own event of the piece that begins a call, as LangGraph's server sends it along."""
    return {"event": "on_chat_model_stream", "data": {"chunk": {"content": "", "tool_call_chunks": [
        {"name": "look", "args": arguments, "id": call_id, "index": 0, "type": "tool_call_chunk"}]}}}  # fmt: skip


START: Frame = {"type": "TOOL_CALL_START", "toolCallId": "c1", "toolCallName": "look"}
END: Frame = {"type": "TOOL_CALL_END", "toolCallId": "c1"}


@pytest.mark.parametrize(
    ("first", "pieces"),
    [
        ('{"at"', [': "sky"}']),
        ('{"at": "sky"}', []),
        ("", ['{"at": "sky"}']),
        ('{"at"', ['{"at"', ': "sky"}']),  # should a later server send the first piece as well
    ],
)
def test_arguments_are_whole_though_langgraphs_server_leaves_out_their_first_piece(
    first: str, pieces: list[str]
) -> None:
    delta = [{"type": "TOOL_CALL_ARGS", "toolCallId": "c1", "delta": each} for each in pieces]
    emissions = read({**START, "rawEvent": piece("c1", first)}, *delta, END)
    assert emissions == [ToolCall("c1", "look", '{"at": "sky"}')]


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        # The last piece came with the reason to finish, and was not sent.
        ([said("m", "It is "), said("m", "blue"), snapshot(answer("m", "It is blue."))], "It is blue."),
        # A node added a message that no model streamed.
        ([said("m", "Let me. "), snapshot(answer("m", "Let me. "), answer("n", "Filed."))], "Let me. Filed."),
        # Other ids or other words for what was said.
        ([said("m", "It is blue."), snapshot(answer("other", "It is blue."))], "It is blue."),
        ([said("m", "It is blue."), snapshot(answer("m", "it is blue"))], "It is blue."),
        ([said("m", "It is blue."), snapshot({"id": "m", "role": "assistant", "content": [{"a": 1}]})], "It is blue."),
    ],
)  # fmt: skip
def test_what_only_the_messages_have_is_said(frames: list[Frame], text: str) -> None:
    assert text_in(read(*frames)) == text


@pytest.mark.parametrize("value", ['{"question": "Shall I?"}', {"question": "Shall I?"}])
@pytest.mark.parametrize("approve", [True, False])
async def test_an_interrupt_of_before_ag_ui_had_them_is_answered_as_the_graph_wants(
    value: Any, approve: bool
) -> None:
    """A graph that is answered no by a mapping would take it for yes."""

    async def stream(body: Frame) -> AsyncIterator[Frame]:
        if not body["forwardedProps"]:
            yield {"type": "CUSTOM", "rawEvent": {"id": "i1"}, "name": "on_interrupt", "value": value}
        else:
            yield said("m", json.dumps(body["forwardedProps"]["command"]["resume"]))
        yield FINISHED

    async with ag_ui_frames(stream) as (server, _), reaching(f"{server.url}/") as backend:
        emissions = await gather(backend.stream(Answering(approve, "so").of(AgentInput("hi"))))
    assert of_kind(emissions, ApprovalRequest) == [ApprovalRequest("i1", "input", '{"question": "Shall I?"}')]
    assert text_in(emissions) == json.dumps(approve)


CALLS = {"action_requests": [{"name": "send", "args": {"to": "all"}}], "review_configs": []}


@pytest.mark.parametrize(
    ("interrupt", "asked", "payload"),
    [
        (
            {"reason": "langgraph:interrupt", "metadata": {"langgraph": {"raw": CALLS}}},
            ("send", '{"to": "all"}'),
            {"decisions": [{"type": "reject", "message": "no"}]},
        ),
        (
            {"reason": "tool_call", "message": "Approve?", "responseSchema": {
                "properties": {"approved": {}, "accepted": {}, "at": {}}}},
            ("input", '{"message": "Approve?", "reason": "tool_call"}'),
            {"approved": False},
        ),
        ({"reason": "tool_call"}, ("input", '{"reason": "tool_call"}'), {"approved": False, "reason": "no"}),
    ],
)  # fmt: skip
async def test_an_interrupt_is_answered_in_the_form_that_its_framework_takes(
    interrupt: Frame, asked: tuple[str, str], payload: Any
) -> None:
    async def stream(body: Frame) -> AsyncIterator[Frame]:
        waiting = {"type": "interrupt", "interrupts": [{"id": "i1", **interrupt}]}
        if "resume" not in body:
            yield {"type": "STATE_SNAPSHOT", "snapshot": {"n": 1}}
        yield {**FINISHED, **({} if "resume" in body else {"outcome": waiting})}

    async with ag_ui_frames(stream) as (server, bodies), reaching(f"{server.url}/") as backend:
        emissions = await gather(backend.stream(Answering(False, "no").of(AgentInput("hi"))))
    (request,) = of_kind(emissions, ApprovalRequest)
    assert (request.name, request.arguments) == asked
    assert bodies[1]["resume"] == [{"interruptId": "i1", "status": "resolved", "payload": payload}]
    assert (bodies[0]["state"], bodies[1]["state"]) == ({}, {"n": 1})


def test_what_microsofts_server_says_to_pages_is_not_said_twice() -> None:
    confirm = {"function_name": "send", "function_call_id": "c1", "steps": []}
    emissions = read(
        {"type": "CUSTOM", "name": "PredictState", "value": []},
        START,
        {"type": "CUSTOM", "name": "usage", "value": {"input_token_count": 3, "output_token_count": 4}},
        END,
        {"type": "CUSTOM", "name": "function_approval_request", "value": {"id": "a"}},
        {"type": "TOOL_CALL_START", "toolCallId": "x", "toolCallName": "confirm_changes"},
        {"type": "TOOL_CALL_ARGS", "toolCallId": "x", "delta": json.dumps(confirm)},
        {"type": "TOOL_CALL_END", "toolCallId": "x"},
    )
    assert emissions == [ToolCall("c1", "look", "{}")]


async def test_a_turn_goes_on_with_its_calls_and_its_usage() -> None:
    async def stream(body: Frame) -> AsyncIterator[Frame]:
        counts = {"input_token_count": 3, "output_token_count": 4, "cache_read_input_token_count": 1}
        yield {"type": "CUSTOM", "name": "usage", "value": {"input_token_count": 1, "output_token_count": 1}}
        yield {"type": "CUSTOM", "name": "usage", "value": counts}
        if "resume" not in body:
            yield START
            yield END
            waiting = [{"id": "i", "reason": "tool_call", "toolCallId": "c1"}]
            yield {**FINISHED, "outcome": {"type": "interrupt", "interrupts": waiting}}
            return
        yield {"type": "TOOL_CALL_RESULT", "messageId": "m", "toolCallId": "c1", "content": "blue"}
        yield FINISHED

    async with ag_ui_frames(stream) as (server, _), reaching(f"{server.url}/") as backend:
        emissions = await gather(backend.stream(Answering(True).of(AgentInput("hi"))))
    assert of_kind(emissions, ToolCall) == [ToolCall("c1", "look", "{}")]
    assert of_kind(emissions, ToolResult) == [ToolResult("c1", "blue", is_error=False)]
    assert finish_of(emissions).usage == Usage(6, 8, cached_input_tokens=2)


# ── state and activities ──────────────────────────────────────────────────────────────────────


def delta(*operations: Frame) -> Frame:
    return {"type": "STATE_DELTA", "delta": list(operations)}


@pytest.mark.parametrize(
    ("frames", "state"),
    [
        ([delta({"op": "add", "path": "/place", "value": "s"}),
          delta({"op": "replace", "path": "/place", "value": "sky"})], {"place": "sky"}),
        ([{"type": "STATE_SNAPSHOT", "snapshot": {"a": [1]}}, delta({"op": "add", "path": "/a/-", "value": 2})],
         {"a": [1, 2]}),
        # Of a patch that does not fit nothing holds, and the next one counts again.
        ([delta({"op": "add", "path": "/a", "value": 1}, {"op": "remove", "path": "/nothing"}),
          delta({"op": "add", "path": "/b", "value": 2})], {"b": 2}),
        ([{"type": "STATE_SNAPSHOT", "snapshot": {"messages": ["x"], "n": 1}},
          delta({"op": "add", "path": "/messages/-", "value": "y"}, {"op": "replace", "path": "/n", "value": 2})],
         {"n": 2}),
        ([delta({"op": "add", "path": "/a", "value": 1}), {"type": "STATE_SNAPSHOT", "snapshot": {"z": 1}}], {"z": 1}),
    ],
)  # fmt: skip
def test_the_state_is_as_its_patches_leave_it(frames: list[Frame], state: Any) -> None:
    assert read(*frames, state={}) == [Data("state", state, "state")]


@pytest.mark.parametrize("frames", [[], [delta({"op": "add", "path": "/n", "value": "x" * 70_000})]])
def test_a_state_that_is_the_same_or_too_large_is_not_sent(frames: list[Frame]) -> None:
    assert read(*frames, state={"n": 1}) == []


def test_a_state_that_grows_without_end_is_none_until_it_is_sent_whole() -> None:
    documents = SharedState({})
    documents.patch_state([{"op": "add", "path": "/a", "value": ["x" * 1000]}])
    for number in range(40):  # twice as much each time
        documents.patch_state([{"op": "copy", "from": "", "path": f"/{number}"}])
    assert documents.state == {}
    for _ in range(5):  # as much as a patch may say, again and again
        documents.set_state([])
        for _ in range(5):
            documents.patch_state([{"op": "add", "path": "/-", "value": "x" * (MAX_STATE_CHARS // 4)}])
        assert documents.state == {}
    documents.set_state({"n": 1})
    assert documents.report_state() == [Data("state", {"n": 1}, "state")]


def test_an_activity_is_shown_as_its_patches_leave_it() -> None:
    begins: Frame = {
        "type": "ACTIVITY_SNAPSHOT",
        "messageId": "p",
        "activityType": "PLAN",
        "content": {"steps": ["a"]},
    }
    patch = [{"op": "replace", "path": "/steps/0", "value": "b"}]
    emissions = read(
        begins, {"type": "ACTIVITY_DELTA", "messageId": "p", "activityType": "PLAN", "patch": patch}
    )
    assert emissions == [
        Data("activity.plan", {"steps": ["a"]}, "p"),
        Data("activity.plan", {"steps": ["b"]}, "p"),
    ]
    assert read({"type": "ACTIVITY_DELTA", "messageId": "unknown", "patch": patch}) == []


def test_more_beside_the_answer_than_an_attempt_may_have_does_not_end_it() -> None:
    documents = SharedState({})
    many = [each for number in range(MOST[Data] + 10) for each in documents.report("n", number, None)]
    documents.set_state({"n": 1})
    assert len([*many, *documents.report_state()]) < MOST[Data]
    assert documents.report_state()
    several = (SharedState({}) for _ in range(1))
    for each in several:
        shown = [each.set_activity(str(number), "x", number) for number in range(MAX_ACTIVITIES + 5)]
        assert sum(map(len, shown)) == MAX_ACTIVITIES


async def test_the_state_goes_on_in_a_conversation() -> None:
    async def stream(body: Frame) -> AsyncIterator[Frame]:
        yield delta({"op": "add", "path": "/n", "value": body["state"].get("n", 0) + 1})
        yield FINISHED

    async with ag_ui_frames(stream) as (server, bodies), reaching(f"{server.url}/") as backend:
        first = await ask(backend, "one", conversation_id="c")
        turn = Turn("one", "", finish_of(first).memory)
        second = await ask(backend, "two", conversation_id="c", history=(turn,))
    assert bodies[1]["state"] == {"n": 1}
    assert of_kind(second, Data) == [Data("state", {"n": 2}, "state")]
