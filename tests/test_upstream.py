"""The scripted upstream serves what the official client expects, and its faults are what they claim."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from openai import APIConnectionError, AsyncOpenAI, AuthenticationError, DefaultAioHttpClient

from tests.support.patience import PATIENCE_SECONDS
from tests.support.upstream import (
    Abort,
    Call,
    Calls,
    Cut,
    Finish,
    Gate,
    Reasoning,
    Refusal,
    Stall,
    Upstream,
    Use,
    failed,
    html,
    nothing,
    refusing_url,
)

ASK: Any = [{"role": "user", "content": "go"}]
TURN = [
    Reasoning("hm"),
    "Hel",
    "lo",
    Calls(Call("a", ['{"x":', "1}"]), Call("b", ["{}"])),
    Use(input=5, output=6),
]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as server:
        yield server


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0) as opened:
        yield opened


async def test_chat_stream_is_what_the_official_client_expects(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    """Text, reasoning, parallel calls in pieces, finish reason and usage arrive through the real client."""
    upstream.script("m", [TURN])
    options = {"include_usage": True}
    text, reasoning, finish, usage = "", "", None, None
    calls: dict[int, str] = {}
    stream = await client.chat.completions.create(
        model="m", messages=ASK, stream=True, stream_options=options
    )  # type: ignore[call-overload]
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            reasoning += getattr(choice.delta, "reasoning_content", None) or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                calls[call.index] = (
                    calls.get(call.index, "") + (call.function.name or "") + call.function.arguments
                )
    assert (text, reasoning, finish) == ("Hello", "hm", "tool_calls")
    assert calls == {0: 'a{"x":1}', 1: "b{}"}
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (5, 6)
    assert upstream.requests[0].headers["Authorization"] == "Bearer k"


async def test_responses_stream_is_what_the_official_client_expects(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    """The events' order and the completed response's items agree with what the deltas said."""
    upstream.script("m", [TURN])
    kinds = []
    async for event in await client.responses.create(model="m", input="go", stream=True):
        kinds.append(event.type)
    assert event.type == "response.completed"
    output = event.response.output
    assert [item.type for item in output] == ["reasoning", "message", "function_call", "function_call"]
    assert event.response.output_text == "Hello"
    assert output[2].arguments == '{"x":1}'
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 4
    assert kinds[0] == "response.created"
    assert kinds.index("response.reasoning_summary_text.delta") < kinds.index("response.output_text.delta")


async def test_whole_answers_hold_the_same(upstream: Upstream, client: AsyncOpenAI) -> None:
    """Without streaming both APIs answer one JSON with the turn's text, calls and usage."""
    upstream.script("m", [TURN])
    chat = await client.chat.completions.create(model="m", messages=ASK)
    response = await client.responses.create(model="m", input="go")
    assert chat.choices[0].message.content == response.output_text == "Hello"
    assert [c.id for c in chat.choices[0].message.tool_calls or []] == ["call_1", "call_2"]
    assert (chat.usage and chat.usage.total_tokens) == (response.usage and response.usage.total_tokens) == 11


async def test_a_refusal_and_an_incomplete_end(upstream: Upstream, client: AsyncOpenAI) -> None:
    """A refusal is a part of its own; `length` is `incomplete` on the Responses API."""
    upstream.script("m", [["so", Refusal("no"), Finish("length")]])
    events = [event async for event in await client.responses.create(model="m", input="go", stream=True)]
    last = events[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert [part.type for part in last.response.output[0].content] == ["output_text", "refusal"]
    assert [e.delta for e in events if e.type == "response.refusal.delta"] == ["no"]


async def test_turns_follow_each_other_and_by_depth(upstream: Upstream, client: AsyncOpenAI) -> None:
    """`next` counts requests; `depth` counts the calls in the request, so runs may overlap."""
    upstream.script("next", [["one"], ["two"]])
    upstream.script("depth", [["one"], ["two"]], pick="depth")

    async def say(model: str, messages: Any = ASK) -> str | None:
        answer = await client.chat.completions.create(model=model, messages=messages)
        return answer.choices[0].message.content

    assert [await say("next") for _ in range(3)] == ["one", "two", "two"]
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    after = [
        *ASK,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "r"},
    ]
    assert [await say("depth"), await say("depth", after), await say("depth")] == ["one", "two", "one"]


