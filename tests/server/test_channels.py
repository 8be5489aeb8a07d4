"""Covers `orchestrator/server/routes/channels.py`: every run of a channel on one connection."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from orchestrator.backends.base import AgentInput
from orchestrator.server.app import create_app
from orchestrator.sse_parser import SSEParser
from tests.support.patience import soon


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield request.message


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    return await aiohttp_client(create_app(agents={"a": answers}))


async def start(client: TestClient[Any, Any], message: str, channel: str = "c") -> str:
    async with client.post("/v1/runs", json={"message": message, "channel": channel}) as answer:
        return str((await answer.json())["run_id"])


async def events(client: TestClient[Any, Any], path: str, ends: int) -> list[dict[str, Any]]:
    """Follow a channel until so many runs have ended."""
    parser, found = SSEParser(), list[dict[str, Any]]()

    async def follow() -> None:
        async with client.get(path) as answer:
            assert answer.status == 200
            while sum(each["type"] == "done" and "agent_id" not in each for each in found) < ends:
                found.extend(json.loads(event.data) for event in parser.feed(await answer.content.readany()))

    await soon(follow())
    return found


async def test_every_event_says_of_which_run_it_is(client: TestClient[Any, Any]) -> None:
    runs = [await start(client, "one"), await start(client, "two")]
    await start(client, "three", channel="other")
    found = await events(client, "/v1/channels/c/events", 2)
    assert {each["run_id"] for each in found} == set(runs)
    said = {each["run_id"]: each["text"] for each in found if each["type"] == "done" and "agent_id" in each}
    assert said == dict(zip(runs, ("one", "two"), strict=True))


async def test_a_channel_goes_on_after_its_runs_have_ended(client: TestClient[Any, Any]) -> None:
    await start(client, "one")
    await events(client, "/v1/channels/c/events", 1)
    later = await start(client, "two")
    assert later in {each["run_id"] for each in await events(client, "/v1/channels/c/events", 2)}


async def test_one_may_follow_some_runs_of_it(client: TestClient[Any, Any]) -> None:
    first, second = await start(client, "one"), await start(client, "two")
    found = await events(client, f"/v1/channels/c/events?runs={second}", 1)
    assert {each["run_id"] for each in found} == {second} != {first}


@pytest.mark.parametrize("name", ["a%20b", "x" * 65, "%C3%A4"])
async def test_a_name_that_is_none_is_refused(client: TestClient[Any, Any], name: str) -> None:
    assert (await client.get(f"/v1/channels/{name}/events")).status in (404, 422)


async def test_a_dialect_that_folds_one_run_cannot_write_a_channel(client: TestClient[Any, Any]) -> None:
    assert (await client.get("/v1/channels/c/events?framing=chat")).status == 422
    assert (await client.get("/v1/channels/c/events?framing=message")).status == 200
