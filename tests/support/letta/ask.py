"""Asks a letta backend and gathers what it says. Owns no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.letta.backend import LettaBackend
from orchestrator.backends.letta.settings import LettaSettings
from orchestrator.errors import AgentError
from orchestrator.events import Status
from tests.support.letta.wire import SECRET, LettaWire
from tests.support.patience import PATIENCE_SECONDS

ASK = AgentInput("hi", run_id="run_x")


@asynccontextmanager
async def backend_at(url: str, agent_id: str = "agent-1", **settings: Any) -> AsyncIterator[LettaBackend]:
    """A backend for one agent of the server at *url*."""
    ready = LettaSettings(agent_id="memo", letta_agent_id=agent_id, base_url=url, **settings)
    backend = LettaBackend(ready, {})
    try:
        yield backend
    finally:
        await backend.aclose()


async def saying(backend: LettaBackend, request: AgentInput = ASK) -> AsyncGenerator[Emission, None]:
    """What *backend* says, without what it says for other workers only."""
    async with aclosing(backend.stream(request)) as stream:
        async for emission in stream:
            if not (isinstance(emission, Status) and emission.anchor is not None):
                yield emission


async def said(backend: LettaBackend, request: AgentInput = ASK) -> list[Emission]:
    """Everything that *backend* answers."""
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(saying(backend, request)) as stream:
        return [emission async for emission in stream]


def words(emissions: list[Emission]) -> str:
    """The text of an answer."""
    return "".join(emission for emission in emissions if isinstance(emission, str))


async def answer_of(wire: LettaWire, request: AgentInput = ASK, **settings: Any) -> list[Emission]:
    """Serve *wire* for one answer."""
    async with wire, backend_at(wire.url, **settings) as backend:
        return await said(backend, request)


async def failure_of(wire: LettaWire, **settings: Any) -> AgentError:
    """Serve *wire* for one answer that fails; nothing of the server's bodies is in the message."""
    with pytest.raises(AgentError) as caught:
        await answer_of(wire, **settings)
    assert SECRET not in str(caught.value)
    return caught.value


def sent(wire: LettaWire) -> list[dict[str, Any]]:
    """The bodies of the requests that sent messages."""
    return [body for method, path, body in wire.calls if method == "POST" and path.endswith("/messages")]


def pool_of(backend: LettaBackend) -> list[Any]:
    """The connections that the backend's client holds."""
    api: Any = backend._connected
    return list(api._client._client._transport._pool.connections)


def tasks_of_ours(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """The tasks that began after *before*, without those of servers in the same loop."""
    return {task for task in asyncio.all_tasks() - before if "RequestHandler" not in repr(task)}
