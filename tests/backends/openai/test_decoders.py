"""The two decoders of model streams: bytes in, events out, however the bytes are cut."""

from __future__ import annotations

import itertools
import json
import os
import random
import sys
from typing import Any

import msgspec
import pytest
from agents.models.fake_id import FAKE_RESPONSES_ID
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from orchestrator.backends.openai.model.chat.chunk import Chunk, is_bare_end
from orchestrator.backends.openai.model.chat.decoder import ChatDecoder
from orchestrator.backends.openai.model.events import PlainEnd
from orchestrator.backends.openai.model.responses.decoder import ResponsesDecoder
from orchestrator.backends.openai.model.sse import DataSplitter
from orchestrator.errors import AgentError
from orchestrator.sse_parser import SSEParser
from tests.support.upstream import Call, Calls, Finish, Reasoning, Refusal, Use
from tests.support.upstream_wire import ChatEncoder, Frame, ResponsesEncoder

TURN: list[Any] = [
    Reasoning("hm, "), Reasoning("Grüße"), "Hel", "lo 🙂", " \u2028",
    Calls(Call("a", ['{"x"', ": 1}"]), Call("b", ["{", "}"])), Use(5, 9, reasoning=2),
]  # fmt: skip


def chat(*, may_end_plain: bool = False) -> ChatDecoder:
    response = Response(
        id=FAKE_RESPONSES_ID, created_at=0, model="m", object="response", output=[],
        tool_choice="auto", tools=[], parallel_tool_calls=False,
    )  # fmt: skip
    return ChatDecoder(response, model="m", may_end_plain=may_end_plain)


DECODERS = {"chat": chat, "responses": ResponsesDecoder}


def bytes_of(api: str, turn: list[Any] = TURN) -> bytes:
    encoder = ChatEncoder("m") if api == "chat" else ResponsesEncoder("m")
    return b"".join(frame.data for frame in encoder.run(turn) if isinstance(frame, Frame))


def decode(api: str, *pieces: bytes) -> tuple[list[Any], AgentError | None]:
    decoder = DECODERS[api]()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    if not decoder.ended:
        events += decoder.end()
    return events, decoder.failure


def summary(events: list[Any]) -> dict[str, Any]:
    """What the events say, whatever way the deltas were gathered."""
    deltas: dict[tuple[str, int], str] = {}
    for event in events:
        if event.type.endswith(".delta"):
            where = (event.type, event.output_index)
            deltas[where] = deltas.get(where, "") + event.delta
    completed = [event.response for event in events if isinstance(event, ResponseCompletedEvent)]
    return {"deltas": deltas, "completed": [r.model_dump(exclude={"created_at"}) for r in completed]}


def chunk(delta: dict[str, Any], **more: Any) -> bytes:
    """One chat chunk as an event."""
    data = {"id": "c", "choices": [{"index": 0, "delta": delta, **more}]}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


STOP = chunk({}, finish_reason="stop")
DONE = b"data: [DONE]\n\n"


def event(kind: str, **data: Any) -> bytes:
    """One Responses event."""
    return b"data: " + json.dumps({"type": kind, **data}).encode() + b"\n\n"


# ── a plain end ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("turn", "is_plain"),
    [
        (["Hel", "lo", Use(5, 9, reasoning=2)], True),
        (["Hello"], True),
        (["Hello", Finish("length")], False),
        (["Well, ", Refusal("no.")], False),
        ([Reasoning("hm"), "Hello"], False),
        (["I look. ", Call("clock", "{}")], False),
    ],
)
def test_words_alone_may_end_without_their_items(turn: list[Any], is_plain: bool) -> None:
    """For whoever needs no items; asked for them, it makes those that the answer ends with otherwise."""
    usual, _ = decode("chat", bytes_of("chat", turn))
    decoder = chat(may_end_plain=True)
    *said, end = decoder.feed(bytes_of("chat", turn))
    assert decoder.ended
    assert isinstance(end, PlainEnd) == is_plain
    if isinstance(end, PlainEnd):
        assert end.text == "Hello"
        said += end.whole()
    else:
        said.append(end)
    assert summary(said) == summary(usual)


