"""The MCP project's own client, unmodified, against the service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from mcp import ClientSession, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult

from orchestrator.eventlog import subscription
from tests.support.patience import eventually
from tests.support.service import Serve, Service

from .agents import BROKEN, CHATTY, FILE, GATE, ODD, SOURCE, TOOLED, dialects_served, gated, tooled
from .cutting import cutting
from .test_ai_sdk import the_run
from .test_openai import cancel_agent, native_texts


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


@asynccontextmanager
async def connected(service: Service, **callbacks: Any) -> AsyncIterator[ClientSession]:
    async with (
        streamable_http_client(f"{service.url}/v1/mcp") as streams,
        ClientSession(streams[0], streams[1], **callbacks) as session,
    ):
        await session.initialize()
        yield session


async def test_it_tells_its_tools(service: Service) -> None:
    async with connected(service) as session:
        (ask,) = (await session.list_tools()).tools
    assert ask.name == "ask"
    assert "chatty" in ask.input_schema["properties"]["agents"]["items"]["enum"]


async def test_four_at_once_one_fails_and_one_is_cancelled(service: Service) -> None:
    """The result has the texts of the native stream by agent; progress says what goes on."""
    heard: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with connected(service) as session:
        names = ["chatty", "tooled", "broken", "endless"]
        asking = asyncio.create_task(
            session.call_tool("ask", {"message": "hi", "agents": names}, progress_callback=progress)
        )
        run_id = await the_run(service)
        run = await service.find(run_id)
        await eventually(lambda: run.participants["endless"].text != "" and run.participants["chatty"].ended)
        await cancel_agent(service, run_id, "endless")
        result = await asking
    assert not result.is_error
    told = result.structured_content
    assert told is not None
    assert {name: each["text"] for name, each in told["agents"].items()} == await native_texts(
        service, run_id
    )
    assert told["agents"]["chatty"]["text"] == "".join(CHATTY)
    assert told["agents"]["broken"]["text"] == BROKEN[0]
    assert {name: each["status"] for name, each in told["agents"].items()} == {
        "chatty": "done", "tooled": "done", "broken": "error", "endless": "cancelled"
    }  # fmt: skip
    assert told["status"] == "partial"
    assert any("runs look" in message for message in heard)
    assert any("failed: The provider went away." in message for message in heard)


async def test_a_cut_stream_is_taken_up_again(serve: Serve) -> None:
    """By the client itself, at whatever byte, before the run is taken for abandoned: the result is whole."""
    heard: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append(done)

    service = await serve({"gated": gated, "tooled": tooled})
    async with (
        cutting(service) as proxy,
    ):
        async with (
            streamable_http_client(f"{proxy.url}/v1/mcp") as streams,
            ClientSession(streams[0], streams[1]) as session,
        ):
            await session.initialize()
            for place in random.Random("mcp").sample(range(150, 900), 2):
                GATE.close()
                heard.clear()
                before, proxy.cut_at = proxy.streams, place
                asked = {"message": "hi", "agents": ["gated", "tooled"]}
                asking = asyncio.create_task(session.call_tool("ask", asked, progress_callback=progress))
                await eventually(lambda before=before: proxy.streams == before + 2)
                GATE.open()
                told = (await asking).structured_content
                assert told is not None
                texts = {name: each["text"] for name, each in told["agents"].items()}
                assert texts == {"gated": "before after", "tooled": "".join(TOOLED)}
                assert heard == sorted(set(heard)), "progress may only rise"
        assert proxy.cuts == 2


@pytest.mark.parametrize(
    "event_id", ["", "k3f9abcd-1", "WyJydW5fbm9uZSJd/k3f9abcd-1", "é/1", "WzEsMiwzLDRd/a-1"]
)
async def test_an_id_of_no_stream_is_refused(service: Service, event_id: str) -> None:
    headers = {"Last-Event-ID": event_id, "Accept": "text/event-stream"}
    answer = await service.call("GET", "/v1/mcp", headers=headers)
    assert answer.status == (422 if event_id else 405)


async def test_all_fail(service: Service) -> None:
    async with connected(service) as session:
        result = await session.call_tool("ask", {"message": "hi", "agents": ["broken", "failing"]})
    assert result.is_error
    assert result.content[0].text == "The provider went away."


async def test_what_is_wrong_is_told_to_the_model_that_called(service: Service) -> None:
    async with connected(service) as session:
        unknown = await session.call_tool("ask", {"message": "hi", "agents": ["nobody"]})
        assert unknown.is_error
        assert "nobody" in unknown.content[0].text
        # n8n's client adds arguments of its own, which neither the model nor the user can leave out.
        added = await session.call_tool("ask", {"message": "hi", "agents": ["tooled"], "toolCallId": "c1"})
        assert not added.is_error
        with pytest.raises(MCPError, match="no tool"):
            await session.call_tool("ask_nobody", {"message": "hi"})


async def test_a_call_is_cancelled(service: Service) -> None:
    async with connected(service) as session:
        asking = asyncio.create_task(session.call_tool("ask", {"message": "hi", "agents": ["endless"]}))
        run_id = await the_run(service)
        run = await service.find(run_id)
        await eventually(lambda: run.participants["endless"].text != "")
        asking.cancel()
        await service.ended(run_id)
        assert service.run(run_id).status == "cancelled"


@pytest.mark.parametrize(("action", "end"), [("accept", "Sent."), ("decline", "Not sent.")])
async def test_an_approval_is_asked_of_the_client_s_user(service: Service, action: Any, end: str) -> None:
    asked: list[str] = []

    async def answer(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action=action, content={"approve": True} if action == "accept" else None)

    async with connected(service, elicitation_callback=answer) as session:
        result = await session.call_tool("ask", {"message": "hi", "agents": ["asking"]})
    assert result.content[0].text == f"May I? {end}"
    (question,) = asked
    assert "send" in question


async def test_a_refusal_has_its_reason(service: Service) -> None:
    async def answer(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"approve": False, "reason": "Too many."})

    async with connected(service, elicitation_callback=answer) as session:
        result = await session.call_tool("ask", {"message": "hi", "agents": ["asking"]})
    assert result.content[0].text == "May I? Not sent. You said: Too many."


async def test_what_is_neither_text_nor_a_tool_comes_with_the_result(service: Service) -> None:
    heard: list[str] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with connected(service) as session:
        result = await session.call_tool(
            "ask", {"message": "hi", "agents": ["rich"]}, progress_callback=progress
        )
    assert any("Looking, 50%" in message for message in heard)
    assert [str(each.uri) for each in result.content if each.type == "resource_link"] == [
        SOURCE.url,
        FILE.url,
    ]
    assert result.structured_content is not None
    told = result.structured_content["agents"]["rich"]
    assert told["output"] == {"hot": True, "odd": ODD}
    assert [each["value"]["minutes"] for each in told["data"]] == [4]


async def test_silence_is_bridged(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.1)
    async with connected(service) as session:
        result = await session.call_tool("ask", {"message": "hi", "agents": ["silent"]})
    assert result.content[0].text == "before after"


async def test_without_a_stream_the_result_is_the_answer(service: Service) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "ask", "arguments": {"message": "hi", "agents": ["tooled"]}}}  # fmt: skip
    answer = await service.call("POST", "/v1/mcp", json=body)
    assert answer.json["result"]["content"][0]["text"] == "".join(TOOLED)
    assert (await service.call("GET", "/v1/mcp")).status == 405
    for method, status in (("ping", 400), ("initialize", 200)):
        call = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
        other = await service.call(
            "POST", "/v1/mcp", json=call, headers={"MCP-Protocol-Version": "1999-01-01"}
        )
        assert other.status == status, "a version that was not agreed on, but for the call that agrees on one"
        assert other.json.get("error", {}).get("code") == (-32600 if status == 400 else None)


@pytest.mark.parametrize("path", ["/v1/mcp", "/v1/a2a/tooled"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b'{"id": NaN}', -32700),
        (b'{"id": 1, "id": 2}', -32700),
        (b"[]", -32600),
        (b"1", -32600),
    ],
)
async def test_only_what_is_no_json_is_a_parse_error(
    service: Service, path: str, body: bytes, code: int
) -> None:
    """JSON-RPC tells a broken body from one that is no call."""
    headers = {"Content-Type": "application/json", "A2A-Version": "1.0"}
    answer = await service.call("POST", path, data=body, headers=headers)
    assert answer.json["error"]["code"] == code
