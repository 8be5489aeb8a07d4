"""Progress, data, sources, files, structured answers and answered approvals, through the running service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from orchestrator import (
    AgentInput,
    ApprovalRequest,
    Data,
    File,
    Finish,
    Progress,
    Source,
    Token,
    ToolCall,
    Usage,
    create_app,
)

URL = "https://example.org/"


async def rich(request: AgentInput) -> AsyncIterator[Any]:
    yield Progress("Reading", fraction=0)
    yield Progress("Reading", step=2, steps=5)
    yield Data("rows", [1], data_id="r")
    yield Data("rows", None, data_id="r")
    yield Source("s1", url=URL, title="Example", at=0)
    yield File("f1", "a.txt", "text/plain", "data:text/plain,hi")
    yield "Said."
    yield Finish(usage=Usage(10, 5, cached_input_tokens=4, reasoning_tokens=0), output=[])


async def over(request: AgentInput) -> AsyncIterator[Any]:
    yield "Kept."
    yield Data("n", 1)
    yield Data("n", "x" * 70_000)


async def careful(request: AgentInput) -> AsyncIterator[Any]:
    yield ApprovalRequest("c1", "pay", "{}")
    approved = await request.approve("c1")
    yield f"{approved}: {request.reasons.get('c1')}"


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    return await aiohttp_client(create_app(agents={"rich": rich, "over": over, "careful": careful}))


async def run(client: TestClient[Any, Any], **body: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Run to the end; return the events' data and the snapshot."""
    answer = await client.post(
        "/v1/runs", json={"message": "m"} | body, headers={"Accept": "text/event-stream"}
    )
    lines = (await answer.read()).decode().split("\n")
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
    snapshot = await (await client.get(f"/v1/runs/{answer.headers['Run-Id']}")).json()
    return events, snapshot


def payloads(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in event.items() if key not in ("agent_id", "type", "t")}
        for event in events
        if event["type"] == kind and "agent_id" in event
    ]


async def test_a_field_that_was_given_is_on_the_wire_and_one_that_was_not_is_absent(
    client: TestClient[Any, Any],
) -> None:
    events, snapshot = await run(client, agents=["rich"])
    bars = [{"label": "Reading", "fraction": 0}, {"label": "Reading", "step": 2, "steps": 5}]
    rows = [{"name": "rows", "value": [1], "data_id": "r"}, {"name": "rows", "value": None, "data_id": "r"}]
    source = {"source_id": "s1", "url": URL, "title": "Example", "at": 0}
    file = {"file_id": "f1", "name": "a.txt", "media_type": "text/plain", "url": "data:text/plain,hi"}
    assert payloads(events, "progress") == bars
    assert payloads(events, "data") == rows
    assert payloads(events, "source") == [source]
    assert payloads(events, "file") == [file]
    (done,) = payloads(events, "done")
    assert (done["text"], done["output"]) == ("Said.", [])
    assert done["usage"] == {
        "input_tokens": 10, "output_tokens": 5, "cached_input_tokens": 4, "reasoning_tokens": 0,
    }  # fmt: skip
    agent = snapshot["agents"]["rich"]
    assert (agent["progress"], agent["data"]) == (bars[1:], rows[1:])
    assert (agent["sources"], agent["files"], agent["output"]) == ([source], [file], [])


async def test_over_a_bound_the_attempt_fails_and_what_was_said_stays(client: TestClient[Any, Any]) -> None:
    events, snapshot = await run(client, agents=["over"])
    (error,) = payloads(events, "error")
    assert (error["code"], error["retryable"]) == ("upstream_invalid", False)
    assert payloads(events, "data") == [{"name": "n", "value": 1}]
    assert snapshot["agents"]["over"]["text"] == "Kept."
    assert snapshot["agents"]["over"]["data"] == [{"name": "n", "value": 1}]


async def test_a_blind_run_withholds_content_until_the_vote(client: TestClient[Any, Any]) -> None:
    events, snapshot = await run(client, agents=["rich"], blind=True)
    assert {event["type"] for event in events}.isdisjoint({"data", "source", "file"})
    assert [bar["label"] for bar in payloads(events, "progress")] == ["", ""]
    assert "output" not in payloads(events, "done")[0]
    agent = snapshot["agents"]["agent-1"]
    assert {"progress", "data", "sources", "files", "output"}.isdisjoint(agent)
    voted = await client.post(f"/v1/runs/{snapshot['run_id']}/vote", json={"agent_id": "agent-1"})
    assert voted.status == 200
    after = await (await client.get(f"/v1/runs/{snapshot['run_id']}")).json()
    agent = after["agents"]["agent-1"]
    assert [bar["label"] for bar in agent["progress"]] == ["Reading"]
    assert [source["url"] for source in agent["sources"]] == [URL]
    assert (len(agent["data"]), len(agent["files"])) == (1, 1)
    assert agent["output"] == []
    assert "sources" not in after["revealed"]["agents"][0]


async def test_an_approval_is_told_with_its_reason_before_the_agent_goes_on(
    client: TestClient[Any, Any],
) -> None:
    started = await (await client.post("/v1/runs", json={"message": "m", "agents": ["careful"]})).json()
    address = f"/v1/runs/{started['run_id']}"
    stream = await client.get(f"{address}/events")
    async for line in stream.content:
        if line.startswith(b"event: careful.approval_request"):
            break
    call = f"{address}/agents/careful/approvals/c1"
    for wrong in (
        {"approve": 1},
        {"approve": True, "why": "x"},
        {"approve": True, "reason": "x" * 1001},
        {"approve": True, "by": ""},
    ):
        assert (await client.post(call, json=wrong)).status == 422
    assert (await client.post(call, json={"approve": False, "reason": "too dear", "by": "Ann"})).status == 202
    rest = (await stream.read()).decode()
    told = [line for line in rest.split("\n") if line.startswith("event: ")]
    assert told.index("event: careful.approval") < told.index("event: careful.token")
    assert '"call_id":"c1","approve":false,"reason":"too dear","by":"Ann"' in rest
    assert '"text":"False: too dear"' in rest


def test_what_agents_yield_is_importable_from_the_top() -> None:
    assert [each.__name__ for each in (Token, ToolCall, Progress)] == ["Token", "ToolCall", "Progress"]
