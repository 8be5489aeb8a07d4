"""Refusals before a stream begins, as each real client reads them: no token, a foreign page, too many runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
from a2a.client import A2ACardResolver, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientError
from a2a.utils.errors import A2A_REASON_TO_ERROR, A2AError
from mcp import ClientSession, MCPError
from mcp.client.streamable_http import streamable_http_client
from openai import AsyncOpenAI

from orchestrator.backends.base import AgentInput
from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.run_store import RunRecord
from orchestrator.server.http.guards.security import SecuritySettings
from orchestrator.server.options import ServerOptions
from orchestrator.settings.limits import ConnectionLimits, RunLimits
from tests.support.service import Serve, Service, serving, silent

from .agents import endless
from .node import install, run_node
from .test_a2a import follow, request

TOKEN = "a-token-of-enough-characters"
KEY = {"Authorization": f"Bearer {TOKEN}"}
CHAT: Any = {"model": "endless", "messages": [{"role": "user", "content": "hi"}]}
UI = {"id": "c1", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]}
AG_UI = {"threadId": "t", "runId": "r", "messages": [{"id": "m", "role": "user", "content": "hi"}]}
RPC = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "ask", "arguments": {"message": "hi"}},
}
MESSAGE = {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}}

CALLS: dict[str, tuple[str, Any]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "responses": ("/v1/responses", {"model": "endless", "input": "hi"}),
    "ai-sdk": ("/v1/ai-sdk/chat", UI),
    "ag-ui": ("/v1/ag-ui", AG_UI),
    "a2a": ("/v1/a2a/default/message:send", MESSAGE),
    "mcp": ("/v1/mcp", RPC),
}
every_call = pytest.mark.parametrize("name", CALLS)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    """One run at a time, and a token."""
    limits = RunLimits(max_runs=1)
    async with serving({"endless": endless}, limits=limits, security=SecuritySettings(token=TOKEN)) as served:
        yield served


@pytest.fixture
async def full(service: Service) -> str:
    """The id of the one run that there may be."""
    started = await service.call("POST", "/v1/runs", json={"message": "hi"}, headers=KEY)
    assert started.status == 201
    return str(started.json["run_id"])


def words(name: str, answer: Any) -> str:
    """Return what a refusal says, from where the dialect's clients read it."""
    if name == "ai-sdk":
        assert not answer.body.startswith(b"{"), "words, not a document"
        return str(answer.body.decode())
    told = answer.json
    if name == "ag-ui":
        assert answer.content_type == "application/problem+json"
        return str(told["detail"])
    if name == "mcp":
        assert (told["jsonrpc"], told["id"]) == ("2.0", None)
    if name == "a2a":
        assert told["error"]["code"] == answer.status
        reason = told["error"]["details"][0]["reason"]
        # Of what it does not know, the client shows a status and none of the words.
        assert reason in A2A_REASON_TO_ERROR or answer.status in (401, 403, 429, 503)
        assert (told["error"]["status"] in ("INTERNAL", "UNAVAILABLE")) == (answer.status >= 500)
    return str(told["error"]["message"])


@every_call
async def test_each_refusal_has_the_dialect_s_shape(service: Service, full: str, name: str) -> None:
    path, body = CALLS[name]
    version = {"A2A-Version": "1.0"}
    without = await service.call("POST", path, json=body, headers=version)
    assert (without.status, "token" in words(name, without).lower()) == (401, True)
    assert "WWW-Authenticate" in without.headers
    foreign = {**KEY, **version, "Origin": "https://elsewhere.example"}
    page = await service.call("POST", path, json=body, headers=foreign)
    assert (page.status, "origin" in words(name, page).lower()) == (403, True)
    many = await service.call("POST", path, json=body, headers=KEY | version)
    assert many.status == 429
    assert int(many.headers["Retry-After"]) > 0
    assert "run" in words(name, many)
    assert len((await service.call("GET", "/v1/runs", headers=KEY)).json["runs"]) == 1, "none was started"


