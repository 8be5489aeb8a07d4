"""Secrets that an agent meets on its way: found in no event, snapshot, log line, metric or store."""

from __future__ import annotations

import json
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.eventlog import MemoryLog
from orchestrator.run.registry import AgentRegistry
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.redis_server import RedisServer, redis_server
from tests.support.spine import read, start
from tests.support.zygote import module_command
from tests.workers.process import worker

from .replays.server import ReplayServer, Reply
from .replays.wire import ANSWER, CHAT, DONE, call, chunk, data, stream

CANARY = "canary-7f3a"
JSON = ("Content-Type", "application/json")
HERE = "tests.backends.openai.test_canaries"


def leaky() -> str:
    """Fail with a secret in the text, as `int` does of a password."""
    return str(int(f"{CANARY}-in-a-tool"))


def fail(status: int, *headers: tuple[str, str], **error: Any) -> Reply:
    body = json.dumps(
        {"error": {"message": f"{CANARY}-in-a-body", "param": f"{CANARY}-param", **error}}
    ).encode()
    return Reply(
        [body], status=status, headers=[JSON, ("X-Request-Token", f"{CANARY}-in-a-header"), *headers]
    )


CASES = {
    "a body": [fail(400)],
    "a code": [fail(400, code=f"{CANARY}-in-a-code", type=f"{CANARY}-in-a-type")],
    "an unauthorized body": [fail(401)],
    "a redirect": [fail(307, ("Location", f"http://elsewhere.invalid/{CANARY}-in-a-path?key={CANARY}"))],
    "an error in mid-stream": [
        stream(data(chunk({"content": "hm"}), {"error": {"message": f"{CANARY}-in-mid-stream"}}))
    ],
    "a finish word": [stream(data(chunk({"content": ""}), chunk(finish=f"{CANARY}-finish")), DONE)],
    "a chunk of the wrong shape": [stream(data({"hello": f"{CANARY}-shape"}))],
    "a tool": [stream(data(chunk(call("leaky", "{}")), chunk(finish="tool_calls")), DONE), ANSWER[CHAT]],
}


@pytest.mark.parametrize("transport", ["fast", "sdk"])
@pytest.mark.parametrize("case", CASES)
async def test_a_secret_is_found_nowhere(
    case: str, transport: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG, logger="openai")
    async with ReplayServer(CASES[case]) as server:
        settings = OpenAIAgentsSettings.model_validate(
            {"agent_id": "a", "model": "m", "base_url": server.url, "api_key": f"{CANARY}-key", "transport": transport,
             "model_settings": {"extra_headers": {"X-Own": f"{CANARY}-own"}}, "tools": [f"{HERE}:leaky"],
             "retry": {"attempts": 1}}
        )  # fmt: skip
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        registry = AgentRegistry({"a": settings}, backends={"a": backend})
        await registry.load()
        try:
            async with Supervisor(registry, MemoryLog()) as supervisor:
                run = await start(supervisor, "go")
                events = await read(supervisor, run)
                kept = [str([event.data for event in events]), str(run.snapshot())]
        finally:
            await backend.aclose()
        assert f"Bearer {CANARY}-key" in server.asked[0].headers["authorization"]
    out, err = capfd.readouterr()
    theirs = ("openai.", "httpcore", "httpx")
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(theirs)]
    for place in (*kept, out, err, *ours):
        assert CANARY not in place