async def test_a_fault_passes_after_fail_times(upstream: Upstream, client: AsyncOpenAI) -> None:
    """401 as often as asked, then the turn."""
    upstream.script("m", [["ok"]], fault=failed(401), fail_times=1)
    with pytest.raises(AuthenticationError):
        await client.chat.completions.create(model="m", messages=ASK)
    assert (await client.chat.completions.create(model="m", messages=ASK)).choices[0].message.content == "ok"


async def test_fault_answers_are_raw_http(upstream: Upstream) -> None:
    """Status, type, Retry-After in both forms, an empty body."""
    upstream.script("s", [], fault=failed(429, retry_after="7"))
    upstream.script("d", [], fault=failed(429, after_date=30))
    upstream.script("h", [], fault=html())
    upstream.script("n", [], fault=nothing())
    url = f"{upstream.url}/chat/completions"
    async with aiohttp.ClientSession() as session:

        async def post(model: str) -> tuple[int, Any, bytes]:
            async with session.post(url, json={"model": model, "stream": True}) as answer:
                return answer.status, answer.headers, await answer.read()

        status, headers, _ = await post("s")
        assert (status, headers["Retry-After"]) == (429, "7")
        _, headers, _ = await post("d")
        assert 20 < parsedate_to_datetime(headers["Retry-After"]).timestamp() - time.time() <= 31
        _, headers, _ = await post("h")
        assert headers["Content-Type"].startswith("text/html")
        assert (await post("n"))[::2] == (200, b"")


async def test_an_abort_is_a_reset_and_a_cut_is_a_clean_end(upstream: Upstream) -> None:
    """The client of an abort gets an error, that of a cut a body without `[DONE]`."""
    upstream.script("abort", [["a", Gate(), Abort()]])
    upstream.script("cut", [["a", Cut()]])
    gate = upstream.scripts["abort"].turns[0][1]
    assert isinstance(gate, Gate)
    url = f"{upstream.url}/chat/completions"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"model": "abort", "stream": True}) as answer:
            await answer.content.readuntil(b'"a"')
            gate.open.set()
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        async with session.post(url, json={"model": "cut", "stream": True}) as answer:
            body = await answer.read()
    assert b'"a"' in body
    assert b"[DONE]" not in body


async def test_a_closed_connection_is_told_with_its_time(upstream: Upstream) -> None:
    """A client that leaves a stalled stream is seen to leave."""
    upstream.script("m", [["a", Stall()]])
    async with aiohttp.ClientSession() as session:
        answer = await session.post(f"{upstream.url}/responses", json={"model": "m", "stream": True})
        received = await upstream.wait_requests(1)
        assert upstream.open_connections == 1
        left_at = asyncio.get_running_loop().time()
        answer.close()
        assert await asyncio.wait_for(received.connection.closed, PATIENCE_SECONDS) >= left_at
    await asyncio.wait_for(received.ended.wait(), PATIENCE_SECONDS)
    assert upstream.open_connections == 0


async def test_a_refusing_url_refuses() -> None:
    """Nothing listens there."""
    with refusing_url() as url:
        async with AsyncOpenAI(base_url=url, api_key="k", max_retries=0) as client:
            with pytest.raises(APIConnectionError):
                await client.models.list()


async def test_echo_is_paced_and_byte_by_byte_is_the_same() -> None:
    """20 words at 100/s take 0.2 s; writes of one byte change nothing in what is said."""
    async with (
        Upstream(write_bytes=1) as upstream,
        AsyncOpenAI(base_url=upstream.url, api_key="k", http_client=DefaultAioHttpClient()) as client,
    ):
        begin = time.monotonic()
        stream = await client.chat.completions.create(model="echo-20@100", messages=ASK, stream=True)
        text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
        assert time.monotonic() - begin >= 0.19
        assert text == " ".join(f"w{n}" for n in range(20))
