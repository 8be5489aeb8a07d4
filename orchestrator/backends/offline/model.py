"""The deterministic `agents.Model` behind offline agents: a script's words as Responses-API events.

Owns the wire items and the pace; what is said is `offline_script`'s. Importing this module loads
the Agents SDK (seconds), so only a thread does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import replace
from typing import Any

from agents import Model, ModelResponse, ModelSettings, ModelTracing, Tool, Usage
from agents.agent_output import AgentOutputSchemaBase
from agents.handoffs import Handoff
from agents.items import TResponseInputItem, TResponseOutputItem, TResponseStreamEvent
from agents.tool import FunctionTool
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseReasoningSummaryTextDeltaEvent,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_prompt_param import ResponsePromptParam
from openai.types.responses.response_reasoning_item import Summary
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from ...events.encoding import clean_text
from ..base import Part
from .panel import announce, answer, next_call, think
from .script import Call, Finding, Scene

MODEL_NAME = "offline"
THINKING_SECONDS = 0.4
"""The longest a thought may take: the first word of an answer is wanted within a second."""

_PIECE = re.compile(r"\s*\S{1,24}|\s+")


class OfflineModel(Model):
    """A model of rules: the same words for the same input, at *tokens_per_s* words a second.

    Args:
        tokens_per_s: 0 says everything at once.
    """

    def __init__(self, *, title: str, seed: int, tokens_per_s: float) -> None:
        self._title = title
        self._seed = seed
        self._agent_id = ""
        self._part: Part | None = None
        self._interval = 1 / tokens_per_s if tokens_per_s > 0 else 0.0

    def playing(self, part: Part, agent_id: str) -> OfflineModel:
        """Return this model as it speaks in one turn of a panel; messages alone would not say what is asked."""
        model = copy(self)
        model._part = replace(
            part,
            question=clean_text(part.question),
            heard=tuple(replace(heard, text=clean_text(heard.text)) for heard in part.heard),
        )
        model._agent_id = agent_id
        return model

    def rehearse(self) -> None:
        """Make every kind of event once; blocks for 0.3 s in a new process.

        openai's types build their schemas at first use: better in the loading thread than in an answer.
        """
        tool = {"text_statistics": {"properties": {"text": {"type": "string"}}}}
        for scene in (Scene(message="rehearsal", tools=tool), Scene(message="rehearsal")):
            for _ in _Reply(scene).events():
                pass

    async def get_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> ModelResponse:
        """Return at once what `stream_response` would say at its pace."""
        reply = _Reply(self._read(system_instructions, input, tools))
        for _ in reply.events():
            pass
        done = reply.response
        usage = Usage(1, reply.usage.input_tokens, output_tokens=reply.usage.output_tokens)
        usage.total_tokens = reply.usage.total_tokens
        return ModelResponse(output=done.output, usage=usage, response_id=done.id)

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[TResponseInputItem],
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: ResponsePromptParam | None,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Yield one response: a thought, then a tool call or the answer. Closing it is immediate."""
        reply = _Reply(self._read(system_instructions, input, tools))
        thinking = min(self._interval, THINKING_SECONDS / max(1, len(_pieces(reply.thought))))
        metronome = _Metronome()
        for event in reply.events():
            if isinstance(event, ResponseReasoningSummaryTextDeltaEvent):
                await metronome.beat(thinking)
            elif isinstance(event, ResponseTextDeltaEvent):
                await metronome.beat(self._interval)
            yield event

    def _read(
        self, instructions: str | None, input: str | list[TResponseInputItem], tools: Iterable[Tool]
    ) -> Scene:
        schemas = {tool.name: tool.params_json_schema for tool in tools if isinstance(tool, FunctionTool)}
        questions, findings = _read_items(
            [{"role": "user", "content": input}] if isinstance(input, str) else input
        )
        message = questions[-1][0] if questions else ""
        return Scene(
            message=message if self._part is None else self._part.question,
            instructions=instructions or "",
            title=self._title,
            seed=self._seed,
            tools=schemas,
            earlier=tuple(questions[:-1]),
            findings=findings,
            agent_id=self._agent_id,
            part=self._part,
        )


def _read_items(items: Iterable[Any]) -> tuple[list[tuple[str, str]], tuple[Finding, ...]]:
    """Return the questions with their answers, and what tools found since the last question."""
    questions: list[tuple[str, str]] = []
    calls: dict[str, Call] = {}
    findings: list[Finding] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call":
            calls[item["call_id"]] = Call(item["name"], json.loads(item["arguments"]))
        elif kind == "function_call_output" and item["call_id"] in calls:
            findings.append(Finding(calls[item["call_id"]], _text(item["output"])))
        elif kind == "message" and item.get("role") == "user":
            questions.append((_text(item["content"]), ""))
            findings.clear()
        elif kind == "message" and item.get("role") == "assistant" and questions:
            question, said = questions[-1]
            questions[-1] = (question, said + _text(item["content"]))
    return questions, tuple(findings)


def _text(content: object) -> str:
    """Return the text of a content that is a string or a list of parts; the SDK fails on lone surrogates."""
    if isinstance(content, list):
        parts = (str(part.get("text", "")) for part in content if isinstance(part, Mapping))
        return clean_text("".join(parts))
    return clean_text(str(content))


