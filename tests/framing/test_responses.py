"""Covers `orchestrator/framing/responses.py`: the events of OpenAI's Responses API."""

from __future__ import annotations

import json
from unittest.mock import patch

from orchestrator.events import (
    ApprovalRequest,
    Data,
    Payload,
    Reasoning,
    Source,
    Started,
    Token,
    ToolCall,
    ToolResult,
    Usage,
)
from orchestrator.events.encoding import encode_json
from orchestrator.events.snapshot import AgentSnapshot
from orchestrator.framing import responses
from orchestrator.framing.response_items import response_id
from orchestrator.framing.responses import FRAMES_PER_EVENT, MOST_PARTS
from orchestrator.sse_parser import SSEParser

from .scene import EPOCH, Scene, cancelled, done, ended, error, started

KINDS = ("output_text", "reasoning_summary_text")


def test_an_attempt_is_one_message_and_its_end_closes_all_that_was_opened() -> None:
    scene = Scene("responses", model="m", created=5)
    assert [each["type"] for each in scene.say(started("a"))] == ["response.created", "response.in_progress"]
    told = scene.say(("a", Started(1)), ("a", Token("Ye")), ("a", Token("s.")), ("a", done("Yes.")))
    assert [each["type"] for each in told] == [
        "response.output_item.added", "response.content_part.added",
        "response.output_text.delta", "response.output_text.delta",
        "response.output_text.done", "response.content_part.done", "response.output_item.done",
    ]  # fmt: skip
    assert told[-1]["item"]["content"][0]["text"] == "Yes."
    (last,) = scene.say(ended())
    assert (last["type"], last["response"]["status"]) == ("response.completed", "completed")
    assert [item["status"] for item in last["response"]["output"]] == ["completed"]


