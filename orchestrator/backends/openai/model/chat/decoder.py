"""Decodes a chat-completions stream: bytes in, the Runner's events out. Owns no I/O.

What is said goes out as light deltas at once. The items at the end are built by the SDK's own converter
from the whole message, so that they are those of a model that did not stream.
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import partial
from typing import Any

import msgspec
from agents import AgentsException
from agents.models.chatcmpl_converter import Converter
from agents.models.chatcmpl_helpers import ChatCmplHelpers
from agents.models.chatcmpl_stream_handler import StreamingState
from agents.models.fake_id import FAKE_RESPONSES_ID
from openai.types.chat import ChatCompletionTokenLogprob
from openai.types.responses import (
    Response,
    ResponseCreatedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
)
from openai.types.responses.response import IncompleteDetails

from .....errors import AgentError
from .....events.encoding import clean_text
from ....upstream.finish_reasons import finish_of, is_unfinished, last_word, withheld
from ..client import is_whole
from ..coercion import arguments_of, breaks_off, documents, invalid
from ..events import (
    ArgumentsDelta,
    PlainEnd,
    ReasoningDelta,
    RefusalDelta,
    SummaryDelta,
    TextDelta,
    append_delta,
)
from ..reasoning_replay import add_details
from ..sse import DataSplitter
from ..stream_markers import is_done, is_life, may_count, may_judge
from ..usage import add_usage, counted, usage_in
from .bulk_decoder import LEARN_AFTER, BulkDecoder
from .call_slots import CallSlots
from .chunk import CallPiece, ChatDelta, Chunk, Function, is_bare_end, is_only_count, is_plain
from .cumulative_pieces import DeltaStyle
from .output_items import attach_logprobs, ending, text_item, whole_message
from .partial_call import PartialCall
from .repair import repaired_chunk, whole_chunk
from .vendor_quirks import AnswerExtras, said_in

_decode = msgspec.json.Decoder(Chunk).decode
UNFINISHED = "The model's answer ended without its end mark."


class ChatDecoder:
    """Turns one stream's bytes, however they are cut, into events.

    Args:
        may_end_plain: Let a `PlainEnd` stand for the events that begin and end an answer of text alone.
    Attributes:
        ended: The stream has said all; a failure ends it too.
        failure: Why the answer cannot be used. The events returned with it were said before.
    """

    def __init__(
        self,
        response: Response,
        *,
        model: str,
        keep_raw_usage: bool = False,
        habit: DeltaStyle | None = None,
        may_end_plain: bool = False,
    ) -> None:
        self.ended = False
        self.failure: AgentError | None = None
        self._response = response
        self._model = model
        self._keep_raw_usage = keep_raw_usage
        self._may_end_plain = may_end_plain
        self._splitter = DataSplitter()
        self._runs = BulkDecoder()
        self._events: list[Any] = []
        self._sequence = 0
        self._started = False
        self._finish_reason: str | None = None
        self._usage: dict[str, Any] | None = None
        self._response_id: str | None = None
        self._said: defaultdict[str, list[str]] = defaultdict(list)
        self._beside = AnswerExtras(habit)
        self._slots: CallSlots | None = None
        self._calls: dict[int, PartialCall] = {}
        self._thinking: StreamingState | None = None
        self._annotations: list[Any] | None = None
        self._logprobs: list[ChatCompletionTokenLogprob] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the answer is whole without its end mark."""
        return self._finish_reason is not None

    @property
    def reasoning_details(self) -> list[dict[str, Any]]:
        """What must go back with the calls of this answer, of servers that say their reasoning so."""
        return self._beside.details

    def feed(self, data: bytes) -> list[Any]:
        """Return what *data* completes; neighbouring pieces of one part come as one delta."""
        events: list[Any] = []
        self._events = events
        try:
            if self._runs.is_known and self._beside.says_pieces and self._finish_reason is None:
                data = self._take_run(data)
                if not data:
                    return events
            for payload in self._splitter.feed(data):
                if is_done(payload):
                    self._finish()
                    break
                try:
                    chunk = _decode(payload)
                except msgspec.DecodeError:
                    chunk = None
                if chunk is not None and (is_plain(chunk) or is_bare_end(chunk, payload)):
                    self._take(chunk, payload)
                    if self._finish_reason is not None:  # once in an answer, as a rule
                        self._note_rest(payload, chunk)
                elif chunk is not None and is_only_count(chunk) and not may_judge(payload):
                    self._count(chunk.usage)  # what OpenAI's server sends after the last choice
                else:
                    self._take_odd(payload)
        except AgentError as exc:
            self._fail(exc)
        except (ValueError, TypeError, AttributeError, AgentsException) as exc:
            self._fail(invalid(exc))
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
            values = documents(body.decode("utf-8-sig"))
            for value in values:
                self._beside.note(value)
                if (chunk := whole_chunk(value) if len(values) == 1 else repaired_chunk(value)) is not None:
                    self._take(msgspec.convert(chunk, Chunk))
        if self._finish_reason is None:
            raise AgentError("upstream_invalid", UNFINISHED)
        self._finish()

    def _take_run(self, data: bytes) -> bytes:
        """Take what *data* begins with of events that differ in their text alone; return the rest of it."""
        data = self._splitter.joined(data)
        text, data = self._runs.take(data) if self._splitter.is_between else ("", data)
        if text:
            self._beside.said.append(text)
            self._say(TextDelta, "content", text, 1 if self._reasoned else 0)
        return data

    def _fail(self, failure: AgentError) -> None:
        self.ended = True
        self.failure = failure

    def _take_odd(self, payload: bytes) -> None:
        """Take an event that is not as OpenAI's server would send it, or is no piece of an answer."""
        text = payload.decode()
        if is_life(text) or (self.is_complete and breaks_off(text)):
            return
        loaded = json.loads(text)  # msgspec takes no half of a character, which stands where JavaScript cuts
        value = repaired_chunk(loaded)
        self._beside.note(loaded)
        if value is not None:
            self._take(msgspec.convert(value, Chunk))

    def _note_rest(self, payload: bytes, chunk: Chunk) -> None:
        """Note what the last chunk says beside its choices, wherever that stands: usage, and what filters did."""
        if not (may_judge(payload) or may_count(payload)):
            return
        loaded = json.loads(payload)
        self._beside.note(loaded)
        if not chunk.usage:
            self._count(usage_in(loaded))

    def _count(self, usage: dict[str, Any] | None) -> None:
        """Keep the newest count; zeros and nulls after one are those of a server that counts in an earlier chunk."""
        if not usage:
            return
        if self._usage is None or any(v for v in usage.values() if not isinstance(v, (dict, list))):
            self._usage = usage

    def _take(self, chunk: Chunk, payload: bytes | None = None) -> None:
        self._count(chunk.usage)
        choices = chunk.choices
        if not choices:
            return
        if not self._started:
            self._start(chunk)
        choice = choices[0]
        if self._beside.is_other(choice.index or 0):  # the SDK leaves it out, too
            return
        word = choice.finish_reason
        if word and not is_unfinished(word):
            self._finish_reason = last_word(self._finish_reason, word)
        if choice.logprobs is not None:
            probabilities = choice.logprobs.get("content") or ()
            self._logprobs = self._logprobs or []
            self._logprobs += [ChatCompletionTokenLogprob.construct(**one) for one in probabilities]
        if choice.delta is not None:
            self._take_said(choice.delta, is_last=self._finish_reason is not None)
        if choice.message is not None:
            self._take_message(choice.message, is_alone=choice.delta == ChatDelta())
        if payload is not None and len(self._beside.said) >= LEARN_AFTER and self._finish_reason is None:
            self._runs.learn(payload, chunk)

    def _take_message(self, message: dict[str, Any], *, is_alone: bool) -> None:
        rest = self._beside.note_message(message, is_alone=is_alone)
        if rest is not None:
            self._take_said(msgspec.convert(rest, ChatDelta), is_last=False)

    def _take_said(self, said: ChatDelta, *, is_last: bool) -> None:
        details = add_details(self._beside.details, said.reasoning_details) if said.reasoning_details else ""
        if said.reasoning_content:
            self._think(SummaryDelta, "reasoning_content", said.reasoning_content)
        elif said.reasoning and isinstance(said.reasoning, str):
            self._think(ReasoningDelta, "reasoning", said.reasoning)
        elif details:
            self._say(ReasoningDelta, "reasoning", details, 0)
        self._events += self._beside.new_files(said.images)
        text = said.content
        if isinstance(text, list):
            text, thought = said_in(text)
            if thought:
                self._think(SummaryDelta, "reasoning_content", thought)
        if text and (text := self._beside.new_text(text, is_last=is_last)):
            self._say(TextDelta, "content", text, 1 if self._reasoned else 0)
        if said.refusal:
            self._say(RefusalDelta, "refusal", said.refusal, 1 if self._reasoned else 0)
        for piece in said.tool_calls or ():
            self._call(piece)
        if said.thinking_blocks or said.annotations or said.audio:
            self._rare(said)

    def _start(self, chunk: Chunk) -> None:
        self._started = True
        self._response_id = None if chunk.id is None else str(chunk.id)
        if not self._may_end_plain:
            self._events.append(
                ResponseCreatedEvent(
                    response=self._response, type="response.created", sequence_number=self._number()
                )
            )

    @property
    def _reasoned(self) -> bool:
        said = self._said
        if "reasoning_content" in said or "reasoning" in said:
            return True
        return self._thinking is not None and bool(self._thinking.thinking_blocks)

    def _think(self, kind: type[Any], field: str, text: str) -> None:
        if text := self._beside.new_thought(field, text):
            self._say(kind, field, text, 0)

    def _say(self, kind: type[Any], field: str, text: str, output_index: int) -> None:
        self._said[field].append(text)
        events = self._events
        if events and type(events[-1]) is kind:
            events[-1].delta += text
        else:
            events.append(kind(text, FAKE_RESPONSES_ID, output_index, self._number()))

    def _rare(self, said: ChatDelta) -> None:
        if said.audio:
            raise AgentError("upstream_invalid", "The model answered with sound, which no agent here takes.")
        for block in said.thinking_blocks or ():
            self._thinking = self._thinking or StreamingState()
            self._thinking.accumulate_thinking_block(block)
        if said.annotations:
            self._annotations = [*(self._annotations or ()), *said.annotations]

    def _call(self, piece: CallPiece) -> None:
        function = piece.function or Function(piece.name, arguments_of(piece.arguments))
        self._slots = slots = self._slots or CallSlots()
        arguments = function.arguments or ""
        index = slots.place(piece.index, piece.id, function.name, arguments)
        if index is None:
            return
        if piece.type == "custom":
            slots.ignored.add(index)
        if index in slots.ignored:
            return
        call = self._calls.get(index)
        if call is None:
            before = int(self._reasoned) + int(bool(self._said["content"] or self._said["refusal"]))
            call = self._calls[index] = PartialCall(before + len(self._calls))
        call_id, call.name = slots.id_and_name(index)
        call.call_id = ChatCmplHelpers.clean_gemini_tool_call_id(call_id, self._model)
        call.extra_content = piece.extra_content or call.extra_content
        call.arguments += arguments
        if call.announced:
            self._emit_arguments(call, arguments)
        elif call.name and call.call_id:
            self._announce(call)
            self._emit_arguments(call, call.arguments)

    def _announce(self, call: PartialCall) -> None:
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

    def _emit_arguments(self, call: PartialCall, arguments: str) -> None:
        if not arguments:
            return
        delta = ArgumentsDelta(arguments, FAKE_RESPONSES_ID, call.output_index, self._number())
        append_delta(self._events, delta)

    def _number(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def _finish(self) -> None:
        unsaid = self._beside.unsaid(has_calls=bool(self._calls), has_reasoned=self._reasoned)
        if unsaid:
            self._take_said(msgspec.convert(unsaid, ChatDelta), is_last=False)
        word = self._finish_reason or "stop"  # `[DONE]` alone is an end, too
        reason = finish_of(word)
        is_answered = bool(
            self._calls or self._said["content"] or self._said["refusal"] or self._beside.has_files
        )
        if reason == "tool_calls" and not (is_answered or any(self._said.values())):
            raise AgentError("upstream_invalid", "The model wants a tool and calls none.")
        if not is_answered and (reason == "content_filter" or self._beside.is_filtered):
            raise withheld(word if reason == "content_filter" else "")
        cut_short = {"stop": None, "tool_calls": None, "length": "max_output_tokens"}.get(reason, reason)
        if not self._started:
            self._start(Chunk())
        whole = partial(self._whole, cut_short, is_cut=reason in ("length", "content_filter"))
        if self._may_end_plain and reason == "stop" and self._is_plain and not self._keep_raw_usage:
            text = clean_text("".join(self._said["content"]))
            self._events.append(PlainEnd(text, counted(self._usage), whole))
        else:
            self._events += whole()
        self.ended = True

    @property
    def _is_plain(self) -> bool:
        """Whether the answer is text, and there is nothing beside it."""
        beside = self._beside.details or self._beside.has_files or self._logprobs or self._annotations
        return self._said.keys() == {"content"} and not (self._calls or self._thinking or beside)

    def _whole(self, cut_short: str | None, *, is_cut: bool) -> list[Any]:
        """Return the events that end the answer, with its items."""
        response = self._response.model_copy()
        response.output = self._items(is_cut=is_cut)
        response.status = "completed"
        if cut_short is not None:
            response.incomplete_details = IncompleteDetails.construct(reason=cut_short)
        add_usage(response, self._usage, keep_raw=self._keep_raw_usage)
        return ending(response, self._number)

    def _items(self, *, is_cut: bool) -> list[Any]:
        provider_data = {"model": self._model}
        if self._response_id:
            provider_data["response_id"] = self._response_id
        if self._said.keys() == {"content"} and not (self._calls or self._annotations or self._thinking):
            items: list[Any] = [text_item(clean_text("".join(self._said["content"])), provider_data)]
        else:
            calls = [call for _, call in sorted(self._calls.items())]
            if is_cut:  # nobody asked for a call whose arguments are not whole
                calls = [call for call in calls if is_whole(call.arguments)]
            blocks = [] if self._thinking is None else self._thinking.thinking_blocks
            message = whole_message(self._said, calls, self._annotations or [], blocks)
            items = Converter.message_to_output_items(message, provider_data=provider_data)
        attach_logprobs(items, self._logprobs or [])
        return items