# ── cuts and line ends ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("api", DECODERS)
def test_a_cut_at_any_byte_changes_nothing(api: str) -> None:
    """Each of the stream's bytes is once the last of a read: all with `FAULT_ROUNDS`, else every fifth."""
    step = 1 if os.environ.get("FAULT_ROUNDS") else 5
    stream = bytes_of(api)
    whole = summary(decode(api, stream)[0])
    assert len(whole["completed"]) == 1
    for at in range(random.randrange(1, step + 1), len(stream), step):
        events, failure = decode(api, stream[:at], stream[at:])
        assert failure is None, f"cut at {at}"
        assert summary(events) == whole, f"cut at {at}"


@pytest.mark.parametrize("api", DECODERS)
@pytest.mark.parametrize("end", [b"\r\n", b"\r"])
def test_byte_by_byte_with_other_line_ends(api: str, end: bytes) -> None:
    """Servers may end lines with CRLF or CR, and send byte by byte."""
    stream = bytes_of(api)
    other = stream.replace(b"\n", end)
    events, failure = decode(api, *(other[at : at + 1] for at in range(len(other))))
    assert failure is None
    assert summary(events) == summary(decode(api, stream)[0])


@pytest.mark.parametrize("api", DECODERS)
def test_comments_names_and_a_missing_last_line_do_not_matter(api: str) -> None:
    """Keep-alive comments between events; the body ends without the last blank line."""
    stream = b": hello\n\n" + bytes_of(api).replace(b"\n\ndata", b"\n\n: alive\n\nid: 4\ndata").removesuffix(
        b"\n"
    )
    events, failure = decode(api, stream.removesuffix(b"\n"))
    assert failure is None
    assert summary(events) == summary(decode(api, bytes_of(api))[0])


LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b"data: ",
        b": c",
        b"event: message",
        b"id: 1",
        b"",
        b"",
        b"\xc3\xa9",
        b"data: \xe2\x98\x83",
    ]
)
ENDS = st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\r"])
STREAMS = st.lists(st.tuples(LINES, ENDS).map(b"".join), max_size=30).map(b"".join)


@given(STREAMS, st.data())
def test_the_splitter_agrees_with_the_parser(stream: bytes, data: st.DataObject) -> None:
    """The short way for what providers send and the whole format give the same data, cut anywhere."""
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=5)))
    edges = [0, *cuts, len(stream)]
    splitter = DataSplitter()
    found = [one for a, b in itertools.pairwise(edges) for one in splitter.feed(stream[a:b])]
    assert found == [one.data.encode() for one in SSEParser().feed(stream)]


def test_an_event_without_an_end_is_refused() -> None:
    """A provider cannot fill the memory."""
    splitter = DataSplitter(max_event_bytes=100)
    for _ in range(7):
        assert splitter.feed(b"data: xxxxxxx") == []
    with pytest.raises(AgentError) as caught:
        splitter.feed(b"data: xxxxxxx")
    assert caught.value.code == "upstream_invalid"


# ── what is gathered ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("api", DECODERS)
def test_pieces_that_arrive_together_are_one_delta(api: str) -> None:
    """One event a part where one read brings many; never across another part."""
    turn: list[Any] = ["a", "b", Reasoning("r"), Reasoning("s"), "c"]
    if api == "responses":
        turn = [Reasoning("r"), Reasoning("s"), "a", "b", "c"]
    events, _ = decode(api, bytes_of(api, turn))
    said = [e.delta for e in events if e.type.endswith(".delta")]
    assert said == (["ab", "rs", "c"] if api == "chat" else ["rs", "abc"])


@pytest.mark.parametrize("api", DECODERS)
def test_decoding_is_cheap(api: str) -> None:
    """20,000 pieces in reads of 64 KB: calls are counted, which no machine changes."""
    stream = bytes_of(api, [" word"] * 20_000)
    calls = 0

    def count(_frame: object, event: str, _of: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        events, failure = decode(api, *(stream[at : at + 65536] for at in range(0, len(stream), 65536)))
    finally:
        sys.setprofile(None)
    assert failure is None
    assert len("".join(e.delta for e in events if e.type.endswith(".delta"))) == 100_000
    assert calls / 20_000 < {"chat": 20, "responses": 50}[api], "twice what a piece takes"


# ── chat completions: what servers do ─────────────────────────────────────────────────────────


def calls_of(events: list[Any]) -> list[tuple[str, str, str]]:
    [completed] = [e.response for e in events if isinstance(e, ResponseCompletedEvent)]
    return [
        (item.call_id, item.name, item.arguments)
        for item in completed.output
        if isinstance(item, ResponseFunctionToolCall)
    ]


def test_calls_without_an_index() -> None:
    """Some servers number no calls; an id begins a new one."""
    events, failure = decode(
        "chat",
        chunk({"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]}),
        chunk({"tool_calls": [{"function": {"arguments": "}"}}]}),
        chunk(
            {"tool_calls": [{"id": "2", "function": {"name": "g", "arguments": "{}"}}]},
            finish_reason="tool_calls",
        ),
        DONE,
    )
    assert failure is None
    assert calls_of(events) == [("1", "f", "{}"), ("2", "g", "{}")]


def test_a_call_without_an_id_is_given_one() -> None:
    """The SDK needs an id for each call; custom calls are not of this API and are left out."""
    events, failure = decode(
        "chat",
        chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]}),
        chunk({"tool_calls": [{"index": 1, "id": "c", "type": "custom", "function": None}]}),
        STOP + DONE,
    )
    assert failure is None
    [(call_id, name, arguments)] = calls_of(events)
    assert call_id.startswith("call_")
    assert (name, arguments) == ("f", "{}")


