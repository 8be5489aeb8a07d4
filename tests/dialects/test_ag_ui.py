"""AG-UI's own client, unmodified, of protocol 1.0 and of the last version before, against the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.eventlog import subscription
from tests.support.patience import eventually
from tests.support.service import Service

from .agents import BROKEN, CHATTY, FILE, ODD, TOOLED, dialects_served
from .node import install, run_node
from .test_ai_sdk import the_run
from .test_openai import cancel_agent, native_texts

pytestmark = pytest.mark.parametrize("version", ["0", "1"])


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    install()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


async def run(service: Service, version: str, **wanted: Any) -> Any:
    return await run_node("ag_ui.mjs", version, service.url, wanted)


def texts(told: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for message in told["messages"]:
        if message["role"] == "assistant" and message.get("content"):
            agent_id = message.get("name") or message["id"].split(".")[0]
            found[agent_id] = found.get(agent_id, "") + message["content"]
    return found


def of(told: dict[str, Any], kind: str) -> list[Any]:
    return [event for event in told["events"] if event["type"] == kind]


async def test_four_at_once_one_fails_and_one_is_cancelled(service: Service, version: str) -> None:
    """Texts, tools and reasoning as in the native stream, and one agent's failure ends no run."""
    running = asyncio.create_task(run(service, version, model="chatty+tooled+broken+endless"))
    run_id = await the_run(service)
    state = await service.find(run_id)
    await eventually(lambda: state.participants["endless"].text != "" and state.participants["chatty"].ended)
    await cancel_agent(service, run_id, "endless")
    told = await running
    assert told["failure"] is None
    assert texts(told) == await native_texts(service, run_id)
    assert texts(told)["chatty"] == "".join(CHATTY)
    (finished,) = of(told, "RUN_FINISHED")
    assert finished["result"]["status"] == "partial"
    (result,) = of(told, "TOOL_CALL_RESULT")
    assert result["content"] == "blue\u2028sky"
    assert "".join(event["delta"] for event in of(told, "REASONING_MESSAGE_CONTENT")).startswith(
        "hm, odd a\u2028b"
    )
    if version == "1":
        (failed,) = of(told, "SUBAGENT_ERROR")
        assert (failed["code"], failed["message"]) == ("upstream_unavailable", "The provider went away.")
        assert len(of(told, "SUBAGENT_STARTED")) == 4
        assert len(of(told, "SUBAGENT_FINISHED")) == 3
    else:
        assert len(of(told, "STEP_STARTED")) == len(of(told, "STEP_FINISHED")) == 4
        assert [
            event["value"]["agent_id"] for event in of(told, "CUSTOM") if event["name"] == "agent_error"
        ] == ["broken"]


async def test_the_same_run_again_is_the_first_one_from_its_start(service: Service, version: str) -> None:
    first = await run(service, version, model="tooled", runId="again")
    second = await run(service, version, model="tooled", runId="again")
    assert second == first
    assert texts(first) == {"tooled": "".join(TOOLED)}
    assert len((await service.call("GET", "/v1/runs")).json["runs"]) == 1


async def test_all_fail(service: Service, version: str) -> None:
    told = await run(service, version, model="broken+failing")
    (error,) = of(told, "RUN_ERROR")
    assert (error["message"], error["code"]) == ("The provider went away.", "upstream_unavailable")
    assert texts(told) == {"broken": BROKEN[0], "failing": BROKEN[0]}


async def test_an_unknown_agent_is_named(service: Service, version: str) -> None:
    told = await run(service, version, model="nobody")
    assert "404" in told["failure"] or "nobody" in told["failure"]
    assert told["events"] == [] or of(told, "RUN_FINISHED") == []


async def test_a_run_is_cancelled_by_a_call(service: Service, version: str) -> None:
    told = await run(service, version, model="endless", runId="mine", cancelWhen="and on")
    assert told["failure"] is None
    (finished,) = of(told, "RUN_FINISHED")
    assert finished["result"]["status"] == "cancelled"


async def test_silence_is_bridged(service: Service, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.1)
    told = await run(service, version, model="silent")
    assert told["failure"] is None
    assert texts(told) == {"silent": "before after"}


async def test_what_is_neither_text_nor_a_tool_is_custom(service: Service, version: str) -> None:
    told = await run(service, version, model="rich")
    assert told["failure"] is None
    assert texts(told) == {"rich": "Tea is hot."}
    said = {event["name"]: event["value"] for event in of(told, "CUSTOM")}
    assert (said["source"]["agent_id"], said["source"]["document"]) == ("rich", "The book of tea")
    assert said["file"]["url"] == FILE.url
    assert said["data"]["value"] == {"minutes": 4, "odd": ODD}
    assert said["progress"]["label"] == "Looking"
    (ended,) = of(told, "SUBAGENT_FINISHED") if version == "1" else [{"result": said["agent_done"]}]
    assert ended["result"]["output"] == {"hot": True, "odd": ODD}


@pytest.mark.parametrize("approve", [True, False])
async def test_an_interrupt_is_answered_by_the_next_run(
    service: Service, version: str, approve: bool
) -> None:
    asked = await run(service, version, model="asking", runId="first")
    (finished,) = of(asked, "RUN_FINISHED")
    (interrupt,) = finished["outcome"]["interrupts"]
    answer = {"interruptId": interrupt["id"], "status": "resolved", "payload": {"approved": approve}}
    told = await run(service, version, model="asking", runId="second", resume=[answer])
    assert told["failure"] is None
    assert texts(told) == {"asking": "Sent." if approve else "Not sent."}