SECRET_HEADERS = {"Authorization": f"Bearer {CANARY}-own", "X-Own": f"{CANARY}-own"}
MOVED = fail(307, ("Location", f"http://elsewhere.invalid/{CANARY}-in-a-path?key={CANARY}"))
OTHER_KINDS: dict[str, dict[str, Any]] = {
    "remote": {"token": f"{CANARY}-token", "agent": "a"},
    "a2a": {"headers": SECRET_HEADERS},
    "ag-ui": {"headers": SECRET_HEADERS},
    "letta": {"api_key": f"{CANARY}-key", "letta_agent_id": "agent-1"},
}
"""Kinds of backends that ask a server of their own, which fails, or redirects."""
LEAKS = stream(data(chunk(call("leak", "{}")), chunk(finish="tool_calls")), DONE)
UI = {"id": "chat-1", "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "hi"}]}]}
RPC = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "ask", "arguments": {"message": "hi"}},
}
DIALECTS: dict[str, dict[str, Any]] = {
    "/v1/ai-sdk/chat": UI,
    "/v1/ag-ui": {"threadId": "t", "runId": "r", "messages": [{"id": "m", "role": "user", "content": "hi"}]},
    "/v1/a2a/default/message:stream": {"message": {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}},
    "/v1/a2a/default/message:send": {"message": {"messageId": "n", "role": "ROLE_USER", "parts": [{"text": "hi"}]}},
    "/v1/mcp": RPC,
}  # fmt: skip
SAYS_NO_FAILURE = ("/v1/a2a/default/message:send", "/v1/chat/completions")
"""Of one among several."""
AS_ONE_MODEL: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "hi"}]},
    "/v1/responses": {"input": "hi"},
}


async def leaking_agents(stack: AsyncExitStack) -> dict[str, dict[str, Any]]:
    """Return the files of agents each of which meets secrets on its way, in turn for ever."""

    async def upstream(*replies: Reply) -> ReplayServer:
        return await stack.enter_async_context(ReplayServer(list(replies) * 16))

    own = {"retry": {"attempts": 1}, "default": True}
    model = {"backend": "openai-agents", "model": "m", "api_key": f"{CANARY}-key", **own,
             "model_settings": {"extra_headers": SECRET_HEADERS}}  # fmt: skip
    agents: dict[str, dict[str, Any]] = {}
    for at, replies in enumerate(CASES.values()):
        for transport in ("fast", "sdk"):
            server = await upstream(*replies)
            tools = {"transport": transport, "tools": [f"{HERE}:leaky"], "default": transport == "fast"}
            agents[f"agent-{at}-{transport}"] = {**model, "base_url": server.url, **tools}
    command, *arguments = module_command("tests.support.mcp_server")
    servers: dict[str, tuple[dict[str, Any], Reply | None]] = {
        "program": ({"command": command, "args": arguments, "env": {"KEY": f"{CANARY}-env"}}, None),
        "refused": ({"headers": SECRET_HEADERS}, fail(401)),
        "moved": ({"headers": SECRET_HEADERS}, MOVED),
    }
    for name, (keys, reply) in servers.items():
        if reply is not None:
            keys = {**keys, "url": f"{(await upstream(reply)).url}?key={CANARY}-in-an-address"}
        server = await upstream(LEAKS, ANSWER[CHAT])
        agents[f"mcp-{name}"] = {**model, "base_url": server.url, "mcp_servers": [keys]}
    for backend, keys in OTHER_KINDS.items():
        for name, reply in {"refused": fail(401), "failed": fail(500), "moved": MOVED}.items():
            address = "base_url" if backend == "letta" else "url"
            agents[f"{backend}-{name}"] = {
                "backend": backend,
                address: (await upstream(reply)).url,
                **keys,
                **own,
            }
    return agents