def _pieces(text: str) -> list[str]:
    """Cut *text* into what counts as tokens here: words with the space before them."""
    return _PIECE.findall(text)


class _Metronome:
    """Spaces beats out, without drift and without catching up in a burst."""

    def __init__(self) -> None:
        self._due = 0.0

    async def beat(self, seconds: float) -> None:
        """Wait for this beat's time; the next one comes *seconds* later."""
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._due - now))
        self._due = max(self._due, now) + seconds


class _Reply:
    """One response of the model, as events in order; `response` is whole once they are all taken."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._call = next_call(scene)
        self.thought = think(scene, self._call)
        key = f"{scene.seed}\0{scene.message}\0{len(scene.earlier)}\0{len(scene.findings)}"
        if scene.part is not None:
            key += f"\0{scene.part.turn}"  # else the calls of two turns in one run would share their ids
        self._id = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
        self._text = self._words()
        self._sequence = 0
        self.usage = self._count()
        self.response = Response.model_construct(
            id=f"resp_{self._id}",
            created_at=0.0,
            model=MODEL_NAME,
            object="response",
            output=[],
            parallel_tool_calls=False,
            tool_choice="auto",
            tools=[],
            usage=None,
        )

    def events(self) -> Iterator[TResponseStreamEvent]:
        """Yield the response from `created` to `completed`."""
        yield ResponseCreatedEvent.model_construct(
            response=self.response.model_copy(), sequence_number=self._next(), type="response.created"
        )
        yield from self._reason()
        if self._text:
            yield from self._say(self._text)
        if self._call is not None:
            yield from self._ask(self._call)
        self.response.usage = self.usage
        yield ResponseCompletedEvent.model_construct(
            response=self.response, sequence_number=self._next(), type="response.completed"
        )

    def _words(self) -> str:
        """Return what is said aloud: the answer, or a word before the first tool."""
        if self._call is None:
            return answer(self._scene)
        return "" if self._scene.findings else announce(self._scene, self._call)

    def _reason(self) -> Iterator[TResponseStreamEvent]:
        item = ResponseReasoningItem(id=f"rs_{self._id}", summary=[], type="reasoning")
        yield self._added(item)
        for piece in _pieces(self.thought):
            yield ResponseReasoningSummaryTextDeltaEvent(
                delta=piece,
                item_id=item.id,
                output_index=len(self.response.output),
                sequence_number=self._next(),
                summary_index=0,
                type="response.reasoning_summary_text.delta",
            )
        item.summary.append(Summary(text=self.thought, type="summary_text"))
        yield self._done(item)

    def _say(self, text: str) -> Iterator[TResponseStreamEvent]:
        item = ResponseOutputMessage(
            id=f"msg_{self._id}", content=[], role="assistant", status="in_progress", type="message"
        )
        yield self._added(item)
        for piece in _pieces(text):
            yield ResponseTextDeltaEvent(
                content_index=0,
                delta=piece,
                item_id=item.id,
                logprobs=[],
                output_index=len(self.response.output),
                sequence_number=self._next(),
                type="response.output_text.delta",
            )
        item.content.append(ResponseOutputText(annotations=[], text=text, type="output_text"))
        item.status = "completed"
        yield self._done(item)

    def _ask(self, call: Call) -> Iterator[TResponseStreamEvent]:
        arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
        item = ResponseFunctionToolCall(
            id=f"fc_{self._id}",
            call_id=f"call_{self._id}",
            name=call.name,
            arguments="",
            type="function_call",
        )
        yield self._added(item)
        yield ResponseFunctionCallArgumentsDeltaEvent(
            delta=arguments,
            item_id=f"fc_{self._id}",
            output_index=len(self.response.output),
            sequence_number=self._next(),
            type="response.function_call_arguments.delta",
        )
        item.arguments = arguments
        yield self._done(item)

    def _added(self, item: TResponseOutputItem) -> ResponseOutputItemAddedEvent:
        return ResponseOutputItemAddedEvent.model_construct(
            item=item.model_copy(deep=True),
            output_index=len(self.response.output),
            sequence_number=self._next(),
            type="response.output_item.added",
        )

    def _done(self, item: TResponseOutputItem) -> ResponseOutputItemDoneEvent:
        event = ResponseOutputItemDoneEvent.model_construct(
            item=item,
            output_index=len(self.response.output),
            sequence_number=self._next(),
            type="response.output_item.done",
        )
        self.response.output.append(item)
        return event

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence - 1

    def _count(self) -> ResponseUsage:
        """Count pieces, which is what this model has for tokens."""
        heard = [self._scene.instructions, self._scene.message, *(f.output for f in self._scene.findings)]
        heard += [text for turn in self._scene.earlier for text in turn]
        heard += [each.text[: each.chars] for each in (self._scene.part.heard if self._scene.part else ())]
        read = sum(len(text.split()) for text in heard)
        thought = len(_pieces(self.thought))
        said = thought + len(_pieces(self._text))
        return ResponseUsage(
            input_tokens=read,
            input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
            output_tokens=said,
            output_tokens_details=OutputTokensDetails(reasoning_tokens=thought),
            total_tokens=read + said,
        )
