"""Decodes a chat-completions stream: bytes in, the Runner's events out. Owns no I/O.

What is said goes out as light deltas at once. The items at the end are built by the SDK's own converter
from the whole message, so that they are those of a model that did not stream.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from typing import Any

import msgspec
from agents import AgentsException
from agents.models.chatcmpl_converter import Converter
from agents.models.chatcmpl_helpers import ChatCmplHelpers
from agents.models.chatcmpl_stream_handler import StreamingState
from agents.models.fake_id import FAKE_RESPONSES_ID
from agents.usage import _attach_raw_usage_snapshot, _mark_request_completed_without_usage
from openai.types.chat import ChatCompletionMessage, ChatCompletionTokenLogprob
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
)
from openai.types.responses.response import IncompleteDetails

from ....errors import AgentError
from ....events.encoding import clean_text
from ...upstream_errors import error_in_stream, is_error
from .chat_chunk import CallPiece, Choice, Chunk, Function, Said
from .client import is_whole
from .dialects import CallSlots, said_in, usage_of
from .events import ArgumentsDelta, ReasoningDelta, RefusalDelta, SummaryDelta, TextDelta, append_delta
from .finish import finish_of, withheld
from .repair import (
    INVALID,
    arguments_of,
    is_count,
    is_life,
    repaired_chunk,
    usage_as_chat,
    usage_in,
    whole_chunk,
)
from .sse import DataSplitter, is_done

UNFINISHED = "The model's answer ended without its end mark."


class _Call:
    """One tool call as far as it has been told."""

    __slots__ = ("announced", "arguments", "call_id", "extra_content", "name", "output_index")

    def __init__(self, output_index: int) -> None:
        self.output_index = output_index
        self.call_id = ""
        self.name = ""
        self.arguments = ""
        self.announced = False
        self.extra_content: dict[str, Any] | None = None


class ChatDecoder:
    """Turns one stream's bytes, however they are cut, into events.

    Attributes:
        ended: The stream has said all; a failure ends it too.
        failure: Why the answer cannot be used. The events returned with it were said before.
    """

    def __init__(self, response: Response, *, model: str, keep_raw_usage: bool = False) -> None:
        self.ended = False
        self.failure: AgentError | None = None
        self._response = response
        self._model = model
        self._keep_raw_usage = keep_raw_usage
        self._splitter = DataSplitter()
        self._decode = msgspec.json.Decoder(Chunk).decode
        self._events: list[Any] = []
        self._sequence = 0
        self._started = False
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] | None = None
        self._response_id: str | None = None
        self._said: dict[str, list[str]] = {
            "content": [],
            "reasoning_content": [],
            "reasoning": [],
            "refusal": [],
        }
        self._slots = CallSlots()
        self._calls: dict[int, _Call] = {}
        self._ignored_calls: set[int] = set()
        self._thinking = StreamingState()
        self._annotations: list[Any] = []
        self._logprobs: list[ChatCompletionTokenLogprob] = []

    @property
    def is_complete(self) -> bool:
        """Whether the answer is whole without its end mark."""
        return self._finish_reason is not None

    def feed(self, data: bytes) -> list[Any]:
        """Return what *data* completes; neighbouring pieces of one part come as one delta."""
        events: list[Any] = []
        self._events = events
        try:
            for payload in self._splitter.feed(data):
                if is_done(payload):
                    self._finish()
                    break
                try:
                    chunk = self._decode(payload)
                    plain = chunk.error is None and chunk.choices
                except msgspec.DecodeError:
                    plain = None
                if plain:
                    self._take(chunk)
                elif plain is not None and is_count(chunk.usage) and b"error" not in payload:
                    self._usage = chunk.usage  # the count that OpenAI's server sends after the last choice
                else:
                    self._take_odd(payload)
        except AgentError as exc:
            self._fail(exc)
        except (ValueError, TypeError, AttributeError, AgentsException) as exc:
            failure = AgentError("upstream_invalid", INVALID)
            failure.__cause__ = exc
            self._fail(failure)
        return events

    def end(self) -> list[Any]:
        """Say that no byte comes any more; a failure unless the stream has said its end."""
        events = self.feed(b"\n\n")  # some servers end without the last event's blank line
        if not self.ended:
            try:
                self._end()
            except AgentError as exc:
                self._fail(exc)
        return events

    def _end(self) -> None:
        """End where the body ends: a finish reason will do for servers that send no end mark."""
        if (body := self._splitter.body()) is not None:
            self._take(msgspec.convert(whole_chunk(_loaded(body)), Chunk))
        if self._finish_reason is None:
            raise AgentError("upstream_invalid", UNFINISHED)
        self._finish()

    def _fail(self, failure: AgentError) -> None:
        self.ended = True
        self.failure = failure

    def _take_odd(self, payload: bytes) -> None:
        """Take an event that is not as OpenAI's server would send it, or is no piece of an answer."""
        text = payload.decode()
        if is_life(text):
            return
        value = repaired_chunk(_loaded(text))
        if value is not None:
            self._take(msgspec.convert(value, Chunk))

    def _take(self, chunk: Chunk) -> None:
        if chunk.usage:
            self._usage = chunk.usage
        elif chunk.x_groq is not None or (chunk.choices and chunk.choices[0].usage is not None):
            self._usage = usage_in(msgspec.to_builtins(chunk)) or self._usage
        choices = chunk.choices
        if not choices:
            return
        if not self._started:
            self._start(chunk)
        choice = choices[0]
        if is_error(choice.error):
            raise error_in_stream(choice.error)
        if choice.index:  # others were not asked for; the SDK leaves them out too
            return
        if choice.finish_reason:  # some servers send an empty one with each piece
            self._finish_reason = choice.finish_reason
        if choice.logprobs is not None:
            told = choice.logprobs.get("content") or ()
            self._logprobs += [ChatCompletionTokenLogprob.construct(**one) for one in told]
        said = choice.delta
        if said is None:
            if choice.message is not None or choice.text is not None:
                self._take_whole(choice)
            return
        if said.reasoning_content:
            self._say(SummaryDelta, "reasoning_content", said.reasoning_content, 0)
        elif said.reasoning and isinstance(said.reasoning, str):
            self._say(ReasoningDelta, "reasoning", said.reasoning, 0)
        text = said.content
        if isinstance(text, list):
            text, thought = said_in(text)
            if thought:
                self._say(SummaryDelta, "reasoning_content", thought, 0)
        if text:
            self._say(TextDelta, "content", text, 1 if self._reasoned else 0)
        if said.refusal:
            self._say(RefusalDelta, "refusal", said.refusal, 1 if self._reasoned else 0)
        if said.tool_calls:
            for piece in said.tool_calls:
                self._call(piece)
        elif said.function_call is not None:
            self._take_whole(choice)
        if said.thinking_blocks or said.annotations or said.audio:
            self._rare(said)

    def _take_whole(self, choice: Choice) -> None:
        """Take a choice that holds another thing than a delta."""
        odd = {key: value for key, value in msgspec.to_builtins(choice).items() if value is not None}
        said = odd.get("delta") or {}
        if "function_call" in said:
            odd["delta"] = {"function_call": said["function_call"]}
        chunk = repaired_chunk({"choices": [odd]})
        if chunk is not None:
            self._take(msgspec.convert(chunk, Chunk))

    def _start(self, chunk: Chunk) -> None:
        self._started = True
        self._response_id = None if chunk.id is None else str(chunk.id)
        self._events.append(
            ResponseCreatedEvent(
                response=self._response, type="response.created", sequence_number=self._number()
            )
        )

    @property
    def _reasoned(self) -> bool:
        said = self._said
        return bool(said["reasoning_content"] or said["reasoning"] or self._thinking.thinking_blocks)

    def _say(self, kind: type[Any], field: str, text: str, output_index: int) -> None:
        self._said[field].append(text)
        events = self._events
        if events and type(events[-1]) is kind:
            events[-1].delta += text
        else:
            events.append(kind(text, FAKE_RESPONSES_ID, output_index, self._number()))

    def _rare(self, said: Said) -> None:
        if said.audio:
            raise AgentError("upstream_invalid", "The model answered with sound, which no agent here takes.")
        for block in said.thinking_blocks or ():
            self._thinking.accumulate_thinking_block(block)
        self._annotations += said.annotations or ()

    def _call(self, piece: CallPiece) -> None:
        function = piece.function or Function(piece.name, arguments_of(piece.arguments))
        index = self._slots.place(piece.index, piece.id, function.name, function.arguments)
        if index is None:
            return
        if piece.type == "custom":
            self._ignored_calls.add(index)
        if index in self._ignored_calls:
            return
        call = self._calls.get(index)
        if call is None:
            before = int(self._reasoned) + int(bool(self._said["content"] or self._said["refusal"]))
            call = self._calls[index] = _Call(before + len(self._calls))
        if piece.id:
            call.call_id = ChatCmplHelpers.clean_gemini_tool_call_id(piece.id, self._model)
        if piece.extra_content:
            call.extra_content = piece.extra_content
        call.name = function.name or call.name
        arguments = function.arguments or ""
        call.arguments += arguments
        if call.announced:
            self._say_arguments(call, arguments)
        elif call.name and call.call_id:
            self._announce(call)
            self._say_arguments(call, call.arguments)

    def _announce(self, call: _Call) -> None:
        call.announced = True
        item = ResponseFunctionToolCall(
            id=FAKE_RESPONSES_ID, call_id=call.call_id, name=call.name, arguments="", type="function_call"
        )
        self._events.append(
            ResponseOutputItemAddedEvent(
                item=item,
                output_index=call.output_index,
                type="response.output_item.added",
                sequence_number=self._number(),
            )
        )

    def _say_arguments(self, call: _Call, arguments: str) -> None:
        if not arguments:
            return
        delta = ArgumentsDelta(arguments, FAKE_RESPONSES_ID, call.output_index, self._number())
        append_delta(self._events, delta)

    def _number(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def _finish(self) -> None:
        word = self._finish_reason or "stop"  # `[DONE]` alone is an end, too
        reason = finish_of(word)
        if reason == "tool_calls" and not (self._calls or any(self._said.values())):
            raise AgentError("upstream_invalid", "The model wants a tool and calls none.")
        if reason == "content_filter" and not (self._said["content"] or self._said["refusal"] or self._calls):
            raise withheld(word)
        cut_short = {"stop": None, "tool_calls": None, "length": "max_output_tokens"}.get(reason, reason)
        if not self._started:
            self._start(Chunk())
        message = self._message(is_cut=reason in ("length", "content_filter"))
        provider_data = {"model": self._model}
        if self._response_id:
            provider_data["response_id"] = self._response_id
        items = Converter.message_to_output_items(message, provider_data=provider_data)
        self._attach_logprobs(items)
        for at, item in enumerate(items):
            self._events.append(
                ResponseOutputItemDoneEvent(
                    item=item,
                    output_index=at,
                    type="response.output_item.done",
                    sequence_number=self._number(),
                )
            )
        response = self._response.model_copy()
        response.output = items
        response.status = "completed"
        if cut_short is not None:
            response.incomplete_details = IncompleteDetails.construct(reason=cut_short)
        self._add_usage(response)
        self._events.append(
            ResponseCompletedEvent(
                response=response, type="response.completed", sequence_number=self._number()
            )
        )
        self.ended = True

    def _message(self, *, is_cut: bool) -> ChatCompletionMessage:
        """The whole message; where it was cut short, without the calls whose arguments are not whole."""
        said = {field: clean_text("".join(pieces)) for field, pieces in self._said.items()}
        calls = [
            _tool_call(call)
            for _, call in sorted(self._calls.items())
            if not is_cut or is_whole(call.arguments)
        ]
        # The SDK's own `construct` looks into each field for types to build; in plain words there are none.
        plain = not (calls or self._annotations)
        make: Any = ChatCompletionMessage if plain else ChatCompletionMessage.construct
        message: ChatCompletionMessage = make(
            role="assistant",
            content=said["content"] or None,
            refusal=said["refusal"] or None,
            reasoning_content=said["reasoning_content"],
            reasoning=said["reasoning"],
            thinking_blocks=self._thinking.thinking_blocks,
            annotations=self._annotations,
            tool_calls=calls or None,
        )
        return message

    def _attach_logprobs(self, items: Iterable[Any]) -> None:
        if not self._logprobs:
            return
        for item in items:
            if isinstance(item, ResponseOutputMessage) and isinstance(item.content[0], ResponseOutputText):
                item.content[0].logprobs = ChatCmplHelpers.convert_logprobs_for_output_text(self._logprobs)

    def _add_usage(self, response: Response) -> None:
        counted = usage_as_chat(self._usage)
        if counted is None or self._usage is None:
            _mark_request_completed_without_usage(response)
            return
        response.usage = usage_of(counted)
        if self._keep_raw_usage:
            _attach_raw_usage_snapshot(response, self._usage)


def _tool_call(call: _Call) -> dict[str, Any]:
    if not call.name:
        raise AgentError("upstream_invalid", "The model called a tool without a name.")
    made: dict[str, Any] = {
        "id": call.call_id or f"call_{uuid.uuid4().hex}",
        "type": "function",
        "function": {"name": call.name, "arguments": clean_text(call.arguments)},
    }
    if call.extra_content:
        made["extra_content"] = call.extra_content
    return made


def _loaded(payload: str | bytes) -> Any:
    """Decode JSON that msgspec does not: halves of a character stand alone where JavaScript cuts between them."""
    return json.loads(payload)
