"""Secrets that an agent meets on its way: found in no event, snapshot, log line, metric or store."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.eventlog import MemoryLog
from orchestrator.run.registry import AgentRegistry
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.spine import read, start

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
