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


@pytest.mark.parametrize("transport", ["fast", "sdk"])
async def test_a_secret_is_found_in_no_redis_and_nothing_that_the_service_prints(
    transport: str, tmp_path: Path
) -> None:
    """A whole service as a process, at its wordiest, over a real Redis; what was asked and said is found there."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(tmp_path / "redis"))
        folder = tmp_path / "agents"
        folder.mkdir()
        for at, replies in enumerate(CASES.values()):
            server = await stack.enter_async_context(ReplayServer(list(replies)))
            keys = {"backend": "openai-agents", "model": "m", "base_url": server.url, "api_key": f"{CANARY}-key",
                    "transport": transport, "tools": [f"{HERE}:leaky"], "retry": {"attempts": 1}, "default": True,
                    "model_settings": {"extra_headers": {"X-Own": f"{CANARY}-own"}}}  # fmt: skip
            (folder / f"agent-{at}.yaml").write_text(json.dumps(keys))
        printed = stack.enter_context((tmp_path / "printed").open("wb"))
        options = ("--log-level", "debug", "--log-format", "json")
        service = await stack.enter_async_context(worker(redis.url, *options, config=folder, stderr=printed))
        http = await stack.enter_async_context(ClientSession(base_url=service.url))
        asked = {"message": "a question that is kept"}
        async with http.post("/v1/runs", json=asked, headers={"Accept": "text/event-stream"}) as answer:
            run_id = answer.headers["Run-Id"]
            told = [await answer.text()]
        for path in (f"/v1/runs/{run_id}", "/v1/runs", "/v1/agents", "/metrics", "/readyz"):
            async with http.get(path) as answer:
                told.append(await answer.text())
        kept = await everything_in(redis)
        await service.end()
        assert service.process.stdout is not None
        said = (await service.process.stdout.read()) + (tmp_path / "printed").read_bytes()
    assert told[0].count(".error\n") >= len(CASES) - 1
    assert b"a question that is kept" in kept
    assert run_id.encode() in said
    for place in (*(text.encode() for text in told), kept, said):
        assert CANARY.encode() not in place


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
                case other:
                    raise AssertionError(other)
    return repr(found).encode()
