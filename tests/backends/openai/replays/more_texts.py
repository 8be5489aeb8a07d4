"""Kinds 1, 2, 3, 6 and 7 again, as other vendors send them: texts said twice or lost, calls and their ids."""

from __future__ import annotations

import json
from typing import Any

from .calls import CALLED, NOW, ZONES, zone
from .server import Reply
from .texts import reasoned, text_done
from .wire import (
    ANSWER,
    CHAT,
    CLOCK,
    DONE,
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
    stream,
    text_delta,
)  # fmt: skip

HELLO = Expect("hello there")
AGAIN = Expect("hello there", restated=True)
THOUGHT = Expect("hello", reasoning="hm")
CALLS = Expect("done", calls=[CLOCK])
NOTHING = Expect("", error="upstream_invalid")
TWO = (text_delta("hello "), text_delta("there"))
SAID, STOP, CALL_ENDS = chunk({"content": "hello"}), chunk(finish="stop"), chunk(finish="tool_calls")
SUMMARY = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]}
JSON = ("Content-Type", "application/json")


def added(item: Any, place: int = 0) -> bytes:
    return event("response.output_item.added", output_index=place, item=item)


def done(item: Any, place: int = 0) -> bytes:
    return event("response.output_item.done", output_index=place, item=item)


def part_done(text: str, item_id: str = "msg_1", place: int = 0) -> bytes:
    part = {"type": "output_text", "text": text, "annotations": []}
    return event(
        "response.content_part.done", item_id=item_id, output_index=place, content_index=0, part=part
    )


def choice(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish, **more}


def choices(*made: Any) -> dict[str, Any]:
    return {**chunk(), "choices": list(made)}


