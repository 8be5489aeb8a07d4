"""One run of six agents of six frameworks, each run by its own library or server: one fails, one is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from orchestrator.backends.registry import settings_classes
from orchestrator.run.registry import AgentRegistry
from tests.support.a2a_server import Obedient, a2a_server
from tests.support.ag_ui_server import pydantic_ai_served
from tests.support.asgi import AsgiServer
from tests.support.letta.wire import EchoWire
from tests.support.parts import require_library
from tests.support.patience import eventually
from tests.support.service import Event, Service, events_in, serving
from tests.support.upstream import Upstream

from ..contract.test_backend import EchoScript

QUESTION = "work until somebody says stop"
"""The A2A agent's first word is its order: to work for ever."""


class Far:
    """The servers that the agents are behind."""

    model: Upstream
    a2a: AsgiServer
    worker: Obedient
    ag_ui: AsgiServer


@asynccontextmanager
async def six(far: Far) -> AsyncIterator[Service]:
    for library in ("langgraph", "pydantic_ai"):
        require_library(library)
    from .langgraph.graphs import WireModel
    from .pydantic_ai import agents as pydantic_agents

    async with AsyncExitStack() as stack:
        far.model = await stack.enter_async_context(Upstream(tokens_per_s=300))
        far.model.scripts["echo"] = EchoScript([])
        # Put back in the end: the same classes serve the kinds' own tests, on the same worker.
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for owner, name in ((WireModel, "name_there"), (pydantic_agents.Place, "model")):
            patch.setattr(owner, "url", far.model.url)
            patch.setattr(owner, name, "echo")
        stack.push_async_callback(pydantic_agents.Place.close)
        wire = await stack.enter_async_context(EchoWire())
        far.a2a, far.worker = await stack.enter_async_context(a2a_server())
        far.ag_ui = await stack.enter_async_context(pydantic_ai_served(pydantic_agents.failing))
        keys: dict[str, dict[str, Any]] = {
            "sdk": {"backend": "openai-agents", "model": "echo", "base_url": far.model.url, "api_key": "k"},
            "memo": {"backend": "letta", "letta_agent_id": "agent-1", "base_url": wire.url},
            "graph": {"backend": "langgraph", "graph": "tests.backends.langgraph.graphs:talking"},
            "typed": {"backend": "pydantic-ai", "agent": "tests.backends.pydantic_ai.agents:wired"},
            "far": {"backend": "a2a", "url": far.a2a.url},
            "front": {"backend": "ag-ui", "url": f"{far.ag_ui.url}/", "retry": {"attempts": 1}},
        }
        classes = settings_classes()
        settings = {
            agent_id: classes[each["backend"]].model_validate({"agent_id": agent_id, **each})
            for agent_id, each in keys.items()
        }
        yield await stack.enter_async_context(serving(registry=AgentRegistry(settings)))


def ends_in(events: list[Event]) -> dict[str, dict[str, Any]]:
    """Return each agent's last event, and hold the stream to its promises on the way."""
    assert (events[0].type, events[-1].type) == ("run.started", "run.done")
    assert [str(event.id).partition("-")[2] for event in events] == [
        str(n) for n in range(1, len(events) + 1)
    ]
    said: dict[str, str] = {}
    ends: dict[str, dict[str, Any]] = {}
    for event in events:
        agent_id = event.data.get("agent_id")
        if agent_id is None:
            continue
        assert agent_id not in ends, "nothing comes after an agent's end"
        if event.data["type"] == "token" and "parent" not in event.data:
            said[agent_id] = said.get(agent_id, "") + event.data["text"]
        if event.data["type"] in ("done", "error", "cancelled"):
            ends[agent_id] = event.data
            assert event.data.get("text", said.get(agent_id, "")) == said.get(agent_id, "")
    return ends


async def test_six_frameworks_answer_in_one_stream() -> None:
    far = Far()
    async with six(far) as service:
        run_id = await service.start(QUESTION)
        run = await service.find(run_id)
        others = ("sdk", "memo", "graph", "typed", "front")
        await eventually(lambda: all(run.participants[each].ended for each in others))
        await eventually(lambda: run.participants["far"].text == "on ")
        cancelled = await service.call("POST", f"/v1/runs/{run_id}/agents/far/cancel")
        assert cancelled.status == 202
        await service.ended(run_id)
        # The word of the agent's own server has come before the run could end.
        assert far.worker.cancelled == 1
        body = await service.body(f"/v1/runs/{run_id}/events")
        ends = ends_in(events_in(body))
        statuses = {agent_id: end["type"] for agent_id, end in ends.items()}
        assert statuses == {
            "sdk": "done", "memo": "done", "graph": "done", "typed": "done", "front": "error", "far": "cancelled",
        }  # fmt: skip
        for agent_id in ("sdk", "memo", "graph", "typed"):
            assert "somebody says stop" in ends[agent_id]["text"], agent_id
        assert run.participants["front"].text == "half "
        assert b"secret" not in body
        # Nothing of the run is left at any of the servers.
        await eventually(lambda: far.a2a.active_requests == far.ag_ui.active_requests == 0)
