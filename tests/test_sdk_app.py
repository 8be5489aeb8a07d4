"""The app in `examples/sdk_app`: the same answer under its own program and through the service."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.commands import ROOT
from tests.support.upstream import Call, Upstream
from tests.support.zygote import command

APP = ROOT / "examples" / "sdk_app"
QUESTION = "Where is order 7?"
ANSWER = '{"summary":"Ada, your order 7 is on its way.","order":"7"}'


@pytest.fixture
async def models() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


def script(models: Upstream) -> None:
    models.script("desk", [[Call("transfer_to_clerk")]])
    models.script("writer", [["Ada, your order 7 is on its way."]])
    models.script(
        "clerk",
        [
            [Call("customer_name")],
            [Call("look_up", '{"order": "7"}')],
            [Call("write", '{"input": "Ada asks for order 7, which is on its way."}')],
            [ANSWER[:20], ANSWER[20:]],
        ],
    )


def asked(models: Upstream) -> list[Any]:
    """What came to the models: all of each request but whether the answer shall be streamed."""
    own = ("stream", "stream_options")
    bodies = [{key: value for key, value in each.body.items() if key not in own} for each in models.requests]
    return [(each.headers.get("x-app"), body) for each, body in zip(models.requests, bodies, strict=True)]


async def ran(models: Upstream, *program: str) -> tuple[int, str, str]:
    env = {
        **os.environ,
        "DESK_MODELS_URL": models.url,
        "DESK_MODELS_KEY": "sk-canary",
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        *program,
        cwd=APP,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def through_the_service(models: Upstream, question: str) -> tuple[int, list[dict[str, Any]], str]:
    code, out, err = await ran(models, *command("run", question, "--agents", "desk", "--json"))
    return code, [json.loads(line) for line in out.splitlines() if line.startswith("{")], out + err


@pytest.mark.timeout(300)
async def test_the_app_answers_the_same_by_itself_and_through_the_service(models: Upstream) -> None:
    script(models)
    code, out, err = await ran(models, sys.executable, "app.py", QUESTION)
    assert (code, out.strip()) == (0, ANSWER), err
    asked_alone = asked(models)

    models.requests.clear()
    script(models)
    code, events, all_of_it = await through_the_service(models, QUESTION)
    assert code == 0, all_of_it
    [done] = [event for event in events if event["event"] == "desk.done"]
    assert done["text"] == ANSWER
    tokens = [event for event in events if event["type"] == "token" and "parent" not in event]
    assert "".join(event["text"] for event in tokens) == ANSWER
    assert asked(models) == asked_alone

    assert [event["to"] for event in events if event["type"] == "handoff"] == ["clerk"]
    calls = {event["call_id"]: event["name"] for event in events if event["type"] == "tool_call"}
    results = {calls[event["call_id"]]: event["output"] for event in events if event["type"] == "tool_result"}
    assert results["customer_name"] == "Ada"
    assert results["look_up"] == "Order 7 is on its way."
    assert results["write"] == "Ada, your order 7 is on its way."
    nested = [event for event in events if event["type"] == "token" and "parent" in event]
    assert "".join(event["text"] for event in nested) == "Ada, your order 7 is on its way."
    assert "sk-canary" not in all_of_it


@pytest.mark.timeout(300)
async def test_its_guardrail_holds_through_the_service(models: Upstream) -> None:
    script(models)
    _, events, _ = await through_the_service(models, "My card is 4111 1111 1111 1111")
    [error] = [event for event in events if event["event"] == "desk.error"]
    assert error["code"] == "guardrail"
