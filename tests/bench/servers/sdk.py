"""Agents of the OpenAI Agents SDK as it comes: its stock client and model, its stream, the text deltas."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import cache
from typing import Any

from ..sources import Plan


@cache
def _client(url: str) -> Any:
    from openai import AsyncOpenAI

    return AsyncOpenAI(base_url=url, api_key="none", max_retries=0)


async def _say(plan: Plan, url: str) -> AsyncGenerator[str, None]:
    from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner

    model = OpenAIChatCompletionsModel(plan.model, openai_client=_client(url))
    agent = Agent(name="bench", model=model)
    result = Runner.run_streamed(agent, "go", run_config=RunConfig(tracing_disabled=True))
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            yield event.data.delta


def sdk_sources(plan: Plan, url: str) -> dict[str, AsyncGenerator[str, None]]:
    """Return the plan's agents, each on the stock SDK against the model server at *url*."""
    return {f"a{n}": _say(plan, url) for n in range(plan.agents)}
