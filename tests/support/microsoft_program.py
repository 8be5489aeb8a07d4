"""Agents of Microsoft's Agent Framework behind its own servers: `python microsoft_program.py PORT MODELS_URL`.

It is run by the Python of an environment of its own, so it imports nothing of this repository. `/ag-ui/<name>` are
AG-UI's, `/a2a` is A2A's. The model of `talking` is one of an OpenAI-compatible server; the others play theirs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import AgentCapabilities, AgentCard, AgentInterface
from agent_framework import (
    Agent,
    BaseChatClient,
    ChatResponse,
    ChatResponseUpdate,
    Content,
    FunctionInvocationLayer,
    ResponseStream,
    tool,
)
from agent_framework.a2a import A2AExecutor
from agent_framework.ag_ui import AgentFrameworkAgent, add_agent_framework_fastapi_endpoint
from fastapi import FastAPI


class Streaming(FunctionInvocationLayer, BaseChatClient):
    """A model that only streams."""

    def _inner_get_response(self, *, messages: Any, stream: bool, options: Any, **keys: Any) -> Any:
        if not stream:
            raise NotImplementedError
        return ResponseStream(self.updates(messages), finalizer=ChatResponse.from_updates)

    async def updates(self, messages: Any) -> AsyncIterator[Any]:
        raise NotImplementedError
        yield


class Wire(Streaming):
    """Streams what an OpenAI-compatible server says."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    async def updates(self, messages: Any) -> AsyncIterator[Any]:
        asked = [{"role": str(each.role), "content": each.text} for each in messages]
        name = "endless" if messages[-1].text.startswith("work") else "echo"
        body = {"model": name, "messages": asked, "stream": True}
        async with (
            httpx.AsyncClient(timeout=None, trust_env=False) as client,
            client.stream("POST", f"{self.url}/chat/completions", json=body) as answer,
        ):
            async for line in answer.aiter_lines():
                data = line.removeprefix("data: ")
                if data in (line, "[DONE]"):
                    continue
                for choice in json.loads(data)["choices"]:
                    yield _said(Content.from_text(choice["delta"].get("content") or ""))


class Played(Streaming):
    """Thinks, calls a tool, and says what that returned."""

    def __init__(self, called: str) -> None:
        super().__init__()
        self.called = called

    async def updates(self, messages: Any) -> AsyncIterator[Any]:
        returned = [each for each in messages[-1].contents if each.type == "function_result"]
        if returned:
            yield _said(Content.from_text("It is "))
            yield _said(Content.from_text(f"{returned[0].result}."))
            yield _said(Content.from_usage({"input_token_count": 5, "output_token_count": 3}))
            return
        yield _said(Content.from_text_reasoning(id="th", text="hm"))
        yield _said(Content.from_text("Let me look. "))
        yield _said(Content.from_function_call("c1", self.called, arguments='{"at"'))
        yield _said(Content.from_function_call("c1", "", arguments=': "sky"}'))
        yield _said(Content.from_usage({"input_token_count": 3, "output_token_count": 4}))


def _said(content: Any) -> Any:
    return ChatResponseUpdate(role="assistant", contents=[content])


@tool
def look(at: str) -> str:
    """Look at something."""
    return "blue"


@tool(approval_mode="always_require")
def send(at: str) -> str:
    """Send something."""
    return f"sent to {at}"


@tool
def note(at: str) -> str:
    """Note something."""
    return "noted"


def a2a_routes(url: str, agent: Any) -> list[Any]:
    """Return the routes of the framework's own A2A server, as its documentation writes it."""
    spoken = AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")
    card = AgentCard(
        name=agent.name,
        description="Answers.",
        version="1.0.0",
        default_input_modes=["text"],
        default_output_modes=["text"],
        capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[spoken],
        skills=[],
    )
    executor = A2AExecutor(agent, stream=True)
    handler = DefaultRequestHandler(agent_executor=executor, task_store=InMemoryTaskStore(), agent_card=card)
    path = urlsplit(url).path
    cards = create_agent_card_routes(card, card_url=f"{path}/.well-known/agent-card.json")
    return [*cards, *create_jsonrpc_routes(handler, path)]


def main() -> None:
    """Serve until SIGTERM."""
    port, url = int(sys.argv[1]), sys.argv[2]
    app = FastAPI()
    agents = {
        "talking": AgentFrameworkAgent(Agent(Wire(url), name="talking")),
        "playing": AgentFrameworkAgent(Agent(Played("look"), name="playing", tools=[look])),
        "asking": AgentFrameworkAgent(Agent(Played("send"), name="asking", tools=[send])),
        "noting": AgentFrameworkAgent(
            Agent(Played("note"), name="noting", tools=[note]),
            state_schema={"place": {"type": "string"}},
            predict_state_config={"place": {"tool": "note", "tool_argument": "at"}},
            require_confirmation=False,
        ),
    }
    for name, agent in agents.items():
        add_agent_framework_fastapi_endpoint(app, agent, f"/ag-ui/{name}", single_user=True)
    for name, inner in {"talking": Wire(url), "playing": Played("look")}.items():
        agent = Agent(inner, name=name, tools=[look])
        for route in a2a_routes(f"http://127.0.0.1:{port}/a2a/{name}", agent):
            app.router.routes.append(route)
    # Longer than any client keeps a connection: else it is closed while it is being used again.
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", timeout_keep_alive=3600)


if __name__ == "__main__":
    main()
