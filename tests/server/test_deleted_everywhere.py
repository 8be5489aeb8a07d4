"""What is deleted is in no file and under no key, and reaches no agent, whatever API the run was born by."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.eventlog import open_log
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.redis.log import RedisLog
from orchestrator.eventlog.redis.partitioned.log import PartitionedLog
from orchestrator.events import Data, Reasoning, ToolCall, ToolResult
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.redis_server import redis_server
from tests.support.redis_topologies import redis_nodes
from tests.support.service import Service, serving

CANARY = "canary-4711"
ASKED = [{"role": "user", "content": f"{CANARY} asks"}]
UI = [{"role": "user", "parts": [{"type": "text", "text": f"{CANARY} asks"}]}]
A2A = {
    "message": {
        "messageId": "m",
        "role": "ROLE_USER",
        "contextId": "a2a",
        "parts": [{"text": f"{CANARY} asks"}],
    }
}
TOOL = {"name": "ask", "arguments": {"message": f"{CANARY} asks"}}
PANEL = {"method": "judge", "moderator": "b", "members": ["a", "b"], "prompt": f"{CANARY} {{question}}"}

CALLS: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    ("/v1/runs", {"message": CANARY, "conversation_id": "talk", "channel": "c"}, {"Idempotency-Key": CANARY}),
    ("/v1/runs", {"message": CANARY, "blind": True}, {}),
    ("/v1/runs", {"message": CANARY, "panel": PANEL}, {}),
    ("/v1/chat/completions", {"model": "a+b", "messages": ASKED}, {}),
    ("/v1/responses", {"model": "a", "input": f"{CANARY} asks"}, {}),
    ("/v1/ai-sdk/chat", {"id": "chat", "messages": UI}, {}),
    ("/v1/ag-ui", {"threadId": "thread", "runId": "r1", "messages": ASKED}, {}),
    ("/v1/a2a/a/message:send", A2A, {"A2A-Version": "1.0"}),
    ("/v1/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": TOOL}, {"Mcp-Session-Id": "s"}),
)

Kept = tuple[Store, Callable[[], Awaitable[bytes]]]


@pytest.fixture(params=["sqlite", "redis", "cluster"])
async def kept(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kept]:
    """A store, and how to read every byte of it once it is closed."""
    if request.param == "sqlite":

        async def files() -> bytes:
            return b"".join(each.read_bytes() for each in tmp_path.iterdir())

        yield open_log(f"sqlite:///{tmp_path}/log.db"), files
        return
    if request.param == "cluster":
        # One node has all 16 partitions: which of them something was left in does not matter.
        async with redis_nodes(tmp_path, primaries=1) as nodes:
            (node,) = nodes.nodes
            await node.ask("CONFIG", "SET", "rdbcompression", "no")

            async def dump_node() -> bytes:
                await node.ask("SAVE")
                return (node.folder / "dump.rdb").read_bytes()

            yield PartitionedLog(nodes.url, patience_s=PATIENCE_SECONDS), dump_node
        return
    async with redis_server(tmp_path / "redis", rdbcompression="no") as server:

        async def dump() -> bytes:
            async with Redis.from_url(server.url) as client:
                await client.save()
            return (server.folder / "dump.rdb").read_bytes()

        yield RedisLog(server.url, patience_s=PATIENCE_SECONDS), dump


async def test_after_their_deletion_nothing_is_left_of_runs_of_any_api(kept: Kept) -> None:
    heard: list[AgentInput] = []
    store, everything = kept

    async def echo(request: AgentInput) -> AsyncGenerator[Emission, None]:
        heard.append(request)
        said = CANARY if CANARY in request.message else "nothing"
        yield Reasoning(f"{request.message}?")
        yield ToolCall("c1", "look", f'{{"at":"{said}"}}')
        yield ToolResult("c1", said, False)
        yield Data("found", said)
        yield f"you said {request.message}"

    async with serving({"a": echo, "b": echo}, log=store) as service:
        ids = await born(service)
        assert CANARY in "".join(each.message for each in heard)
        for run_id in ids:
            assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status in (204, 410)
        await eventually(lambda: not service.supervisor.running)
        assert (await service.call("GET", "/v1/runs?limit=200")).json["runs"] == []
        heard.clear()
        await asked_again(service)
        assert len(heard) >= len(AGAIN)
        assert CANARY not in repr(heard)
    assert CANARY.encode() not in await everything()


async def born(service: Service) -> list[str]:
    """Ask in every API, vote, and let a panel sit over an answer; return the runs' ids."""
    for path, body, headers in CALLS:
        answer = await service.call("POST", path, json=body, headers=headers)
        assert answer.status in (200, 201), (path, answer)
        await eventually(lambda: not service.supervisor.running)
        if body.get("blind"):
            voted = await service.call(
                "POST", f"/v1/runs/{answer.json['run_id']}/vote", json={"agent_id": "agent-1"}
            )
            assert voted.status == 200
        if path == "/v1/responses":
            further = {"model": "a", "input": f"{CANARY} more", "previous_response_id": answer.json["id"]}
            assert (await service.call("POST", path, json=further)).status == 200
    rows = (await service.call("GET", "/v1/runs?limit=200")).json["runs"]
    assert len(rows) == len(CALLS) + 1
    over = await service.call("POST", f"/v1/runs/{rows[-1]['run_id']}/panel", json={"panel": PANEL})
    assert over.status == 202, over
    await eventually(lambda: not service.supervisor.running)
    return [row["run_id"] for row in (await service.call("GET", "/v1/runs?limit=200")).json["runs"]]


AGAIN: tuple[tuple[str, dict[str, Any], dict[str, str]], ...] = (
    ("/v1/runs", {"message": "x", "agents": ["a"], "conversation_id": "talk"}, {"Idempotency-Key": "other"}),
    (
        "/v1/ai-sdk/chat",
        {"id": "chat", "messages": [{"role": "user", "parts": [{"type": "text", "text": "x"}]}]},
        {},
    ),
    ("/v1/ag-ui", {"threadId": "thread", "runId": "r2", "messages": [{"role": "user", "content": "x"}]}, {}),
    (
        "/v1/a2a/a/message:send",
        {"message": {"contextId": "a2a", "parts": [{"text": "x"}]}},
        {"A2A-Version": "1.0"},
    ),
)


async def asked_again(service: Service) -> None:
    """Go on with each conversation that there was."""
    for path, body, headers in AGAIN:
        answer = await service.call("POST", path, json=body, headers=headers)
        assert answer.status in (200, 201), (path, answer)
        await eventually(lambda: not service.supervisor.running)
