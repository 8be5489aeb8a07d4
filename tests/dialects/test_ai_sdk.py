"""The AI SDK's own Chat, unmodified, of major versions 5, 6 and 7, against the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.eventlog import subscription
from tests.support.patience import eventually
from tests.support.service import Service

from .agents import BROKEN, CHATTY, FILE, GATE, ODD, SOURCE, TOOLED, dialects_served
from .cutting import cutting
from .node import install, run_node
from .test_openai import cancel_agent, native_texts

pytestmark = pytest.mark.parametrize("version", ["5", "6", "7"])


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    install()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


async def chat(service: Service, version: str, **wanted: Any) -> Any:
    return await run_node("chat.mjs", version, service.url, wanted)


def texts(message: dict[str, Any]) -> dict[str, str]:
    """Return what each agent says: every part names its agent."""
    found: dict[str, str] = {}
    for part in message["parts"]:
        if part["type"] == "text":
            agent_id = part["providerMetadata"]["orchestrator"]["agent_id"]
            found[agent_id] = found.get(agent_id, "") + part["text"]
    return found


def agents(message: dict[str, Any]) -> dict[str, Any]:
    return {part["id"]: part["data"] for part in message["parts"] if part["type"] == "data-agent"}


async def the_run(service: Service) -> str:
    runs: list[Any] = []

    async def found() -> bool:
        runs[:] = (await service.call("GET", "/v1/runs")).json["runs"]
        return bool(runs)

    while not await found():
        await asyncio.sleep(0.02)
    return str(runs[0]["run_id"])


async def test_four_at_once_one_fails_and_one_is_cancelled(service: Service, version: str) -> None:
    talking = asyncio.create_task(
        chat(service, version, body={"model": "chatty+tooled+broken+endless"}, text="hi")
    )
    run_id = await the_run(service)
    run = await service.find(run_id)
    await eventually(lambda: run.participants["endless"].text != "" and run.participants["chatty"].ended)
    await cancel_agent(service, run_id, "endless")
    told = await talking
    assert (told["status"], told["errors"]) == ("ready", [])
    message = told["messages"][-1]
    assert message["id"] == run_id
    assert texts(message) == await native_texts(service, run_id)
    assert texts(message)["chatty"] == "".join(CHATTY)
    assert texts(message)["broken"] == BROKEN[0]
    states = {agent_id: about["status"] for agent_id, about in agents(message).items()}
    assert states == {"chatty": "done", "tooled": "done", "broken": "error", "endless": "cancelled"}
    assert agents(message)["broken"]["code"] == "upstream_unavailable"
    (tool,) = [part for part in message["parts"] if part["type"] == "dynamic-tool"]
    assert (tool["toolName"], tool["state"], tool["output"]) == ("look", "output-available", "blue\u2028sky")
    (thought,) = [part for part in message["parts"] if part["type"] == "reasoning"]
    assert thought["text"].startswith("hm, odd a\u2028b")
    assert message["metadata"]["status"] == "partial"


async def test_a_cut_stream_is_taken_up_again(service: Service, version: str) -> None:
    """The same message goes on: nothing twice, nothing missing."""
    async with cutting(service) as proxy:
        wanted = {"body": {"model": "gated+tooled"}, "cutWhen": "before"}
        talking = asyncio.create_task(run_node("chat.mjs", version, proxy.url, wanted))
        await eventually(lambda: proxy.streams == 2)
        GATE.open()
        told = await talking
    replies = [message for message in told["messages"] if message["role"] == "assistant"]
    assert len(replies) == 1
    assert told["errors"] == []
    assert texts(replies[0]) == {"gated": "before after", "tooled": "".join(TOOLED)}


@pytest.mark.parametrize("kept", ["the question", "half of the answer"])
async def test_a_page_that_is_loaded_anew_takes_the_run_up(service: Service, version: str, kept: str) -> None:
    """Whether or not it has kept what was said before, it shows all of it once."""
    run_id = await service.start(agents=["gated", "tooled"], conversation_id="chat1")
    question = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "hi"}]}
    half = {
        "id": run_id,
        "role": "assistant",
        "parts": [{"type": "text", "text": "befo", "state": "streaming"}],
    }
    messages = [question] if kept == "the question" else [question, half]
    async with cutting(service) as proxy:
        wanted = {"resume": True, "messages": messages}
        talking = asyncio.create_task(run_node("chat.mjs", version, proxy.url, wanted))
        await eventually(lambda: proxy.streams == 1)
        GATE.open()
        told = await talking
    assert [message["role"] for message in told["messages"]] == ["user", "assistant"]
    assert texts(told["messages"][1]) == {"gated": "before after", "tooled": "".join(TOOLED)}


async def test_all_fail(service: Service, version: str) -> None:
    told = await chat(service, version, body={"model": "broken+failing"})
    assert told["status"] == "error"
    assert told["errors"] == ["The provider went away."]
    assert texts(told["messages"][-1]) == {"broken": BROKEN[0], "failing": BROKEN[0]}


async def test_an_unknown_agent_is_named(service: Service, version: str) -> None:
    told = await chat(service, version, body={"model": "nobody"})
    assert told["status"] == "error"
    assert "nobody" in told["errors"][0]
    assert told["errors"][0].startswith("There is no model"), "words, not a document"


async def test_stop_is_a_call(service: Service, version: str) -> None:
    told = await chat(service, version, body={"model": "endless"}, stopWhen="and on")
    assert told["status"] == "ready"
    assert agents(told["messages"][-1])["endless"]["status"] == "cancelled"


async def test_silence_is_bridged(service: Service, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.1)
    told = await chat(service, version, body={"model": "silent"})
    assert told["errors"] == []
    assert texts(told["messages"][-1]) == {"silent": "before after"}


async def test_what_is_neither_text_nor_a_tool_is_a_part_of_its_own(service: Service, version: str) -> None:
    told = await chat(service, version, body={"model": "rich"})
    assert told["errors"] == []
    message = told["messages"][-1]
    assert texts(message) == {"rich": "Tea is hot."}
    parts = {part["type"]: part for part in message["parts"]}
    assert parts["source-url"]["url"] == SOURCE.url
    assert parts["source-document"]["title"] == "The book of tea"
    assert parts["file"]["url"] == FILE.url
    (said,) = [part for part in message["parts"] if part["type"] == "data-said"]
    assert said["data"] == {
        "agent_id": "rich",
        "name": "brew",
        "value": {"minutes": 4, "odd": ODD},
        "data_id": "b1",
    }
    assert parts["data-progress"]["data"]["label"] == "Looking"
    assert agents(message)["rich"]["output"] == {"hot": True, "odd": ODD}


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_asked_for_and_answered(service: Service, version: str, approve: bool) -> None:
    """5 knows no such frame, so it is not sent one: there the question is a data part, answered by our own call."""
    if version == "5":
        talking = asyncio.create_task(chat(service, version, body={"model": "asking"}))
        run_id = await the_run(service)
        run = await service.find(run_id)
        await eventually(lambda: getattr(run, "awaits_approval", False))
        path = f"/v1/runs/{run_id}/agents/asking/approvals/c9"
        assert (await service.call("POST", path, json={"approve": approve})).status == 202
        told = await talking
    else:
        told = await chat(
            service,
            version,
            body={"model": "asking", "approvals": True},
            approve=approve,
            until="Sent." if approve else "Not sent.",
        )
    assert told["errors"] == []
    assert texts(told["messages"][-1]) == {"asking": "May I? Sent." if approve else "May I? Not sent."}
