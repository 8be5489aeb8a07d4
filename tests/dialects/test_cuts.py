"""The real clients over a connection that is cut at random bytes: what they have in the end is whole."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from a2a.client.errors import A2AClientError
from a2a.types import SubscribeToTaskRequest
from openai import AsyncOpenAI

from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.service import Service

from .agents import CHATTY, GATE, TOOLED, dialects_served
from .cutting import CuttingProxy, cutting
from .node import install, run_node
from .test_a2a import connect, request
from .test_ag_ui import of
from .test_ag_ui import texts as ag_ui_texts
from .test_ai_sdk import texts as ui_texts

WHOLE = {"chatty": "".join(CHATTY), "tooled": "".join(TOOLED)}
CUTS = 6


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


@pytest.fixture
async def proxy(service: Service) -> AsyncIterator[CuttingProxy]:
    async with cutting(service) as made:
        yield made


async def read(stream: AsyncIterator[Any], told: list[Any]) -> None:
    """Append what *stream* tells, up to its end or its failure."""
    async for each in stream:
        told.append(each)


async def test_openai_goes_on_by_number_whatever_byte_was_the_last(
    service: Service, proxy: CuttingProxy
) -> None:
    chance = random.Random("openai")
    async with AsyncOpenAI(base_url=f"{proxy.url}/v1", api_key="none", max_retries=0) as client:
        made = await client.responses.create(model="chatty+tooled", input="hi")
        size = len(await service.body(f"/v1/responses/{made.id}?stream=true"))
        whole = [each async for each in await client.responses.retrieve(made.id, stream=True)]
        for _ in range(CUTS):
            proxy.cut_at = chance.randrange(1, size)
            told: list[Any] = []
            with pytest.raises((openai.APIError, httpx.HTTPError)):
                await read(await client.responses.retrieve(made.id, stream=True), told)
            after = {"starting_after": told[-1].sequence_number} if told else {}
            await read(await client.responses.retrieve(made.id, stream=True, **after), told)
            assert told == whole
    assert proxy.cuts == CUTS


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_a2a_subscribes_again_and_has_the_whole_text(
    service: Service, proxy: CuttingProxy, binding: str
) -> None:
    """Of a task that goes on; what was said before stands in the task that comes first."""
    chance = random.Random(binding)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        client = await connect(service, http, binding, "gated")
        client._transport.url = client._transport.url.replace(service.url, proxy.url)  # type: ignore[attr-defined]
        for _ in range(2):
            GATE.close()
            proxy.cut_at = chance.randrange(350, 600)  # the task is told, and its agent has not said all
            begun: list[Any] = []
            with pytest.raises(A2AClientError):
                await read(client.send_message(request()), begun)
            task_id = begun[0].task.id
            parts: dict[str, str] = {}
            async for each in client.subscribe(SubscribeToTaskRequest(id=task_id)):
                GATE.open()
                if each.HasField("task"):
                    parts = {a.artifact_id: "".join(p.text for p in a.parts) for a in each.task.artifacts}
                elif each.HasField("artifact_update"):
                    update = each.artifact_update
                    text = "".join(part.text for part in update.artifact.parts)
                    before = parts.get(update.artifact.artifact_id, "") if update.append else ""
                    parts[update.artifact.artifact_id] = before + text
            assert list(parts.values()) == ["before after"]
    assert proxy.cuts == 2


@pytest.mark.parametrize("version", ["5", "6", "7"])
async def test_a_chat_of_the_ai_sdk_takes_its_stream_up_again(proxy: CuttingProxy, version: str) -> None:
    """The message is replayed, and what the chat had of it is not there twice."""
    install()
    proxy.cut_at = random.Random(version).randrange(900, 1800)
    wanted = {"body": {"model": "gated+tooled"}, "takeUp": True}
    talking = asyncio.create_task(run_node("chat.mjs", version, proxy.url, wanted))
    await eventually(lambda: proxy.streams == 2)
    GATE.open()
    told = await talking
    replies = [message for message in told["messages"] if message["role"] == "assistant"]
    assert len(replies) == 1
    assert ui_texts(replies[0]) == {"gated": "before after", "tooled": "".join(TOOLED)}
    assert proxy.cuts == 1


@pytest.mark.parametrize("version", ["0", "1"])
async def test_an_ag_ui_run_goes_on_by_its_run_id(
    service: Service, proxy: CuttingProxy, version: str
) -> None:
    """From its start, or after `Last-Event-ID`; what was open is opened again."""
    install()
    wanted = {"model": "chatty+tooled", "runId": "cut"}
    proxy.cut_at = random.Random(version).randrange(300, 4000)
    broken = await run_node("ag_ui.mjs", version, proxy.url, wanted)
    assert of(broken, "RUN_FINISHED") == []
    again = await run_node("ag_ui.mjs", version, proxy.url, wanted)
    assert (again["failure"], ag_ui_texts(again)) == (None, WHOLE)
    (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
    events = await service.events(run["run_id"])
    tokens = [place for place, event in enumerate(events) if event.data["type"] == "token"]
    place = tokens[len(tokens) // 2]
    late = await run_node(
        "ag_ui.mjs", version, proxy.url, wanted | {"headers": {"Last-Event-ID": events[place].id}}
    )
    assert late["failure"] is None
    rest: dict[str, str] = {}
    for event in events[place + 1 :]:
        if event.data["type"] == "token":
            rest[event.data["agent_id"]] = rest.get(event.data["agent_id"], "") + event.data["text"]
    assert ag_ui_texts(late) == rest
