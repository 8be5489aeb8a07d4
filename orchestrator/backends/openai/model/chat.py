"""The fast chat-completions model: the SDK's own requests, our own decoding of the stream.

`FastChatModel` owns the open answer and the tracing span of one call; what the bytes mean is
`openai_chat_stream`'s. Whole answers (`get_response`) go the SDK's way, over our connections.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Protocol, cast

from agents import ModelTracing
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.tracing import Span, SpanError, generation_span
from agents.tracing.span_data import GenerationSpanData
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseCompletedEvent

from ....errors import AgentError
from ..outbox import note_reasoning_details
from .chat_decoder import ChatDecoder
from .client import WireClient
from .reasoning import goes_back
from .so_far import Habit
from .transport import FastTransport, StreamBody


class Decoder(Protocol):
    """Bytes in, events out."""

    ended: bool
    failure: AgentError | None

    @property
    def is_complete(self) -> bool: ...
    def feed(self, data: bytes) -> list[Any]: ...
    def end(self) -> list[Any]: ...


async def decoded(body: StreamBody, decoder: Decoder) -> AsyncGenerator[list[Any], None]:
    """Yield the events of an open answer, in one list what arrived together.

    Raises:
        AgentError: The connection broke or the answer cannot be used, after what was said before.

    Closing it, or cancelling, closes the connection at once.
    """
    try:
        while not decoder.ended:
            try:
                data = await body.read()
            except AgentError:
                if not decoder.is_complete:
                    raise
                data = b""  # what broke is a connection that had nothing more to say
            if events := decoder.feed(data) if data else decoder.end():
                yield events
        if decoder.failure is not None:
            raise decoder.failure
        await body.drain()
    finally:
        body.close()


class FastChatModel(OpenAIChatCompletionsModel):
    """A chat-completions model over a `FastTransport`; the Runner cannot distinguish it from the stock one.

    A stream that cannot be used raises AgentError. One that a limit or a filter cut short completes, and
    its response's `incomplete_details` says so.
    """

    def __init__(self, model: str, transport: FastTransport, **options: Any) -> None:
        options.setdefault("should_replay_reasoning_content", goes_back)
        super().__init__(model, openai_client=cast(AsyncOpenAI, WireClient(transport)), **options)
        self.transport = transport

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
        self._handle_unsupported_server_managed_conversation_state(
            previous_response_id=previous_response_id, conversation_id=conversation_id
        )
        self._handle_unsupported_prompt(prompt)
        config = {"base_url": self.transport.origin}
        with generation_span(
            model=str(self.model), model_config=config, disabled=tracing.is_disabled()
        ) as span:
            try:
                response, stream = await self._fetch_response(
                    system_instructions,
                    input,
                    model_settings,
                    tools,
                    output_schema,
                    handoffs,
                    span,
                    tracing,
                    True,
                )
                body = cast(StreamBody, stream)
                response._request_id = body.request_id
                keep = model_settings.preserve_raw_usage is True
                name = str(self.model)
                habit = self.transport.habits.setdefault(name, Habit())
                decoder = ChatDecoder(response, model=name, keep_raw_usage=keep, habit=habit)
                async with aclosing(decoded(body, decoder)) as batches:
                    async for events in batches:
                        if isinstance(events[-1], ResponseCompletedEvent):
                            note_reasoning_details(decoder.reasoning_details)
                            _describe(span, events[-1].response, tracing)
                        for event in events:
                            yield event
            except AgentError as exc:
                span.set_error(SpanError(message=exc.message, data={"code": exc.code}))
                raise


def _describe(span: Span[GenerationSpanData], response: Response, tracing: ModelTracing) -> None:
    if tracing.is_disabled():
        return
    if tracing.include_data():
        span.span_data.output = [response.model_dump()]
    if response.usage is not None:
        counted = response.usage
        span.span_data.usage = {"input_tokens": counted.input_tokens, "output_tokens": counted.output_tokens}