def assistant(content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


SAID_TWICE = [
    responses("each delta has all so far", AGAIN, text_delta("hello "), text_delta("hello there"), completed(message("hello there"))),
    responses("the last delta has all", AGAIN, *TWO, text_delta("hello there"), completed(message("hello there"))),
    responses("the message is completed twice", HELLO, *TWO, completed(message("hello there", "a"), message("hello there", "b"))),
    responses("the item is done twice", HELLO, done(message("hello there")), done(message("hello there")), completed()),
    responses("text, part and item are done under four ids", HELLO, *TWO, text_done("hello there", "x", 2), part_done("hello there", "y", 3),
              done(message("hello there", "z"), 5), completed(message("hello there", "w"))),
    responses("null ids and places", HELLO, text_delta("hello ", None, None, None), text_delta("there", None, 4, 2),
              text_done("hello there"), completed(message("hello there"))),
    responses("two messages that say the same", Expect("okok"), text_delta("ok", "a", 0), text_delta("ok", "b", 1),
              completed(message("ok", "a"), message("ok", "b"))),
    responses("reasoning that is done under other ids", Expect("hello", reasoning="hm"), reasoned("hm"),
              event("response.reasoning_summary_text.done", item_id="q", output_index=4, summary_index=2, text="hm"),
              text_delta("hello"), completed(SUMMARY, message("hello"))),
    responses("a refusal under other ids", Expect("I will not", error="refusal"),
              event("response.refusal.delta", item_id="a", output_index=1, content_index=1, delta="I will not"),
              event("response.refusal.done", item_id="b", output_index=0, content_index=0, refusal="I will not"),
              completed(message("I will not", "c", "refusal"))),
    responses("a call that is completed twice", CALLS, completed(function_call(), function_call())),
    responses("a call that is done twice", CALLS, done(function_call(), 1), done(function_call(), 2), completed()),
    chat("the chunk that finishes says all again", HELLO,
         data(chunk({"content": "hello "}), chunk({"content": "there"}), chunk({"content": "hello there"}, "stop")), DONE),
    chat("reasoning under three names", THOUGHT,
         data(chunk({"reasoning": "hm", "reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}), SAID, STOP), DONE),
    chat("reasoning so far again and again", THOUGHT,
         data(*(chunk({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": t}]}) for t in ("h", "hm")), SAID, STOP), DONE),
]  # fmt: skip

TEXT_LOST = [
    responses("all stands only in the part", HELLO, part_done("hello there"), completed()),
    responses("the end stands only in the part", HELLO, text_delta("hello "), part_done("hello there"), completed()),
    responses("the completed message is empty", HELLO, done(message("hello there")), completed(message(None))),
    responses("only the reasoning is completed", Expect("hello there", reasoning="hm"), done(message("hello there"), 1), completed(SUMMARY)),
    responses("only the call is completed", Expect("let me seedone", calls=[CLOCK]), done(message("let me see")), done(function_call(), 1),
              completed(function_call())),
    responses("all stands beside the output", HELLO, completed(output_text="hello there")),
    responses("the beginning stands in the part that begins", AGAIN,
              event("response.content_part.added", item_id="msg_1", output_index=0, content_index=0,
                    part={"type": "output_text", "text": "hello ", "annotations": []}), text_delta("there"), completed(message("hello there"))),
    responses("a blank between pieces is lost", Expect("a b", restated=True), text_delta("a"), text_delta("b"), completed(message("a b"))),
    responses("the first of two messages has no deltas", Expect("one two", restated=True), text_delta("two", "b", 1),
              completed(message("one ", "a"), message("two", "b"))),
    responses("content that is an object", HELLO,
              completed({"type": "message", "id": "m", "role": "assistant", "content": {"type": "output_text", "text": "hello there"}})),
    responses("a text without its message", HELLO, completed({"type": "output_text", "text": "hello there"})),
    responses("reasoning only when it is done", THOUGHT,
              event("response.reasoning_text.done", item_id="rs", output_index=0, content_index=0, text="hm"), text_delta("hello"), completed(message("hello"))),
    responses("reasoning only in the item", THOUGHT, done(SUMMARY), text_delta("hello"), completed(message("hello"))),
    responses("reasoning only in the completed response", THOUGHT, text_delta("hello"), completed(SUMMARY, message("hello"))),
    chat("an answer in two choices of one place", HELLO, data(choices(choice({"content": "hello "}), choice({"content": "there"}, "stop"))), DONE),
    chat("places that count from one", HELLO, data(choices({**choice({"content": "hello there"}), "index": 1}), choices({**choice({}, "stop"), "index": 1})), DONE),
    chat("copilot's call in a choice of its own", Expect("hmdone", calls=[CLOCK]),
         data(choices(choice({"content": "hm"}, "tool_calls"), choice(call(), "tool_calls"))), DONE),
    chat("copilot's whole answer in two choices", Expect("hmdone", calls=[CLOCK]),
         json.dumps({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
             {"finish_reason": "tool_calls", "message": assistant("hm")},
             {"finish_reason": "tool_calls", "message": assistant(None, **call())}]}).encode(), headers=[JSON]),
    chat("parts of the newer api", HELLO, data(chunk({"content": [{"type": "output_text", "text": "hello there"}]}), STOP), DONE),
    chat("parts that are bare texts", HELLO, data(chunk({"content": ["hello ", "there"]}), STOP), DONE),
    chat("content as one part", HELLO, data(chunk({"content": {"type": "text", "text": "hello there"}}), STOP), DONE),
    chat("a message in place of the delta's text", HELLO, data(choices(choice({}, "stop", message=assistant("hello there")))), DONE),
    chat("the end stands only in the message", HELLO,
         data(chunk({"content": "hello "}), choices(choice({"content": ""}, "stop", message=assistant("hello there")))), DONE),
    chat("the call stands only in the message", CALLS,
         data(choices(choice({"role": "assistant"}, "tool_calls", message=assistant(None, **call())))), DONE),
    chat("messages in place of deltas", HELLO,
         data(*(choices({"index": 0, "message": assistant(t), "finish_reason": None}) for t in ("hello ", "there")), STOP), DONE),
    chat("messages so far in place of deltas", HELLO,
         data(*(choices({"index": 0, "message": assistant(t), "finish_reason": None}) for t in ("hello ", "hello there")), STOP), DONE),
    chat("text as the api before this one has it", HELLO,
         data(*(choices({"index": 0, "text": t, "finish_reason": None}) for t in ("hello ", "there")), STOP), DONE),
    *(chat(f"reasoning under the name {name}", THOUGHT, data(chunk({name: "hm"}), SAID, STOP), DONE) for name in ("reasoning_text", "thinking")),
    chat("reasoning only in its details", THOUGHT,
         data(chunk({"reasoning": None, "reasoning_details": [{"type": "reasoning.summary", "summary": "hm", "index": 0}]}), SAID, STOP), DONE),
    chat("reasoning, text and a call in one chunk", Expect("hmdone", reasoning="so", calls=[CLOCK]),
         data(chunk({"reasoning_content": "so", "content": "hm", **call()}, "tool_calls")), DONE),
]  # fmt: skip

VANISHED = [
    *(chat(f"arguments that are {arguments!r}", CALLED, data(chunk(call("now", arguments)), chunk(finish=word)), DONE)
      for arguments, word in [("null", "tool_use"), ("[]", "end_turn"), (" ", "STOP"), ({}, "tool-calls"), ([], "FINISH_REASON_STOP"), ('""', "done")]),
    *(responses(f"arguments that are {arguments!r} on responses", CALLED, completed(function_call("now", arguments)))
      for arguments in ("null", "[]", " ", [], '""')),
    responses("an incomplete response with a call", CALLED, completed(function_call("now", ""), kind="response.incomplete",
                                                                     incomplete_details={"reason": "tool_use"})),
    responses("a call that is only announced", CALLED, added(function_call("now", "")), completed()),
    responses("a call without any id", CALLED, completed(function_call("now", "", id=None, call_id=None))),
    responses("only a reasoning item", NOTHING, completed({"type": "reasoning", "id": "r", "summary": []})),
    chat("one call that is no list", CALLED,
         data(chunk({"tool_calls": {"id": "a", "type": "function", "function": {"name": "now", "arguments": ""}}}), chunk(finish="end_turn")), DONE),
    chat("only counts", NOTHING, data({**chunk(), "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 0}}), DONE),
    chat("tool_use and no tool", NOTHING, data(chunk(finish="tool_use")), DONE),
]  # fmt: skip

TWICE_ENCODED = json.dumps('{"zone": "UTC"}')
NO_PLACE: dict[str, Any] = {"index": None}

IDS = [
    chat("arguments that are encoded twice", CALLS, data(chunk(call("clock", TWICE_ENCODED)), CALL_ENDS), DONE),
    responses("arguments that are encoded twice on responses", CALLS, completed(function_call("clock", TWICE_ENCODED))),
    chat("an id of its own for each piece", CALLS, data(
        chunk(call("clock", '{"zo', id="a")), chunk({"tool_calls": [{"index": 0, "id": "b", "function": {"name": None, "arguments": 'ne": "UTC"}'}}]}),
        CALL_ENDS), DONE),
    chat("pieces of two calls that take turns by id", ZONES, data(
        chunk(call("clock", "", id="a", **NO_PLACE)), chunk(call("clock", "", id="b", **NO_PLACE)),
        *(chunk({"tool_calls": [{"id": i, "function": {"arguments": json.dumps({"zone": i.upper()})}}]}) for i in "ab"), CALL_ENDS), DONE),
    chat("a name with each piece and no place or id", CALLS, data(
        *(chunk({"tool_calls": [{"function": {"name": "clock", "arguments": p}}]}) for p in ('{"zo', 'ne": "UT', 'C"}')), CALL_ENDS), DONE),
    chat("the same call twice under one id", Expect("done", calls=[NOW, NOW]), data(
        chunk(call("now", "{}", id="call_0")), chunk(call("now", "{}", id="call_0", index=1)), CALL_ENDS), DONE),
    chat("blank ids", ZONES, data(chunk(zone("A", id=" ")), chunk(zone("B", id=" ", index=1)), CALL_ENDS), DONE),
    responses("two calls without any id", ZONES, completed(function_call("clock", '{"zone": "A"}', id=None, call_id=None),
                                                           function_call("clock", '{"zone": "B"}', id="", call_id=""))),
    responses("one item id for two calls", ZONES, done(function_call("clock", '{"zone": "A"}', id="fc", call_id="c")),
              done(function_call("clock", '{"zone": "B"}', id="fc", call_id="c"), 1), completed()),
    responses("the id repeats in a turn without output", ZONES, done(function_call("clock", '{"zone": "A"}', call_id="call_0")), completed(),
              then=stream(done(function_call("clock", '{"zone": "B"}', call_id="call_0")), completed())),
]  # fmt: skip


def thought(
    name: str, deltas: list[Any], sent_back: dict[str, Any], model: str = "m", reasoning: str = "hm"
) -> Replay:
    """Reasoning and its call; in the next request the call's message must have *sent_back*."""
    first: Reply = stream(data(*(chunk(delta) for delta in deltas), chunk(call()), CALL_ENDS), DONE)
    return Replay(
        name,
        CHAT,
        [first, ANSWER[CHAT]],
        Expect("done", reasoning=reasoning, calls=[CLOCK]),
        model,
        sent_back,
    )


def block(**more: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "index": 0, "format": "x", **more}


def details(*pieces: dict[str, Any], **beside: Any) -> dict[str, Any]:
    return {**beside, "reasoning_details": list(pieces)}


SECRET_BLOCK = {"type": "reasoning.encrypted", "data": "c2VjcmV0", "id": "rs_1", "index": 0}

DETAILS = [
    thought("openrouter's details in pieces", [details(block(text="h"), reasoning="h"), details(block(text="m"), reasoning="m"),
                                               details(block(signature="s"))],
            {"reasoning": "hm", "reasoning_details": [block(text="hm", signature="s")]}, "anthropic/claude"),
    thought("minimax's details so far", [details(block(text="h")), details(block(text="hm"))],
            {"reasoning": "hm", "reasoning_details": [block(text="hm")]}, "MiniMax-M2"),
    thought("details that are encrypted", [details(SECRET_BLOCK)], {"reasoning_details": [SECRET_BLOCK]}, "openai/o", reasoning=""),
    thought("details of two kinds", [details({"type": "reasoning.summary", "summary": "hm", "index": 0}, {**SECRET_BLOCK, "index": 1})],
            {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.summary", "summary": "hm", "index": 0}, {**SECRET_BLOCK, "index": 1}]}),
    thought("details go not back to mistral", [details(block(text="hm"), reasoning_content="hm")], {}, "mistralai/magistral-medium"),
]  # fmt: skip

REPLAYS: list[Replay] = [*SAID_TWICE, *TEXT_LOST, *VANISHED, *IDS, *DETAILS]