def whole_call(zone: str, **where: Any) -> dict[str, Any]:
    return {**where, "function": {"name": "clock", "arguments": json.dumps({"zone": zone})}}


@pytest.mark.parametrize(
    "calls",
    [
        [whole_call("A", index=0, id="1"), whole_call("B", index=0, id="2")],
        [whole_call("A", id="1"), whole_call("B", id="2")],
        [whole_call("A", id=""), whole_call("B", id="")],
        [whole_call("A", index=0), whole_call("B", index=1)],
    ],
)
@pytest.mark.parametrize("together", [True, False])
def test_whole_calls_are_told_apart_however_they_are_numbered(
    calls: list[dict[str, Any]], together: bool
) -> None:
    """Gemini's endpoint leaves numbers and ids out, or numbers every call 0."""
    groups = [calls] if together else [[call] for call in calls]
    events, failure = decode("chat", *(chunk({"tool_calls": group}) for group in groups), STOP + DONE)
    assert failure is None
    assert [arguments for _, _, arguments in calls_of(events)] == ['{"zone": "A"}', '{"zone": "B"}']
    assert len({call_id for call_id, _, _ in calls_of(events)}) == 2


@pytest.mark.parametrize("where", [{"index": 0, "id": "1"}, {"id": "1"}])
@pytest.mark.parametrize("name", ["clock", "", None])
def test_a_call_whose_pieces_repeat_its_id_stays_one(where: dict[str, Any], name: str | None) -> None:
    pieces = [
        chunk(
            {"tool_calls": [{**where, "function": {"name": "clock" if not at else name, "arguments": text}}]}
        )
        for at, text in enumerate(['{"zo', 'ne":', ' "A"}'])
    ]
    events, failure = decode("chat", *pieces, STOP + DONE)
    assert failure is None
    assert calls_of(events) == [("1", "clock", '{"zone": "A"}')]


def test_a_call_without_a_name_is_invalid() -> None:
    _, failure = decode("chat", chunk({"tool_calls": [{"index": 0, "id": "1"}]}), STOP + DONE)
    assert failure is not None
    assert failure.code == "upstream_invalid"


def test_a_thought_signature_goes_back_with_its_call() -> None:
    """Gemini wants it in the next request; the SDK's converter finds it in `provider_data`."""
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}}
    extra = {"google": {"thought_signature": "sig"}}
    events, _ = decode("chat", chunk({"tool_calls": [{**call, "extra_content": extra}]}), STOP + DONE)
    item = events[-1].response.output[0]
    assert item.provider_data["thought_signature"] == "sig"


def test_thinking_blocks_are_kept_for_the_next_request() -> None:
    """Anthropic's pieces and signature become one block."""
    blocks = [{"type": "thinking", "thinking": "a"}, {"thinking": "b"}, {"signature": "s"}]
    events, _ = decode("chat", *(chunk({"thinking_blocks": [block]}) for block in blocks), STOP + DONE)
    item = events[-1].response.output[0]
    assert item.provider_data["thinking_blocks"] == [{"type": "thinking", "thinking": "ab", "signature": "s"}]


def test_log_probabilities_are_kept() -> None:
    one = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}
    events, _ = decode("chat", chunk({"content": "a"}, logprobs={"content": [one]}), STOP + DONE)
    message = events[-1].response.output[0]
    assert isinstance(message, ResponseOutputMessage)
    assert isinstance(message.content[0], ResponseOutputText)
    assert [p.logprob for p in message.content[0].logprobs or []] == [-0.5]


