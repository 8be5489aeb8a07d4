"""The items of a plain answer are made without the SDK's converter, so they are held to what that makes."""

from __future__ import annotations

from agents.models.chatcmpl_converter import Converter
from openai.types.chat import ChatCompletionMessage

from orchestrator.backends.openai.model.chat.output_items import text_item


def test_an_answer_of_text_is_the_item_that_the_sdk_makes() -> None:
    """A field that the SDK adds some day must not be missing from answers without tools alone."""
    provider_data = {"model": "m", "response_id": "r"}
    message = ChatCompletionMessage(role="assistant", content="Grüße")
    (made,) = Converter.message_to_output_items(message, provider_data=provider_data)
    item = text_item("Grüße", provider_data)
    assert type(item) is type(made)
    assert item == made
    assert item.model_dump() == made.model_dump()
