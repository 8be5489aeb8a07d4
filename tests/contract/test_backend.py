"""The contract of the `Backend` Protocol, held against every kind of agent.

The suite asks the table of kinds. Each kind has one line in `CASES`: an async context manager that yields the settings
of an agent. Its backend must answer with more than `ENOUGH` emissions and name in its text the word that stands in
quotation marks in the question, so that a mix-up of two streams shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import pytest

from orchestrator.backends.a2a.settings import A2aSettings
from orchestrator.backends.ag_ui.settings import AgUiSettings
from orchestrator.backends.auto.settings import AutoSettings
from orchestrator.backends.base import AgentInput, Backend, Emission, Finish, Spent, Turn
from orchestrator.backends.function.settings import FunctionSettings
from orchestrator.backends.langgraph.settings import LangGraphSettings
from orchestrator.backends.letta.settings import LettaSettings
from orchestrator.backends.offline.settings import OfflineSettings
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.backends.pydantic_ai.settings import PydanticAISettings
from orchestrator.backends.registry import KINDS, create_backend
from orchestrator.backends.remote.settings import RemoteSettings
from orchestrator.events import (
    ApprovalRequest,
    Handoff,
    Reasoning,
    Status,
    Token,
    ToolCall,
    ToolResult,
)
from orchestrator.settings.agent import AgentSettings
from tests.support.patience import PATIENCE_SECONDS

from ..support.a2a_server import a2a_server
from ..support.ag_ui_server import ag_ui_frames, echo_frames
from ..support.parts import require_library
from ..support.service import serving
from ..support.threaded import in_thread
from ..support.upstream import Upstream
from ..support.upstream_script import Reasoning as UpstreamReasoning
from ..support.upstream_script import Script
from ..support.upstream_script import Text as UpstreamText
from ..support.upstream_script import Turn as UpstreamTurn

ALLOWED = (str, Token, Reasoning, Status, ToolCall, ToolResult, Handoff, ApprovalRequest, Spent, Finish)
ENOUGH = 4

Case = Callable[[], AbstractAsyncContextManager[AgentSettings]]


async def echo(request: AgentInput) -> AsyncIterator[Emission]:
    """Repeat the question word by word, slowly enough to be stopped in the middle."""
    yield Status("thinking")
    for word in request.message.split():
        yield Reasoning(word)
    for word in request.message.split():
        await asyncio.sleep(0.01)
        yield f"{word} "
    yield Finish(reason="stop")


@asynccontextmanager
async def function_case() -> AsyncIterator[AgentSettings]:
    yield FunctionSettings(agent_id="echo", stream=f"{__name__}:echo")


@asynccontextmanager
async def offline_case() -> AsyncIterator[AgentSettings]:
    tools = tuple(f"orchestrator.tools:{name}" for name in ("calculator", "key_words"))
    yield OfflineSettings(agent_id="offline", tools=tools, tokens_per_s=300)


class EchoScript(Script):
    """A model that says what it was asked, word by word."""

    def next_turn(self, body: dict[str, Any]) -> UpstreamTurn:
        asked = body["messages"][-1]["content"]
        return [UpstreamReasoning("hm "), *(UpstreamText(f"{word} ") for word in asked.split())]


@asynccontextmanager
async def openai_case() -> AsyncIterator[AgentSettings]:
    async with Upstream(tokens_per_s=300) as upstream:
        upstream.scripts["echo"] = EchoScript([])
        keys = {"agent_id": "sdk", "model": "echo", "base_url": upstream.url, "api_key": "k"}
        yield OpenAIAgentsSettings.model_validate(keys)


@asynccontextmanager
async def letta_case() -> AsyncIterator[AgentSettings]:
    from ..support.letta.wire import EchoWire

    async with EchoWire() as wire:
        yield LettaSettings(agent_id="memo", letta_agent_id="agent-1", base_url=wire.url)


@asynccontextmanager
async def remote_case() -> AsyncIterator[AgentSettings]:
    async with in_thread(lambda: serving({"echo": echo})) as service:
        yield RemoteSettings(agent_id="far", url=service.url, agent="echo")


@asynccontextmanager
async def a2a_case() -> AsyncIterator[AgentSettings]:
    async with in_thread(a2a_server) as (server, _):
        yield A2aSettings(agent_id="far", url=server.url)


@asynccontextmanager
async def ag_ui_case() -> AsyncIterator[AgentSettings]:
    async with in_thread(lambda: ag_ui_frames(echo_frames)) as (server, _):
        yield AgUiSettings(agent_id="far", url=f"{server.url}/")


@asynccontextmanager
async def langgraph_case() -> AsyncIterator[AgentSettings]:
    require_library("langgraph")
    from ..backends.langgraph.graphs import WireModel

    # Put back: the same class serves the kind's own tests, on the same worker.
    async with in_thread(echoing_model) as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(WireModel, "url", url)
            patch.setattr(WireModel, "name_there", "echo")
            yield LangGraphSettings(agent_id="graph", graph="tests.backends.langgraph.graphs:talking")


@asynccontextmanager
async def pydantic_ai_case() -> AsyncIterator[AgentSettings]:
    require_library("pydantic_ai")
    from ..backends.pydantic_ai.agents import Place

    async with in_thread(echoing_model) as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Place, "url", url)
            patch.setattr(Place, "model", "echo")
            try:
                yield PydanticAISettings(agent_id="typed", agent="tests.backends.pydantic_ai.agents:wired")
            finally:
                await Place.close()


@asynccontextmanager
async def echoing_model() -> AsyncIterator[str]:
    # Slower than the others: it goes on in its thread while the test's own loop is held up, and must not have ended.
    async with Upstream(tokens_per_s=50) as upstream:
        upstream.scripts["echo"] = EchoScript([])
        yield upstream.url


@asynccontextmanager
async def auto_case() -> AsyncIterator[AgentSettings]:
    async with echoing_model() as url:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("OPENAI_COMPATIBLE_BASE_URL", url)
            patch.setenv("OPENAI_COMPATIBLE_MODEL", "echo")
            yield AutoSettings(agent_id="either")


CASES: dict[str, Case] = {
    "auto": auto_case,
    "a2a": a2a_case,
    "ag-ui": ag_ui_case,
    "function": function_case,
    "langgraph": langgraph_case,
    "letta": letta_case,
    "offline": offline_case,
    "openai-agents": openai_case,
    "pydantic-ai": pydantic_ai_case,
    "remote": remote_case,
}


@pytest.fixture(params=sorted(KINDS))
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    async with CASES[request.param]() as settings:
        assert settings.backend == request.param
        ready = await asyncio.to_thread(create_backend, settings, {settings.agent_id: settings})
        try:
            yield ready
        finally:
            await ready.aclose()


def tasks() -> set[asyncio.Task[Any]]:
    """The tasks there are, but for those of a server in this process that keeps a connection open."""
    return {task for task in asyncio.all_tasks() if "RequestHandler" not in repr(task.get_coro())}


def ask(word: str) -> AgentInput:
    return AgentInput(f'What is 17*23, and what do you know about the "{word}"?', run_id=f"run_{word}")


async def collect(stream: AsyncGenerator[Emission, None]) -> list[Emission]:
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(stream):
        return [emission async for emission in stream]


def text_of(emissions: list[Emission]) -> str:
    said = [e if isinstance(e, str) else e.text for e in emissions if isinstance(e, str | Token)]
    return "".join(said)


async def advance(stream: AsyncGenerator[Emission, None], count: int = ENOUGH) -> None:
    for _ in range(count):
        await anext(stream)


async def test_yields_only_what_an_agent_may_say(backend: Backend) -> None:
    """The life of an attempt is the pump's to tell, so no backend yields `done` or `error`."""
    emissions = await collect(backend.stream(ask("zebra")))
    assert len(emissions) > ENOUGH
    assert [e for e in emissions if not isinstance(e, ALLOWED)] == []
    assert "zebra" in text_of(emissions)