@pytest.mark.parametrize(
    "empty", [b'data: {"choices":[]}\n\n', chunk({}), chunk({"content": None}, finish_reason="")]
)
def test_chunks_that_say_nothing_are_no_fault(empty: bytes) -> None:
    """Azure begins with one, others send them as a sign of life."""
    events, failure = decode("chat", empty, chunk({"content": "a"}), empty, STOP, empty, DONE)
    assert failure is None
    assert summary(events)["deltas"] == {("response.output_text.delta", 0): "a"}


@pytest.mark.parametrize(
    "end", [b"data: [DONE] \n\n", b"data:[DONE]\n\n", b"data: [DONE]", b"data:\n\n" + DONE]
)
def test_the_end_mark_is_known_however_it_is_written(end: bytes) -> None:
    events, failure = decode("chat", chunk({"content": "a"}), STOP, end)
    assert failure is None
    assert events[-1].type == "response.completed"


def test_content_may_be_a_list_of_parts() -> None:
    """Mistral's reasoning models send it."""
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    events, failure = decode(
        "chat",
        chunk({"content": [thought]}),
        chunk({"content": [{"type": "text", "text": "Hel"}, {"type": "reference", "reference_ids": [1]}]}),
        chunk({"content": "lo"}),
        STOP + DONE,
    )
    assert failure is None
    assert summary(events)["deltas"] == {
        ("response.reasoning_summary_text.delta", 0): "hm",
        ("response.output_text.delta", 1): "Hello",
    }


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("error", "upstream_invalid"),
        ("abort", "upstream_unavailable"),
        ("insufficient_system_resource", "upstream_unavailable"),
        ("tool_calls", None),
    ],
)
def test_a_finish_that_is_the_providers_failure_is_no_success(reason: str, code: str | None) -> None:
    """OpenRouter, vLLM and DeepSeek say so in the finish reason alone."""
    _, failure = decode("chat", chunk({"content": "a"}), chunk({}, finish_reason=reason), DONE)
    assert (failure and failure.code) == code


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        ("model_length", "max_output_tokens"),
        ("eos_token", None),
        ("function_call", None),
        ("brand_new", None),
    ],
)
def test_a_finish_in_other_words_is_passed_on(reason: str, detail: str | None) -> None:
    events, _ = decode("chat", chunk({"content": "a"}), chunk({}, finish_reason=reason), DONE)
    details = events[-1].response.incomplete_details
    assert (details and details.reason) == detail


def test_text_and_a_refusal_are_parts_of_one_message() -> None:
    events, _ = decode("chat", bytes_of("chat", ["so", Refusal("no")]))
    [message] = events[-1].response.output
    assert [part.type for part in message.content] == ["output_text", "refusal"]


# ── the Responses API: what servers do ────────────────────────────────────────────────────────

MESSAGE = {
    "type": "message", "id": "m1", "role": "assistant", "status": "completed",
    "content": [{"type": "output_text", "text": "all of it", "annotations": []}],
}  # fmt: skip


def test_items_that_the_completed_response_leaves_out_are_those_said_before() -> None:
    events, failure = decode(
        "responses",
        event("response.output_item.done", output_index=0, item=MESSAGE),
        event("response.completed", response={"id": "r", "output": []}),
    )
    assert failure is None
    assert [item.id for item in events[-1].response.output] == ["m1"]


def test_a_completed_response_that_says_it_failed_is_a_failure() -> None:
    """Where the event's name and the response's status differ, the worse of the two holds."""
    response = {"id": "r", "output": [], "status": "failed", "error": {"code": "rate_limit_exceeded"}}
    _, failure = decode("responses", event("response.completed", response=response))
    assert failure is not None
    assert failure.code == "upstream_rate_limited"


def test_an_incomplete_response_without_a_reason_is_told_as_incomplete() -> None:
    events, failure = decode(
        "responses", event("response.incomplete", response={"id": "r", "output": [MESSAGE]})
    )
    assert failure is None
    assert events[-1].response.incomplete_details.reason == "incomplete"


def test_unknown_events_and_items_are_no_fault() -> None:
    """A newer server may say more than this client knows."""
    item = {"type": "new_kind_of_call", "id": "x", "content": 4}
    events, failure = decode(
        "responses",
        event("response.brand.new", delta={"any": "thing"}),
        event("response.output_item.added", item=item, output_index=0),
        event("response.completed", response={"id": "r", "output": [item, MESSAGE]}),
    )
    assert failure is None
    assert [e.type for e in events][:1] == ["response.output_item.added"]


