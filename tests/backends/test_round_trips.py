"""An agent of this very service behind A2A, AG-UI and our own protocol: what it says comes back as it was said."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from orchestrator import AgentError, Finish, Usage
from orchestrator.backends.base import AgentInput, Backend, Emission
from orchestrator.backends.registry import create_backend, settings_classes
from orchestrator.backends.upstream.hops import MAX_DEPTH, TOO_DEEP
from orchestrator.events import (
    ApprovalRequest,
    Data,
    File,
    Handoff,
    Progress,
    Reasoning,
    Source,
    Status,
    Token,
    ToolCall,
    ToolResult,
)
from tests.dialects.agents import ODD
from tests.support.emissions import Answering, ask, gather, of_kind, text_in
from tests.support.service import Serve, Service, serving
from tests.support.upstream import Call, Text, Upstream
from tests.support.upstream_script import Script, Turn

WAYS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "a2a-jsonrpc": lambda url, agent: {
        "backend": "a2a",
        "url": f"{url}/v1/a2a/{agent}",
        "binding": "jsonrpc",
    },
    "a2a-http": lambda url, agent: {"backend": "a2a", "url": f"{url}/v1/a2a/{agent}", "binding": "http+json"},
    "ag-ui-1.0": lambda url, agent: {
        "backend": "ag-ui",
        "url": f"{url}/v1/ag-ui/{agent}",
        "protocol": "1.0",
    },
    "ag-ui-0.0": lambda url, agent: {
        "backend": "ag-ui",
        "url": f"{url}/v1/ag-ui/{agent}",
        "protocol": "0.0",
    },
    "remote": lambda url, agent: {"backend": "remote", "url": url, "agent": agent},
}
every_way = pytest.mark.parametrize("way", WAYS)

CONTENT: list[Emission] = [
    Progress("Reading " + ODD, step=0, steps=3),
    Progress("Writing", fraction=0.0, progress_id="p"),
    Data("weights", {"a": [1, None, ODD]}, data_id="d"),
    Data("weights", {"a": []}, data_id="d"),
    Data("alone", None),
    Source("s1", url="https://example.org/a", title="A", quote=ODD, at=0),
    Source("s2", document="The book of tea"),
    File("f1", "dot.png", "image/png", "data:image/png;base64,AAAA"),
    File("f2", "a.pdf", "application/pdf", "https://example.org/a.pdf"),
]
END = Finish("length", Usage(3, 5, 2, 1), output={"so": [True, None, ODD]})


async def rich(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield Reasoning("hm " + ODD)
    yield "It is "
    for each in CONTENT:
        yield each
    yield ToolCall("c1", "look", '{"at": "sky"}')
    yield ToolResult("c1", "It is broken.", is_error=True)
    yield "so" + ODD
    yield END


async def handing(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "I ask the clerk. "
    yield Handoff("clerk")
    yield Token("It is filed.", speaker="clerk")


async def asking(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield ApprovalRequest("c9", "send", "{}")
    yield f"{await request.approve('c9')}: {request.reasons.get('c9')}"


async def failing(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "half"
    raise AgentError("budget", "The purse of " + ODD)


@asynccontextmanager
async def reaching(service: Service, way: str, agent: str) -> AsyncIterator[Backend]:
    async with made(WAYS[way](service.url, agent)) as backend:
        yield backend


@asynccontextmanager
async def made(keys: dict[str, Any]) -> AsyncIterator[Backend]:
    settings = settings_classes()[keys["backend"]].model_validate({"agent_id": "mine", **keys})
    backend = create_backend(settings, {"mine": settings})
    try:
        yield backend
    finally:
        await backend.aclose()


@every_way
async def test_all_that_is_said_comes_back_as_it_was(serve: Serve, way: str) -> None:
    agents = {"rich": rich, "asking": asking, "failing": failing}
    service = await serve(agents)
    async with reaching(service, way, "rich") as backend:
        said = [each for each in await ask(backend) if not isinstance(each, Status)]
        assert text_in(said) == "It is so" + ODD
        assert [each for each in said if isinstance(each, Progress | Data | Source | File)] == CONTENT
        assert said[-1] == END
        (result,) = of_kind(said, ToolResult)
        assert (result.output, result.is_error) == ("It is broken.", True)
        beside = (str, Token, Reasoning, ToolCall, ToolResult, Progress, Data, Source, File, Finish)
        assert all(isinstance(each, beside) for each in said), "nothing else was said"
    async with reaching(service, way, "asking") as backend:
        # Half of a surrogate pair, as a client's cut leaves it.
        answers = Answering(False, f"no {ODD} \ud83e")
        assert text_in(await gather(backend.stream(answers.of(AgentInput("hi"))))) == f"False: no {ODD} �"
    async with reaching(service, way, "failing") as backend:
        with pytest.raises(AgentError) as caught:
            await ask(backend)
        assert (caught.value.code, caught.value.message) == ("budget", "The purse of " + ODD)


VOICES: list[Emission] = [
    Reasoning("hm", speaker="planner " + ODD),
    Reasoning("so"),
    "I say. ",
    Token("He says. ", speaker='Bob "B" \\ ' + ODD),
    ToolCall("c1", "look", "{}"),
    ToolResult("c1", "seen", is_error=False),
    Token("He says more. ", speaker='Bob "B" \\ ' + ODD),
    Token("She says. ", speaker="voiced"),
    "I end.",
    Data("weights", 1, speaker="voiced"),
    File("f1", "a.pdf", "application/pdf", "https://example.org/a.pdf", speaker="Bob"),
    Source("s1", url="https://example.org/a", speaker="Bob"),
]


async def voiced(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for each in VOICES:
        yield each


def voices_in(said: list[Emission]) -> list[tuple[str, str | None, str]]:
    """Return what was said by whom, neighbouring words of one joined."""
    found: list[tuple[str, str | None, str]] = []
    for each in said:
        kind, text = ("", each) if isinstance(each, str) else (type(each).__name__, getattr(each, "text", ""))
        kind = "" if kind == "Token" else kind
        speaker = getattr(each, "speaker", None)
        if isinstance(each, str | Token | Reasoning) and found and found[-1][:2] == (kind, speaker):
            text = found.pop()[2] + text
        if text or isinstance(each, Data | File | Source):
            found.append((kind, speaker, text))
    return found


@every_way
async def test_who_speaks_comes_back_without_a_handoff(serve: Serve, way: str) -> None:
    """Also an agent whose speaker is called as the agent itself."""
    service = await serve({"voiced": voiced})
    async with (
        reaching(service, way, "voiced") as backend,
    ):
        assert voices_in(await ask(backend)) == voices_in(VOICES)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "remote"])
async def test_a_handoff_comes_back(way: str) -> None:
    async with serving({"handing": handing}) as service, reaching(service, way, "handing") as backend:
        said = [each for each in await ask(backend) if isinstance(each, str | Token | Handoff)]
    assert said[-2:] == [Handoff("clerk"), Token("It is filed.", speaker="clerk")]
    assert text_in(said) == "I ask the clerk. It is filed."


MODELS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    f"{api}-{transport}": lambda url, agent, api=api, transport=transport: {  # type: ignore[misc]
        "backend": "openai-agents",
        "model": agent,
        "base_url": f"{url}/v1",
        "api_key": "k",
        "api": api,
        "transport": transport,
    }
    for api in ("chat_completions", "responses")
    for transport in ("fast", "sdk")
}
"""The model's server is the service itself."""


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("way", MODELS)
async def test_a_model_that_is_the_agent_itself_comes_to_an_end(way: str, tools: bool) -> None:
    """With tools the SDK's Runner asks, without them nobody but us."""
    keys = {"tools": ["orchestrator.tools:calculator"]} if tools else {}
    depths, caught = await _circle(lambda url: {**MODELS[way](url, "mirror"), **keys})
    assert caught is not None
    assert caught.code in ("upstream_rejected", "upstream_unavailable")
    assert depths == list(range(1, MAX_DEPTH + 1))


