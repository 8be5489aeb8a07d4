"""Kind 9: what the stock client tolerates, and what no client should trip over."""

from __future__ import annotations

import json

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
SAID = chunk({"content": "hello"})
STOP = chunk(finish="stop")
EVENTS = ("Content-Type", "text/event-stream")
WHOLE = {"id": "x", "object": "chat.completion", "created": 1, "model": "m",
         "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}  # fmt: skip
WHOLE_RESPONSE = {"id": "r", "object": "response", "status": "completed", "output": [message("hello")],
                  "usage": {"input_tokens": 7, "output_tokens": 2, "total_tokens": 9}}  # fmt: skip


def head(name: str, headers: list[tuple[str, str]], expect: Expect = HELLO) -> list[Replay]:
    return [
        chat(name, expect, data(SAID, STOP), DONE, headers=headers),
        responses(
            f"{name} on responses", expect, text_delta("hello"), completed(message("hello")), headers=headers
        ),
    ]


def body(name: str, labelled: str, *, chunked: bool = True) -> list[Replay]:
    """A whole answer where a stream was asked for."""
    used = Expect("hello", usage=(7, 2))
    return [
        Replay(name, CHAT, [Reply([json.dumps(WHOLE).encode()], headers=[("Content-Type", labelled)], chunked=chunked)], used),
        Replay(f"{name} on responses", RESPONSES,
               [Reply([json.dumps(WHOLE_RESPONSE).encode()], headers=[("Content-Type", labelled)], chunked=chunked)], used),
    ]  # fmt: skip


HEADERS = [
    *head("a header of 12 KB", [EVENTS, ("X-Trace", "t" * 12_000)]),
    *head("a header of 40 KB", [EVENTS, ("Content-Security-Policy", "p" * 40_000)]),
    *head("200 headers", [EVENTS, *((f"X-Rate-Limit-{n}", str(n)) for n in range(200))]),
    *head("an event stream labelled json", [("Content-Type", "application/json")]),
    *head("an event stream labelled text", [("Content-Type", "text/plain; charset=utf-8")]),
    *head("an event stream without a label", []),
    *head("an event stream labelled ndjson", [("Content-Type", "application/x-ndjson")]),
    *body("a json body labelled as a stream", "text/event-stream"),
    *body("a json body labelled json", "application/json"),
    *body("a json body without chunks", "application/json", chunked=False),
    chat("a json error labelled as a stream", Expect("", error="upstream_rate_limited"),
         json.dumps({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}).encode()),
    responses("a json error labelled json", Expect("", error="upstream_rejected"),
              json.dumps({"error": {"message": "no", "code": 400}}).encode(), headers=[("Content-Type", "application/json")]),
    chat("a web page", Expect("", error="upstream_invalid"), b"<html><body>Sign in</body></html>", headers=[("Content-Type", "text/html")]),
    chat("json that is no answer", Expect("", error="upstream_invalid"), b'{"hello": "there"}', headers=[("Content-Type", "application/json")]),
]  # fmt: skip


def choice(**fields: object) -> dict[str, object]:
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"content": "hello"}, "finish_reason": None, **fields}]}  # fmt: skip