TYPED = {"type": "text", "text": "hi"}
ODD: list[tuple[str, dict[str, Any], str]] = [
    ("responses", {"input": 5}, "input"),
    ("responses", {"input": ""}, "input"),
    ("responses", {"input": [{"role": "user", "content": [5]}]}, "input"),
    ("responses", {"input": [{"role": "user", "content": [TYPED, {"image_url": "ftp://x"}]}]}, "input"),
    ("responses", {"stream": "true"}, "stream"),
    ("responses", {"background": 1}, "background"),
    ("responses", {"instructions": 5}, "instructions"),
    ("responses", {"model": "endless+endless"}, "model"),
    ("responses", {"model": ""}, "model"),
    ("chat", {"messages": "hi"}, "messages"),
    ("chat", {"messages": [{"role": "user"}]}, "messages"),
    ("chat", {"stream": "yes"}, "stream"),
    ("chat", {"stream_options": 5}, "stream_options"),
    ("chat", {"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ("chat", {"n": 2}, "n"),
    ("ai-sdk", {"messages": [5]}, "messages"),
    ("ai-sdk", {"messages": [{"role": "user", "parts": [{"type": "text", "text": 5}]}]}, "messages"),
    ("ai-sdk", {"labels": "yes"}, "labels"),
    ("ai-sdk", {"approvals": []}, "approvals"),
    ("ag-ui", {"messages": [{"role": "user", "content": {}}]}, "messages"),
    ("ag-ui", {"resume": {}}, "resume"),
    ("a2a", {"message": 5}, "message"),
    ("a2a", {"message": {"parts": [{"text": 5}]}}, "message.parts"),
    ("a2a", {"message": {"parts": [{"text": "hi"}], "contextId": "a b"}}, "message.contextId"),
    ("a2a", {"message": {"parts": [{"text": "hi"}], "taskId": 5}}, "message.taskId"),
    ("a2a", {"configuration": []}, "configuration"),
]


async def test_what_is_wrong_is_said_once_and_where_the_client_put_it(serve: Serve) -> None:
    """A flag that is a word was taken for off, and a place was named that the client's request does not have."""
    service = await serve({"endless": endless})
    for name, odd, place in ODD:
        path, body = CALLS[name]
        answer = await service.call("POST", path, json=body | odd, headers={"A2A-Version": "1.0"})
        said = words(name, answer)
        assert answer.status == 422, (name, odd, said)
        assert place in said, (name, odd, said)
        assert said.count(" must ") <= 1, (name, odd, said)
        if name in ("responses", "chat"):
            assert answer.json["error"]["param"] == place
    assert not (await service.call("GET", "/v1/runs")).json["runs"], "none was started"


class UnavailableLog(MemoryLog):
    """A store that does not answer."""

    async def create_run(self, record: RunRecord) -> RunRecord:
        raise LogUnavailable("redis://:hunter2@db")


REFUSED: dict[str, tuple[int, str]] = {
    "another host": (403, "host"),
    "too large": (413, "200"),
    "no JSON": (400, "json"),
    "no store": (503, "log"),
}


@every_call
async def test_what_no_run_can_begin_with_is_refused_in_the_dialect_s_shape(name: str) -> None:
    """A foreign Host, a body that is too large or no JSON, a store that does not answer: none is a stream."""
    path, body = CALLS[name]
    version = {"A2A-Version": "1.0"}
    json_type = {"Content-Type": "application/json"}
    async with serving({"endless": endless}, options=ServerOptions(max_body_bytes=200)) as service:
        host = await service.call("POST", path, json=body, headers=version | {"Host": "elsewhere.example"})
        large = await service.call("POST", path, json=body | {"more": "x" * 300}, headers=version)
        broken = await service.call("POST", path, data=b"{", headers=version | json_type)
    async with serving({"endless": endless}, log=UnavailableLog()) as service:
        away = await service.call("POST", path, json=body, headers=version)
    for (status, word), answer in zip(REFUSED.values(), (host, large, broken, away), strict=True):
        assert answer.status == status
        assert word in words(name, answer).lower()
        assert b"hunter2" not in answer.body


async def test_what_no_route_takes_is_refused_in_the_dialect_s_shape(serve: Serve) -> None:
    """Another method, a path below, a page's preflight, another kind of body: a client reads all of them alike."""
    version = {"A2A-Version": "1.0"}
    foreign = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    service = await serve({"endless": endless})
    for name, (path, body) in CALLS.items():
        below = path.replace("/v1/ag-ui", "/v1/ag-ui/endless")
        answers = {
            405: await service.call("PUT", path, json=body),
            403: await service.call("OPTIONS", path, headers=foreign),
            415: await service.call(
                "POST", path, data=b"{}", headers=version | {"Content-Type": "text/plain"}
            ),
        }
        if name != "responses":  # there is a response at each address below
            answers[404] = await service.call("POST", f"{below}/nothing", json=body)
        for status, answer in answers.items():
            assert answer.status == status
            assert words(name, answer)
        assert answers[405].headers["Allow"]
        head = await service.call("HEAD", path)
        assert (head.status, head.body) == (405, b"")


async def test_what_is_too_many_is_refused_in_the_dialect_s_shape() -> None:
    """Of connections and of streams: who is told to come back later has to be able to read it."""
    version = {"A2A-Version": "1.0"}
    bounds = ConnectionLimits(max_connections=1)
    async with serving({"a": silent}, options=ServerOptions(connections=bounds)) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readline()
        for name, (path, body) in CALLS.items():
            answer = await service.call("POST", path, json=body, headers=version)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
            assert "connections" in words(name, answer)
        writer.close()
    bounds = ConnectionLimits(max_streams=0)
    async with serving({"endless": endless}, options=ServerOptions(connections=bounds)) as service:
        for name, (path, body) in CALLS.items():
            headers = version | {"Accept": "application/json, text/event-stream"}
            streams = path.replace(":send", ":stream")
            answer = await service.call("POST", streams, json=body | {"stream": True}, headers=headers)
            assert answer.status == 503
            assert "streams" in words(name, answer)
        assert not (await service.call("GET", "/v1/runs")).json["runs"], "nobody would read them"


async def test_openai_raises_its_own_errors(service: Service, full: str) -> None:
    async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.responses.create(model="endless", input="hi")
    assert refused.value.type == "authentication_error"
    async with AsyncOpenAI(base_url=f"{service.url}/v1", api_key=TOKEN, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as limited:
            await client.chat.completions.create(**CHAT)
        assert limited.value.type == "rate_limit_error"
        assert [model.id async for model in client.models.list()] == ["endless"]
        with pytest.raises(openai.RateLimitError):
            await client.responses.create(model="endless", input="hi", stream=True)


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_a2a_raises_its_own_errors(service: Service, full: str, binding: str) -> None:
    async with httpx.AsyncClient(headers=KEY) as http:
        card = await A2ACardResolver(http, f"{service.url}/v1/a2a/endless").get_agent_card()
    config = {"supported_protocol_bindings": [binding]}
    for headers, words in (({}, "401"), (KEY, "under way|429")):
        async with httpx.AsyncClient(headers=headers) as http:
            client = ClientFactory(ClientConfig(httpx_client=http, **config)).create(card)
            with pytest.raises((A2AClientError, A2AError), match=words):
                await follow(client.send_message(request()))


async def test_mcp_raises_its_own_error(service: Service, full: str) -> None:
    async with (
        httpx.AsyncClient(headers=KEY) as http,
        streamable_http_client(f"{service.url}/v1/mcp", http_client=http) as streams,
        ClientSession(streams[0], streams[1]) as session,
    ):
        await session.initialize()
        with pytest.raises(MCPError, match="under way"):
            await session.call_tool("ask", {"message": "hi"})


@pytest.mark.parametrize("version", ["5", "6", "7"])
async def test_a_chat_of_the_ai_sdk_shows_why(service: Service, full: str, version: str) -> None:
    install()
    told = await run_node("chat.mjs", version, service.url, {"body": {}})
    assert told["status"] == "error"
    assert "token" in told["errors"][0].lower()
    assert not told["errors"][0].startswith("{")
    told = await run_node("chat.mjs", version, service.url, {"body": {}, "headers": KEY})
    assert "run" in told["errors"][0]


@pytest.mark.parametrize("version", ["0", "1"])
async def test_an_ag_ui_client_is_told_why(service: Service, full: str, version: str) -> None:
    install()
    for headers, status in (({}, "401"), (KEY, "429")):
        told = await run_node("ag_ui.mjs", version, service.url, {"model": "endless", "headers": headers})
        assert status in told["failure"]


@pytest.mark.parametrize(("earlier", "status"), [(True, 200), (False, 422)])
async def test_an_image_alone_goes_on_from_what_was_said(serve: Serve, earlier: bool, status: int) -> None:
    """Nobody is asked by an image that comes first; after an answer it is a question by itself."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    before = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Which one?"}]
    messages = [*(before if earlier else ()), {"role": "user", "content": [image]}]

    async def looking(request: AgentInput) -> AsyncIterator[str]:
        yield f"{len(request.images)} image"

    service = await serve({"looking": looking})
    answer = await service.call("POST", "/v1/chat/completions", json={"messages": messages})
    assert answer.status == status, answer.body
