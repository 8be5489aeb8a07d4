"""The deterministic `agents.Model` behind offline agents: a script's words as Responses-API events, at a pace.

Importing this module loads the Agents SDK (seconds), so only a thread does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from copy import copy
from dataclasses import replace
from typing import Any

from agents import Model, ModelResponse, ModelSettings, Tool, Usage
from agents.items import TResponseInputItem, TResponseStreamEvent
from agents.tool import FunctionTool
from openai.types import responses as made
from openai.types.responses.response_reasoning_item import Summary
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from ...events.encoding import clean_text
from ..base import Part
from ..openai.model.events import SummaryDelta, TextDelta
from .script import Call, Scene, next_call, say, think

MODEL_NAME = "offline"
THINKING_SECONDS = 0.4
"""The longest a thought may take: the first word of an answer is wanted within a second."""

_PIECE = re.compile(r"\s*\S{1,24}|\s+")
"""What counts as a token here: a word with the space before it."""


class OfflineModel(Model):
    """A model of rules: the same words for the same input, at *tokens_per_s* words a second; 0 says all at once."""

    def __init__(self, title: str, seed: int, tokens_per_s: float) -> None:
        self._scene = Scene("", title=title, seed=seed)
        self._interval = 1 / tokens_per_s if tokens_per_s > 0 else 0.0

    def playing(self, part: Part, agent_id: str) -> OfflineModel:
        """Return this model as it speaks in one turn of a panel; messages alone would not say what is asked."""
        heard = tuple(replace(each, text=clean_text(each.text)) for each in part.heard)
        model = copy(self)
        said = replace(part, question=clean_text(part.question), heard=heard)
        model._scene = replace(self._scene, part=said, agent_id=agent_id)
        return model

    def rehearse(self) -> None:
        """Make every kind of item once, 0.3 s: openai's types build their schemas at first use, not in an answer."""
        for message in ("1+1", "rehearsal"):
            _respond(Scene(message, tools={"calculator": {"properties": {"expression": {}}}}))

    async def get_response(
        self, system_instructions: str | None, input: str | list[TResponseInputItem],
        model_settings: ModelSettings, tools: list[Tool], *more: Any, **named: Any,
    ) -> ModelResponse:  # fmt: skip
        """Return at once what `stream_response` would say at its pace."""
        response, _ = _respond(self._read(system_instructions, input, tools))
        read, said = response.usage.input_tokens, response.usage.output_tokens
        usage = Usage(1, read, output_tokens=said, total_tokens=read + said)
        return ModelResponse(output=response.output, usage=usage, response_id=response.id)

    async def stream_response(
        self, system_instructions: str | None, input: str | list[TResponseInputItem],
        model_settings: ModelSettings, tools: list[Tool], *more: Any, **named: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:  # fmt: skip
        """Yield one response: a thought, then a tool call or the answer. Closing it is immediate."""
        response, pieces = _respond(self._read(system_instructions, input, tools))
        thinking = min(
            self._interval, THINKING_SECONDS / response.usage.output_tokens_details.reasoning_tokens
        )
        loop, due = asyncio.get_running_loop(), 0.0
        for piece in pieces:
            now = loop.time()
            await asyncio.sleep(max(0.0, due - now))
            # From the time that was due, so that it does not drift, and never in a burst that catches up.
            due = max(due, now) + (thinking if isinstance(piece, SummaryDelta) else self._interval)
            event: Any = piece
            yield event
        yield made.ResponseCompletedEvent.model_construct(
            response=response, sequence_number=len(pieces), type="response.completed"
        )

    def _read(
        self, instructions: str | None, input: str | list[TResponseInputItem], tools: Iterable[Tool]
    ) -> Scene:
        items: list[Any] = [{"role": "user", "content": input}] if isinstance(input, str) else [*input]
        questions, findings = _read_items(items)
        part = self._scene.part
        return replace(
            self._scene,
            message=part.question if part else questions[-1][0] if questions else "",
            instructions=instructions or "",
            tools={tool.name: tool.params_json_schema for tool in tools if isinstance(tool, FunctionTool)},
            earlier=tuple(questions[:-1]),
            findings=findings,
        )


def _read_items(items: Iterable[Any]) -> tuple[list[tuple[str, str]], tuple[tuple[Call, str], ...]]:
    """Return the questions with their answers, and what tools found since the last question."""
    questions: list[tuple[str, str]] = []
    calls: dict[str, Call] = {}
    findings: list[tuple[Call, str]] = []
    for item in items:
        kind, role = item.get("type", "message"), item.get("role")
        if kind == "function_call":
            calls[item["call_id"]] = Call(item["name"], json.loads(item["arguments"]))
        elif kind == "function_call_output" and item["call_id"] in calls:
            findings.append((calls[item["call_id"]], _text(item["output"])))
        elif kind == "message" and role == "user":
            questions.append((_text(item["content"]), ""))
            findings.clear()
        elif kind == "message" and role == "assistant" and questions:
            questions[-1] = (questions[-1][0], questions[-1][1] + _text(item["content"]))
    return questions, tuple(findings)


def _text(content: object) -> str:
    """Return the text of a content that is a string or a list of parts; the SDK fails on lone surrogates."""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return clean_text(str(content))


def _respond(scene: Scene) -> tuple[Any, list[SummaryDelta | TextDelta]]:
    """Return a whole response, and the pieces in which its thought and its words are said."""
    call = next_call(scene)
    thought, text = think(scene, call), say(scene, call)
    # With the turn: else the calls of two turns in one run would share their ids.
    turn = scene.part.turn if scene.part else 0
    key = f"{scene.seed}\0{scene.message}\0{len(scene.earlier)}\0{len(scene.findings)}\0{turn}"
    name = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:16]
    summary = [Summary(text=thought, type="summary_text")]
    output: list[Any] = [made.ResponseReasoningItem(id=f"rs_{name}", summary=summary, type="reasoning")]
    if text:
        content: list[Any] = [made.ResponseOutputText(annotations=[], text=text, type="output_text")]
        output.append(made.ResponseOutputMessage(
            id=f"msg_{name}", content=content, role="assistant", status="completed", type="message"
        ))  # fmt: skip
    if call is not None:
        arguments = json.dumps(dict(call.arguments), ensure_ascii=False)
        output.append(made.ResponseFunctionToolCall(
            id=f"fc_{name}", call_id=f"call_{name}", name=call.name, arguments=arguments, type="function_call"
        ))  # fmt: skip
    thoughts, words = _PIECE.findall(thought), _PIECE.findall(text)
    read = len(" ".join([scene.instructions, scene.message, *(found for _, found in scene.findings)]).split())
    said = len(thoughts) + len(words)
    usage = made.ResponseUsage(
        input_tokens=read, output_tokens=said, total_tokens=read + said,
        input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=len(thoughts)),
    )  # fmt: skip
    response = made.Response.model_construct(
        id=f"resp_{name}", created_at=0.0, model=MODEL_NAME, object="response", output=output,
        parallel_tool_calls=False, tool_choice="auto", tools=[], usage=usage,
    )  # fmt: skip
    return response, [*map(SummaryDelta, thoughts), *map(TextDelta, words)]
