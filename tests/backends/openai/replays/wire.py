"""How replays are written down: short forms of what servers send, and what must come of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .server import Header, Reply

Api = Literal["chat_completions", "responses"]
CHAT: Api = "chat_completions"
RESPONSES: Api = "responses"

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Expect:
    """What the service must say of a replay.

    Attributes:
        text: Of the answer; what was said before an error. None where it is not asked for.
        error: Its code; None for an answer that is done.
        retryable: Of the error. says: Words that its message must have.
        calls: Name, arguments and output of each tool call, in order; `is_error` with each where asked for.
        files: Media type and address of each image or other file.
        restated: The answer was said in an attempt of its own, since its first words were wrong.
    """

    text: str | None = None
    reasoning: str = ""
    finish: str = "stop"
    usage: tuple[int, int] | None = None
    error: str | None = None
    retryable: bool | None = None
    says: str = ""
    calls: Sequence[tuple[str, dict[str, Any], str]] = ()
    failed_calls: Sequence[bool] = ()
    restated: bool = False
    retry_after: float | None = None
    sources: Sequence[tuple[str, str]] = ()
    files: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Replay:
    """The answers to the requests of one run as a server sends them, and what must come of them.

    Attributes:
        origin: `written` after what the server's documentation or source says, or `recorded` from it.
        sent_back: What the message of the first call must have in the second request, of reasoning.
    """

    name: str
    api: Api
    replies: Sequence[Reply]
    expect: Expect
    model: str = "m"
    sent_back: Mapping[str, str] | None = None
    origin: Literal["written", "recorded"] = "written"

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


def data(*values: Any) -> bytes:
    """Events that have nothing but data: JSON values, or bytes as they are."""
    return b"".join(
        b"data: " + (v if isinstance(v, bytes) else json.dumps(v).encode()) + b"\n\n" for v in values
    )


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chat-completions chunk."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return {
        **head,
        "choices": [{"index": 0, "delta": {} if delta is None else delta, "finish_reason": finish}],
        **more,
    }


def call(name: str = "clock", arguments: Any = '{"zone": "UTC"}', **where: Any) -> dict[str, Any]:
    """A delta that holds one tool call."""
    place = {"index": 0, "id": "call_a", **where}
    return {"tool_calls": [{**place, "type": "function", "function": {"name": name, "arguments": arguments}}]}


def event(kind: str, **fields: Any) -> bytes:
    """An event of the Responses API, named as OpenAI names it."""
    return f"event: {kind}\n".encode() + data({"type": kind, **fields})


def message(text: str | None, item_id: str = "msg_1", kind: str = "output_text") -> dict[str, Any]:
    key = "refusal" if kind == "refusal" else "text"
    content = [] if text is None else [{"type": kind, key: text, "annotations": []}]
    return {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": content}


def function_call(name: str = "clock", arguments: Any = '{"zone": "UTC"}', **more: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_a",
        "name": name,
        "arguments": arguments,
        **more,
    }


def completed(*output: Any, kind: str = "response.completed", **more: Any) -> bytes:
    status = kind.removeprefix("response.")
    return event(kind, sequence_number=9, response={"id": "resp_1", "object": "response", "status": status,
                                                    "output": list(output), **more})  # fmt: skip


def text_delta(
    text: str, item_id: Any = "msg_1", output_index: Any = 0, content_index: Any = 0, **more: Any
) -> bytes:
    return event("response.output_text.delta", item_id=item_id, output_index=output_index,
                 content_index=content_index, delta=text, **more)  # fmt: skip


def stream(
    *parts: bytes, headers: Sequence[Header] = (("Content-Type", "text/event-stream"),), **options: Any
) -> Reply:
    return Reply(parts, headers=headers, **options)


ANSWER = {
    CHAT: stream(data(chunk({"content": "done"}), chunk(finish="stop")), DONE),
    RESPONSES: stream(text_delta("done"), completed(message("done"))),
}
"""A plain second turn, after a tool was called."""
CLOCK = ("clock", {"zone": "UTC"}, "noon in UTC")


def chat(name: str, expect: Expect, *parts: bytes, then: Reply | None = None, **options: Any) -> Replay:
    """A replay on chat completions; *then* answers the next request, a plain answer where tools are called."""
    after = [*([] if then is None else [then]), *([ANSWER[CHAT]] if expect.calls else [])]
    return Replay(name, CHAT, [stream(*parts, **options), *after], expect)


def responses(name: str, expect: Expect, *parts: bytes, then: Reply | None = None, **options: Any) -> Replay:
    """The same on the Responses API."""
    after = [*([] if then is None else [then]), *([ANSWER[RESPONSES]] if expect.calls else [])]
    return Replay(name, RESPONSES, [stream(*parts, **options), *after], expect)