async def test_finish_comes_at_most_once_and_last(backend: Backend) -> None:
    """What follows a `Finish` would be said after the answer has ended."""
    emissions = await collect(backend.stream(ask("zebra")))
    assert [i for i, e in enumerate(emissions) if isinstance(e, Finish)] in ([], [len(emissions) - 1])


async def test_tool_results_answer_calls_that_were_made(backend: Backend) -> None:
    """A client pairs both by `call_id`; a result without its call has no place to go."""
    open_calls: set[str] = set()
    for emission in await collect(backend.stream(ask("zebra"))):
        if isinstance(emission, ToolCall):
            assert emission.call_id not in open_calls
            open_calls.add(emission.call_id)
        elif isinstance(emission, ToolResult):
            open_calls.remove(emission.call_id)
    assert open_calls == set()


@pytest.mark.parametrize("count", [0, 1, ENOUGH])
async def test_closing_in_the_middle_returns_at_once_with_no_task_left(backend: Backend, count: int) -> None:
    """Cancelled means that the upstream work has stopped, not that it will."""
    before = tasks()
    stream = backend.stream(ask("zebra"))
    await advance(stream, count)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await stream.aclose()
    assert tasks() - before == set()


async def test_cancelling_the_consumer_ends_it_at_once_with_no_task_left(backend: Backend) -> None:
    """The pump cancels its task while the generator waits for its next item."""
    before = tasks()
    under_way = asyncio.Event()

    async def consume() -> None:
        async with aclosing(backend.stream(ask("zebra"))) as stream:
            await advance(stream)
            under_way.set()
            async for _ in stream:
                pass

    task = asyncio.create_task(consume())
    async with asyncio.timeout(PATIENCE_SECONDS):
        await under_way.wait()
    task.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert tasks() - before == set()


