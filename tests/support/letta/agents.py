"""Agents of a real Letta server, with a model of the tests' own server. Owns no server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from letta_client import AsyncLetta, DefaultAsyncHttpxClient

EMBEDDING = {"embedding_dim": 1536, "embedding_endpoint_type": "openai", "embedding_model": "unused"}


def letta_at(url: str) -> AsyncLetta:
    """Return a client that keeps no connection: the server closes idle ones as the client would use them again."""
    unkept = DefaultAsyncHttpxClient(limits=httpx.Limits(max_keepalive_connections=0))
    return AsyncLetta(base_url=url, max_retries=0, http_client=unkept)


async def create_agent(client: AsyncLetta, models: str, model: str, tool_ids: Sequence[str] = ()) -> str:
    """Create an agent whose model is *model* of the server at *models*; return its id."""
    endpoint = {"model_endpoint_type": "openai", "model_endpoint": models, "context_window": 32000}
    agent = await client.agents.create(
        llm_config={"model": model, **endpoint},
        embedding_config={**EMBEDDING, "embedding_endpoint": models},
        include_base_tools=False,
        memory_blocks=[],
        tool_ids=list(tool_ids),
    )
    return agent.id


@asynccontextmanager
async def echo_agent(url: str, models: str) -> AsyncIterator[tuple[str, str]]:
    """Have an agent at the Letta server at *url* while inside, on the model `echo`; yield the server and its id."""
    async with letta_at(url) as client:
        agent_id = await create_agent(client, models, "echo")
        yield url, agent_id
        await client.agents.delete(agent_id)
