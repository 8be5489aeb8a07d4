"""A character that an upstream cuts in half comes out whole, whichever backend hears the halves."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any

import pytest

from orchestrator.backends.a2a.reading import TaskReading
from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.registry import create_backend, settings_classes
from orchestrator.backends.upstream.connections import decode_object
from orchestrator.events import Reasoning, Status, Token

from ..support.ag_ui_server import ag_ui_frames
from ..support.letta import wire
from ..support.parts import require_library
from ..support.service import serving
from ..support.spine import of, read, start, supervised
from ..support.upstream import Upstream
from ..support.upstream_script import Raw, Script

PIECES = ["It is \ud83d", "\ude00 and \ud83d", "", "\ude42\ud83d", "\ude00."]
WHOLE = "It is 😀 and 🙂😀."

Stream = Callable[[AgentInput], AsyncGenerator[Emission, None]]


@asynccontextmanager
async def function() -> AsyncIterator[Stream]:
    async def stream(request: AgentInput) -> AsyncGenerator[Emission, None]:
        yield Reasoning("hm \ud83d")
        for piece in PIECES:
            yield piece
            yield Status("working")
            yield Token("\ud83d", speaker="other", parent="c1")
        yield Reasoning("\ude00")

    yield stream


async def halves(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for piece in PIECES:
        yield piece


@asynccontextmanager
async def made(**keys: Any) -> AsyncIterator[Stream]:
    settings = settings_classes()[keys["backend"]].model_validate({"agent_id": "mine", **keys})
    backend = create_backend(settings, {"mine": settings})
    try:
        yield backend.stream
    finally:
        await backend.aclose()


@asynccontextmanager
async def remote() -> AsyncIterator[Stream]:
    async with (
        serving({"halves": halves}) as service,
        made(backend="remote", url=service.url, agent="halves") as stream,
    ):
        yield stream


@asynccontextmanager
async def ag_ui() -> AsyncIterator[Stream]:
    async def frames(body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        about = {"threadId": body["threadId"], "runId": body["runId"]}
        yield {"type": "RUN_STARTED", **about}
        yield {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}
        for piece in PIECES:
            yield {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": piece}
        yield {"type": "TEXT_MESSAGE_END", "messageId": "m"}
        account = {"id": "m", "role": "assistant", "content": WHOLE}
        yield {"type": "MESSAGES_SNAPSHOT", "messages": [*body["messages"], account]}
        yield {"type": "RUN_FINISHED", **about}

    async with ag_ui_frames(frames) as (server, _), made(backend="ag-ui", url=f"{server.url}/") as stream:
        yield stream


@asynccontextmanager
async def a2a() -> AsyncIterator[Stream]:
    """Its reading alone: A2A's own server cannot send halves."""

    async def stream(request: AgentInput) -> AsyncGenerator[Emission, None]:
        reading = TaskReading()
        artifact = {"artifactId": "a", "parts": [{"text": WHOLE}]}
        task = {"id": "t", "status": {"state": "TASK_STATE_COMPLETED"}, "artifacts": [artifact]}
        pieces = [
            {
                "artifactUpdate": {
                    "artifact": {"artifactId": "a", "parts": [{"text": text}]},
                    "append": bool(n),
                }
            }
            for n, text in enumerate(PIECES)
        ]
        for update in (*pieces, {"task": task}):
            for emission in reading.feed(decode_object(json.dumps(update), "It")):
                yield emission

    yield stream


@asynccontextmanager
async def letta() -> AsyncIterator[Stream]:
    parts = [*(wire.text(piece, n) for n, piece in enumerate(PIECES, 1)), *wire.WELL]
    async with (
        wire.LettaWire(wire.Stream(parts)) as server,
        made(backend="letta", letta_agent_id="agent-1", base_url=server.url) as stream,
    ):
        yield stream


@asynccontextmanager
async def openai_agents() -> AsyncIterator[Stream]:
    async with Upstream() as upstream:
        said = [{"id": "c", "choices": [{"index": 0, "delta": {"content": piece}}]} for piece in PIECES]
        raw = [Raw(b"data: %b\n\n" % json.dumps(each).encode()) for each in said]
        upstream.scripts["m"] = Script([raw])
        async with made(backend="openai-agents", model="m", base_url=upstream.url, api_key="k") as stream:
            yield stream


@asynccontextmanager
async def langgraph() -> AsyncIterator[Stream]:
    require_library("langgraph")
    async with made(backend="langgraph", graph="tests.backends.langgraph.runs_graphs:halves") as stream:
        yield stream


@asynccontextmanager
async def pydantic_ai() -> AsyncIterator[Stream]:
    require_library("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.function import FunctionModel

    from ..backends.pydantic_ai import agents

    async def spoken(messages: list[Any], info: Any) -> AsyncIterator[str]:
        for piece in PIECES:
            yield piece

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agents, "halves", Agent(FunctionModel(stream_function=spoken)), raising=False)
        async with made(backend="pydantic-ai", agent="tests.backends.pydantic_ai.agents:halves") as stream:
            yield stream


EVERY: list[Callable[[], AbstractAsyncContextManager[Stream]]] = [
    function, openai_agents, letta, a2a, ag_ui, remote, langgraph, pydantic_ai,
]  # fmt: skip


@pytest.mark.parametrize("backend", EVERY, ids=lambda each: each.__name__)
async def test_halves_of_a_character_are_joined(
    backend: Callable[[], AbstractAsyncContextManager[Stream]],
) -> None:
    async with backend() as stream, supervised({"mine": stream}) as supervisor:
        events = await read(supervisor, await start(supervisor, "hi"))
    assert [event.data["text"] for event in of(events, "mine", "done")] == [WHOLE]
    said = [event.data for event in of(events, "mine", "token")]
    assert "".join(each["text"] for each in said if "parent" not in each) == WHOLE


async def test_a_half_whose_other_never_comes_is_a_sign_of_its_own() -> None:
    """Of each voice; a half is joined to words of its own voice alone."""

    async def stream(request: AgentInput) -> AsyncGenerator[Emission, None]:
        yield "a\ud83d"
        yield Token("\ude00b", speaker="other")
        yield Token("c\ud83d", speaker="other")
        yield Reasoning("\ud83d")

    async with aclosing(stream(AgentInput("hi"))), supervised({"mine": stream}) as supervisor:
        events = await read(supervisor, await start(supervisor, "hi"))
    (done,) = of(events, "mine", "done")
    assert sorted(done.data["text"]) == sorted("a\ufffdbc\ufffd\ufffd")
    assert [event.data["text"] for event in of(events, "mine", "reasoning")] == ["\ufffd"]
