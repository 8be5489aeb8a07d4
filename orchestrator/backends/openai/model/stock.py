"""The stock OpenAI client, but one that notices an answer without an end; for `transport: sdk`.

Owns the check of a chat-completions stream: the SDK takes a stream that ends early for a whole answer,
passes a chunk of the wrong shape over, and drops the finish reason. Decoding stays the client's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import OpenAIChatCompletionsModel
from openai import AsyncOpenAI, AsyncStream
from openai._streaming import ServerSentEvent
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta, ChoiceDeltaToolCall

from ....errors import AgentError
from ..relay import note_finish_reason
from .dialects import CallSlots, Halves, finish_reason_of, said_in


class CheckedStream(AsyncStream[ChatCompletionChunk]):
    """A stream of chunks that were looked at, and put as the SDK understands them.

    Raises:
        AgentError: `upstream_invalid`: a chunk has the wrong shape, or the end mark or the finish reason did
            not come. Its own code where the finish reason says that the provider failed.
    """

    _done = False

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        async for event in self._decoder.aiter_bytes(_ended(self.response.aiter_bytes())):
            self._done = self._done or event.data.startswith("[DONE]")
            if event.data.strip():  # an empty one is a sign of life
                yield event

    async def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        reason: str | None = None
        said = False
        slots, halves = CallSlots(), Halves()
        async for chunk in super().__aiter__():
            reason = _look_at(chunk, slots, halves) or reason
            said = said or any(_says(choice.delta) for choice in chunk.choices)
            yield chunk
        if reason is None or not self._done:
            raise AgentError("upstream_invalid", "The model's answer ended without its end mark.")
        if reason == "tool_calls" and not said:
            raise AgentError("upstream_invalid", "The model wants a tool and calls none.")
        note_finish_reason(finish_reason_of(reason))


class CheckedChatModel(OpenAIChatCompletionsModel):
    """A stock model of the user's own, over its own client, whose streams are `CheckedStream`s."""

    def __init__(self, model: OpenAIChatCompletionsModel) -> None:
        vars(self).update(vars(model))

    async def _fetch_response(self, *args: Any, **options: Any) -> Any:
        fetched: Any = await super()._fetch_response(*args, **options)
        if not isinstance(fetched, tuple) or type(fetched[1]) is not AsyncStream:
            return fetched
        response, stream = fetched
        checked = CheckedStream(
            cast_to=stream._cast_to, response=stream.response, client=stream._client, options=stream._options
        )
        return response, checked


class CheckedClient(AsyncOpenAI):
    """OpenAI's client whose chat-completions streams are `CheckedStream`s. Never retries by itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "max_retries": 0})

    async def request(
        self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None
    ) -> Any:
        if stream and cast_to is ChatCompletion:
            stream_cls = CheckedStream
        return await super().request(cast_to, options, stream=stream, stream_cls=stream_cls)


async def _ended(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pass *chunks* on, and a blank line after them: some servers end without that of the last event."""
    async for chunk in chunks:
        yield chunk
    yield b"\n\n"


def _look_at(chunk: ChatCompletionChunk, slots: CallSlots, halves: Halves) -> str | None:
    """Return why the first choice ended, None while it goes on. The client checks no types, so this does."""
    choices: Any = chunk.choices
    if not isinstance(choices, list):
        raise _wrong_shape()
    reason: str | None = None
    for choice in choices:
        _complete(choice)
        _settle(choice.delta, slots, halves)
        if choice.index == 0 and choice.finish_reason:
            reason = str(choice.finish_reason)
    return reason


def _complete(choice: Any) -> None:
    """Fill in what servers leave out of a choice and the SDK reads."""
    if not isinstance(choice, Choice):
        raise _wrong_shape()
    if getattr(choice, "index", None) is None:
        choice.index = 0
    if getattr(choice, "delta", None) is None:
        if {"message", "text"} & (choice.model_extra or {}).keys():  # of another kind of answer
            raise _wrong_shape()
        choice.delta = ChoiceDelta()


def _settle(delta: Any, slots: CallSlots, halves: Halves) -> None:
    """Check one piece, and put its calls and its content as OpenAI would have sent them."""
    if not isinstance(delta, ChoiceDelta):
        raise _wrong_shape()
    content: Any = delta.content
    if isinstance(content, list):
        delta.content, thought = said_in(content)
        if thought:
            delta.reasoning_content = thought  # type: ignore[attr-defined]  # where the SDK looks for it
    elif isinstance(content, str):
        delta.content = halves.joined(content)
    elif content is not None:
        raise _wrong_shape()
    if getattr(delta, "reasoning_content", None) and getattr(delta, "reasoning", None):
        delta.reasoning = None  # type: ignore[attr-defined]  # the same again; the SDK would say it twice
    for call in delta.tool_calls or ():
        if not isinstance(call, ChoiceDeltaToolCall):
            raise _wrong_shape()
        function = call.function
        call.index = slots.place(
            getattr(call, "index", None), call.id, None if function is None else function.name
        )
        call.id = call.id or slots.missing_id(call.index)


def _says(delta: Any) -> bool:
    told = ("content", "refusal", "tool_calls", "reasoning", "reasoning_content")
    return any(getattr(delta, field, None) for field in told)


def _wrong_shape() -> AgentError:
    return AgentError("upstream_invalid", "The model's provider sent a piece of answer in the wrong shape.")
