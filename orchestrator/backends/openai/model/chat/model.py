"""The fast chat-completions model: the SDK's own requests, our own decoding of the stream.

`FastChatModel` owns the open answer and the tracing span of one call; what the bytes mean is
`decoder`'s. Whole answers (`get_response`) go the SDK's way, over our connections.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, Protocol, cast

from agents import ModelSettings, ModelTracing
from agents.models.openai_chatcompletions import OpenAIChatCompletionsModel
from agents.tracing import Span, SpanError, generation_span
from agents.tracing.span_data import GenerationSpanData
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseCompletedEvent

from .....errors import AgentError
from ....upstream.errors import SilenceLimit
from ...outbox import note_reasoning_details
from ..client import WireClient
from ..reasoning_replay import goes_back
from ..transport import FastTransport, StreamBody
from .cumulative_pieces import DeltaStyle
from .decoder import ChatDecoder


class Decoder(Protocol):
    """Bytes in, events out."""

    ended: bool
    failure: AgentError | None

    @property
    def is_complete(self) -> bool: ...
    def feed(self, data: bytes) -> list[Any]: ...
    def end(self) -> list[Any]: ...


class OpenAnswer:
    """A model's open answer: bytes in, events out. Whoever holds it closes it.

    Args:
        body: What arrives.
        decoder: What it means.
    """

    __slots__ = ("_body", "_decoder", "_eventless", "_left", "_say")

    def __init__(self, body: StreamBody, decoder: Decoder) -> None:
        self._body = body
        self._decoder = decoder
        self._say: Callable[[list[Any]], bool] | None = None
        self._left: list[Any] | None = None
        self._eventless = SilenceLimit()

    async def events(self, say: Callable[[list[Any]], bool] | None = None) -> list[Any]:
        """Return what comes next, in one list what arrived together; nothing at the end.

        Args:
            say: Gets what comes while this waits, in the turn in which it arrives; what it returns False for, and
                has said nothing of, is returned.
        Raises:
            AgentError: The connection broke or the answer cannot be used, after what was said before.
        """
        body, decoder = self._body, self._decoder
        self._say = say
        while not decoder.ended:
            try:
                data = await body.read(None if say is None else self._take)
            except AgentError:
                if not decoder.is_complete:
                    raise
                data = b""  # what broke is a connection that had nothing more to say
            if data is None:
                events, self._left = self._left or [], None
            else:
                events = decoder.feed(data) if data else decoder.end()
                self._eventless.note(data, events)
            if events:
                return events
        if decoder.failure is not None:
            raise decoder.failure
        await body.drain()
        return []

    def _take(self, data: bytes) -> bool:
        """Let what *data* means be said; False, and the rest is left, if whoever waits has to go on."""
        decoder = self._decoder
        events = decoder.feed(data)
        self._eventless.note(data, events)
        if not decoder.ended and (not events or (self._say is not None and self._say(events))):
            return True
        self._left = events
        return False

    def close(self) -> None:
        """Give the connection back if the answer was read to its end, else close it, now."""
        self._body.close()


async def decoded(body: StreamBody, decoder: Decoder) -> AsyncGenerator[list[Any], None]:
    """Yield the events of an open answer as `OpenAnswer.events` returns them.

    Closing it, or cancelling, closes the connection at once.
    """
    answer = OpenAnswer(body, decoder)
    try:
        while events := await answer.events():
            yield events
    finally:
        answer.close()


class FastChatModel(OpenAIChatCompletionsModel):
    """A chat-completions model over a `FastTransport`; the Runner cannot distinguish it from the stock one.

    A stream that cannot be used raises AgentError. One that a limit or a filter cut short completes, and
    its response's `incomplete_details` says so.
    """

    def __init__(self, model: str, transport: FastTransport, **options: Any) -> None:
        options.setdefault("should_replay_reasoning_content", goes_back)
        super().__init__(model, openai_client=cast(AsyncOpenAI, WireClient(transport)), **options)
        self.transport = transport
        self._options = options

    def recorded(self, transport: FastTransport) -> FastChatModel:
        """Return the same model over another *transport*, to see what it would send."""
        return FastChatModel(str(self.model), transport, **self._options)

    async def open_answer(
        self, system_instructions: str | None, input: Any, model_settings: ModelSettings
    ) -> OpenAnswer:
        """Ask without tools, schema and tracing, and return the open answer, which `stream_response` would read."""
        response, stream = await self._fetch_response(
            system_instructions,
            input,
            model_settings,
            [],
            None,
            [],
            cast(Any, None),  # a span, which nobody writes to without tracing
            ModelTracing.DISABLED,
            True,
        )
        return self.answer_of(response, cast(StreamBody, stream), model_settings)

    def answer_of(
        self,
        response: Response,
        body: StreamBody,
        model_settings: ModelSettings,
        *,
        may_end_plain: bool = False,
    ) -> OpenAnswer:
        """Return the answer that comes as *body*; *response* is the whole one's form.

        Args:
            may_end_plain: As of `ChatDecoder`.
        """
        return OpenAnswer(body, self._decoder_of(response, model_settings, may_end_plain=may_end_plain))

    def _decoder_of(
        self, response: Response, model_settings: ModelSettings, *, may_end_plain: bool = False
    ) -> ChatDecoder:
        keep, name = model_settings.preserve_raw_usage is True, str(self.model)
        habit = self.transport.habits.get(name)
        if habit is None:
            habit = self.transport.habits[name] = DeltaStyle()
        return ChatDecoder(
            response, model=name, keep_raw_usage=keep, habit=habit, may_end_plain=may_end_plain
        )

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
                decoder = self._decoder_of(response, model_settings)
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
