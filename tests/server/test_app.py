"""Covers `orchestrator/server/app.py`: the application, put together from its parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from orchestrator.backends.base import AgentInput
from orchestrator.config.load import Config
from orchestrator.config.panels import check_panel
from orchestrator.errors import ConfigError
from orchestrator.eventlog import MemoryLog
from orchestrator.server.app import create_app
from orchestrator.server.app_keys import LOADED, METRICS, OPTIONS, READER, REGISTRY, STREAMS, SUPERVISOR
from orchestrator.server.http.guards.security import SecuritySettings
from tests.support.spine import ScriptedBackend, ScriptedRegistry, settings


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


class ClosedLog(MemoryLog):
    closed = False

    async def aclose(self) -> None:
        self.closed = True
        await super().aclose()


async def test_agents_made_in_python_stand_beside_those_of_a_folder(aiohttp_client: AiohttpClient) -> None:
    config = Config({"b": settings("b")}, (), Path())
    app = create_app(config, agents={"a": answers, "c": ScriptedBackend(answers)})
    assert list(app[REGISTRY].agents) == ["b", "a", "c"]
    client = await aiohttp_client(app)
    await app[LOADED]
    answer = await client.post(
        "/v1/runs", json={"message": "hi", "agents": ["a", "c"]}, headers={"Accept": "text/event-stream"}
    )
    body = await answer.text()
    assert body.count('"text":"Yes."') >= 2
    assert '"status":"completed"' in body


async def test_what_is_shared_lies_in_its_typed_places_and_a_log_goes_with_the_application(
    aiohttp_client: AiohttpClient,
) -> None:
    log = ClosedLog()
    app = create_app(agents={"a": answers}, event_log=log)
    for key in (METRICS, OPTIONS, READER, REGISTRY, STREAMS, SUPERVISOR):
        assert app[key] is not None
    assert app[SUPERVISOR].log is log
    client = await aiohttp_client(app)
    await client.close()
    assert log.closed


async def test_two_applications_of_one_process_count_apart() -> None:
    one, other = create_app(agents={}), create_app(agents={})
    one[METRICS].client_dropped("too_slow")
    labels = {"reason": "too_slow"}
    values = [
        app[METRICS].registry.get_sample_value("orchestrator_clients_dropped_total", labels)
        for app in (one, other)
    ]
    assert values[0] == 1.0
    assert not values[1]


async def test_agents_load_while_the_application_answers_already(aiohttp_client: AiohttpClient) -> None:
    """A slow import must keep no health check waiting, so readiness says it."""
    may_load = asyncio.Event()

    class Slow(ScriptedRegistry):
        async def load(self) -> None:
            await may_load.wait()
            await super().load()

    client = await aiohttp_client(create_app(registry=Slow({"a": answers})))
    assert (await client.get("/healthz")).status == 200
    assert (await client.get("/readyz")).status == 503
    may_load.set()
    await client.app[LOADED]
    assert (await client.get("/readyz")).status == 200


@pytest.mark.parametrize("method", ["tests.server.test_app:no_method", "no.such.module:x"])
async def test_a_panels_own_method_that_is_none_fails_the_loading(
    aiohttp_client: AiohttpClient, method: str
) -> None:
    panel = check_panel({"panel_id": "mine", "method": method, "members": ["a", "b"]})
    config = Config({name: settings(name) for name in "ab"}, (), Path(), panels={"mine": panel})
    client = await aiohttp_client(create_app(config))
    with pytest.raises(ConfigError):
        await client.app[LOADED]
    assert (await client.get("/healthz")).status == 200


def no_method(session: object) -> None:
    """Stand for what somebody took for a method: no `async def`."""


def test_an_allow_list_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(ConfigError):
        create_app(agents={}, security=SecuritySettings(allow_origins=("*",)))


async def test_an_application_that_ends_while_agents_load_does_not_wait_for_them(
    aiohttp_client: AiohttpClient,
) -> None:
    class Never(ScriptedRegistry):
        async def load(self) -> None:
            await asyncio.Event().wait()

    client = await aiohttp_client(create_app(registry=Never({"a": answers})))
    loading: asyncio.Future[Any] = client.app[LOADED]
    await client.close()
    assert loading.cancelled()


async def test_it_can_be_mounted_in_another_application(aiohttp_client: AiohttpClient) -> None:
    parent = web.Application()
    parent.add_subapp("/ai", create_app(agents={"a": answers}))
    client = await aiohttp_client(parent)
    agents = (await (await client.get("/ai/v1/agents")).json())["agents"]
    assert [agent["agent_id"] for agent in agents] == ["a"]
