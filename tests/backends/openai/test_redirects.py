"""A provider's redirect is not followed to another origin, whoever is asked and by whichever client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel
from openai import AsyncOpenAI

from orchestrator.backends.base import AgentInput
from orchestrator.backends.letta.backend import LettaBackend
from orchestrator.backends.letta.settings import LettaSettings
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.runner import stream_agent
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import Token

from .replays.server import ReplayServer, Reply
from .replays.wire import ANSWER, CHAT, RESPONSES, Api

KEY, HEADER = "sk-canary-key", "canary-header"
STATUSES = (301, 302, 303, 307, 308)


@pytest.fixture
async def elsewhere() -> AsyncIterator[ReplayServer]:
    """Another origin, which would answer whatever it is sent."""
    async with ReplayServer([ANSWER[CHAT]]) as server:
        yield server


def to(location: str, status: int = 307) -> Reply:
    return Reply(
        [b"see there"], status=status, headers=[("Location", location), ("Content-Type", "text/plain")]
    )


async def failure(backend: Any) -> AgentError:
    try:
        with pytest.raises(AgentError) as caught:
            async for _ in backend.stream(AgentInput("my secret prompt")):
                pass
    finally:
        await backend.aclose()
    return caught.value


def backend_for(url: str, api: Api, transport: str, **keys: Any) -> OpenAIAgentsBackend:
    settings = OpenAIAgentsSettings.model_validate(
        {"agent_id": "a", "model": "m", "base_url": url, "api_key": KEY, "api": api, "transport": transport,
         "model_settings": {"extra_headers": {"X-Own": HEADER}}, **keys}
    )  # fmt: skip
    return OpenAIAgentsBackend(settings, {"a": settings})


def check(error: AgentError, elsewhere: ReplayServer) -> None:
    assert error.code == "upstream_rejected"
    assert elsewhere.origin in error.message
    assert "/latest/meta-data" not in error.message, "no path of the target is repeated"
    assert not error.retryable
    assert elsewhere.asked == []


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("api", [CHAT, RESPONSES])
@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_a_provider_cannot_send_the_prompt_on(
    elsewhere: ReplayServer, transport: str, api: Api, status: int
) -> None:
    async with ReplayServer([to(f"{elsewhere.origin}/latest/meta-data?x=1", status)]) as server:
        check(await failure(backend_for(server.url, api, transport)), elsewhere)
        assert len(server.asked) == 1


@pytest.mark.parametrize("api", [CHAT, RESPONSES])
async def test_a_client_of_the_users_own_does_not_either(elsewhere: ReplayServer, api: Api) -> None:
    model = OpenAIChatCompletionsModel if api == CHAT else OpenAIResponsesModel
    async with (
        ReplayServer([to(f"{elsewhere.origin}/latest/meta-data")]) as server,
        AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client,
    ):
        own = Agent(name="a", model=model("m", openai_client=client))
        with pytest.raises(AgentError) as caught:
            async for _ in stream_agent(own, "go", request=AgentInput("go")):
                pass
    check(caught.value, elsewhere)


@pytest.mark.parametrize("api", [CHAT, RESPONSES])
async def test_any_llm_does_not_either(elsewhere: ReplayServer, api: Api) -> None:
    async with ReplayServer([to(f"{elsewhere.origin}/latest/meta-data")]) as server:
        check(await failure(backend_for(server.url, api, "fast", model="any-llm/openai/m")), elsewhere)


class OwnChatModel(OpenAIChatCompletionsModel):
    """A model of a class of the user's own."""


def any_llm_model(url: str) -> Any:
    # Two seconds of importing, which are for the one worker that runs the test and not for all that collect it.
    from agents.extensions.models.any_llm_model import AnyLLMModel

    return AnyLLMModel("openai/m", base_url=url, api_key=KEY)


@pytest.mark.parametrize("make", [
    lambda url, client: any_llm_model(url),
    lambda url, client: OwnChatModel("m", openai_client=client),
], ids=["any-llm", "a class of one's own"])  # fmt: skip
async def test_a_model_of_the_users_own_does_not_either(elsewhere: ReplayServer, make: Any) -> None:
    async with (
        ReplayServer([to(f"{elsewhere.origin}/latest/meta-data")]) as server,
        AsyncOpenAI(base_url=server.url, api_key=KEY, max_retries=0) as client,
    ):
        own = Agent(name="a", model=make(server.url, client))
        for _ in range(2):
            with pytest.raises(AgentError) as caught:
                async for _ in stream_agent(own, "go", request=AgentInput("go")):
                    pass
            check(caught.value, elsewhere)
        await own.model.close()  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [302, 307])
async def test_letta_does_not_either(elsewhere: ReplayServer, status: int) -> None:
    async with ReplayServer([to(f"{elsewhere.origin}/latest/meta-data", status)]) as server:
        settings = LettaSettings.model_validate(
            {"agent_id": "a", "letta_agent_id": "agent-1", "base_url": server.origin, "api_key": KEY}
        )
        error = await failure(LettaBackend(settings, {"a": settings}))
    check(error, elsewhere)
    assert "Letta" in error.message


@pytest.mark.parametrize(
    "location", ["", "not a url at all:::", "//", "ftp://somewhere/x", "javascript:alert(1)"]
)
@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_a_redirect_to_nowhere_is_no_crash(transport: str, location: str) -> None:
    async with ReplayServer([to(location)]) as server:
        error = await failure(backend_for(server.url, CHAT, transport))
    assert error.code in ("upstream_rejected", "upstream_unavailable")


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_within_its_own_origin_a_provider_may_redirect(transport: str, status: int) -> None:
    """To the same path with a slash, say; the request is sent whole."""
    async with ReplayServer([to("/v1/chat/completions/", status), ANSWER[CHAT]]) as server:
        backend = backend_for(server.url, CHAT, transport)
        said = [e.text async for e in backend.stream(AgentInput("go")) if isinstance(e, Token)]
        await backend.aclose()
    assert said == ["done"]
    assert [asked.path for asked in server.asked] == ["/v1/chat/completions", "/v1/chat/completions/"]
    assert server.asked[1].body == server.asked[0].body
    assert server.asked[1].headers["x-own"] == HEADER
