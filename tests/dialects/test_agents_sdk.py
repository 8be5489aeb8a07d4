"""The Agents SDK as a client, unmodified: several agents, a panel or one are a model to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from agents import Agent, HostedMCPTool, OpenAIChatCompletionsModel, OpenAIResponsesModel, RunConfig, Runner
from agents.exceptions import AgentsException
from openai import AsyncOpenAI

from orchestrator.eventlog import subscription
from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import Service

from .agents import BROKEN, CHATTY, ODD, TOOLED, dialects_served, soon_given_up
from .cutting import cutting
from .test_ai_sdk import the_run
from .test_openai import cancel_agent, native_texts

QUIET = RunConfig(tracing_disabled=True)
KINDS: list[Any] = [OpenAIResponsesModel, OpenAIChatCompletionsModel]


@pytest.fixture
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    async with dialects_served(getattr(request, "param", 600)) as served:
        yield served


@pytest.fixture
async def client(service: Service) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def agent_on(client: AsyncOpenAI, model: str, kind: Any = OpenAIResponsesModel, **keys: Any) -> Agent[Any]:
    return Agent(name="a", model=kind(model=model, openai_client=client), **keys)


async def read_raw(streamed: Any, seen: list[Any]) -> None:
    """Append the server's own events, up to the end or the failure."""
    async for event in streamed.stream_events():
        if event.type == "raw_response_event":
            seen.append(event.data)


async def test_four_at_once_one_fails_and_one_is_cancelled(service: Service, client: AsyncOpenAI) -> None:
    """The raw events have each agent's text of the native stream; the last message is the final output."""
    streamed = Runner.run_streamed(agent_on(client, "chatty+tooled+broken+endless"), "hi", run_config=QUIET)
    texts: dict[str, str] = {}
    thoughts, is_cancelled = "", False
    async for event in streamed.stream_events():
        raw = event.data if event.type == "raw_response_event" else None
        if raw is not None and raw.type == "response.output_text.delta":
            who = raw.item_id.rsplit("_", 2)[0].rpartition("_")[2]
            texts[who] = texts.get(who, "") + raw.delta
        elif raw is not None and raw.type == "response.reasoning_summary_text.delta":
            thoughts += raw.delta
        if "endless" in texts and not is_cancelled:
            is_cancelled = True
            await cancel_agent(service, await the_run(service), "endless")
    assert texts == await native_texts(service, await the_run(service))
    assert (texts["chatty"], texts["broken"]) == ("".join(CHATTY), BROKEN[0])
    assert thoughts == f"hm, odd {ODD}"
    assert streamed.final_output in texts.values()


@pytest.mark.parametrize("kind", KINDS)
async def test_all_fail(client: AsyncOpenAI, kind: Any) -> None:
    with pytest.raises((openai.APIError, AgentsException)):
        await Runner.run(agent_on(client, "broken+failing", kind), "hi", run_config=QUIET)
    streamed = Runner.run_streamed(agent_on(client, "broken+failing", kind), "hi", run_config=QUIET)
    with pytest.raises((openai.APIError, AgentsException)):
        async for _ in streamed.stream_events():
            pass


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unknown_agent_is_named(client: AsyncOpenAI, kind: Any) -> None:
    with pytest.raises(openai.NotFoundError, match="nobody"):
        await Runner.run(agent_on(client, "nobody", kind), "hi", run_config=QUIET)


@pytest.mark.parametrize("kind", KINDS)
async def test_silence_is_bridged(client: AsyncOpenAI, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.1)
    streamed = Runner.run_streamed(agent_on(client, "silent", kind), "hi", run_config=QUIET)
    async for _ in streamed.stream_events():
        pass
    assert streamed.final_output == "before after"


@soon_given_up
async def test_stop_closes_the_stream_and_so_the_run(service: Service, client: AsyncOpenAI) -> None:
    streamed = Runner.run_streamed(agent_on(client, "endless"), "hi", run_config=QUIET)
    async for event in streamed.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            streamed.cancel()
    run_id = await the_run(service)
    run = await service.find(run_id)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await service.find(run_id)).status == "running":
            await asyncio.sleep(0.05)
    assert (await service.find(run_id)).status == "cancelled", run


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_asked_of_a_hosted_tools_callback(client: AsyncOpenAI, approve: bool) -> None:
    """To the SDK an agent of ours that asks is a hosted MCP server of that label."""
    asked: list[str] = []

    def decide(request: Any) -> Any:
        asked.append(request.data.name)
        return {"approve": approve, **({} if approve else {"reason": "Too many."})}

    tool = HostedMCPTool(
        tool_config={"type": "mcp", "server_label": "asking", "server_url": "http://127.0.0.1:9/mcp"},
        on_approval_request=decide,
    )
    result = await Runner.run(agent_on(client, "asking", tools=[tool]), "hi", run_config=QUIET)
    assert asked == ["send"]
    assert result.final_output == ("Sent." if approve else "Not sent. You said: Too many.")


async def test_a_cut_is_an_error_and_the_response_can_be_read_on(service: Service) -> None:
    """The SDK resumes nothing by itself; the number that it saw last is a cursor for the client that it stands on."""
    async with cutting(service) as proxy:
        proxy.cut_at = random.Random("agents sdk").randrange(2000, 6000)
        async with AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="none", max_retries=0) as client:
            streamed = Runner.run_streamed(agent_on(client, "chatty+tooled"), "hi", run_config=QUIET)
            seen: list[Any] = []
            with pytest.raises((httpx.HTTPError, openai.APIError)):
                await read_raw(streamed, seen)
            run_id = await the_run(service)
            rest = await client.responses.retrieve(
                run_id.replace("run_", "resp_"), stream=True, starting_after=seen[-1].sequence_number
            )
            seen += [event async for event in rest]
    texts: dict[str, str] = {}
    for event in seen:
        if event.type == "response.output_text.delta":
            who = event.item_id.rsplit("_", 2)[0].rpartition("_")[2]
            texts[who] = texts.get(who, "") + event.delta
    assert texts == {"chatty": "".join(CHATTY), "tooled": "".join(TOOLED)}
