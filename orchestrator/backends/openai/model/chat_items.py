"""The items of a whole chat answer, as the SDK's own converter makes them of a message. Owns no stream and no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agents.models.chatcmpl_helpers import ChatCmplHelpers
from agents.models.fake_id import FAKE_RESPONSES_ID
from openai.types.chat import ChatCompletionTokenLogprob
from openai.types.responses import ResponseOutputMessage, ResponseOutputText


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
