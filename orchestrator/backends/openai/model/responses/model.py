"""The fast Responses model: the SDK's own requests, our own decoding of the stream.

`FastResponsesModel` owns the open answer and the tracing span of one call; what the bytes mean is
`decoder`'s. Whole answers (`get_response`) go the SDK's way, over our connections.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

from agents import ModelSettings, ModelTracing
from agents.models.openai_responses import OpenAIResponsesModel
from agents.tracing import ResponseSpanData, Span, SpanError, response_span
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseCompletedEvent

from .....errors import AgentError
from ..chat.model import OpenAnswer, decoded
from ..client import WireClient
from ..transport import FastTransport
from .decoder import ResponsesDecoder


class FastResponsesModel(OpenAIResponsesModel):
    """A Responses model over a `FastTransport`; the Runner cannot distinguish it from the stock one.

    A stream that cannot be used raises AgentError. One that a limit or a filter cut short completes, and
    its response's `incomplete_details` says so.
    """

    def __init__(self, model: str, transport: FastTransport, **options: Any) -> None:
        self._wire = WireClient(transport)
        super().__init__(model, openai_client=cast(AsyncOpenAI, self._wire), **options)
        self.transport = transport

    async def open_answer(
        self, system_instructions: str | None, input: Any, model_settings: ModelSettings
    ) -> OpenAnswer:
        """Ask without tools, schema and tracing, and return the open answer, which `stream_response` would read."""
        arguments = self._build_response_create_kwargs(
            system_instructions, input, model_settings, [], None, [], None, None, stream=True, prompt=None
        )
        body = await self._wire.responses.open(**arguments)
        keep = model_settings.preserve_raw_usage is True
        return OpenAnswer(body, ResponsesDecoder(request_id=body.request_id, keep_raw_usage=keep))

    async def stream_response(
        self,
        system_instructions: str | None,
        input: Any,
        model_settings: Any,
        tools: Any,
        output_schema: Any,
        handoffs: Any,
        tracing: ModelTracing,
        previous_response_id: str | None = None,
        conversation_id: str | None = None,
        prompt: Any = None,
    ) -> AsyncGenerator[Any, None]:
        """Yield light deltas as they arrive, typed items and the completed response at the end."""
        with response_span(disabled=tracing.is_disabled()) as span:
            try:
                arguments = self._build_response_create_kwargs(
                    system_instructions, input, model_settings, tools, output_schema, handoffs,
                    previous_response_id, conversation_id, stream=True, prompt=prompt,
                )  # fmt: skip
                body = await self._wire.responses.open(**arguments)
                keep = model_settings.preserve_raw_usage is True
                decoder = ResponsesDecoder(request_id=body.request_id, keep_raw_usage=keep)
                async with aclosing(decoded(body, decoder)) as batches:
                    async for events in batches:
                        if isinstance(events[-1], ResponseCompletedEvent):
                            _describe(span, events[-1].response, input, tracing)
                        for event in events:
                            yield event
            except AgentError as exc:
                span.set_error(SpanError(message=exc.message, data={"code": exc.code}))
                raise


def _describe(span: Span[ResponseSpanData], response: Response, input: Any, tracing: ModelTracing) -> None:
    if tracing.include_data():
        span.span_data.response = response
        span.span_data.input = input
