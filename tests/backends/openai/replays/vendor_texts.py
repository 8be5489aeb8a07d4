"""Kinds 1 and 2 by vendor: pieces that say all so far, texts that stand in one place alone, reasoning by other names."""

from __future__ import annotations

from typing import Any

from .more_texts import added, choice, choices
from .texts import reasoned, text_done
from .wire import DONE, Expect, Replay, chat, chunk, completed, data, event, message, responses, text_delta

HELLO, THERE = Expect("hello"), Expect("hello there")
THOUGHT = Expect("hello", reasoning="hm")
SAID, STOP = chunk({"content": "hello"}), chunk(finish="stop")
TWO = (text_delta("hello "), text_delta("there"))


def so_far(*texts: str, last: Any = STOP) -> bytes:
    return data(*(chunk({"content": text}) for text in texts), last)


SAID_TWICE = [
    chat("dashscope says all so far in two pieces", HELLO, so_far("he", "hello"), DONE),
    chat("dashscope says all so far in three short pieces", HELLO, so_far("he", "hel", "hello"), DONE),
    chat("dashscope says the whole once more when it ends", HELLO, so_far("he", "hello", last=chunk({"content": "hello"}, "stop")), DONE),
    chat("all so far up to a full stop", Expect("Yes."), so_far("Yes", "Yes."), DONE),
    chat("all so far in other letters", Expect("根据当前的时间"), so_far("根据", "根据当前", "根据当前的时间"), DONE),
    chat("all so far and the message beside its end", HELLO, data(chunk({"content": "he"}), chunk({"content": "hello"}),
         choices(choice({}, "stop", message={"role": "assistant", "content": "hello"}))), DONE),
    chat("a laugh that grows", Expect("hahaha"), so_far("ha", "haha"), DONE),
    chat("a laugh that grows twice", Expect("hahahahahaha"), so_far("ha", "haha", "hahaha"), DONE),
    chat("a word that is said again and again", Expect("bla bla bla bla bla bla "), so_far("bla ", "bla bla ", "bla bla bla "), DONE),
    chat("a number that begins as its beginning", Expect("112"), so_far("1", "12"), DONE),
    chat("numbers that grow", Expect("112123"), so_far("1", "12", "123"), DONE),
    chat("perplexity's pieces in delta and message", THERE,
         data(*(choices(choice({"content": t}, message={"role": "assistant", "content": t})) for t in ("hello ", "there")), STOP), DONE),
    chat("together's text beside its delta", HELLO, data(choices(choice({"content": "hello"}, text="hello")), STOP), DONE),
    chat("openrouter's reasoning in pieces and details", Expect("hello", reasoning="hm so"),
         data(*(chunk({"reasoning": t, "reasoning_details": [{"type": "reasoning.text", "text": t, "index": 0}]}) for t in ("hm ", "so")), SAID, STOP), DONE),
    chat("a whole completion after its pieces", THERE, data(chunk({"content": "hello "}), chunk({"content": "there"}),
         {"id": "x", "object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello there"},
                                                               "finish_reason": "stop"}]}), DONE),
    chat("the end mark twice", HELLO, data(SAID, STOP), DONE, DONE),
    chat("words after the end mark", HELLO, data(SAID, STOP), DONE, data(chunk({"content": "junk"}))),
    responses("llama-cpp-python's first piece in the part that begins", THERE,
              event("response.content_part.added", item_id="msg_1", output_index=0, content_index=0,
                    part={"type": "output_text", "text": "hello ", "annotations": []}), *TWO, completed(message("hello there"))),
    responses("the first piece in the item that begins", THERE, added(message("hello ")), *TWO, completed(message("hello there"))),
    responses("created and completed twice", HELLO, event("response.created", response={"id": "r", "output": []}),
              event("response.created", response={"id": "r", "output": []}), text_delta("hello"), completed(message("hello")), completed(message("hello"))),
    responses("vllm counts contents on after reasoning", Expect("hello", reasoning="hm"),
              event("response.reasoning_text.delta", item_id="msg_0", output_index=0, content_index=0, delta="hm"),
              text_delta("hello", "msg_1", 1, 1), completed({"type": "reasoning", "id": "rs", "summary": [], "content": [
                  {"type": "reasoning_text", "text": "hm"}]}, message("hello", "msg_2"))),
    responses("the completed text without its blank lines", Expect("\n\nhello"), text_delta("\n\nhello"), completed(message("hello"))),
    responses("the completed text with a blank before it", THERE, *TWO, completed(message(" hello there"))),
]  # fmt: skip