FIELDS = [
    *(chat(f"a chunk whose id is {value!r}", HELLO, data({**SAID, "id": value}, {**STOP, "id": value}), DONE) for value in (None, 7, "")),
    *(chat(f"an index that is {value!r}", HELLO, data(choice(index=value), STOP), DONE) for value in (None, "0", 0.0)),
    *(chat(f"an error that is {value!r} in a good chunk", HELLO, data({**SAID, "error": value}, {**STOP, "error": value}), DONE)
      for value in ("", {}, False, None, [], {"message": "", "type": "", "code": None}, {"code": 0, "message": ""})),
    chat("an error that is empty in a good choice", HELLO, data(choice(error={}), STOP), DONE),
    chat("null everywhere", HELLO, data({"id": None, "object": None, "created": None, "model": None, "choices": [
        {"index": 0, "delta": {"role": None, "content": "hello", "tool_calls": None, "refusal": None, "reasoning_content": None,
                               "function_call": None, "annotations": None}, "logprobs": None, "finish_reason": None}]}, STOP), DONE),
    chat("empty calls beside text", HELLO, data(chunk({"content": "hello", "tool_calls": []}), STOP), DONE),
    chat("a delta that is null", HELLO, data(SAID, choice(delta=None), STOP), DONE),
    chat("content in parts", HELLO, data(chunk({"content": [{"type": "text", "text": "hello"}]}), STOP), DONE),
    chat("a created that is a float and a model that is none", HELLO, data({**SAID, "created": 1.5, "model": None}, STOP), DONE),
    chat("logprobs of another shape", HELLO, data(choice(logprobs={"tokens": ["hello"]}), STOP), DONE),
    chat("call places that are text", Expect("done", calls=[CLOCK]), data(chunk(call(index="0")), chunk(finish="tool_calls")), DONE),
    chat("a byte order mark and carriage returns", HELLO, b"\xef\xbb\xbf" + data(SAID, STOP).replace(b"\n", b"\r\n"), DONE),
    chat("events of several lines", HELLO, b"id: 1\nevent: message\n" + data(SAID) + b"event: completion.chunk\n" + data(STOP), DONE),
    chat("a chunk of the wrong shape", Expect("hello", error="upstream_invalid"), data(SAID, {"hello": "there"}, STOP), DONE),
    chat("half of an event", Expect("hello", error="upstream_invalid"), data(SAID), b'data: {"choices": [{"del\n\n', data(STOP), DONE),
    *(responses(f"a sequence number that is {value!r}", HELLO, text_delta("hello", sequence_number=value),
                event("response.completed", sequence_number=value, response={"id": "r", "output": [message("hello")]}))
      for value in (None, "4", 2.5)),
    *(responses(f"an item id that is {value!r}", HELLO, text_delta("hello", item_id=value), completed(message("hello", item_id=value)))  # type: ignore[arg-type]
      for value in (None, 7, "")),
    *(responses(f"places that are {value!r}", HELLO, text_delta("hello", output_index=value, content_index=value), completed(message("hello")))
      for value in (None, "0", 0.0)),
    responses("a response without an id", HELLO, text_delta("hello"), event("response.completed", response={"output": [message("hello")]})),
    responses("an error that is empty in a good event", HELLO, text_delta("hello", error={}), completed(message("hello"), error=None)),
    responses("a delta that is an object", HELLO,
              event("response.output_text.delta", item_id="m", output_index=0, content_index=0, delta={"type": "output_text", "text": "hello"}),
              completed(message("hello"))),
    responses("events named by their line alone", HELLO,
              b"event: response.output_text.delta\n" + data({"item_id": "m", "output_index": 0, "content_index": 0, "delta": "hello"}),
              b"event: response.completed\n" + data({"response": {"id": "r", "output": [message("hello")]}})),
    responses("events without a name", HELLO, *(e.split(b"\n", 1)[1] for e in (text_delta("hello"), completed(message("hello"))))),
    responses("events and items of a newer server", HELLO, event("response.brand_new", delta={"a": 1}), text_delta("hello"),
              event("response.output_item.added", output_index=1, item={"type": "brand_new", "id": "b"}),
              completed(message("hello"), {"type": "brand_new", "id": "b"})),
    responses("a part that is called text", HELLO,
              completed({"type": "message", "id": "m", "content": [{"type": "text", "text": "hello"}]})),
    responses("a call without a status", Expect("done", calls=[CLOCK]), completed(function_call(status=None))),
    responses("a null output", HELLO, text_delta("hello"), event("response.completed", response={"id": "r", "output": None})),
]  # fmt: skip

REPLAYS: list[Replay] = [*HEADERS, *FIELDS]
