"""A panel is one model to clients that know no panels: its last word is the answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tests.support.service import Service

from .agents import BROKEN, CHATTY, TOOLED, dialects_served

PANEL = {"method": "moderator", "members": ["chatty", "broken"], "moderator": {"agent": "tooled"}}
ASKED = {"model": "default", "panel": PANEL, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with dialects_served() as served:
        yield served


async def test_chat_answers_with_the_last_word_and_thinks_with_the_members(service: Service) -> None:
    answer = await service.call("POST", "/v1/chat/completions", json=ASKED)
    (choice,) = answer.json["choices"]
    assert choice["message"]["content"] == "".join(TOOLED)
    assert f"chatty:\n{''.join(CHATTY)}" in choice["message"]["reasoning_content"]
    assert BROKEN[0] in choice["message"]["reasoning_content"]


async def test_a_streamed_chat_has_one_choice(service: Service) -> None:
    """Each member's words are told whole: several at once are unreadable word by word."""
    answer = await service.call("POST", "/v1/chat/completions", json=ASKED | {"stream": True})
    frames = [line[6:] for line in answer.body.decode().split("\n") if line.startswith("data: {")]
    deltas = [json.loads(frame)["choices"][0] for frame in frames]
    assert {each["index"] for each in deltas} == {0}
    assert "".join(each["delta"].get("content") or "" for each in deltas) == "".join(TOOLED)
    thoughts = [each["delta"]["reasoning_content"] for each in deltas if "reasoning_content" in each["delta"]]
    assert f"chatty:\n{''.join(CHATTY)}\n\n" in thoughts
    assert deltas[-1]["finish_reason"] == "stop"


async def test_the_moderators_item_is_the_last_message(service: Service) -> None:
    answer = await service.call(
        "POST", "/v1/responses", json={"model": "default", "panel": PANEL, "input": "hi"}
    )
    messages = [item for item in answer.json["output"] if item["type"] == "message"]
    assert messages[-1]["agent"]["agent_name"] == "tooled"
    assert messages[-1]["content"][0]["text"] == "".join(TOOLED)


async def test_a_tool_call_answers_with_the_last_word(service: Service) -> None:
    arguments = {"message": "hi", "panel": PANEL}
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "ask", "arguments": arguments},
    }
    result = (await service.call("POST", "/v1/mcp", json=call)).json["result"]
    assert result["content"][0]["text"] == result["structuredContent"]["answer"] == "".join(TOOLED)