LOST = [
    *(chat(f"reasoning under {name}", THOUGHT, data(chunk({name: "hm"}), SAID, STOP), DONE) for name in ("thinking_content", "thought")),
    *(chat(f"{name} that is an object", THOUGHT, data(chunk({name: {key: "hm"}}), SAID, STOP), DONE)
      for name, key in [("reasoning", "content"), ("thinking", "thinking"), ("reasoning_content", "text")]),
    chat("reasoning_content that is a list of parts", THOUGHT, data(chunk({"reasoning_content": [{"type": "text", "text": "hm"}]}), SAID, STOP), DONE),
    chat("a text that is a value", HELLO, data(chunk({"content": [{"type": "text", "text": {"value": "hello"}}]}), STOP), DONE),
    chat("a delta whose content is called text", HELLO, data(chunk({"text": "hello"}), STOP), DONE),
    chat("content beside its delta", HELLO, data(choices({"index": 0, "content": "hello", "finish_reason": None}), STOP), DONE),
    chat("text and reasoning that are empty in turns", HELLO,
         data(chunk({"content": "", "reasoning_content": None}), chunk({"content": "hello", "reasoning_content": ""}), STOP), DONE),
    chat("an answer of a line break", Expect("\n"), data(chunk({"content": "\n"}), STOP), DONE),
    chat("groq's text in the chunk that finishes and counts", Expect("hello there", usage=(7, 2)),
         data(chunk({"content": "hello "}), chunk({"content": "there"}, "stop", x_groq={"usage": {"prompt_tokens": 7, "completion_tokens": 2}})), DONE),
    responses("gemini-web2api sends no pieces and no output", HELLO, event("response.created", response={"id": "r"}), text_done("hello"),
              event("response.completed", response={"id": "r", "output": []})),
    responses("all stands in the item that begins", THERE, added(message("hello there")), completed()),
    responses("llama stack sends no done text", THERE, *TWO, event("response.content_part.done", item_id="msg_1", output_index=0, content_index=0,
              part={"type": "output_text", "text": "hello there", "annotations": []}), completed(message("hello there"))),
    responses("the end of a line stands only in the done text", Expect("hello there\n"), *TWO, text_done("hello there\n"), completed(message("hello there\n"))),
    responses("pieces called text", HELLO, event("response.output_text.delta", item_id="m", text="hello"), completed(message("hello"))),
    responses("pieces by the name of the first previews", HELLO, event("response.text.delta", item_id="m", output_index=0, content_index=0, delta="hello"),
              completed()),
    *(responses(f"reasoning as {kind}", THOUGHT, event(f"response.{kind}.delta", item_id="r", output_index=0, content_index=0, delta="hm"),
                text_delta("hello"), completed(message("hello"))) for kind in ("reasoning", "reasoning_content", "reasoning_summary")),
    responses("reasoning without an id or a place", THOUGHT,
              event("response.reasoning_summary_text.delta", item_id=None, output_index=None, summary_index=None, delta="hm"), text_delta("hello"),
              completed(message("hello"))),
    responses("reasoning and then all in the item", Expect("hello there", reasoning="hm"), reasoned("hm"), added(message("hello there"), 1), completed()),
]  # fmt: skip

REPLAYS: list[Replay] = [*SAID_TWICE, *LOST]
