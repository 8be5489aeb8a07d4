"""The stock OpenAI client, but one that notices an answer without an end; for `transport: sdk`.

Owns the check of a chat-completions stream: the SDK takes a stream that ends early for a whole answer,
passes a chunk of the wrong shape over, and drops the finish reason. Decoding stays the client's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from openai import AsyncOpenAI, AsyncStream
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from ..errors import AgentError
from .openai_relay import note_finish_reason


class CheckedStream(AsyncStream[ChatCompletionChunk]):
    """A stream of chunks that were looked at.

    Raises:
        AgentError: `upstream_invalid`: a chunk has the wrong shape, or no finish reason came.
    """

    async def __aiter__(self) -> AsyncIterator[ChatCompletionChunk]:
        finished = False
        async for chunk in super().__aiter__():
            reason = _finish_reason(chunk)
            if reason is not None:
                finished = True
                note_finish_reason(reason)
            yield chunk
        if not finished:
            raise AgentError("upstream_invalid", "The model's answer ended without its end mark.")


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


def _finish_reason(chunk: ChatCompletionChunk) -> str | None:
    """Return why the first choice ended, None while it goes on. The client checks no types, so this does."""
    choices: Any = chunk.choices
    if not isinstance(choices, list):
        raise _wrong_shape()
    for choice in choices:
        delta = getattr(choice, "delta", None)
        content = getattr(delta, "content", None)
        if delta is None or not (content is None or isinstance(content, str)):
            raise _wrong_shape()
        if choice.index == 0 and choice.finish_reason:
            return str(choice.finish_reason)
    return None


def _wrong_shape() -> AgentError:
    return AgentError("upstream_invalid", "The model's provider sent a piece of answer in the wrong shape.")
