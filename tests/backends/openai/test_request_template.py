"""What is sent for one message is learnt once, and is what the SDK makes of every other message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from agents import ModelSettings, ModelTracing
from agents.models.chatcmpl_helpers import HEADERS_OVERRIDE

from orchestrator.backends.openai.model.chat.model import FastChatModel
from orchestrator.backends.openai.model.chat.request_template import RequestTemplate
from orchestrator.backends.openai.model.transport import FastTransport, StreamBody

SETTINGS = {
    "usage": ModelSettings(include_usage=True),
    "plain": ModelSettings(),
    "numbers": ModelSettings(temperature=0.25, top_p=0.5, max_tokens=7, include_usage=True),
    "extras": ModelSettings(
        extra_headers={"X-Tenant": "t"},
        extra_query={"v": "1"},
        extra_body={"seed": 4},
        metadata={"probe": "p"},
    ),
}
MESSAGES = ("hello", "", 'quotes " and \\ and \n', "ünï → 😀", '"content":"', "probe", "\x7f")


class Sent(FastTransport):
    """Notes what is to be sent, and has no answer."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9/v1", "k")
        self.requests: list[tuple[str, Any, Mapping[str, Any]]] = []

    async def open_stream(self, path: str, body: bytes, options: Mapping[str, Any]) -> StreamBody:
        self.requests.append((path, msgspec.json.decode(body), options))
        return None  # type: ignore[return-value]  # nobody reads it


class Counting(FastChatModel):
    """Counts how often the SDK is asked to make a request, by whichever copy of the model."""

    asked = 0

    async def _fetch_response(self, *args: Any, **kwargs: Any) -> Any:
        Counting.asked += 1
        if args[1][0]["content"] != "hello":
            return await super()._fetch_response(*args, **kwargs)
        raise AssertionError("the SDK was asked for a message that is sent as learnt")

    def recorded(self, transport: FastTransport) -> FastChatModel:
        return Counting(str(self.model), transport)


def asks(message: str) -> list[Any]:
    return [{"role": "user", "content": message}]


@pytest.mark.parametrize("instructions", [None, "", 'Be "brief".'])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
async def test_it_sends_what_the_sdk_sends(settings: ModelSettings, instructions: str | None) -> None:
    """Whatever the message is, and whatever stands around it."""
    learnt, made = Sent(), Sent()
    plain = RequestTemplate(FastChatModel("m", learnt), instructions, settings)
    for message in MESSAGES:
        assert await plain.open_answer(asks(message)) is not None
        await FastChatModel("m", made)._fetch_response(
            instructions, asks(message), settings, [], None, [], None, ModelTracing.DISABLED, True
        )  # type: ignore[call-overload]
    assert learnt.requests == made.requests


async def test_the_sdk_is_asked_only_to_learn() -> None:
    """A thousand runs must not pay for what was the same in each."""
    Counting.asked = 0
    plain = RequestTemplate(Counting("m", Sent()), None, SETTINGS["usage"])
    for _ in range(5):
        await plain.open_answer(asks("hello"))
    assert Counting.asked == 2


@pytest.mark.parametrize(
    "items",
    [
        [*asks("one"), {"role": "assistant", "content": "two"}, *asks("three")],
        [{"role": "user", "content": [{"type": "input_text", "text": "with an image"}]}],
        [{"role": "user", "content": "kept", "id": "msg_1"}],
        [{"role": "system", "content": "not the user"}],
    ],
)
async def test_anything_but_one_plain_message_is_the_sdks_to_send(items: list[Any]) -> None:
    """Histories, images and kept items are converted by the SDK, and nothing of that is written twice."""
    sent = Sent()
    assert await RequestTemplate(FastChatModel("m", sent), None, SETTINGS["usage"]).open_answer(items) is None
    assert sent.requests == []


async def test_headers_that_an_app_overrides_are_the_sdks_to_send() -> None:
    """What was learnt without them would leave them out."""
    plain = RequestTemplate(FastChatModel("m", Sent()), None, SETTINGS["usage"])
    token = HEADERS_OVERRIDE.set({"X-App": "a"})
    try:
        assert await plain.open_answer(asks("hello")) is None
    finally:
        HEADERS_OVERRIDE.reset(token)
    assert await plain.open_answer(asks("hello")) is not None
