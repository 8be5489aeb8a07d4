"""The A2A project's own client, unmodified, in both bindings, against the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.types import (
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import (
    InvalidParamsError,
    PushNotificationNotSupportedError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf.json_format import MessageToDict

from orchestrator.eventlog import subscription
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.service import Service

from .agents import BROKEN, CHATTY, FILE, GATE, ODD, TOOLED, dialects_served
from .test_ai_sdk import the_run
from .test_openai import cancel_agent, native_texts

pytestmark = pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as made:
        yield made


async def connect(service: Service, http: httpx.AsyncClient, binding: str, model: str) -> Client:
    """Make a client as an A2A program does: from the card that it finds below an address."""
    card = await A2ACardResolver(http, f"{service.url}/v1/a2a/{model}").get_agent_card()
    config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding])
    return ClientFactory(config).create(card)


def request(text: str = "hi", **keys: Any) -> SendMessageRequest:
    return SendMessageRequest(
        message=Message(message_id="m1", role=Role.ROLE_USER, parts=[Part(text=text)], **keys)
    )


async def follow(stream: AsyncIterator[Any]) -> list[dict[str, Any]]:
    return [MessageToDict(each) for each in [each async for each in stream]]


def texts(told: list[dict[str, Any]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in told:
        artifacts = [each["artifactUpdate"]["artifact"]] if "artifactUpdate" in each else []
        for artifact in (*artifacts, *each.get("task", {}).get("artifacts", ())):
            agent_id = artifact["metadata"]["agent_id"]
            found[agent_id] = found.get(agent_id, "") + "".join(p.get("text", "") for p in artifact["parts"])
    return found


def statuses(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each["statusUpdate"] for each in told if "statusUpdate" in each]


async def test_four_at_once_one_fails_and_one_is_cancelled(
    service: Service, http: httpx.AsyncClient, binding: str
) -> None:
    """An artifact per agent, with the text of the native stream; odd characters end no line of httpx's."""
    client = await connect(service, http, binding, "chatty+tooled+broken+endless")
    running = asyncio.create_task(follow(client.send_message(request())))
    run_id = await the_run(service)
    run = await service.find(run_id)
    await eventually(lambda: run.participants["endless"].text != "" and run.participants["chatty"].ended)
    await cancel_agent(service, run_id, "endless")
    told = await running
    assert "task" in told[0]
    assert texts(told) == await native_texts(service, run_id)
    assert texts(told)["chatty"] == "".join(CHATTY)
    assert texts(told)["broken"] == BROKEN[0]
    last = statuses(told)[-1]
    assert (last["status"]["state"], last["metadata"]["run_status"]) == ("TASK_STATE_COMPLETED", "partial")
    said = [each["metadata"] for each in statuses(told)]
    ends = {each["agent_id"]: each["status"] for each in said if each.get("type") == "agent"}
    assert ends == {"chatty": "done", "tooled": "done", "broken": "error", "endless": "cancelled"}
    (result,) = [each for each in said if each.get("type") == "tool_result"]
    assert result["output"] == "blue\u2028sky"
    thought = "".join(each["text"] for each in said if each.get("type") == "reasoning")
    assert thought.startswith("hm, odd a\u2028b")


async def test_a_task_is_subscribed_to_and_gotten(
    service: Service, http: httpx.AsyncClient, binding: str
) -> None:
    """A later reader gets the task with what was said, and the rest once."""
    client = await connect(service, http, binding, "gated")
    first = client.send_message(request())
    task_id = ""
    async for each in first:
        if each.HasField("task"):
            task_id = each.task.id
        if each.HasField("artifact_update"):
            break
    await first.aclose()
    told = []
    async for each in client.subscribe(SubscribeToTaskRequest(id=task_id)):
        told.append(MessageToDict(each))
        GATE.open()
    assert "task" in told[0]
    assert texts(told) == {"gated": "before after"}
    task = MessageToDict(await client.get_task(GetTaskRequest(id=task_id)))
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert texts([{"task": task}]) == {"gated": "before after"}
    with pytest.raises(UnsupportedOperationError):
        await follow(client.subscribe(SubscribeToTaskRequest(id=task_id)))
    with pytest.raises(TaskNotFoundError):
        await client.get_task(GetTaskRequest(id="run_none"))


async def test_all_fail(service: Service, http: httpx.AsyncClient, binding: str) -> None:
    client = await connect(service, http, binding, "broken+failing")
    last = statuses(await follow(client.send_message(request())))[-1]
    assert last["status"]["state"] == "TASK_STATE_FAILED"
    assert last["status"]["message"]["parts"][0]["text"] == "The provider went away."


async def test_a_task_is_cancelled(service: Service, http: httpx.AsyncClient, binding: str) -> None:
    client = await connect(service, http, binding, "endless")
    running = asyncio.create_task(follow(client.send_message(request())))
    run_id = await the_run(service)
    task = await client.cancel_task(CancelTaskRequest(id=run_id))
    assert task.status.state == TaskState.TASK_STATE_CANCELED
    assert statuses(await running)[-1]["status"]["state"] == "TASK_STATE_CANCELED"


