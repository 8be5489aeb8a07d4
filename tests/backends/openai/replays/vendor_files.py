"""Kind 2 once more: images and other files, wherever vendors put them in an answer of text."""

from __future__ import annotations

from typing import Any

from .more_texts import choice, choices
from .wire import DONE, Expect, Replay, chat, chunk, completed, data, event, responses, text_delta

PNG, JPEG = "iVBORw0KGgo=", "/9j/4AAQ"
URL = f"data:image/png;base64,{PNG}"
IMAGE = {"type": "image_url", "image_url": {"url": URL}, "index": 0}
TEXT = {"type": "output_text", "text": "hello", "annotations": []}
LARGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 262_144}"}}
STOP = chunk(finish="stop")
ALONE, SAID = Expect("", files=[("image/png", URL)]), Expect("hello", files=[("image/png", URL)])


def drawn(*parts: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": list(parts),
    }


DRAWN = [
    chat("openrouter's image after its text", SAID, data(chunk({"content": "hello"}), chunk({"content": "", "images": [IMAGE]}), STOP), DONE),
    chat("an image and nothing else", ALONE, data(chunk({"role": "assistant", "content": ""}), chunk({"images": [IMAGE]}), STOP), DONE),
    chat("litellm's image again in the message at the end", ALONE, data(chunk({"content": None, "images": [IMAGE]}),
         choices(choice({}, "stop", message={"role": "assistant", "content": None, "images": [IMAGE]}))), DONE),
    chat("an image in the message alone", SAID, data(chunk({"content": "hello"}),
         choices(choice({}, "stop", message={"role": "assistant", "content": "hello", "images": [IMAGE]}))), DONE),
    chat("a whole completion with an image", SAID, data({"id": "x", "object": "chat.completion", "choices": [
         {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello", "images": [IMAGE]}}]}), DONE),
    chat("an image among parts of text", SAID, data(chunk({"content": [{"type": "text", "text": "hel"}, IMAGE, {"type": "text", "text": "lo"}]}), STOP), DONE),
    chat("anthropic's source of an image", Expect("", files=[("image/jpeg", f"data:image/jpeg;base64,{JPEG}")]),
         data(chunk({"content": [{"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": JPEG}}]}), STOP), DONE),
    chat("google's inline data", SAID, data(chunk({"content": [{"text": "hello"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]}), STOP), DONE),
    chat("a gateway's list of many kinds", SAID, data(chunk({"content": None, "multi_mod_content": [
         {"text": "hello"}, {"inline_data": {"mime_type": "image/png", "data": PNG}}]}), STOP), DONE),
    chat("bytes without an address", ALONE, data(chunk({"images": [{"b64_json": PNG}]}), STOP), DONE),
    chat("an address in the place of an image", Expect("hello", files=[("image/webp", "https://example.org/a.webp?x=1")]),
         data(chunk({"content": "hello", "images": ["https://example.org/a.webp?x=1"]}), STOP), DONE),
    chat("lists of what is no image", Expect("hello"), data(chunk({"content": "hello", "images": ["file-abc", 3, None, {"type": "image_url"}]}), STOP), DONE),
    chat("an image that is too large, beside text", Expect("hello"), data(chunk({"content": "hello", "images": [LARGE]}), STOP), DONE),
    chat("an image that is too large, alone", Expect("", error="output_limit", retryable=False, says="262144"), data(chunk({"images": [LARGE]}), STOP), DONE),
    chat("a filter's mark beside an image", Expect("", files=[("image/png", URL)], finish="content_filter"), data(chunk({"images": [IMAGE]}), chunk(finish="content_filter")), DONE),
    responses("an image beside the text of a message", SAID, text_delta("hello"), completed(drawn(TEXT, {"type": "output_image", "image_url": URL}))),
    responses("a message that is an image", ALONE, completed(drawn({"type": "image", "data": PNG, "mimeType": "image/png"}))),
    responses("an image in the item alone", ALONE, event("response.output_item.done", output_index=0, item=drawn(IMAGE)), completed()),
]  # fmt: skip

REPLAYS: list[Replay] = DRAWN
