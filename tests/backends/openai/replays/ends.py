"""Kinds 4, 5 and 8: whole answers that end otherwise, finish words, and signs of life."""

from __future__ import annotations

from .wire import (
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
    text_delta,
)  # fmt: skip

HELLO = Expect("hello")
SAID = chunk({"content": "hello"})
USED = Expect("hello", usage=(7, 2))

WHOLE = [
    chat("perplexity has no end mark", HELLO, data(SAID, chunk(finish="stop"))),
    chat("no end mark and the finish with the text", HELLO, data(chunk({"content": "hello"}, "stop"))),
    chat("a call and no end mark", Expect("done", calls=[CLOCK]), data(chunk(call()), chunk(finish="tool_calls"))),
    chat("a connection that breaks after the finish", HELLO, data(SAID, chunk(finish="stop")), cut=True),
    chat("gemini has no finish reason", HELLO, data(SAID), DONE),
    chat("gemini has no finish reason after a call", Expect("done", calls=[CLOCK]), data(chunk(call())), DONE),
    chat("a bedrock gateway says an empty finish", HELLO, data({**SAID, "choices": [{**SAID["choices"][0], "finish_reason": ""}]}), DONE),
    chat("neither finish nor end mark", Expect("hello", error="upstream_invalid", retryable=True), data(SAID)),
    chat("a call and neither", Expect("", error="upstream_invalid"), data(chunk(call()))),
    chat("a connection that breaks before the finish", Expect("hello", error="upstream_unavailable", retryable=True), data(SAID), cut=True),
    chat("usage by other names", USED, data(SAID, chunk(finish="stop", usage={"input_tokens": 7, "output_tokens": 2})), DONE),
    chat("usage without details", USED, data(SAID, chunk(finish="stop"), {"id": "x", "object": "chat.completion.chunk", "created": 1,
         "model": "m", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}}), DONE),
    chat("empty usage", HELLO, data({**SAID, "usage": {}}, chunk(finish="stop", usage={})), DONE),
    chat("null usage", HELLO, data({**SAID, "usage": None}, chunk(finish="stop", usage=None)), DONE),
    chat("usage of nulls", HELLO, data(SAID, chunk(finish="stop", usage={"prompt_tokens": None, "completion_tokens": None,
         "total_tokens": None, "prompt_tokens_details": None})), DONE),
    chat("usage with null details", USED, data(SAID, chunk(finish="stop", usage={"prompt_tokens": 7, "completion_tokens": 2,
         "total_tokens": 9, "prompt_tokens_details": None, "completion_tokens_details": {"reasoning_tokens": None}})), DONE),
    chat("moonshot counts in the choice", USED, data(SAID, {**chunk(), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop",
         "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}]}), DONE),
    chat("groq counts on the side", USED, data(SAID, chunk(finish="stop", x_groq={"id": "r", "usage": {"prompt_tokens": 7,
         "completion_tokens": 2, "total_tokens": 9, "queue_time": 0.1}})), DONE),
    chat("gemini's own counts", USED, data(SAID, chunk(finish="STOP"), {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2}}), DONE),
    responses("usage by other names on responses", USED, text_delta("hello"),
              completed(message("hello"), usage={"prompt_tokens": 7, "completion_tokens": 2})),
    responses("usage without details on responses", USED, text_delta("hello"),
              completed(message("hello"), usage={"input_tokens": 7, "output_tokens": 2})),
    responses("empty usage on responses", HELLO, text_delta("hello"), completed(message("hello"), usage={})),
    responses("null usage on responses", HELLO, text_delta("hello"), completed(message("hello"), usage=None)),
    responses("an end mark after the completion", HELLO, text_delta("hello"), completed(message("hello")), DONE),
    responses("an end mark instead of the completion", HELLO, text_delta("hello"), DONE),
    responses("an end mark after the items", Expect("done", calls=[CLOCK]),
              event("response.output_item.done", output_index=0, item=function_call()), DONE),
    responses("no end at all", Expect("hello", error="upstream_invalid", retryable=True), text_delta("hello")),
    responses("a whole response in one event", HELLO, data({"id": "r", "object": "response", "status": "completed", "output": [message("hello")]})),
]  # fmt: skip

FINISHES = {
    "stop": ("end_turn", "STOP", "stop_sequence", "eos_token", "COMPLETE", "finish_reason_stop", "completed"),
    "length": ("length", "MAX_TOKENS", "max_tokens", "max_output_tokens", "model_length", "FINISH_REASON_MAX_TOKENS",
               "model_context_window_exceeded", "MaxTokens"),
    "content_filter": ("content_filter", "SAFETY", "PROHIBITED_CONTENT", "guardrail_intervened"),
}  # fmt: skip
WITHHELD = ("SAFETY", "PROHIBITED_CONTENT", "RECITATION", "content_filter", "BLOCKLIST", "SPII", "guardrail_intervened", "refusal",
            "sensitive", "content_filtered", "finish_reason_safety")  # fmt: skip
REFUSED = Expect("", error="refusal", retryable=False, says="provider's content filter")

WORDS = [
    *(chat(f"{word} is {finish}", Expect("hello", finish=finish), data(SAID, chunk(finish=word)), DONE)
      for finish, words in FINISHES.items() for word in words),
    *(chat(f"{word} with nothing said", REFUSED, data(chunk({"role": "assistant", "content": ""}), chunk(finish=word)), DONE)
      for word in WITHHELD),
    chat("azure withholds the answer", REFUSED,
         data({"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
              {**chunk(), "choices": [{"index": 0, "finish_reason": "content_filter", "delta": {}, "content_filter_results": {
                  "violence": {"filtered": True, "severity": "high"}}}]}), DONE),
    chat("reasoning and then nothing", Expect("", reasoning="hm", error="refusal", says="provider's content filter"),
         data(chunk({"reasoning_content": "hm"}), chunk(finish="SAFETY")), DONE),
    chat("a call that gemini rejects", Expect("", error="upstream_invalid"),
         data(chunk({"content": ""}), chunk(finish="MALFORMED_FUNCTION_CALL")), DONE),
    chat("a provider that gives up", Expect("hello", error="upstream_unavailable"), data(SAID, chunk(finish="abort")), DONE),
    chat("a refusal of the model's own", Expect("I will not", error="refusal", says="model refused"),
         data(chunk({"refusal": "I will "}), chunk({"refusal": "not"}), chunk(finish="stop")), DONE),
    *(responses(f"incomplete for {word}", Expect("hello", finish=finish), text_delta("hello"),
                completed(message("hello"), kind="response.incomplete", incomplete_details={"reason": word}))
      for word, finish in [("max_output_tokens", "length"), ("max_tokens", "length"), ("content_filter", "content_filter")]),
    *(responses(f"withheld for {word}", REFUSED, completed(kind="response.incomplete", incomplete_details={"reason": word}))
      for word in ("content_filter", "SAFETY", "prohibited_content")),
    responses("completed and yet incomplete", Expect("hello", finish="length"), text_delta("hello"),
              event("response.completed", response={"id": "r", "status": "incomplete", "output": [message("hello")],
                                                    "incomplete_details": {"reason": "max_output_tokens"}})),
    responses("a refusal of the model's own on responses", Expect("I will not", error="refusal", says="model refused"),
              completed(message("I will not", kind="refusal"))),
    responses("an azure filter on responses", REFUSED,
              completed(message(None), kind="response.incomplete", incomplete_details={"reason": "content_filter"})),
]  # fmt: skip

SIGNS = {
    "null": b"data: null\n\n",
    "empty": b"data:\n\n",
    "blank": b"data: \n\n",
    "a comment": b": OPENROUTER PROCESSING\n\n",
    "a ping": data({"type": "ping"}),
    "a ping with a time": data({"type": "ping", "time": 4}),
    "a named ping": b'event: ping\ndata: {"type": "ping"}\n\n',
    "a named ping without a body": b"event: ping\ndata:\n\n",
    "a bare name": b"event: ping\n\n",
    "a keepalive": b"event: keepalive\ndata: {}\n\n",
    "a keepalive with a body": b'event: keepalive\ndata: {"status": "alive", "at": 12}\n\n',
    "a heartbeat": b"event: heartbeat\ndata: 2026-01-01\n\n",
    "an empty object": b"data: {}\n\n",
    "a word": b"data: keep-alive\n\n",
    "a retry line": b"retry: 300\n\n",
}
CHAT_SIGNS = {
    "null choices": data({**chunk(), "choices": None}),
    "no choices": data({**chunk(), "choices": []}),
    "no choices and null usage": data({"id": "", "choices": [], "usage": None}),
    "only a head": data({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}),
}
LIFE = [
    *(chat(f"{name} is a sign of life", HELLO, sign, data(chunk({"content": "hel"})), sign, data(chunk({"content": "lo"})),
           sign, data(chunk(finish="stop")), sign, DONE)
      for name, sign in {**SIGNS, **CHAT_SIGNS}.items()),
    *(responses(f"{name} is a sign of life on responses", HELLO, sign, text_delta("hel"), sign, text_delta("lo"), sign,
                completed(message("hello")))
      for name, sign in SIGNS.items()),
]  # fmt: skip

REPLAYS: list[Replay] = [*WHOLE, *WORDS, *LIFE]