# ── what cannot be used ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("api", "bad"),
    [
        ("chat", b"data: hello\n\n"),
        ("chat", b'data: {"choices":4}\n\n'),
        ("chat", b'data: {"choices":[{"delta":"x"}]}\n\n'),
        ("chat", b'data: {"choices":[{"delta":{"content":4}}]}\n\n'),
        ("chat", b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n'),
        ("chat", b'data: {"choices":[{"delta":{"tool_calls":[{"index":"one"}]}}]}\n\n'),
        ("chat", b'data: {"choices":[{"delta":{"thinking_blocks":[{"thinking":4}]}}]}\n\n'),
        ("chat", b'data: {"choices":[{"delta":{"content":[{"other":"no type"}]}}]}\n\n'),
        ("chat", b'data: {"choices":[{"message":"not a message"}]}\n\n'),
        ("chat", b'data: {"choices":[4]}\n\n'),
        ("chat", b'data: {"error":"no"}\n\n'),
        ("responses", b"data: hello\n\n"),
        ("responses", b'data: {"type":4}\n\n'),
        ("responses", b'data: {"type":"response.output_text.delta"}\n\n'),
        ("responses", b'data: {"type":"response.output_text.delta","delta":"\xff"}\n\n'),
        ("responses", b'data: {"error":{"message":"no"}}\n\n'),
        ("responses", event("response.completed", response="done")),
        ("responses", event("response.completed", response={"id": "r", "output": "text"})),
        ("responses", event("response.completed", response={"id": "r", "output": [{"type": "message"}]})),
        (
            "responses",
            event("response.completed", response={"id": "r", "output": [{"type": "function_call"}]}),
        ),
        ("responses", event("response.output_item.done", item={"no": "type"})),
    ],
)
def test_what_has_the_wrong_shape_is_invalid_after_what_was_said(api: str, bad: bytes) -> None:
    """In the same read as good pieces: those are said, then the failure is told."""
    good = chunk({"content": "a"}) if api == "chat" else event("response.output_text.delta", delta="a")
    events, failure = decode(api, good + bad + (STOP + DONE if api == "chat" else b""))
    assert failure is not None
    assert failure.code == "upstream_invalid"
    assert summary(events) == {"deltas": {("response.output_text.delta", 0): "a"}, "completed": []}


@pytest.mark.parametrize("api", DECODERS)
def test_every_early_end_is_a_failure(api: str) -> None:
    """Cut after any event before the one that says why the answer ended, the stream is no answer."""
    encoder = ChatEncoder("m") if api == "chat" else ResponsesEncoder("m")
    frames = [frame.data for frame in encoder.run([*TURN, Finish("stop")]) if isinstance(frame, Frame)]
    ends = [at for at, data in enumerate(frames) if b'"finish_reason":"' in data.replace(b": ", b":")]
    for count in range(ends[0] if ends else len(frames)):
        events, failure = decode(api, *frames[:count])
        assert failure is not None
        assert summary(events)["completed"] == []


@pytest.mark.parametrize(
    ("choice", "beside", "said"),
    [
        ({}, {}, "x"),
        ({"logprobs": None}, {"system_fingerprint": "fp", "usage": None, "obfuscation": "a1"}, "x"),
        ({"delta": {"role": "assistant", "content": None}}, {"service_tier": "default"}, "x"),
        ({"text": "!"}, {}, "x!"),
        ({"message": {"content": "x!"}}, {}, "x!"),
        ({}, {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}, "x"),
        ({}, {"timings": {"prompt_n": 3, "predicted_n": 4}}, "x"),
    ],
)
def test_the_end_of_an_answer_has_nothing_else_unless_it_stands_there(
    choice: dict[str, Any], beside: dict[str, Any], said: str
) -> None:
    """What OpenAI's server sends is taken as it is; whatever another one puts beside it is found."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    first = {**head, "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]}
    last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **choice}], **beside}
    payload = json.dumps(last).encode()
    is_counted = any(beside.get(key) for key in ("usage", "timings"))
    assert is_bare_end(msgspec.json.decode(payload, type=Chunk), payload) == (said == "x" and not is_counted)
    events, failure = decode(
        "chat", b"".join(b"data: %b\n\n" % json.dumps(c).encode() for c in (first, last))
    )
    assert failure is None
    response = events[-1].response
    assert (response.output_text, response.incomplete_details) == (said, None)
    assert (response.usage is not None) == is_counted