@pytest.mark.parametrize("approve", [True, False])
async def test_an_approval_is_input(
    service: Service, http: httpx.AsyncClient, binding: str, approve: bool
) -> None:
    client = await connect(service, http, binding, "asking")
    asked = await follow(client.send_message(request()))
    last = statuses(asked)[-1]
    assert last["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert texts(asked) == {"asking": "May I? "}
    answer = request("yes" if approve else "No.", task_id=last["taskId"])
    told = await follow(client.send_message(answer))
    assert texts(told) == {"asking": "Sent." if approve else "Not sent."}
    assert statuses(told)[-1]["status"]["state"] == "TASK_STATE_COMPLETED"


async def test_what_is_neither_text_nor_a_tool_is_an_artifact_or_a_status(
    service: Service, http: httpx.AsyncClient, binding: str
) -> None:
    client = await connect(service, http, binding, "rich")
    told = await follow(client.send_message(request()))
    parts = [each["artifactUpdate"]["artifact"]["parts"][0] for each in told if "artifactUpdate" in each]
    assert [part["url"] for part in parts if "url" in part] == [FILE.url]
    assert [part["data"]["minutes"] for part in parts if "data" in part] == [3, 4]
    kinds = {each["metadata"].get("type"): each["metadata"] for each in statuses(told)}
    assert kinds["progress"]["label"] == "Looking"
    assert kinds["source"]["document"] == "The book of tea"
    task = MessageToDict(await client.get_task(GetTaskRequest(id=told[0]["task"]["id"])))
    whole = [part for artifact in task["artifacts"] for part in artifact["parts"]]
    assert [part["data"]["odd"] for part in whole if "data" in part] == [ODD]
    assert [part["filename"] for part in whole if "url" in part] == [FILE.name]


async def test_a_refusal_has_its_reason(service: Service, http: httpx.AsyncClient, binding: str) -> None:
    client = await connect(service, http, binding, "asking")
    last = statuses(await follow(client.send_message(request())))[-1]
    told = await follow(client.send_message(request("no, too many", task_id=last["taskId"])))
    assert texts(told) == {"asking": "Not sent. You said: too many"}
    (answered,) = [each["metadata"] for each in statuses(told) if each["metadata"].get("type") == "approval"]
    assert answered["reason"] == "too many"


async def test_silence_is_bridged(
    service: Service, http: httpx.AsyncClient, binding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.1)
    client = await connect(service, http, binding, "silent")
    assert texts(await follow(client.send_message(request()))) == {"silent": "before after"}


async def test_without_a_stream_the_task_is_the_answer(
    service: Service, http: httpx.AsyncClient, binding: str
) -> None:
    card = await A2ACardResolver(http, f"{service.url}/v1/a2a/tooled").get_agent_card()
    config = ClientConfig(httpx_client=http, supported_protocol_bindings=[binding], streaming=False)
    told = await follow(ClientFactory(config).create(card).send_message(request()))
    assert texts(told) == {"tooled": "".join(TOOLED)}


async def test_cards_say_who_can_be_asked(service: Service, http: httpx.AsyncClient, binding: str) -> None:
    card = await A2ACardResolver(http, service.url).get_agent_card()
    assert {"chatty", "asking"} <= {skill.id for skill in card.skills}
    assert {each.protocol_binding for each in card.supported_interfaces} == {"JSONRPC", "HTTP+JSON"}
    unknown = await http.get(f"{service.url}/v1/a2a/nobody/.well-known/agent-card.json")
    assert unknown.status_code == 404
    assert "nobody" in unknown.json()["error"]["message"]
    path = "/message:send" if binding == "HTTP+JSON" else ""
    old = await http.post(
        f"{service.url}/v1/a2a/tooled{path}", json={"jsonrpc": "2.0", "id": 1, "method": "x"}
    )
    assert "A2A-Version" in old.json()["error"]["message"]


async def test_tasks_are_listed_and_none_calls_back(
    service: Service, http: httpx.AsyncClient, binding: str
) -> None:
    client = await connect(service, http, binding, "tooled")
    run_ids = []
    for context in ("tea", "tea", ""):
        told = await follow(client.send_message(request(context_id=context)))
        run_ids.append(told[0]["task"]["id"])
    first = await client.list_tasks(ListTasksRequest(page_size=2))
    rest = await client.list_tasks(ListTasksRequest(page_size=2, page_token=first.next_page_token))
    assert [task.id for page in (first, rest) for task in page.tasks] == run_ids[::-1]
    assert {task.status.state for task in first.tasks} == {TaskState.TASK_STATE_COMPLETED}
    of_tea = await client.list_tasks(
        ListTasksRequest(context_id="tea", status=TaskState.TASK_STATE_COMPLETED)
    )
    assert [task.id for task in of_tea.tasks] == run_ids[1::-1]
    assert not (await client.list_tasks(ListTasksRequest(status=TaskState.TASK_STATE_FAILED))).tasks
    with pytest.raises(InvalidParamsError):
        await client.list_tasks(ListTasksRequest(page_token="mine"))
    with pytest.raises(PushNotificationNotSupportedError):
        await client.create_task_push_notification_config(
            TaskPushNotificationConfig(task_id=run_ids[0], url="http://localhost/hook")
        )
    with pytest.raises(PushNotificationNotSupportedError):
        await client.delete_task_push_notification_config(
            DeleteTaskPushNotificationConfigRequest(task_id=run_ids[0], id="1")
        )
