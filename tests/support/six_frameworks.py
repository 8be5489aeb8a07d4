"""One service with six agents of six frameworks, each run by its own library or server, all on offline models.

ADK and Letta have servers that do not fit into this environment: what is heavy is asked for, and else the A2A
project's own server and Letta's wire stand for them.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from orchestrator.backends.registry import settings_classes
from orchestrator.run.registry import AgentRegistry
from tests.handbook.pages import blocks

from .a2a_server import Obedient, a2a_server
from .ag_ui_server import pydantic_ai_served
from .asgi import AsgiServer
from .foreign import environment_alone
from .letta.wire import EchoWire
from .listening import free_port
from .parts import require_library
from .patience import eventually
from .programs import answers, running, without_proxies
from .service import Service, serving
from .upstream import Abort, Received, Stall, Text, Upstream
from .upstream_script import Script, Turn

QUESTION = "work until somebody says stop"
"""The A2A project's agent takes the first word for its order: to work for ever."""
ADK = ("google-adk[a2a]", "uvicorn")
ADK_EXTENSION = "https://google.github.io/adk-docs/a2a/a2a-extension/"
"""Who asks for it gets each word as it comes."""


LettaAgent = Callable[[str], AbstractAsyncContextManager[tuple[str, str]]]


class EchoScript(Script):
    """A model that says what it was asked, word by word, after a thought."""

    def next_turn(self, body: dict[str, Any]) -> Turn:
        return [Text(f"{word} ") for word in body["messages"][-1]["content"].split()]


@dataclass
class Six:
    """The six at work.

    Attributes:
        models: The server of the models. worker: The A2A project's agent; None if ADK's is there.
        servers: Those of other libraries in this process.
    """

    service: Service
    models: Upstream
    worker: Obedient | None
    servers: list[AsgiServer] = field(default_factory=list)

    def of_model(self, model: str) -> Received:
        """Return the one request that *model* was sent."""
        (found,) = (each for each in self.models.requests if each.model == model)
        return found

    async def far_has_stopped(self) -> None:
        """Wait until the cancelled agent's own framework has let its work go."""
        if self.worker is not None:
            await eventually(lambda: self.servers[0].active_requests == 0)
            return
        await self.of_model("endless").connection.closed

    async def front_has_stopped(self) -> None:
        """Wait until nothing is left of the agent that failed."""
        await self.of_model("breaking").connection.closed
        await eventually(lambda: self.servers[-1].active_requests == 0)


@asynccontextmanager
async def six_frameworks(
    *, adk: bool = False, letta: tuple[str, str] | None = None, pace: float = 300.0
) -> AsyncIterator[Six]:
    """Serve the six: `sdk`, `memo`, `graph`, `typed`, `far` (which never ends) and `front` (which fails midway).

    Args:
        adk: Google's ADK is behind `far`. letta: Gives the address of a real Letta server, and an agent there whose
            model is at the address that it is given.
        pace: Words a second of the models.
    """
    for library in ("langgraph", "pydantic_ai"):
        require_library(library)
    async with AsyncExitStack() as stack:
        models = await stack.enter_async_context(Upstream(tokens_per_s=pace))
        models.scripts["echo"] = EchoScript([])
        models.script("breaking", [[Text("half "), Text("a "), Text("wo"), Abort()]])
        models.script("endless", [[Text("on "), Stall()]])
        stack.enter_context(_models_of_libraries(models.url))
        client = AsyncOpenAI(base_url=models.url, api_key="k", max_retries=0)
        stack.push_async_callback(client.close)
        front = await stack.enter_async_context(pydantic_ai_served(_breaking(client)))
        far, worker, servers = await _far(stack, models.url, adk)
        if letta is None:
            memo = (await stack.enter_async_context(EchoWire())).url, "agent-1"
        else:
            memo = await stack.enter_async_context(letta(models.url))
        keys: dict[str, dict[str, Any]] = {
            "sdk": {"backend": "openai-agents", "model": "echo", "base_url": models.url, "api_key": "k"},
            "memo": {"backend": "letta", "base_url": memo[0], "letta_agent_id": memo[1]},
            "graph": {"backend": "langgraph", "graph": "tests.backends.langgraph.graphs:talking"},
            "typed": {"backend": "pydantic-ai", "agent": "tests.backends.pydantic_ai.agents:wired"},
            "far": {"backend": "a2a", "url": far, "headers": {"A2A-Extensions": ADK_EXTENSION}},
            "front": {"backend": "ag-ui", "url": f"{front.url}/", "retry": {"attempts": 1}},
        }
        classes = settings_classes()
        settings = {
            agent_id: classes[each["backend"]].model_validate(
                {"agent_id": agent_id, **TITLES[agent_id], **each}
            )
            for agent_id, each in keys.items()
        }
        service = await stack.enter_async_context(serving(registry=AgentRegistry(settings)))
        yield Six(service, models, worker, [*servers, front])


TITLES = {
    "sdk": {"title": "OpenAI Agents SDK"},
    "memo": {"title": "Letta"},
    "graph": {"title": "LangGraph"},
    "typed": {"title": "Pydantic AI"},
    "far": {"title": "A2A"},
    "front": {"title": "AG-UI"},
}


@contextmanager
def _models_of_libraries(url: str) -> Iterator[None]:
    """Send the frameworks' own models to *url*; put back in the end, for the kinds' own tests have them too."""
    from tests.backends.langgraph.graphs import WireModel
    from tests.backends.pydantic_ai.agents import Place

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in ((WireModel, "name_there"), (Place, "model")):
            patch.setattr(owner, "url", url)
            patch.setattr(owner, name, "echo")
        yield


def _breaking(client: AsyncOpenAI) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    return Agent(OpenAIChatModel("breaking", provider=OpenAIProvider(openai_client=client)))


async def _far(
    stack: AsyncExitStack, models: str, adk: bool
) -> tuple[str, Obedient | None, list[AsgiServer]]:
    """Start the agent behind A2A; return its address, and what can be asked of one in this process."""
    from tests.backends.pydantic_ai.agents import Place

    stack.push_async_callback(Place.close)
    if not adk:
        server, worker = await stack.enter_async_context(a2a_server())
        return server.url, worker, [server]
    return await stack.enter_async_context(adk_served(models, "endless")), None, []


@asynccontextmanager
async def adk_served(models: str, model: str) -> AsyncIterator[str]:
    """Serve an agent of ADK by its own A2A server, on a model of the server at *models*; yield its address."""
    python = await asyncio.to_thread(environment_alone, *ADK)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(python), str(Path(__file__).with_name("adk_program.py")), str(port), models, model]
    (page,) = [each for each in blocks("frameworks") if each.about == "travel_server.py"]
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / page.about).write_text(page.text)
        ready = running(
            command,
            Path(scratch) / "adk.log",
            ready=lambda: answers(f"{url}/.well-known/agent-card.json"),
            environment={**without_proxies(os.environ), "PYTHONPATH": scratch},
        )
        await asyncio.to_thread(ready.__enter__)
        try:
            yield url
        finally:
            await asyncio.to_thread(ready.__exit__, None, None, None)