async def test_a_secret_is_found_in_no_redis_and_nothing_that_the_service_says_or_prints(
    tmp_path: Path,
) -> None:
    """A whole service as a process, at its wordiest, over a real Redis; what was asked and said is found there.

    It is asked twice in one conversation, then in each dialect, then refused what it cannot do.
    """
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(tmp_path / "redis"))
        agents = await leaking_agents(stack)
        folder = tmp_path / "agents"
        folder.mkdir()
        for agent_id, keys in agents.items():
            (folder / f"{agent_id}.yaml").write_text(json.dumps(keys))
        printed = stack.enter_context((tmp_path / "printed").open("wb"))
        options = ("--log-level", "debug", "--log-format", "json")
        service = await stack.enter_async_context(worker(redis.url, *options, config=folder, stderr=printed))
        http = await stack.enter_async_context(ClientSession(base_url=service.url))
        told = {"conversation": "".join([await conversation(http, list(agents)) for _ in range(2)])}
        default = [agent_id for agent_id, keys in agents.items() if keys["default"]]
        for path, asked in {**DIALECTS, **AS_ONE_MODEL}.items():
            named = {"model": "+".join(default), "stream": True} if path in AS_ONE_MODEL else {}
            async with http.post(path, json={**asked, **named}, headers={"A2A-Version": "1.0"}) as answer:
                told[path] = await answer.text()
                assert answer.status == 200, (path, told[path])
        for agent_id in default:
            hi: dict[str, Any] = {"model": agent_id, "messages": [{"role": "user", "content": "hi"}]}
            async with http.post("/v1/chat/completions", json=hi) as answer:
                told[agent_id] = await answer.text()
                assert answer.status >= 400 or "done" in told[agent_id]
        for path in ("/v1/runs", "/v1/agents", "/metrics", "/readyz", "/v1/models", "/openapi.json"):
            async with http.get(path) as answer:
                told[path] = await answer.text()
        for path in (f"/v1/runs/{CANARY[::-1]}", "/v1/responses/resp_none", "/v1/a2a/nobody/message:send"):
            async with http.post(path, json={"input": "hi"}) as answer:
                told[path] = await answer.text()
                assert answer.status >= 400
        kept = await everything_in(redis)
        await service.end()
        assert service.process.stdout is not None
        said = (await service.process.stdout.read()) + (tmp_path / "printed").read_bytes()
    assert told["conversation"].count(".error\n") >= 2 * (len(agents) - 4)
    for path in (*DIALECTS, *AS_ONE_MODEL):  # what is not there could hold no secret
        words = ["done"] if path in SAYS_NO_FAILURE else ["redirects to", "upstream_rejected"]
        assert any(word in told[path] for word in words), path
    assert b"a question that is kept" in kept
    for name, place in {**told, "the store": kept.decode(), "the log": said.decode()}.items():
        at = place.find(CANARY)
        assert at < 0, (name, place[max(0, at - 200) : at + 100])


async def conversation(http: ClientSession, agents: list[str]) -> str:
    """Ask all agents in one conversation; return the stream, the same once more over WebSocket, and the snapshot."""
    asked = {"message": "a question that is kept", "agents": agents, "conversation_id": "c"}
    async with http.post("/v1/runs", json=asked, headers={"Accept": "text/event-stream"}) as answer:
        run_id = answer.headers["Run-Id"]
        told = [await answer.text()]
    async with http.ws_connect("/v1/ws") as socket:
        await socket.send_json({"op": "attach", "ref": "r", "run_id": run_id})
        async for frame in socket:
            told.append(frame.data)
            if frame.json().get("type") == "done" and "agents" in frame.json():
                break
    async with http.get(f"/v1/runs/{run_id}") as answer:
        told.append(await answer.text())
    return "".join(told)


async def everything_in(redis: RedisServer) -> bytes:
    """Return all keys of *redis* and all that they hold, whatever their kinds."""
    found: list[Any] = []
    async with redis.client() as client:
        async for key in client.scan_iter():
            kind = await client.type(key)
            found.append(key)
            match kind if isinstance(kind, str) else kind.decode():
                case "string":
                    found.append(await client.get(key))
                case "hash":
                    found.append(await client.hgetall(key))
                case "list":
                    found.append(await client.lrange(key, 0, -1))
                case "set":
                    found.append(await client.smembers(key))
                case "zset":
                    found.append(await client.zrange(key, 0, -1))
                case "stream":
                    found.append(await client.xrange(key))
                case "none":
                    pass  # it has expired meanwhile
                case other:
                    raise AssertionError(other)
    return repr(found).encode()
