"""Kinds 1 and 2: answers said twice, and answers of which pieces were lost."""

from __future__ import annotations

from .wire import (
    CHAT,
    CLOCK,
    DONE,
    RESPONSES,
    Expect,
    Replay,
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

HELLO = Expect("hello there")
TWO = (text_delta("hello "), text_delta("there"))


def reasoned(text: str) -> bytes:
    return event(
        "response.reasoning_summary_text.delta", item_id="rs_1", output_index=0, summary_index=0, delta=text
    )


def text_done(text: str, item_id: str = "msg_1", output_index: int = 0) -> bytes:
    return event(
        "response.output_text.done", item_id=item_id, output_index=output_index, content_index=0, text=text
    )


SAID_TWICE = [
    responses("vllm counts the content on", HELLO,
              text_delta("hello ", output_index=1, content_index=1), text_delta("there", output_index=1, content_index=1),
              completed(message("hello there"))),
    responses("litellm mints an id for each delta", HELLO,
              text_delta("hello ", item_id="msg_a"), text_delta("there", item_id="msg_b"),
              text_done("hello there", "msg_c"), completed(message("hello there", "msg_d"))),
    responses("places count from one", HELLO,
              text_delta("hello ", output_index=1), text_delta("there", output_index=1), text_done("hello there", output_index=1),
              completed(message("hello there"))),
    responses("reasoning goes first in the output and not in the stream", Expect("hello there", reasoning="hm"),
              reasoned("hm"), *TWO, completed({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
                                              message("hello there"))),
    responses("no places at all", HELLO,
              event("response.output_text.delta", item_id="msg_1", delta="hello "),
              event("response.output_text.delta", item_id="msg_1", delta="there"), completed(message("hello there"))),
    responses("two messages at one place", Expect("one two"),
              text_delta("one ", "msg_1", 0), text_delta("two", "msg_2", 0), completed(message("one ", "msg_1"), message("two", "msg_2"))),
    responses("the done text comes twice", HELLO, *TWO, text_done("hello there"), text_done("hello there"),
              completed(message("hello there"))),
    responses("the parts differ from the item", HELLO, *TWO, text_done("hello there", "other", 4),
              event("response.output_item.done", output_index=7, item=message("hello there", "third")),
              completed(message("hello there", "fourth"))),
    responses("the server trims what it completes", Expect("hello there\n"), text_delta("hello "), text_delta("there\n"),
              completed(message("hello there"))),
    responses("said with a character in two halves", Expect("so 🙂 ok"),
              event("response.output_text.delta", item_id="msg_1").replace(b"}\n", b', "delta": "so \\ud83d"}\n'),
              event("response.output_text.delta", item_id="msg_1").replace(b"}\n", b', "delta": "\\ude42 ok"}\n'),
              completed(message("so 🙂 ok"))),
    responses("a message and then a call", Expect("let me seedone", calls=[CLOCK]),
              text_delta("let me see", output_index=1),
              completed(message("let me see"), function_call())),
    chat("vllm says reasoning under both names", Expect("hello", reasoning="hm"),
         data(chunk({"reasoning": "hm", "reasoning_content": "hm"}), chunk({"content": "hello"}), chunk(finish="stop")), DONE),
    chat("the last chunk repeats the whole message", HELLO,
         data(chunk({"content": "hello "}), chunk({"content": "there"}),
              {**chunk(), "choices": [{"index": 0, "delta": {}, "message": {"role": "assistant", "content": "hello there"},
                                       "finish_reason": "stop"}]}), DONE),
    chat("each chunk has the message so far beside its piece", HELLO,
         data(*({"id": "p", "object": "chat.completion.chunk", "model": "sonar", "created": 1, "choices": [
             {"index": 0, "finish_reason": finish, "delta": {"content": piece}, "message": {"content": sofar}}]}
             for piece, sofar, finish in [("hello ", "hello ", None), ("there", "hello there", None), ("", "hello there", "stop")])), DONE),
]  # fmt: skip

TEXT_LOST = [
    responses("the end stands only in the done text", HELLO, text_delta("hello "), text_done("hello there"), completed()),
    responses("the end stands only in the item", HELLO, text_delta("hello "),
              event("response.output_item.done", output_index=0, item=message("hello there")), completed()),
    responses("the end stands only in the completed message", HELLO, text_delta("hello "), completed(message("hello there"))),
    responses("all stands only in the completed message", HELLO, completed(message("hello there"))),
    responses("all stands only in the done text", HELLO, text_done("hello there"), completed()),
    responses("all stands only in the item done", HELLO,
              event("response.output_item.done", output_index=0, item=message("hello there")), completed()),
    responses("litellm drops the text of a chunk with reasoning", Expect("hello there", reasoning="hm", restated=True),
              reasoned("hm"), text_delta("there", item_id="msg_9"), text_done("hello there", "msg_2"),
              completed(message("hello there", "msg_3"))),
    responses("a piece in the middle is lost", Expect("one two three", restated=True),
              text_delta("one "), text_delta("three"), completed(message("one two three"))),
    responses("a first piece is lost and an id kept", Expect("one two", restated=True),
              text_delta("two"), text_done("one two"), completed(message("one two"))),
    responses("the completed response forgets its message", HELLO, *TWO, completed()),
    responses("a second message has no deltas", Expect("one two"), text_delta("one "),
              completed(message("one "), message("two", "msg_2"))),
    responses("a content that is a plain string", HELLO,
              completed({"type": "message", "id": "msg_1", "role": "assistant", "content": "hello there"})),
    chat("reasoning and text in one chunk", Expect("hello there", reasoning="hm"),
         data(chunk({"reasoning_content": "hm", "content": "hello "}), chunk({"content": "there"}), chunk(finish="stop")), DONE),
    chat("openrouter's reasoning and text in one chunk", Expect("hello there", reasoning="hm"),
         data(chunk({"reasoning": "hm", "content": "hello "}), chunk({"content": "there"}, "stop")), DONE),
    chat("text in the chunk that finishes", HELLO, data(chunk({"content": "hello "}), chunk({"content": "there"}, "stop")), DONE),
    chat("text and a call in one chunk", Expect("let me seedone", calls=[CLOCK]),
         data(chunk({"content": "let me see", "tool_calls": [{"index": 0, "id": "call_a", "type": "function", "function": {
             "name": "clock", "arguments": '{"zone": "UTC"}'}}]}, "tool_calls")), DONE),
    chat("text after the finish reason", HELLO, data(chunk({"content": "hello "}), chunk(finish="stop"), chunk({"content": "there"})), DONE),
    chat("all in one whole chunk", HELLO,
         data({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
             {"index": 0, "message": {"role": "assistant", "content": "hello there"}, "finish_reason": "stop"}]}), DONE),
]  # fmt: skip

REPLAYS: list[Replay] = [*SAID_TWICE, *TEXT_LOST]
assert {replay.api for replay in REPLAYS} == {CHAT, RESPONSES}
