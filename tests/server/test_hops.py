"""How often a question was passed on is read from every call that asks, in whatever dialect, and bounded."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.backends.upstream.hops import MAX_DEPTH
from tests.support.service import Serve

TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
MESSAGE = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("/v1/runs", {"message": "hi"}),
    "chat": ("/v1/chat/completions", {"model": "a", "messages": [{"role": "user", "content": "hi"}]}),
    "responses": ("/v1/responses", {"model": "a", "input": "hi"}),
    "a2a": ("/v1/a2a/a/message:send", {"message": MESSAGE}),
    "ag-ui": (
        "/v1/ag-ui/a",
        {
            "threadId": "t",
            "runId": "r",
            "messages": [{"id": "1", "role": "user", "content": "hi"}],
            "tools": [],
            "context": [],
            "state": {},
            "forwardedProps": {},
        },
    ),
}


@pytest.mark.parametrize("call", CALLS)
async def test_every_call_that_asks_reads_how_often_it_was_passed_on(call: str, serve: Serve) -> None:
    heard: list[tuple[int, str | None]] = []

    async def hearing(request: AgentInput) -> Any:
        heard.append((request.depth, request.traceparent))
        yield "ok"

    path, body = CALLS[call]
    service = await serve({"a": hearing})

    async def asked(depth: str) -> int:
        headers = {"Orchestrator-Depth": depth, "traceparent": TRACE, "A2A-Version": "1.0"}
        return (await service.call("POST", path, json=body, headers=headers)).status

    assert (await asked(str(MAX_DEPTH)), await asked(str(MAX_DEPTH + 1))) in ((200, 422), (201, 422))
    assert await asked("two") == 400
    (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
    await service.ended(run["run_id"])
    assert heard == [(MAX_DEPTH, TRACE)]