async def test_a_whole_answer_leaves_no_task(backend: Backend) -> None:
    """Nothing stays behind an answer that nobody stopped, either."""
    before = tasks()
    await collect(backend.stream(ask("zebra")))
    assert tasks() - before == set()


async def test_two_streams_at_once_do_not_mix(backend: Backend) -> None:
    """One backend serves every run that names its agent."""
    streams = (collect(backend.stream(ask("zebra"))), collect(backend.stream(ask("quokka"))))
    zebra, quokka = map(text_of, await asyncio.gather(*streams))
    assert "zebra" in zebra
    assert "quokka" not in zebra
    assert "quokka" in quokka
    assert "zebra" not in quokka


async def test_answers_after_another_stream_was_closed(backend: Backend) -> None:
    """A cancel is one run's affair; the next run starts from a clean state."""
    async with aclosing(backend.stream(ask("zebra"))) as stream:
        await advance(stream)
    assert "quokka" in text_of(await collect(backend.stream(ask("quokka"))))


async def test_takes_the_turns_of_a_conversation(backend: Backend) -> None:
    """`history` holds a backend's own memory, or another's text where the memory is lost."""
    first = await collect(backend.stream(AgentInput(ask("zebra").message, conversation_id="c")))
    memory = next((e.memory for e in first if isinstance(e, Finish)), None)
    turns = (Turn(ask("zebra").message, text_of(first), memory), Turn("And then?", "Nothing."))
    request = AgentInput(ask("quokka").message, conversation_id="c", history=turns)
    assert "quokka" in text_of(await collect(backend.stream(request)))


async def test_aclose_is_safe_when_nothing_ran(backend: Backend) -> None:
    """A server closes every backend, also those that nobody asked; the fixture closes it once more."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await backend.aclose()


async def test_model_is_a_name_or_none(backend: Backend) -> None:
    """Clients show it; an empty string would look like a name."""
    assert backend.model is None or (isinstance(backend.model, str) and backend.model)
