"""LangGraph's own AG-UI server, and Microsoft's of AG-UI and A2A, each in an environment of its own: `TEST_FOREIGN=1`.

What these were seen to send is held word for word, without them, by `ag_ui/test_frameworks.py`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Usage
from orchestrator.backends.base import AgentInput, Backend, Turn
from orchestrator.backends.registry import create_backend, settings_classes
from orchestrator.events import ApprovalRequest, Data, Reasoning, ToolCall, ToolResult
from tests.support import foreign
from tests.support.emissions import Answering, ask, finish_of, gather, of_kind, text_in
from tests.support.listening import free_port
from tests.support.patience import PATIENCE_SECONDS
from tests.support.programs import answers, running, without_proxies
from tests.support.six_frameworks import EchoScript
from tests.support.upstream import Text, Upstream

SUPPORT = Path(foreign.__file__).parent
LONG = 20_000
"""Words at 300 a second: longer than any test waits."""
LANGGRAPH = ("ag-ui-langgraph", "fastapi", "uvicorn", "httpx")
MICROSOFT = (
    "agent-framework-core",
    "agent-framework-ag-ui",
    "agent-framework-a2a>=0",
    "uvicorn",
    "httpx",
    "--prerelease=allow",
)


@asynccontextmanager
async def served(
    program: str, packages: tuple[str, ...], folder: Path
) -> AsyncIterator[tuple[str, Upstream]]:
    """Run *program* in an environment of *packages*; yield its address and its models' server."""
    python = await asyncio.to_thread(foreign.environment_alone, *packages)
    port = free_port()
    async with Upstream(tokens_per_s=300.0) as models:
        models.scripts["echo"] = EchoScript([])
        # LangGraph's server notices that nobody reads only when it writes again, so this one never falls silent.
        models.script("endless", [[Text("on ")] * LONG])
        ready = running(
            [str(python), str(SUPPORT / program), str(port), models.url],
            folder / "program.log",
            ready=lambda: answers(f"http://127.0.0.1:{port}/openapi.json"),
            environment=without_proxies(os.environ),
        )
        await asyncio.to_thread(ready.__enter__)
        try:
            yield f"http://127.0.0.1:{port}", models
        finally:
            await asyncio.to_thread(ready.__exit__, None, None, None)


@asynccontextmanager
async def reaching(kind: str, url: str) -> AsyncIterator[Backend]:
    settings = settings_classes()[kind].model_validate({"agent_id": "far", "backend": kind, "url": url})
    backend = create_backend(settings, {"far": settings})
    try:
        yield backend
    finally:
        await backend.aclose()


async def converses(backend: Backend) -> None:
    """Ask twice in one conversation: what was answered first is known."""
    first = await ask(backend, "one two", conversation_id="c")
    assert text_in(first) == "one two "
    turn = Turn("one two", text_in(first), finish_of(first).memory)
    assert text_in(await ask(backend, "three", conversation_id="c", history=(turn,))) == "three "


async def stops(backend: Backend, models: Upstream) -> None:
    """Leave an answer in its middle: the model's connection is closed."""
    stream = backend.stream(AgentInput("work for ever"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not text_in([await anext(stream)]).startswith("on "):
            pass
        await stream.aclose()
        (request,) = (each for each in models.requests if each.model == "endless")
        await request.connection.closed


async def plays(backend: Backend) -> list[Any]:
    """Have an agent think, call its tool and say what that returned."""
    said = await ask(backend, "hi")
    assert text_in(said) == "Let me look. It is blue."
    assert of_kind(said, Reasoning) == [Reasoning("hm")]
    assert of_kind(said, ToolCall) == [ToolCall("c1", "look", '{"at": "sky"}')]
    assert of_kind(said, ToolResult) == [ToolResult("c1", "blue", is_error=False)]
    assert finish_of(said).usage is not None
    return said


if foreign.ASKED_FOR:

    @pytest.mark.timeout(1200)
    async def test_langgraphs_own_server_is_understood(tmp_path: Path) -> None:
        async with served("langgraph_program.py", LANGGRAPH, tmp_path) as (url, models):
            async with reaching("ag-ui", f"{url}/playing") as backend:
                said = await plays(backend)
                assert finish_of(said).usage == Usage(8, 7, reasoning_tokens=2)
                assert of_kind(said, Data) == [
                    Data("seen-so-far", {"messages": 1}),
                    Data("seen-so-far", {"messages": 3}),
                    Data("state", {"steps": ["play", "play"]}, "state"),
                ]
            for path in ("asking", "asking-outright"):  # before AG-UI had interrupts, and with them
                for approve, word in ((True, "true"), (False, "false")):
                    async with reaching("ag-ui", f"{url}/{path}") as backend:
                        answering = Answering(approve, "why not")
                        said = await gather(backend.stream(answering.of(AgentInput("hi"))))
                        (request,) = of_kind(said, ApprovalRequest)
                        assert request.arguments == '{"question": "Shall I?", "name": "file_it"}'
                        assert text_in(said) == f"You said {word}."
            async with reaching("ag-ui", f"{url}/talking") as backend:
                await converses(backend)
                await stops(backend, models)

    @pytest.mark.timeout(1200)
    async def test_microsofts_own_servers_are_understood(tmp_path: Path) -> None:
        async with served("microsoft_program.py", MICROSOFT, tmp_path) as (url, models):
            async with reaching("ag-ui", f"{url}/ag-ui/playing") as backend:
                said = await plays(backend)
                assert (finish_of(said).usage, of_kind(said, Data)) == (Usage(8, 7), [])
            async with reaching("ag-ui", f"{url}/ag-ui/noting") as backend:
                said = await ask(backend)
                assert of_kind(said, Data) == [Data("state", {"place": "sky"}, "state")]
            for approve, ending in ((True, "It is sent to sky."), (False, "rejected")):
                async with reaching("ag-ui", f"{url}/ag-ui/asking") as backend:
                    said = await gather(
                        backend.stream(Answering(approve, "as you like").of(AgentInput("hi")))
                    )
                    (request,) = of_kind(said, ApprovalRequest)
                    assert (request.name, request.arguments) == ("send", '{"at": "sky"}')
                    assert [each.name for each in of_kind(said, ToolCall)] == ["send"]
                    assert ending in text_in(said)
            async with reaching("ag-ui", f"{url}/ag-ui/talking") as backend:
                await converses(backend)
                await stops(backend, models)
            models.requests.clear()
            async with reaching("a2a", f"{url}/a2a/playing") as backend:
                assert text_in(await ask(backend)) == "Let me look. It is blue."
            async with reaching("a2a", f"{url}/a2a/talking") as backend:
                await converses(backend)
                await stops(backend, models)
