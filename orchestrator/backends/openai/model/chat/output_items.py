"""The items of a whole chat answer, as the SDK's own converter makes them of a message, and the events of its end.

Owns no stream and no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from agents.models.chatcmpl_helpers import ChatCmplHelpers
from agents.models.fake_id import FAKE_RESPONSES_ID
from openai.types.chat import ChatCompletionMessage, ChatCompletionTokenLogprob
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
)

from .....events.encoding import clean_text
from .partial_call import PartialCall

_FIELDS = ("content", "reasoning_content", "reasoning", "refusal")


def text_item(text: str, provider_data: dict[str, Any]) -> ResponseOutputMessage:
    """Return the one item of an answer that is *text* and nothing else.

    The SDK would make a message first, look into it for all that an answer may have, and come to the same.
    """
    part = ResponseOutputText(text=text, type="output_text", annotations=[], logprobs=[])
    extra: Any = {"provider_data": provider_data}  # no field of the type; the SDK keeps it so, too
    return ResponseOutputMessage(
        id=FAKE_RESPONSES_ID, content=[part], role="assistant", type="message", status="completed", **extra
    )


def attach_logprobs(items: Iterable[Any], logprobs: list[ChatCompletionTokenLogprob]) -> None:
    """Put the *logprobs* of an answer's text into its item."""
    for item in items if logprobs else ():
        if isinstance(item, ResponseOutputMessage) and isinstance(item.content[0], ResponseOutputText):
            item.content[0].logprobs = ChatCmplHelpers.convert_logprobs_for_output_text(logprobs)


def whole_message(
    said: Mapping[str, Sequence[str]], calls: Sequence[PartialCall], annotations: list[Any], blocks: list[Any]
) -> ChatCompletionMessage:
    """Return the message that an answer's pieces come to; *said* are they, by their field."""
    texts = {field: clean_text("".join(said.get(field, ()))) for field in _FIELDS}
    # The SDK's own `construct` looks into each field for types to build; in plain words there are none.
    make: Any = ChatCompletionMessage.construct if calls or annotations else ChatCompletionMessage
    message: ChatCompletionMessage = make(
        role="assistant",
        content=texts["content"] or None,
        refusal=texts["refusal"] or None,
        reasoning_content=texts["reasoning_content"],
        reasoning=texts["reasoning"],
        thinking_blocks=blocks,
        annotations=annotations,
        tool_calls=[call.whole() for call in calls] or None,
    )
    return message


def ending(response: Response, number: Callable[[], int]) -> list[Any]:
    """Return the events that end a *response*: its items, then the whole of it.

    Args:
        number: Counts the stream's events.
    """
    items: list[Any] = [
        ResponseOutputItemDoneEvent(
            item=item, output_index=at, type="response.output_item.done", sequence_number=number()
        )
        for at, item in enumerate(response.output)
    ]
    return [
        *items,
        ResponseCompletedEvent(response=response, type="response.completed", sequence_number=number()),
    ]
