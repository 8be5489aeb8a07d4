"""Kinds 4, 5, 8 and 9 again, as other vendors send them: ends, counts, finish words, signs of life, odd values."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

from .ends import REFUSED
from .more_texts import JSON, NOTHING, added, choice, choices, done
from .server import Reply
from .wire import (
    CHAT,
    CLOCK,
    DONE,
    RESPONSES,
    Expect,
    Replay,
    call,
    chat,
    chunk,
    completed,
    data,
    event,
    function_call,
    message,
    responses,
    text_delta,
)  # fmt: skip

HELLO = Expect("hello")
USED = Expect("hello", usage=(7, 2))
CUT = Expect("hello", error="upstream_invalid", retryable=True)
CALLS = Expect("done", calls=[CLOCK])
SAID, STOP = chunk({"content": "hello"}), chunk(finish="stop")
EVENTS = ("Content-Type", "text/event-stream")
COUNTS = {"prompt_tokens": 7, "completion_tokens": 2}

ENDS = [
    *(chat(f"an end mark that is {mark!r}", HELLO, data(SAID), mark)
      for mark in (b"data: [done]\n\n", b'data: "[DONE]"\n\n', b"data: DONE\n\n", b"data: [DONE]", b"event: done\ndata: [DONE]\n\n",
                   b"event: done\ndata: {}\n\n", b"event: end\ndata:\n\n")),
    responses("an end mark in small letters on responses", HELLO, text_delta("hello"), b"data: [done]\n\n"),
    responses("an event that is called done on responses", HELLO, text_delta("hello"), b"event: done\ndata: {}\n\n"),
    responses("a completion without its response", HELLO, text_delta("hello"), event("response.completed")),
    responses("a completion whose response is null", HELLO, text_delta("hello"), event("response.completed", response=None)),
    responses("a realtime completion", HELLO, text_delta("hello"), event("response.done", response={"id": "r", "output": [message("hello")]})),
    responses("a connection that breaks after the completion", HELLO, text_delta("hello"), completed(message("hello")), cut=True),
    responses("a connection that breaks before the completion", Expect("hello", error="upstream_unavailable"), text_delta("hello"), cut=True),
    *(chat(f"a break after {word}", CUT, data(chunk({"content": "hello"}, word)))
      for word in ("not_finished", "null", "FINISH_REASON_UNSPECIFIED", "in_progress")),
    chat("google's spelling of the finish", HELLO, data(choices({"index": 0, "delta": {"content": "hello"}, "finishReason": "STOP"}))),
    chat("a stop reason in its place", HELLO, data(choices(choice({"content": "hello"}, stop_reason="end_turn")))),
    chat("the finish beside the choices", HELLO, data(SAID, {**choices(), "finish_reason": "stop"})),
    chat("a finish that is an object", HELLO, data(SAID, choices(choice({}, {"type": "stop"})))),  # type: ignore[arg-type]
]  # fmt: skip

USAGE = [
    *(chat(f"{name} after the count", USED, data(SAID, chunk(finish="stop", usage=COUNTS), {**choices(), "usage": usage}), DONE)
      for name, usage in [("zeros", dict.fromkeys(COUNTS, 0)), ("nulls", dict.fromkeys(COUNTS)), ("nothing", {})]),
    *(chat(f"usage that is {usage!r}", HELLO, data(SAID, chunk(finish="stop", usage=usage)), DONE) for usage in ([], False, "")),
    chat("counts as floats and digits", USED, data(SAID, chunk(finish="stop", usage={"prompt_tokens": "7", "completion_tokens": 2.0})), DONE),
    chat("details that are lists", USED, data(SAID, chunk(finish="stop", usage={**COUNTS, "prompt_tokens_details": []})), DONE),
    *(chat(f"counts of {vendor}", USED, data(SAID, chunk(finish="stop", **usage)), DONE) for vendor, usage in {
        "bedrock": {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 2}},
        "cohere": {"usage": {"billed_units": {"input_tokens": 7, "output_tokens": 2}}},
        "google's sdk": {"usage_metadata": {"prompt_token_count": 7, "candidates_token_count": 2}},
        "llama.cpp": {"timings": {"prompt_n": 7, "predicted_n": 2}},
        "watsonx": {"usage": {"input_token_count": 7, "generated_token_count": 2}},
        "ollama": {"prompt_eval_count": 7, "eval_count": 2},
        "vercel": {"usage": {"promptTokens": 7, "completionTokens": 2}},
    }.items()),
    *(responses(f"counts with {name} on responses", USED, text_delta("hello"), completed(message("hello"), usage=usage)) for name, usage in {
        "digits": {"input_tokens": "7", "output_tokens": "2"},
        "null details": {"input_tokens": 7, "output_tokens": 2, "total_tokens": None, "input_tokens_details": None},
        "humps": {"inputTokens": 7, "outputTokens": 2}}.items()),
]  # fmt: skip

WITHHELD: dict[str, Any] = {
    "gemini's feedback": {"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
    "gemini's feedback by its sdk": {**choices(), "prompt_feedback": {"block_reason": "SAFETY"}, "usage": COUNTS},
    "azure's filter beside a stop": choices(choice({}, "stop", content_filter_results={"hate": {"filtered": True, "severity": "high"}})),
    "azure's filter of prompts": {"id": "", "choices": [], "prompt_filter_results": [
        {"prompt_index": 0, "content_filter_results": {"jailbreak": {"filtered": True, "detected": True}}}]},
    "minimax's flag": {**chunk({"content": ""}, "stop"), "output_sensitive": True},
    "bedrock's guardrail": {**chunk({"content": ""}, "stop"), "amazon-bedrock-guardrailAction": "INTERVENED"},
}  # fmt: skip

WORDS = [
    *(chat(f"{word} means {finish}", Expect("hello", finish=finish), data(SAID, chunk(finish=word)), DONE)
      for word, finish in [("OTHER", "stop"), ("brand_new_word", "stop"), ("REASON_MAX_LEN", "length"), ("FinishReason.MAX_TOKENS", "length"),
                           ("ERROR_TOXIC", "content_filter"), ("SafetyBlocked", "content_filter")]),
    *(chat(f"nothing but {word}", REFUSED, data(chunk({"content": None}), chunk(finish=word)), DONE)
      for word in ("MODEL_ARMOR", "error_toxic", "copyright", "ResponsibleAIPolicyViolation")),
    *(chat(f"withheld by {name}", REFUSED, data(value), DONE) for name, value in WITHHELD.items()),
    *(responses(f"incomplete for {word} with nothing said", REFUSED, completed(kind="response.incomplete", incomplete_details={"reason": word}))
      for word in ("RECITATION", "content-filter", "error_toxic")),
    responses("withheld by azure's filter on responses", REFUSED, completed(content_filters=[{"blocked": True, "source_type": "completion"}])),
    responses("failed for a filter", REFUSED, event("response.failed", response={
        "id": "r", "status": "failed", "output": [], "error": {"code": "content_filter", "message": "x"}})),
    *(responses(f"incomplete for {word} is a length", Expect("hello", finish="length"), text_delta("hello"),
                completed(message("hello"), kind="response.incomplete", incomplete_details={"reason": word}))
      for word in ("max_tool_calls", "brand_new_word", None)),
]  # fmt: skip

SIGNS = {
    "an empty text": b'data: ""\n\n',
    "an empty list": b"data: []\n\n",
    "a number": b"data: 1718000000\n\n",
    "a truth": b"data: true\n\n",
    "a mark": b"data: [PING]\n\n",
    "a ping by its key": data({"ping": 1}),
    "a heartbeat by its key": data({"heartbeat": True}),
    "a ping by its event": data({"event": "ping", "data": None}),
    "a place in a queue": data({"status": "queued", "position": 3}),
    "a named null": b"event: keep-alive\ndata: null\n\n",
    "a named word": b"event: heartbeat\ndata: ping\n\n",
    "a name that nobody knows": b"event: telemetry\ndata: warming up\n\n",
    "a field without a colon": b"data\n\n",
    "openrouter's comment": b": OPENROUTER PROCESSING\n\n",
}
CHAT_SIGNS = {
    "a null choice": data(choices(None)),
    "an empty choice": data(choices({})),
    "choices that are an object": data({**chunk(), "choices": {}}),
    "choices that are false": data({**chunk(), "choices": False}),
    "a delta that is a text": data(choices({"index": 0, "delta": ""})),
    "a delta that is a list": data(choices({"index": 0, "delta": []})),
}
RESPONSES_SIGNS = {
    "an event of its own": event("response.heartbeat", sequence_number=None),
    "a null delta": event("response.output_text.delta", item_id="msg_1", delta=None),
    "an empty delta": event("response.output_text.delta", item_id="msg_1", delta={}),
    "a null response": event("response.in_progress", response=None),
    "a null item": added(None),
}
LIFE = [
    *(chat(f"{name} says nothing", HELLO, sign, data(chunk({"content": "hel"})), sign, data(chunk({"content": "lo"})), sign, data(STOP), sign, DONE)
      for name, sign in {**SIGNS, **CHAT_SIGNS}.items()),
    *(responses(f"{name} says nothing on responses", HELLO, sign, text_delta("hel"), sign, text_delta("lo"), sign, completed(message("hello")))
      for name, sign in {**SIGNS, **RESPONSES_SIGNS}.items()),
]  # fmt: skip


def head(name: str, *headers: tuple[str, str], **options: Any) -> list[Replay]:
    return [
        chat(name, HELLO, data(SAID, STOP), DONE, headers=headers, **options),
        responses(
            f"{name} on responses",
            HELLO,
            text_delta("hello"),
            completed(message("hello")),
            headers=headers,
            **options,
        ),
    ]


def packed(encoding: str, pack: Any) -> list[Replay]:
    """A server that packs its stream though it was asked not to."""
    head = [EVENTS, ("Content-Encoding", encoding)]
    bodies = {CHAT: data(SAID, STOP) + DONE, RESPONSES: text_delta("hello") + completed(message("hello"))}
    return [Replay(f"{encoding} on {api}", api, [Reply([pack(body)], headers=head)], HELLO) for api, body in bodies.items()]  # fmt: skip


EMPTY_ERRORS: list[Any] = ["null", 200, "0", "ok", {"code": None, "message": None, "type": None}]
HEADERS = [
    *head("90 KB of headers", EVENTS, *((f"X-{n}", "v" * 900) for n in range(90))),
    *head("500 headers", EVENTS, *((f"X-{n}", "v") for n in range(500))),
    *head("headers that are not ascii, empty or there twice", EVENTS, ("X-Name", "München"), ("X-Empty", ""), ("X-A", "1"), ("X-A", "2")),
    *head("a stream that is called bytes", ("Content-Type", "application/octet-stream")),
    *head("a label in capitals with a charset", ("CONTENT-TYPE", "TEXT/EVENT-STREAM;CHARSET=UTF-8")),
    *head("a label that is none", ("Content-Type", "eventstream;;;")),
    *head("cookies that are none", EVENTS, ("Set-Cookie", "a=b; Expires=never; =x")),
    *head("an encoding that is none", EVENTS, ("Content-Encoding", "utf-8")),
    *head("a created status", EVENTS, status=201),
    *head("to the end of the connection", EVENTS, chunked=False),
    *packed("gzip", gzip.compress),
    *packed("deflate", zlib.compress),
    chat("blank lines before json", HELLO, b"\n\n\n  " + json.dumps({"id": "x", "object": "chat.completion", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]}).encode(), headers=[JSON]),
    chat("a chunk a line", HELLO, b"".join(json.dumps(each).encode() + b"\n" for each in (SAID, STOP)), headers=[("Content-Type", "application/x-ndjson")]),
    responses("an event a line", HELLO, *(part.split(b"data: ")[1].rstrip() + b"\n" for part in (text_delta("hello"), completed(message("hello"))))),
    chat("words in place of an answer", NOTHING, b"Service temporarily busy", headers=[("Content-Type", "text/plain")]),
    responses("words in place of a response", NOTHING, b"Service temporarily busy", headers=[("Content-Type", "text/plain")]),
    chat("an empty body", NOTHING, b""),
    responses("an empty body on responses", NOTHING, b""),
]  # fmt: skip

VALUES = [
    *(chat(f"an error that is {error!r} in good chunks", HELLO, data({**SAID, "error": error}, {**STOP, "error": error}), DONE)
      for error in EMPTY_ERRORS),
    *(responses(f"an error that is {error!r} in good events", HELLO, text_delta("hello", error=error), completed(message("hello"), error=error))
      for error in EMPTY_ERRORS),
    *(chat(f"call places that are {place!r}", CALLS, data(chunk(call(index=place)), chunk(finish="tool_calls")), DONE) for place in (2.0, "", -1)),
    *(responses(f"ids of a message that are {value!r}", HELLO, event("response.created", response={"id": value, "output": []}),
                added({"type": "message", "id": value, "role": "assistant", "content": []}), text_delta("hello", value),
                done({**message("hello"), "id": value}), completed({**message("hello"), "id": value})) for value in (5, {})),
    *(responses(f"ids of a call that are {value!r}", CALLS, added(function_call("clock", "", id=value, call_id=value)),
                event("response.function_call_arguments.delta", item_id=value, output_index=0, delta='{"zone": "UTC"}'),
                done(function_call(id=value, call_id=value)), completed(function_call(id=value, call_id=value))) for value in (None, 5, "")),
    chat("a chunk in which all is odd", HELLO, data({"id": 5, "object": None, "created": "1", "model": None, "system_fingerprint": [], "usage": [],
         "choices": [{"index": "0", "delta": {"role": None, "content": "hello", "tool_calls": [None], "refusal": False}, "logprobs": []}]}, STOP), DONE),
    chat("a function that comes later", CALLS, data(chunk({"tool_calls": [{"index": 0, "id": "a", "type": None, "function": None}]}),
                                                   chunk(call(id=None)), chunk(finish="tool_calls")), DONE),
    responses("nulls among items and parts", HELLO, text_delta("hello"), completed(None, {
        "type": "message", "id": "m", "role": None, "status": None, "content": [None, {"type": "output_text", "text": None},
                                                                                {"type": "output_text", "text": "hello", "annotations": None}]})),
    responses("a delta that is a list of parts", HELLO,
              event("response.output_text.delta", item_id="m", delta=[{"type": "output_text", "text": "hello"}]), completed(message("hello"))),
    chat("json over several lines", HELLO, b"".join(
        b"".join(b"data: " + line + b"\n" for line in json.dumps(each, indent=1).encode().split(b"\n")) + b"\n" for each in (SAID, STOP)), DONE),
    chat("carriage returns alone", HELLO, (data(SAID, STOP) + DONE).replace(b"\n", b"\r")),
]  # fmt: skip

REPLAYS: list[Replay] = [*ENDS, *USAGE, *WORDS, *LIFE, *HEADERS, *VALUES]
