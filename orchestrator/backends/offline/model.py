"""The deterministic `agents.Model` behind offline agents: a script's words as Responses-API events, at a pace.

Importing this module loads the Agents SDK (seconds), so only a thread does.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from agents import Model, ModelResponse, Usage
from agents.items import TResponseStreamEvent
from agents.tool import FunctionTool
from openai.types import responses as made
from openai.types.responses.response_reasoning_item import Summary
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from ...events.encoding import clean_text
from ..openai.model.chat.output_items import text_item
from ..openai.model.events import SummaryDelta, TextDelta
from .script import Call, Scene, answer, next_call, purpose, think

MODEL_NAME = "offline"
THINKING_SECONDS = 0.4
"""The longest a thought may take: the first word of an answer is wanted within a second."""

_PIECE = re.compile(r"\s*\S{1,24}|\s+")
"""What counts as a token here: a word with the space before it."""


class OfflineModel(Model):
    """A model of rules: the same words for the same input, at *tokens_per_s* words a second; 0 says all at once."""

    def __init__(self, scene: Scene, tokens_per_s: float) -> None:
        self._scene = scene
        self._interval = 1 / tokens_per_s if tokens_per_s > 0 else 0.0

    async def get_response(self, *asked: Any, **named: Any) -> ModelResponse:
        """Return at once what `stream_response` would say at its pace."""
        response, _ = _respond(self._read(*asked, **named))
        read, said = response.usage.input_tokens, response.usage.output_tokens
        usage = Usage(1, read, output_tokens=said, total_tokens=read + said)
        return ModelResponse(output=response.output, usage=usage, response_id=response.id)

    async def stream_response(self, *asked: Any, **named: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Yield one response: a thought, then a tool call or the answer. Closing it is immediate."""
        response, pieces = _respond(self._read(*asked, **named))
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
        self, system_instructions: str | None, input: Any, model_settings: Any, tools: Any, *_: Any, **__: Any,
    ) -> Scene:  # fmt: skip
        """Return what is asked, what was before, and what tools have found since."""
        questions: list[tuple[str, str]] = []
        findings: list[tuple[Call, str]] = []
        calls: dict[str, Call] = {}
        for item in [{"role": "user", "content": input}] if isinstance(input, str) else input:
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
        part, functions = self._scene.part, [tool for tool in tools if isinstance(tool, FunctionTool)]
        return replace(
            self._scene,
            message=part.question if part else questions[-1][0] if questions else "",
            instructions=system_instructions or "",
            tools={tool.name: tool.params_json_schema for tool in functions},
            earlier=questions[:-1],
            findings=findings,
        )


def _text(content: object) -> str:
    """Return the text of a content that is a string or a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return str(content)


def rehearse() -> None:
    """Make every kind of item once, 0.3 s: openai's types build their schemas at first use, not in an answer."""
    for message in ("1+1", "rehearsal"):
        _respond(Scene(message, tools={"calculator": {"properties": {"expression": {}}}}))


def _respond(scene: Scene) -> tuple[Any, list[SummaryDelta | TextDelta]]:
    """Return a whole response, and the pieces in which its thought and its words are said."""
    call = next_call(scene)
    # Something is said before the first call, so that nobody waits in silence. The SDK fails on lone surrogates.
    words = answer(scene) if call is None else "" if scene.findings else f"Let me {purpose(call)}.\n\n"
    thought, text = clean_text(think(scene, call)), clean_text(words)
    # With the turn: else the calls of two turns in one run would share their ids.
    turn = scene.part.turn if scene.part else 0
    key = repr((scene.seed, scene.message, len(scene.earlier), len(scene.findings), turn))
    name = hashlib.sha256(key.encode()).hexdigest()[:16]
    summary = [Summary(text=thought, type="summary_text")]
    output: list[Any] = [made.ResponseReasoningItem(id=f"rs_{name}", summary=summary, type="reasoning")]
    output += [text_item(text, {})] if text else []
    if call is not None:
        arguments = clean_text(json.dumps(dict(call.arguments), ensure_ascii=False))
        output.append(made.ResponseFunctionToolCall(
            id=f"fc_{name}", call_id=f"call_{name}", name=call.name, arguments=arguments, type="function_call"
        ))  # fmt: skip
    thoughts, pieces = _PIECE.findall(thought), _PIECE.findall(text)
    read = len(" ".join([scene.instructions, scene.message, *(found for _, found in scene.findings)]).split())
    said = len(thoughts) + len(pieces)
    usage = made.ResponseUsage(
        input_tokens=read, output_tokens=said, total_tokens=read + said,
        input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=len(thoughts)),
    )  # fmt: skip
    response = made.Response.model_construct(
        id=f"resp_{name}", created_at=0.0, model=MODEL_NAME, object="response", output=output,
        parallel_tool_calls=False, tool_choice="auto", tools=[], usage=usage,
    )  # fmt: skip
    return response, [*map(SummaryDelta, thoughts), *map(TextDelta, pieces)]
