"""A turn's steps as frames of the two OpenAI streams, and as their whole JSON answers. Owns no socket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from tests.support.upstream_script import (
    Abort,
    Call,
    Calls,
    Cut,
    ErrorChunk,
    Failed,
    Finish,
    Gate,
    HalfJson,
    NoDone,
    NoUse,
    Raw,
    Reasoning,
    Refusal,
    Stall,
    Step,
    Text,
    Use,
    Wait,
    WrongShape,
)

Action = Wait | Gate | Abort | Stall


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes of the body; `paced` where they carry a piece of what the model says."""

    data: bytes
    paced: bool = False


encode = msgspec.json.encode


@dataclass
class Encoder:
    """Common walk over a turn's steps; subclasses know one API's frames."""

    model: str
    include_usage: bool = True
    plan: list[Frame | Action] = field(default_factory=list)
    pieces: int = 0
    calls: int = 0
    use: Use | None = None
    reports_use: bool = True
    finish: str | None = None
    calls_before: int = 0
    sends_done: bool = True
    wrong_shape: ClassVar[Any] = None

    def run(self, steps: Sequence[Step]) -> list[Frame | Action]:
        """The whole turn. A `Cut`, `HalfJson` or an error ends it early."""
        self.open()
        for step in steps:
            if not self.take(Text(step) if isinstance(step, str) else step):
                return self.plan
        self.close()
        return self.plan

    def take(self, step: Step) -> bool:
        """Encode one step; False where the body ends there."""
        match step:
            case Text(delay=delay) | Reasoning(delay=delay) if delay:
                self.plan.append(Wait(delay))
        match step:
            case Text(text):
                self.pieces += 1
                self.text(text)
            case Reasoning():
                self.pieces += 1
                self.reasoning(step)
            case Refusal(text):
                self.pieces += 1
                self.refusal(text)
            case Call():
                self.tools([step])
            case Calls(calls=calls):
                self.tools(calls)
            case Use():
                self.use = step
            case NoUse():
                self.reports_use = False
            case NoDone():
                self.sends_done = False
            case Finish(reason):
                self.finish = reason
            case Wait() | Gate() | Abort() | Stall():
                self.plan.append(step)
                return not isinstance(step, Abort | Stall)
            case Raw(data):
                self.plan.append(Frame(data))
            case WrongShape(data):
                self.send(self.wrong_shape if data is None else data)
            case HalfJson():
                self.half()
                return False
            case ErrorChunk():
                self.error(step.message, step.code)
                return False
            case Failed():
                self.failed(step.message, step.code)
                return False
            case Cut():
                return False
        return True

    def named(self, calls: Sequence[Call]) -> list[tuple[Call, str]]:
        """The calls with their ids; one without is given the next of the conversation."""
        named = []
        for call in calls:
            self.calls += 1
            named.append((call, call.call_id or f"call_{self.calls_before + self.calls}"))
        return named

    def counted(self) -> Use:
        return self.use or Use(output=self.pieces)

    def ended(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")

    # what a subclass says
    def open(self) -> None: ...
    def text(self, text: str) -> None: ...
    def reasoning(self, step: Reasoning) -> None: ...
    def refusal(self, text: str) -> None: ...
    def tools(self, calls: Sequence[Call]) -> None: ...
    def half(self) -> None: ...
    def error(self, message: str, code: str | None) -> None: ...
    def failed(self, message: str, code: str) -> None: ...
    def close(self) -> None: ...
    def send(self, data: Any, *, paced: bool = False) -> None: ...


class ChatEncoder(Encoder):
    """`POST /v1/chat/completions` with ``stream: true``."""

    wrong_shape: ClassVar[Any] = {"object": "chat.completion.chunk", "choices": "none today"}

    def open(self) -> None:
        self.delta({"role": "assistant", "content": ""})

    def text(self, text: str) -> None:
        self.delta({"content": text}, paced=True)

    def reasoning(self, step: Reasoning) -> None:
        self.delta({step.field: step.text}, paced=True)

    def refusal(self, text: str) -> None:
        self.delta({"refusal": text}, paced=True)

    def tools(self, calls: Sequence[Call]) -> None:
        first = self.calls
        named = self.named(calls)
        for at, (call, call_id) in enumerate(named, first):
            function = {"name": call.name, "arguments": ""}
            self.tool_delta({"index": at, "id": call_id, "type": "function", "function": function})
        for turn in range(max(len(call.pieces) for call in calls)):
            for at, call in enumerate(calls, first):
                if turn < len(call.pieces):
                    self.tool_delta({"index": at, "function": {"arguments": call.pieces[turn]}}, paced=True)

    def tool_delta(self, call: dict[str, Any], *, paced: bool = False) -> None:
        self.delta({"tool_calls": [call]}, paced=paced)

    def half(self) -> None:
        whole = encode(self.chunk([{"index": 0, "delta": {"content": "never"}, "finish_reason": None}]))
        self.plan.append(Frame(b"data: " + whole[: len(whole) // 2] + b"\n\n"))

    def error(self, message: str, code: str | None) -> None:
        self.send({"error": {"message": message, "type": "server_error", "param": None, "code": code}})

    failed = error

    def close(self) -> None:
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": self.ended()}
        self.send(self.chunk([choice]))
        if self.include_usage and self.reports_use:
            self.send({**self.chunk([]), "usage": chat_usage(self.counted())})
        if self.sends_done:
            self.plan.append(Frame(b"data: [DONE]\n\n"))

    def delta(self, delta: dict[str, Any], *, paced: bool = False) -> None:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        self.send(self.chunk([choice]), paced=paced)

    def chunk(self, choices: list[Any]) -> dict[str, Any]:
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_760_000_000}
        return {**head, "model": self.model, "system_fingerprint": "fp_1", "choices": choices}

    def send(self, data: Any, *, paced: bool = False) -> None:
        self.plan.append(Frame(b"data: " + encode(data) + b"\n\n", paced))


class ResponsesEncoder(Encoder):
    """`POST /v1/responses` with ``stream: true``: items open when they are needed and close in order."""

    wrong_shape: ClassVar[Any] = {"type": "response.output_text.delta", "delta": {"not": "text"}}

    def open(self) -> None:
        self.number = 0
        self.output: list[dict[str, Any]] = []
        self.part = ""
        self.event("response.created", response=self.response("in_progress"))
        self.event("response.in_progress", response=self.response("in_progress"))

    def text(self, text: str) -> None:
        self.need("message", "output_text", {"text": "", "annotations": [], "logprobs": []})
        self.content(text, "text")
        self.event("response.output_text.delta", paced=True, delta=text, logprobs=[], **self.place())

    def refusal(self, text: str) -> None:
        self.need("message", "refusal", {"refusal": ""})
        self.content(text, "refusal")
        self.event("response.refusal.delta", paced=True, delta=text, **self.place())

    def reasoning(self, step: Reasoning) -> None:
        if step.raw:
            self.need("reasoning", "reasoning_text", {"text": ""})
            self.content(step.text, "text")
            self.event("response.reasoning_text.delta", paced=True, delta=step.text, **self.place())
            return
        self.need("reasoning", "summary_text", {"text": ""})
        self.content(step.text, "text")
        self.event("response.reasoning_summary_text.delta", paced=True, delta=step.text, **self.place())

    def tools(self, calls: Sequence[Call]) -> None:
        self.end_item()
        opened = []
        for call, call_id in self.named(calls):
            item = {"type": "function_call", "id": f"fc_{len(self.output)}", "call_id": call_id,
                    "name": call.name, "arguments": "", "status": "in_progress"}  # fmt: skip
            self.event("response.output_item.added", output_index=len(self.output), item=item)
            opened.append((call, item, len(self.output)))
            self.output.append(item)
        for turn in range(max(len(call.pieces) for call in calls)):
            for call, item, at in opened:
                if turn < len(call.pieces):
                    item["arguments"] += call.pieces[turn]
                    where = {"item_id": item["id"], "output_index": at}
                    self.event("response.function_call_arguments.delta", paced=True,
                               delta=call.pieces[turn], **where)  # fmt: skip
        for _, item, at in opened:
            item["status"] = "completed"
            self.event("response.function_call_arguments.done", item_id=item["id"], output_index=at,
                       name=item["name"], arguments=item["arguments"])  # fmt: skip
            self.event("response.output_item.done", output_index=at, item=item)

    def half(self) -> None:
        self.plan.append(Frame(b'event: response.output_text.delta\ndata: {"type":"response.output_t\n\n'))

    def error(self, message: str, code: str | None) -> None:
        self.event("error", code=code, message=message, param=None)

    def failed(self, message: str, code: str) -> None:
        response = self.response("failed") | {"error": {"code": code, "message": message}}
        self.event("response.failed", response=response)

    def close(self) -> None:
        self.end_item()
        cut_short = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(self.ended())
        response = self.response("incomplete" if cut_short else "completed")
        if cut_short:
            response["incomplete_details"] = {"reason": cut_short}
        if self.reports_use:
            response["usage"] = responses_usage(self.counted())
        self.event("response.incomplete" if cut_short else "response.completed", response=response)

    # items and their parts
    def need(self, kind: str, part: str, empty: dict[str, Any]) -> None:
        """Have an item of *kind* open, with a *part* open in it."""
        if self.part and self.output[-1]["type"] != kind:
            self.end_item()
        if not self.part:
            self.begin_item(kind)
        if self.part != part:
            self.end_part()
            self.part = part
            where = "summary" if part == "summary_text" else "content"
            self.output[-1].setdefault(where, []).append({"type": part, **empty})
            self.event(f"response.{self.family()}.added", part={"type": part, **empty}, **self.place())

    def begin_item(self, kind: str) -> None:
        at = len(self.output)
        item: dict[str, Any] = {"type": kind, "id": f"{'msg' if kind == 'message' else 'rs'}_{at}"}
        item |= {"role": "assistant", "content": []} if kind == "message" else {"summary": []}
        item["status"] = "in_progress"
        self.output.append(item)
        self.event("response.output_item.added", output_index=at, item=item)

    def end_item(self) -> None:
        if self.part:
            self.end_part()
            self.output[-1]["status"] = "completed"
            self.event("response.output_item.done", output_index=len(self.output) - 1, item=self.output[-1])

    def end_part(self) -> None:
        if not self.part:
            return
        part = self.parts()[-1]
        done = {"output_text": "output_text", "refusal": "refusal", "reasoning_text": "reasoning_text",
                "summary_text": "reasoning_summary_text"}[self.part]  # fmt: skip
        key = "refusal" if self.part == "refusal" else "text"
        extra: dict[str, Any] = {"logprobs": []} if self.part == "output_text" else {}
        self.event(f"response.{done}.done", **{key: part[key]}, **extra, **self.place())
        self.event(f"response.{self.family()}.done", part=part, **self.place())
        self.part = ""

    def content(self, text: str, key: str) -> None:
        self.parts()[-1][key] += text

    def parts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.output[-1]["summary" if self.part == "summary_text" else "content"]
        return found

    def family(self) -> str:
        return "reasoning_summary_part" if self.part == "summary_text" else "content_part"

    def place(self) -> dict[str, Any]:
        at = "summary_index" if self.part == "summary_text" else "content_index"
        return {
            "item_id": self.output[-1]["id"],
            "output_index": len(self.output) - 1,
            at: len(self.parts()) - 1,
        }

    def response(self, status: str) -> dict[str, Any]:
        head = {"id": "resp_1", "object": "response", "created_at": 1_760_000_000, "status": status}
        rest: dict[str, Any] = {
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": None,
        }
        return {**head, "model": self.model, "output": list(self.output), **rest}

    def event(self, kind: str, /, *, paced: bool = False, **data: Any) -> None:
        self.number += 1
        self.send({"type": kind, "sequence_number": self.number - 1, **data}, paced=paced)

    def send(self, data: Any, *, paced: bool = False) -> None:
        name = str(data["type"]).encode() if isinstance(data, dict) and "type" in data else b"message"
        self.plan.append(Frame(b"event: " + name + b"\ndata: " + encode(data) + b"\n\n", paced))


def chat_usage(use: Use) -> dict[str, Any]:
    return {
        "prompt_tokens": use.input,
        "completion_tokens": use.output,
        "total_tokens": use.input + use.output,
        "prompt_tokens_details": {"cached_tokens": use.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": use.reasoning, "audio_tokens": 0},
    }


def responses_usage(use: Use) -> dict[str, Any]:
    return {
        "input_tokens": use.input,
        "input_tokens_details": {"cached_tokens": use.cached, "cache_write_tokens": 0},
        "output_tokens": use.output,
        "output_tokens_details": {"reasoning_tokens": use.reasoning},
        "total_tokens": use.input + use.output,
    }


def chat_whole(model: str, steps: Sequence[Step], calls_before: int = 0) -> dict[str, Any]:
    """The answer of `POST /v1/chat/completions` without streaming."""
    encoder = ChatEncoder(model, calls_before=calls_before)
    encoder.run([step for step in steps if not isinstance(step, Wait | Gate | Abort | Stall | Cut)])
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    calls: list[dict[str, Any]] = []
    for step in steps:
        match step:
            case str(text) | Text(text):
                message["content"] = (message["content"] or "") + text
            case Reasoning():
                message[step.field] = message.get(step.field, "") + step.text
            case Refusal(text):
                message["refusal"] = (message["refusal"] or "") + text
            case Call() | Calls():
                for call in [step] if isinstance(step, Call) else step.calls:
                    function = {"name": call.name, "arguments": "".join(call.pieces)}
                    call_id = call.call_id or f"call_{calls_before + len(calls) + 1}"
                    calls.append({"id": call_id, "type": "function", "function": function})
    if calls:
        message["tool_calls"] = calls
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": encoder.ended()}
    whole = encoder.chunk([choice]) | {"object": "chat.completion"}
    return whole | ({"usage": chat_usage(encoder.counted())} if encoder.reports_use else {})


def responses_whole(model: str, steps: Sequence[Step], calls_before: int = 0) -> dict[str, Any]:
    """The answer of `POST /v1/responses` without streaming."""
    encoder = ResponsesEncoder(model, calls_before=calls_before)
    quiet = [step for step in steps if not isinstance(step, Wait | Gate | Abort | Stall | Cut)]
    last = encoder.run(quiet)[-1]
    if not isinstance(last, Frame):
        raise TypeError(f"a turn cannot end with {last!r} here")
    response: dict[str, Any] = msgspec.json.decode(last.data.split(b"data: ", 1)[1])["response"]
    return response