@every_way
async def test_an_instance_that_asks_itself_comes_to_an_end(way: str) -> None:
    """An agent that names its own instance would pass its question on for ever."""
    depths, caught = await _circle(lambda url: WAYS[way](url, "mirror"))
    assert caught is not None
    assert (caught.code, caught.message) == ("upstream_rejected", TOO_DEEP)
    assert depths == list(range(1, MAX_DEPTH + 1))


class AsksItself(Script):
    """A model that has the service asked for the agent that it is, and says what comes of it."""

    def next_turn(self, body: dict[str, Any]) -> Turn:
        last = body["messages"][-1]
        if last["role"] == "tool":
            return [Text("deeper")]
        return [Call("ask", '{"message": "hi", "agents": ["mirror"]}', "c1")]


async def test_a_tool_that_is_the_agent_itself_comes_to_an_end() -> None:
    """An agent may have the service's own MCP server."""
    async with Upstream() as models:
        models.scripts["loop"] = AsksItself([])

        def keys_for(url: str) -> dict[str, Any]:
            return {
                "backend": "openai-agents", "model": "loop", "base_url": models.url, "api_key": "k",
                "mcp_servers": [{"url": f"{url}/v1/mcp"}],
            }  # fmt: skip

        depths, caught = await _circle(keys_for)
    assert caught is None, "its model is told so and answers"
    assert depths == list(range(1, MAX_DEPTH + 1))


async def _circle(keys_for: Callable[[str], dict[str, Any]]) -> tuple[list[int], AgentError | None]:
    """Ask an agent that asks itself; return how deep each was, and how the first has failed if it has."""
    depths: list[int] = []
    backends: list[Backend] = []

    async def mirror(request: AgentInput) -> AsyncGenerator[Emission, None]:
        depths.append(request.depth)
        async with aclosing(backends[0].stream(request)) as stream:
            async for emission in stream:
                yield emission

    keys = {"mirror": {"retry": {"attempts": 1}}}
    async with (
        serving({"mirror": mirror}, keys=keys) as service,
        made(keys_for(service.url)) as backend,
    ):
        backends.append(backend)
        try:
            await ask(backend)
        except AgentError as exc:
            return depths, exc
    return depths, None
