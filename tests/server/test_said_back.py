"""Covers what answers say back of a request: a client's own names are bounded, for each piece of an answer repeats
them, and one request of 8 MiB was answered with a hundred."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.patience import soon
from tests.support.service import Service, serving, words

LONG = "a" * 200_000
ASKED = [{"role": "user", "content": "x"}]
UI = [{"role": "user", "parts": [{"type": "text", "text": "x"}]}]
RPC: dict[str, Any] = {
    "jsonrpc": "2.0",
    "method": "SendStreamingMessage",
    "params": {"message": {"parts": [{"text": "x"}]}},
}
TOOL: dict[str, Any] = {"name": "ask", "arguments": {"message": "x"}}
CALL: dict[str, Any] = {"jsonrpc": "2.0", "method": "tools/call", "params": TOOL}
APPROVED = {"type": "mcp_approval_response", "approval_request_id": f"mcpr_r/a/{LONG}", "approve": True}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving({"brief": words("yes")}) as served:
        yield served


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": LONG, "agents": ["brief"], "stream": True, "messages": ASKED}),
        ("/v1/chat/completions", {"model": {"a": LONG}, "agents": ["brief"], "messages": ASKED}),
        ("/v1/chat/completions", {"model": "brief+" * 50_000 + "brief", "messages": ASKED}),
        ("/v1/responses", {"model": LONG, "agents": ["brief"], "input": "x"}),
        ("/v1/responses", {"model": "brief", "input": "x", "previous_response_id": f"resp_{LONG}"}),
        ("/v1/responses", {"model": LONG, "input": [APPROVED]}),
        ("/v1/responses", {"input": [APPROVED]}),
        ("/v1/ai-sdk/chat", {"id": LONG, "messages": UI}),
        ("/v1/ai-sdk/chat", {"id": "c", "messages": [{"role": "user", "parts": 5}]}),
        ("/v1/ai-sdk/chat", {"id": "c", "messages": [{"role": "assistant", "parts": 5}]}),
        ("/v1/ag-ui", {"threadId": LONG, "runId": "r", "messages": ASKED}),
        ("/v1/ag-ui", {"threadId": "t", "runId": LONG, "messages": ASKED}),
        ("/v1/mcp", {**CALL, "id": LONG}),
        ("/v1/mcp", {**CALL, "id": {"a": LONG}}),
        ("/v1/mcp", {**CALL, "id": 1, "params": {**TOOL, "_meta": {"progressToken": LONG}}}),
        ("/v1/mcp", {"jsonrpc": "2.0", "id": f"r/a/{LONG}", "result": {"action": "decline"}}),
        ("/v1/a2a/brief", {**RPC, "id": LONG}),
        ("/v1/a2a/brief", {**RPC, "id": [LONG]}),
        ("/v1/a2a/brief", {**RPC, "id": 1, "method": LONG}),
        ("/v1/a2a/brief", {**RPC, "id": 1, "params": {"message": {"parts": 5}}}),
        ("/v1/a2a/brief", {**RPC, "id": 1, "params": {"message": {"parts": [], "taskId": LONG}}}),
    ],
)  # fmt: skip
async def test_a_long_name_is_refused_in_few_words(path: str, body: dict[str, Any], service: Service) -> None:
    headers = {
        "Content-Type": "application/json",
        "A2A-Version": "1.0",
        "Accept": "text/event-stream, application/json",
    }
    answer = await service.call("POST", path, data=json.dumps(body).encode(), headers=headers)
    assert len(answer.body) < 5_000
    assert 400 <= answer.status < 500 or "error" in answer.json


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "attach", "run_id": LONG, "ref": 1},
        {"op": "attach", "run_id": "run_x", "ref": LONG},
        {"op": "cancel", "run_id": "run_x", "ref": [LONG]},
    ],
)
async def test_a_socket_says_back_no_long_name(operation: dict[str, Any], service: Service) -> None:
    async with service.session.ws_connect(f"{service.url}/v1/ws") as ws:
        await ws.send_str(json.dumps(operation))
        told = await soon(ws.receive())
        assert len(told.data) < 5_000
        assert json.loads(told.data)["op"] == "error"
        await ws.send_str('{"op":"attach","run_id":"run_x","ref":2}')
        assert json.loads((await soon(ws.receive())).data)["ref"] == 2
