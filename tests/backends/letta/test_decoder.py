"""What a Letta server's messages become, and its endings, told by a server that has every fault."""

from __future__ import annotations

import json

import pytest

from orchestrator.backends.base import Finish
from orchestrator.events import Data, File, Reasoning, Source, Status, ToolCall, ToolResult, Usage
from tests.support.letta.ask import answer_of, failure_of, words
from tests.support.letta.wire import (
    DONE,
    WELL,
    LettaWire,
    Stream,
    call,
    error,
    ping,
    returned,
    stop,
    text,
    usage,
)


async def test_text_reasoning_and_usage_come_as_they_were_told() -> None:
    """The plain case: pieces stay pieces, and the counts are Letta's."""
    wire = LettaWire(
        Stream([ping(1), text("hm", 2, kind="reasoning_message"), text("a", 3), text("b", 4), *WELL])
    )
    emissions = await answer_of(wire)
    assert emissions == [Reasoning("hm"), "a", "b", Finish("stop", Usage(7, 3))]


async def test_kinds_are_told_apart_by_message_type_alone() -> None:
    """The SDK makes a SystemMessage of every kind it does not know; none of them is an answer."""
    strange = [
        {"message_type": kind, "content": "not for you", "id": "m", "date": "2026-01-01T00:00:00Z"}
        for kind in (
            "system_message",
            "user_message",
            "summary_message",
            "approval_response_message",
            "new_kind",
            None,
        )
    ]
    hidden = {"message_type": "hidden_reasoning_message", "state": "redacted"}
    parts = {
        "message_type": "assistant_message",
        "content": [{"type": "text", "text": "a"}, {"type": "image"}],
    }
    emissions = await answer_of(LettaWire(Stream([*strange, hidden, parts, *WELL])))
    assert emissions == [Status("thinking", "redacted"), "a", Finish("stop", Usage(7, 3))]


async def test_line_separators_and_emoji_survive_any_cut() -> None:
    """U+2028 ends a line for `str.splitlines`, not for an event stream; chunks end inside characters."""
    told = "a\u2028b\x85c 🎈"
    raw = f"data: {json.dumps(text(told), ensure_ascii=False)}\r\n\r\n".encode()
    wire = LettaWire(Stream([raw[at : at + 1] for at in range(len(raw))] + list(WELL)))
    assert words(await answer_of(wire)) == told


async def test_a_tool_call_is_told_once_and_whole() -> None:
    """Letta sends the name, then pieces of the arguments, those of several calls in turn."""
    stream = [
        call(name="roll", tool_call_id="c1"),
        call(name="flip", tool_call_id="c2"),
        call(arguments='{"si', tool_call_id="c1"),
        call(arguments="{}", tool_call_id="c2"),
        call(arguments='des": {"a": 1}', tool_call_id="c1"),
        call(arguments="}", tool_call_id="c1"),
        returned("c1", "4"),
        returned("c2", "no coin", "error"),
        text("four"),
        *WELL,
    ]
    emissions = await answer_of(LettaWire(Stream(stream)))
    assert emissions[:-1] == [
        ToolCall("c2", "flip", "{}"),
        ToolCall("c1", "roll", '{"sides": {"a": 1}}'),
        ToolResult("c1", "4", is_error=False),
        ToolResult("c2", "no coin", is_error=True),
        "four",
    ]


async def test_every_call_has_a_result_and_every_result_a_call() -> None:
    """Letta drops all but one call of a step, and has calls without arguments; a client pairs them by id."""
    stream = [call(name="roll", tool_call_id="c1"), returned("c1", "4"), call(name="flip", tool_call_id="c2")]
    stream += [returned("c9", "who asked?")]
    emissions = await answer_of(LettaWire(Stream([*stream, text("x"), *WELL])))
    calls = [e.call_id for e in emissions if isinstance(e, ToolCall)]
    results = [e.call_id for e in emissions if isinstance(e, ToolResult)]
    assert sorted(calls) == sorted(results) == ["c1", "c2", "c9"]
    assert ToolCall("c1", "roll", "{}") in emissions
    assert next(e for e in emissions if isinstance(e, ToolResult) and e.call_id == "c2").is_error


