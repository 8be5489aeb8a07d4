"""Models that any-llm reaches, over real HTTP: `model: any-llm/<provider>/<model>`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Emission, Finish
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError, ConfigError
from orchestrator.events import Token, Usage
from tests.support.upstream import SECRET, Answer, Upstream, Use, Wait, failed


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


async def ask(upstream: Upstream, *, at_most: int = 100, **keys: Any) -> list[Emission]:
    """Ask the model "m" of any-llm's provider "openai", which is *upstream*; stop after *at_most* emissions."""
    settings = OpenAIAgentsSettings.model_validate(
        {"agent_id": "a", "model": "any-llm/openai/m", "base_url": upstream.url, "api_key": "k", **keys},
        context={"file": None},
    )
    backend = OpenAIAgentsBackend(settings, {"a": settings})
    said: list[Emission] = []
    try:
        async with aclosing(backend.stream(AgentInput("hi"))) as emissions:
            async for emission in emissions:
                said.append(emission)
                if len(said) == at_most:
                    await emissions.aclose()
                    await upstream.wait_all_closed()
        return said
    finally:
        await backend.aclose()


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_its_tokens_and_usage_come_out(upstream: Upstream, api: str) -> None:
    upstream.script("m", [["Hello ", "there", Use(input=7, output=2)]])
    said = await ask(upstream, api=api)
    assert [each.text for each in said if isinstance(each, Token)] == ["Hello ", "there"]
    end = said[-1]
    assert isinstance(end, Finish)
    assert end.usage == Usage(input_tokens=7, output_tokens=2)
    assert [received.model for received in upstream.requests] == ["m"]


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_an_agent_that_is_stopped_lets_its_connection_go(upstream: Upstream, api: str) -> None:
    upstream.script("m", [["one ", "two ", Wait(30), "three"]])
    said = await ask(upstream, at_most=2, api=api)
    assert [each.text for each in said if isinstance(each, Token)] == ["one ", "two "]


@pytest.mark.parametrize(
    ("fault", "code"), [(failed(401), "upstream_auth"), (failed(500), "upstream_unavailable")]
)
async def test_its_errors_are_told_as_what_they_are(upstream: Upstream, fault: Answer, code: str) -> None:
    """any-llm wraps what its provider's client raised; no body of the provider gets out."""
    upstream.script("m", [["x"]], fault=fault)
    with pytest.raises(AgentError) as caught:
        await ask(upstream)
    assert caught.value.code == code
    assert SECRET not in str(caught.value)


async def test_without_the_package_the_agent_is_refused(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "agents.extensions.models.any_llm_model", None)
    with pytest.raises(
        ConfigError, match=r"model.*needs any-llm: pip install 'fanin-orchestrator\[any-llm\]'"
    ):
        await ask(upstream)