def test_numbers_rise_and_say_which_event_they_are_of() -> None:
    """So a number is a cursor, and nobody has to store what was sent under it."""
    scene = Scene("responses")
    first = scene.say(started("a"), ("a", Started(1)))
    later = scene.say(("a", Token("x")))
    numbers = [each["sequence_number"] for each in [*first, *later]]
    assert numbers == sorted(set(numbers))
    assert {number // FRAMES_PER_EVENT for number in numbers} == {1, 3}


def test_whoever_comes_back_with_a_number_gets_what_follows_it() -> None:
    events = [started("a"), ("a", Started(1)), ("a", Token("x")), ("a", Token("y"))]
    whole = Scene("responses").say(*events)
    after = whole[3]["sequence_number"]
    assert Scene("responses", after=after).say(*events) == whole[4:]


def test_a_large_answer_ends_in_pieces_of_the_same_frames() -> None:
    """Its last frame has all of it once more: encoded in one go it held up every stream."""
    events: list[tuple[str | None, Payload]] = [
        started("a"), ("a", Started(1)), ("a", Token("x")), ("a", Data("rows", ["y" * 1000] * 30)), ("a", done("x")),
    ]  # fmt: skip
    small, large = Scene("responses"), Scene("responses")
    small.say(*events)
    large.say(*events)
    (whole,) = small.frames(ended())
    assert not list(small.framing.rest())
    with patch.object(responses, "says_much", return_value=True):
        assert not large.frames(ended())
    (last,) = SSEParser().feed(b"".join(large.framing.rest()))
    assert last == whole


def test_an_answer_of_many_pieces_of_data_counts_as_large() -> None:
    scene = Scene("responses")
    scene.say(started("a"), ("a", Started(1)), ("a", Token("x")))
    for n in range(100):
        scene.say(("a", Data("rows", ["y" * 1000] * 30, data_id=f"d{n}")))
    assert scene.say(("a", done("x")), ended())[-1]["type"] != "response.completed"
    pieces = list(scene.framing.rest())
    assert max(map(len, pieces)) < 128 * 1024
    (last,) = SSEParser().feed(b"".join(pieces))
    assert last.last_event_id == f"{EPOCH}-{scene.seq}"
    assert len(json.loads(last.data)["response"]["agents"]["a"]["data"]) == 100


def test_another_connection_begins_with_what_one_has_heard() -> None:
    """And each goes on by itself, wherever the one stood: what is open is copied, what is closed is shared."""
    events: list[tuple[str | None, Payload]] = [
        started("a", "b"), ("a", Started(1)), ("b", Started(1)), ("a", Reasoning("h")), ("a", Reasoning("m")),
        ("a", Token("x")), ("b", Token("z")), ("a", Source("s1", url="https://e.org")),
        ("a", ToolCall("c1", "look", "{}")), ("a", ToolResult("c1", "blue", False)), ("a", Token("\u2028y")),
        ("a", Reasoning("again")), ("a", done("x\u2028y")), ("b", done("z", Usage(1, 2))), ended(),
    ]  # fmt: skip
    whole = [Scene("responses") for _ in events]
    for cut in range(1, len(events)):
        told = whole[cut].say(*events)
        scene = Scene("responses")
        scene.say(*events[:cut])
        other = Scene("responses")
        other.begin_with(scene)
        rest = scene.say(*events[cut:])
        assert other.say(*events[cut:]) == rest == told[len(told) - len(rest) :]
        assert other.framing.response() == scene.framing.response() == whole[cut].framing.response()


def test_reasoning_and_text_by_turns_come_to_share_an_item_of_each() -> None:
    """An item for each word took eight times the bytes of what was said; nothing of it may be lost for that."""
    words: list[tuple[str | None, Payload]] = [
        ("a", (Token if n % 2 else Reasoning)(f"{n} ")) for n in range(3 * MOST_PARTS)
    ]
    events = [started("a"), ("a", Started(1)), *words, ("a", done()), ended()]
    scene = Scene("responses")
    told = scene.say(*events)
    deltas = {
        kind: "".join(each["delta"] for each in told if each["type"].endswith(f"{kind}.delta"))
        for kind in KINDS
    }
    output = told[-1]["response"]["output"]
    thoughts = [item for item in output if item["type"] == "reasoning"]
    assert len(thoughts) == MOST_PARTS // 2 + 1, "all later ones share the last"
    assert {item["status"] for item in output} == {"completed"}
    assert "".join(item["summary"][0]["text"] for item in thoughts) == deltas["reasoning_summary_text"]
    assert deltas["reasoning_summary_text"] == "".join(f"{n} " for n in range(0, 3 * MOST_PARTS, 2))
    assert deltas["output_text"] == "".join(f"{n} " for n in range(1, 3 * MOST_PARTS, 2))
    assert sum(each["type"] == "response.output_item.done" for each in told) == len(output)
    for cut in range(2, len(events), 7):
        before, other = Scene("responses"), Scene("responses")
        before.say(*events[:cut])
        other.begin_with(before)
        assert other.say(*events[cut:]) == before.say(*events[cut:])
        assert other.framing.response() == scene.framing.response()


def test_the_end_of_many_calls_takes_no_number_of_the_next_event() -> None:
    scene = Scene("responses")
    calls = [("a", ToolCall(f"c{n}", "look", "{}")) for n in range(20)]
    scene.say(started("a"), ("a", Started(1)), ("a", Reasoning("hm")), *calls, ("a", Token("x")))
    told = [*scene.say(("a", done("x"))), *scene.say(ended())]
    numbers = [each["sequence_number"] for each in told]
    assert numbers == sorted(set(numbers))
    assert [number // FRAMES_PER_EVENT for number in numbers] == [scene.seq - 1] * (len(told) - 1) + [
        scene.seq
    ]
    assert {item["status"] for item in told[-1]["response"]["output"][1:-1]} == {"failed"}


def test_agents_have_items_of_their_own_that_interleave() -> None:
    scene = Scene("responses")
    scene.say(started("a", "b"))
    told = scene.say(("a", Token("1")), ("b", Token("2")), ("a", Token("3")))
    places = [each["output_index"] for each in told if each["type"] == "response.output_text.delta"]
    assert places == [0, 1, 0]


def test_tools_are_calls_that_the_server_ran() -> None:
    scene = Scene("responses")
    scene.say(started("a"), ("a", Started(1)))
    scene.say(("a", ToolCall("c1", "look", '{"at":1}')), ("a", ToolResult("c1", "blue", False)))
    scene.say(("a", ToolCall("c2", "look", "{}")), ("a", ToolResult("c2", "No.", True)))
    scene.say(("a", ToolCall("c3", "look", "{}")), ("a", done()))
    *output, last = json.loads(encode_json(scene.framing.response()["output"]))
    assert (last["type"], last["status"], last["content"][0]["text"]) == ("message", "completed", "")
    found = [(item["status"], item["output"], item["error"]) for item in output]
    assert found == [
        ("completed", "blue", None), ("failed", None, "No."), ("failed", None, "The agent ended before its tool did."),
    ]  # fmt: skip


def test_a_question_ends_the_response_while_the_run_goes_on() -> None:
    scene = Scene("responses")
    scene.say(started("a"), ("a", Started(1)))
    told = scene.say(("a", ApprovalRequest("c1", "pay", "{}")))
    assert told[-1]["type"] == "response.completed"
    assert told[-1]["response"]["output"][0]["id"] == "mcpr_run_1/a/c1"
    assert scene.framing.is_finished


def test_how_agents_failed_is_in_the_metadata_and_usage_is_summed() -> None:
    scene = Scene("responses")
    scene.say(started("a", "b", "c"), ("a", done("x", Usage(1, 2))), ("b", error("No.")), ("c", cancelled()))
    (last,) = scene.say(ended("partial"))
    found = last["response"]
    assert found["metadata"]["agent.b"] == "error:internal"
    assert found["metadata"]["agent.c"] == "cancelled"
    assert found["usage"]["total_tokens"] == 3
    assert found["error"] is None


def test_a_failed_and_a_cancelled_run() -> None:
    failed = Scene("responses")
    failed.say(started("a"), ("a", error("No.")))
    (last,) = failed.say(ended("failed"))
    assert (last["type"], last["response"]["error"]["message"]) == ("response.failed", "No.")
    stopped = Scene("responses")
    stopped.say(started("a"), ("a", cancelled()))
    (last,) = stopped.say(ended("cancelled"))
    assert last["type"] == "response.incomplete"
    assert stopped.framing.response()["status"] == "cancelled"


def test_after_a_gap_the_answer_begins_anew_with_the_text_so_far() -> None:
    scene = Scene("responses")
    told = scene.gap(a=AgentSnapshot("running", 1, "Ye", None, None, None))
    assert [each["delta"] for each in told if each["type"] == "response.output_text.delta"] == ["Ye"]
    assert scene.say(("a", Token("s.")))[0]["delta"] == "s."


def test_a_runs_id_is_the_responses() -> None:
    assert response_id("run_abc") == "resp_abc"
