"""Kinds 4, 5, 8 and 9 by vendor: ends, the words behind a gateway, counts, and what else says that a server is alive."""

from __future__ import annotations

from .ends import REFUSED
from .more_texts import choice, choices
from .wire import DONE, Expect, Replay, chat, chunk, completed, data, event, message, responses, text_delta

HELLO, THERE = Expect("hello"), Expect("hello there")
USED = Expect("hello", usage=(7, 2))
LONG = Expect("hello", finish="length")
SAID, STOP = chunk({"content": "hello"}), chunk(finish="stop")
COUNTS = {"prompt_tokens": 7, "completion_tokens": 2}

WHOLE = [
    chat("a finish with each piece", THERE, data(chunk({"content": "hello "}, "stop"), chunk({"content": "there"}, "stop")), DONE),
    chat("a length and then a stop", LONG, data(chunk({"content": "hello"}, "length"), STOP), DONE),
    chat("a finish for calls and none made", HELLO, data(SAID, chunk(finish="tool_calls")), DONE),
    chat("counts that grow with each piece", USED, data(chunk({"content": "hel"}, usage={**COUNTS, "completion_tokens": 1}),
                                                       chunk({"content": "lo"}, usage=COUNTS), STOP), DONE),
    chat("half of an event after the finish", HELLO, data(SAID, STOP), b'data: {"choices":[],"usa'),
    chat("a break in the event after the finish", HELLO, data(SAID, STOP), b'data: {"choices":[],"usa', cut=True),
    chat("ollama's mark of the last piece", HELLO, data(SAID, {**choices(), "done": True})),
    chat("counts in a list", USED, data(SAID, STOP, {**choices(), "usage": [COUNTS]}), DONE),
    chat("counts below zero", HELLO, data(SAID, STOP, {**choices(), "usage": dict.fromkeys(COUNTS, -1)}), DONE),
    chat("counts without choices and beside an empty error", USED, data(SAID, STOP, {"usage": COUNTS, "error": None}), DONE),
    chat("counts after the end mark", HELLO, data(SAID, STOP), DONE, data({**choices(), "usage": COUNTS})),
    responses("a message that is completed in progress", HELLO, text_delta("hello"), completed({**message("hello"), "status": "in_progress"})),
    responses("counts in a list on responses", HELLO, text_delta("hello"), completed(message("hello"), usage=[COUNTS])),
    responses("an incomplete response without a reason", LONG, text_delta("hello"), event("response.incomplete", response={"id": "r", "output": [message("hello")]})),
    responses("a reason that is a word", LONG, text_delta("hello"), completed(message("hello"), kind="response.incomplete", incomplete_details="max_output_tokens")),
]  # fmt: skip


def native(word: str, expect: Expect, said: str = "", finish: str = "stop") -> Replay:
    """An answer through a gateway that calls its end *finish*, and says what the provider behind it called it."""
    last = choices(choice({"content": ""}, finish, native_finish_reason=word))
    return chat(
        f"{finish} that was {word}", expect, data(*([chunk({"content": said})] if said else []), last), DONE
    )


AWAY = Expect("hello", error="upstream_unavailable")
WORDS = [
    native("network_error", AWAY, "hello"),
    native("MAX_TOKENS", LONG, "hello"),
    native("end_turn", HELLO, "hello"),
    native("SAFETY", REFUSED),
    native("PROHIBITED_CONTENT", Expect("", error="refusal", says="PROHIBITED_CONTENT"), finish="content_filter"),
    native("MALFORMED_FUNCTION_CALL", Expect("", error="upstream_invalid", says="called a tool")),
    *(chat(f"{word} means {finish} at some vendor", Expect("hello", finish=finish), data(SAID, chunk(finish=word)), DONE)
      for word, finish in [("length_exceeded", "length"), ("MAX_TOKENS_REACHED", "length"), ("token_limit_exceeded", "length"), ("ERROR_LIMIT", "length"),
                           ("EndTurn", "stop"), ("<|im_end|>", "stop"), ("</s>", "stop"), ("repetition", "stop"), ("ContentFilter", "content_filter")]),
    *(chat(f"{word} is a failure", Expect("hello", error=error), data(SAID, chunk(finish=word)), DONE)
      for word, error in [("INTERNAL", "upstream_unavailable"), ("timed_out", "upstream_unavailable"), ("engine_overloaded", "upstream_unavailable"),
                          ("user_cancelled", "upstream_unavailable"), ("UNEXPECTED_TOOL_CALL", "upstream_invalid"),
                          ("quota_exceeded", "upstream_rejected"), ("rate_limit_reached", "upstream_rate_limited")]),
    *(chat(f"{word} and nothing said", REFUSED, data(chunk({"content": ""}, word)), DONE)
      for word in ("IMAGE_SAFETY", "risk", "violates_policy", "censored", "protected_material_text", "hap", "pii_detected")),
    *(responses(f"incomplete for {word} and nothing said", REFUSED, completed(kind="response.incomplete", incomplete_details={"reason": word}))
      for word in ("protected_material", "censored")),
    *(responses(f"incomplete for {word}, a failure", Expect("hello", error=error), text_delta("hello"),
                completed(message("hello"), kind="response.incomplete", incomplete_details={"reason": word}))
      for word, error in [("timed_out", "upstream_unavailable"), ("quota_exceeded", "upstream_rejected")]),
]  # fmt: skip

ANY = {
    "an id alone": b"id: 4\n\n",
    "a word in quotes": b'data: "ping"\n\n',
    "dots": b"data: ...\n\n",
    "a start": data({"type": "start"}),
    "progress": data({"type": "progress", "progress": 0.4}),
    "words for people": data({"info": "waiting for a machine"}),
    "ok": data({"status": "ok"}),
    "a status with a message": data({"status": "queued", "message": "12 before you"}),
    "a number in a queue": data({"queue_position": 3}),
    "a null message": data({"message": None}),
    "an event of a name of its own": b'event: stream.start\ndata: {"id":"x"}\n\n',
}
CHATS = {
    "a choice that is null": data({**chunk(), "choices": [None]}),
    "a choice that is empty": data({**chunk(), "choices": [{}]}),
    "llama.cpp's progress with the prompt": data(
        {**chunk(), "choices": [], "prompt_progress": {"total": 9, "processed": 4}}
    ),
    "an object of its own name": data({"object": "chat.completion.chunk.keepalive"}),
}
RESPONSE_SIGNS = {
    **{f"response.{word}": event(f"response.{word}") for word in ("keepalive", "ping", "heartbeat")},
    "in progress again": event("response.in_progress", response={"id": "r"}),
    "queued": event("response.queued", response=None),
    "a null piece": event("response.output_text.delta", item_id="m", delta=None),
    "a piece without a piece": event("response.output_text.delta", item_id="m"),
    "a null item": event("response.output_item.added", item=None),
    "limits": event("codex.rate_limits", rate_limits={"used": 3}),
}
LIFE = [
    *(chat(f"{name} says that the server lives", HELLO, sign, data(chunk({"content": "hel"})), sign, data(chunk({"content": "lo"}), STOP), sign, DONE)
      for name, sign in {**ANY, **CHATS}.items()),
    *(responses(f"{name} says that the server lives", HELLO, sign, text_delta("hel"), sign, text_delta("lo"), sign, completed(message("hello")))
      for name, sign in {**ANY, **RESPONSE_SIGNS}.items()),
]  # fmt: skip

REPLAYS: list[Replay] = [*WHOLE, *WORDS, *LIFE]
