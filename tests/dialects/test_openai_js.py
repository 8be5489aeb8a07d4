"""The OpenAI client for JavaScript, unmodified, against the service."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest

from orchestrator.eventlog import subscription
from tests.support.service import Service

from .agents import BROKEN, CHATTY, ODD, TOOLED, dialects_served
from .node import install, run_node
from .test_openai import native_texts


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    install()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


async def test_it_reads_several_agents_resumes_and_is_refused(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A silence longer than the heartbeat is among it."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.1)
    cuts = random.Random("js").sample(range(1, 9000), 3)
    told = await run_node("openai.mjs", service.url, "chatty+tooled+broken+silent", cuts)
    texts = {
        item["agent"]["agent_name"]: item["content"][0]["text"]
        for item in told["response"]["output"]
        if item["type"] == "message"
    }
    wanted = {
        "chatty": "".join(CHATTY), "tooled": "".join(TOOLED), "broken": BROKEN[0], "silent": "before after"
    }  # fmt: skip
    assert texts == wanted
    assert told["response"]["status"] == "completed"
    assert "response.mcp_call.completed" in told["kinds"]
    assert told["resumed"], "the frames after a number are those of the whole stream"
    assert told["cut"] == [{"failure": "network error", "whole": True}] * 3
    native = await native_texts(service, told["fourRun"])
    assert {name: each["text"] for name, each in told["four"].items()} == native
    assert {name: each["status"] for name, each in told["four"].items()} == {
        "chatty": "completed", "tooled": "completed", "broken": "incomplete", "endless": "incomplete"
    }  # fmt: skip
    assert told["thoughts"] == f"hm, odd {ODD}"
    assert told["chat"] == {str(place): text for place, text in enumerate(wanted.values())}
    assert told["failed"] == {"code": "server_error", "message": "The provider went away."}
    assert told["cancelled"] == {"before": "in_progress", "after": "cancelled"}
    assert told["answered"] == ["May I? ", "Sent."]
    assert told["refused"]["status"] == 404
    assert "nobody" in told["refused"]["message"]