@pytest.mark.parametrize(
    ("kind", "code", "retryable"),
    [
        ("llm_authentication", "upstream_auth", False),
        ("llm_rate_limit", "upstream_rate_limited", True),
        ("llm_timeout", "upstream_unavailable", True),
        ("llm_error", "upstream_unavailable", True),
        ("llm_empty_response", "upstream_invalid", True),
        ("stream_incomplete", "upstream_invalid", True),
        ("context_window_overflow_in_system_prompt", "upstream_rejected", False),
        ("internal_error", "upstream_unavailable", True),
        ("something_new", "upstream_unavailable", True),
    ],
)
async def test_an_error_after_200_is_an_error_whatever_stop_reason_said(
    kind: str, code: str, retryable: bool
) -> None:
    """Letta tells a stop reason before the error, sometimes twice, once `end_turn`."""
    wire = LettaWire(Stream([text("a"), stop("end_turn"), stop("llm_api_error"), error(kind), DONE]))
    failure = await failure_of(wire)
    assert (failure.code, failure.retryable) == (code, retryable)
    assert wire.paths("/cancel") == [], "a run that failed has nothing to be cancelled"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("error", "upstream_unavailable"),
        ("invalid_llm_response", "upstream_invalid"),
        ("max_steps", "max_turns"),
        ("insufficient_credits", "upstream_rejected"),
        ("cancelled", "upstream_rejected"),
    ],
)
async def test_a_bad_stop_reason_is_an_error_without_an_error_event(reason: str, code: str) -> None:
    """Not every failure is followed by an event of its own."""
    assert (await failure_of(LettaWire(Stream([text("a"), stop(reason), usage(), DONE])))).code == code


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("end_turn", "stop"),
        ("tool_rule", "stop"),
        ("max_tokens_exceeded", "length"),
        ("content_filter", "content_filter"),
        ("of_a_later_release", "stop"),
    ],
)
async def test_a_good_stop_reason_is_told_in_the_protocols_words(reason: str, told: str) -> None:
    """Clients of several backends see one vocabulary."""
    emissions = await answer_of(LettaWire(Stream([text("a"), stop(reason), usage(0, 0), DONE])))
    assert emissions[-1] == Finish(told, None)


async def test_an_answer_that_was_withheld_is_refused() -> None:
    """Letta passes a provider's word on; an empty `done` would look like an agent with nothing to say."""
    assert (
        await failure_of(LettaWire(Stream([stop("content_filter"), usage(0, 0), DONE])))
    ).code == "refusal"


async def test_an_end_without_a_stop_reason_is_no_success() -> None:
    """Letta itself counts such a run as failed."""
    assert (await failure_of(LettaWire(Stream([text("a"), DONE])))).code == "upstream_invalid"


@pytest.mark.parametrize("garbage", [b'data: {"message_type": "assist\n\n', b"data: 7\n\n"])
async def test_an_event_that_is_no_message_is_an_error(garbage: bytes) -> None:
    """Half a JSON is not skipped: text would be missing."""
    wire = LettaWire(Stream([ping(1), text("a", 2), garbage, *WELL]))
    assert (await failure_of(wire)).code == "upstream_invalid"
    assert wire.cancelled.is_set(), "the server may still be at work"


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODdh"}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
UNUSABLE = [
    {"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}},
    {"type": "image", "source": {"type": "letta", "file_id": "file-1"}},
    {"type": "image"},
]


async def test_images_of_tools_and_answers_are_files() -> None:
    """A tool's result may be a list of parts, of which a client's reader would see the text alone."""
    parts = [{"type": "text", "text": "Two dots."}, IMAGE, LINKED, *UNUSABLE]
    stream = [
        call(name="draw", tool_call_id="c1", arguments="{}"),
        returned("c1", parts),
        {
            "message_type": "assistant_message",
            "id": "m1",
            "content": [{"type": "text", "text": "See."}, IMAGE],
        },
        *WELL,
    ]
    emissions = await answer_of(LettaWire(Stream(stream)))
    assert emissions[1:-1] == [
        ToolResult("c1", "Two dots.", is_error=False),
        File("c1.1", "image", "image/gif", "data:image/gif;base64,R0lGODdh"),
        File("c1.2", "image", "image/png", "https://example.org/a.png"),
        "See.",
        File("m1.1", "image", "image/gif", "data:image/gif;base64,R0lGODdh"),
    ]


async def test_what_a_web_search_found_are_sources() -> None:
    pages = [
        {"title": "A", "url": "https://example.org/a", "highlights": ["It is so."], "summary": "So."},
        {"title": None, "url": "https://example.org/b", "summary": "So."},
        {"title": "A again", "url": "https://example.org/a"},
        {"title": "no page", "url": "javascript:alert(1)"},
        "none",
    ]
    found = json.dumps({"query": "q", "results": pages})
    stream = [call(name="web_search", tool_call_id="c1", arguments="{}"), returned("c1", found)]
    # Another tool's result of the same form is its own affair, and so is what is no JSON.
    stream += [call(name="roll", tool_call_id="c2", arguments="{}"), returned("c2", found)]
    stream += [call(name="web_search", tool_call_id="c3", arguments="{}"), returned("c3", "[no")]
    emissions = await answer_of(LettaWire(Stream([*stream, text("x"), *WELL])))
    assert [each for each in emissions if isinstance(each, Source)] == [
        Source("https://example.org/a", url="https://example.org/a", title="A", quote="It is so."),
        Source("https://example.org/b", url="https://example.org/b", quote="So."),
    ]


async def test_what_the_server_says_of_itself_is_data() -> None:
    stream = [
        {"message_type": "event_message", "event_type": "compaction", "event_data": {"trigger": "full"}},
        {"message_type": "event_message", "event_type": "What is this?", "event_data": {}},
        {"message_type": "event_message", "event_type": "compaction", "event_data": {"x": "y" * 70_000}},
        text("x"),
        *WELL,
    ]
    emissions = await answer_of(LettaWire(Stream(stream)))
    assert emissions[:-2] == [Data("compaction", {"trigger": "full"})]
