"""What the Agents SDK and the stock client do that this backend is built around, on the versions that are pinned.

A test that fails here after a renewed pin says that a fact has changed, and names the code that rests on it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, SQLiteSession, function_tool
from agents.tracing import get_trace_provider
from openai import APIError, AsyncOpenAI

from tests.support.patience import eventually
from tests.support.upstream import (
    Abort,
    Call,
    Cut,
    ErrorChunk,
    Finish,
    Gate,
    HalfJson,
    Stall,
    Text,
    Upstream,
    WrongShape,
    failed,
)

CONFIG = RunConfig(tracing_disabled=True)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as running:
        yield running


@pytest.fixture
async def client(upstream: Upstream) -> AsyncIterator[AsyncOpenAI]:
    made = AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0)
    yield made
    await made.close()


def agent_over(client: AsyncOpenAI, **options: Any) -> Agent[Any]:
    return Agent(name="a", model=OpenAIChatCompletionsModel("m", openai_client=client), **options)


async def read_slowly(result: Any) -> int:
    """Count the deltas that a consumer gets that takes its time for each."""
    count = 0
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            count += 1
            await asyncio.sleep(0.005)
    return count


async def test_the_queue_of_events_grows_without_a_bound(upstream: Upstream, client: AsyncOpenAI) -> None:
    """So a collector of ours empties it, and what is said is taken at its source (`Outbox`)."""
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG)
    upstream.script("m", [[*[Text("w ") for _ in range(500)]]])
    deltas = aiter(result.stream_events())
    await anext(deltas)
    await eventually(lambda: result._event_queue.qsize() >= 500)
    result.cancel()
    async for _ in deltas:
        pass


async def test_events_are_lost_when_the_run_fails(upstream: Upstream, client: AsyncOpenAI) -> None:
    """So no event is taken from the SDK's queue: a slow consumer would lose what was said before a failure."""
    upstream.script("m", [[*[Text("w ") for _ in range(50)], ErrorChunk()]])
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG)
    seen = 0
    with pytest.raises(APIError):  # noqa: PT012
        async for event in result.stream_events():
            seen += event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
            await asyncio.sleep(0.02)
    assert seen < 50


async def test_leaving_the_loop_does_not_stop_the_run(upstream: Upstream, client: AsyncOpenAI) -> None:
    """So `_Run.stop` cancels the result by itself."""
    gate = Gate()
    upstream.script("m", [["one ", gate, "two"]])
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG)
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            break
    await gate.reached.wait()
    assert not result.is_complete
    assert upstream.open_connections
    result.cancel()
    async for _ in result.stream_events():
        pass
    await upstream.wait_all_closed()


@pytest.mark.parametrize(
    ("turn", "error"),
    [
        (["one ", Abort()], "APIConnectionError"),
        (["one ", Stall()], "APITimeoutError"),
        (["one ", HalfJson()], "JSONDecodeError"),
        (["one ", ErrorChunk()], "APIError"),
    ],
)
async def test_faults_of_the_upstream_arrive_raw(
    upstream: Upstream, client: AsyncOpenAI, turn: list[Any], error: str
) -> None:
    """So `errors` translates them; what breaks is raised as the client wraps it, an error chunk without a status."""
    upstream.script("m", [turn])
    hasty = client.with_options(timeout=0.3)
    result = Runner.run_streamed(agent_over(hasty), "hi", run_config=CONFIG)
    with pytest.raises(Exception) as raised:  # noqa: PT011 - which one is what is asked
        async for _ in result.stream_events():
            pass
    assert type(raised.value).__name__ == error


async def test_a_wait_that_is_cut_short_ends_the_run(upstream: Upstream, client: AsyncOpenAI) -> None:
    """So time limits stand around the loop and never around one `anext`."""
    gate = Gate()
    upstream.script("m", [["one ", gate, "two"]])
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG)
    events = aiter(result.stream_events())
    while not gate.reached.is_set():
        await anext(events)
    with pytest.raises(TimeoutError):  # noqa: PT012
        while True:
            await asyncio.wait_for(anext(events), 0.2)
    gate.open.set()
    assert [event async for event in events] == []
    assert result.final_output is None


@pytest.mark.parametrize("turn", [["one ", Cut()], ["one ", WrongShape({"object": "nonsense"}), "two"]])
async def test_what_is_cut_or_malformed_passes_for_an_answer(
    upstream: Upstream, client: AsyncOpenAI, turn: list[Any]
) -> None:
    """So `CheckedStream` looks at each chunk and at the end of the stream."""
    upstream.script("m", [turn])
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG)
    async for _ in result.stream_events():
        pass
    assert result.final_output.startswith("one ")


async def test_the_finish_reason_is_dropped(upstream: Upstream, client: AsyncOpenAI) -> None:
    """So `note_finish_reason` takes it on the way."""
    upstream.script("m", [["half an ans", Finish("length")]])
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG)
    async for _ in result.stream_events():
        pass
    assert result.final_output == "half an ans"
    assert "length" not in repr(result.raw_responses)


async def test_the_stock_client_tries_again_by_itself(upstream: Upstream) -> None:
    """So every client of ours has `max_retries=0`: one layer tries again, the pump."""
    upstream.script("m", [failed(500), failed(500), ["ok"]])
    eager = AsyncOpenAI(base_url=upstream.url, api_key="k")
    assert eager.max_retries == 2
    result = Runner.run_streamed(agent_over(eager), "hi", run_config=CONFIG)
    async for _ in result.stream_events():
        pass
    assert len(upstream.requests) == 3
    await eager.close()


async def test_a_failed_run_leaves_its_question_in_the_session(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    """So our own conversations keep only turns that ended well."""
    upstream.script("m", [["one ", ErrorChunk()]])
    session = SQLiteSession("s")
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG, session=session)
    with pytest.raises(APIError):
        async for _ in result.stream_events():
            pass
    assert [item.get("role") for item in await session.get_items()] == ["user"]
    session.close()


async def test_a_call_that_needs_approval_gives_no_event(upstream: Upstream, client: AsyncOpenAI) -> None:
    """So an approval is read from `interruptions` at the end of the run."""

    @function_tool(needs_approval=True)
    def launch() -> str:
        return "launched"

    upstream.script("m", [[Call("launch")]])
    result = Runner.run_streamed(agent_over(client, tools=[launch]), "hi", run_config=CONFIG)
    kinds = [event.name async for event in result.stream_events() if event.type == "run_item_stream_event"]
    assert result.final_output is None
    assert [item.tool_name for item in result.interruptions] == ["launch"]
    assert kinds == ["tool_called"]


async def test_ids_and_sequence_numbers_of_chat_models_are_made_up(
    upstream: Upstream, client: AsyncOpenAI
) -> None:
    """So nothing of ours goes by them."""
    upstream.script("m", [["one"]])
    result = Runner.run_streamed(agent_over(client), "hi", run_config=CONFIG)
    async with aclosing(result.stream_events()) as events:
        raw = [event.data async for event in events if event.type == "raw_response_event"]
    assert {d.item_id for d in raw if d.type == "response.output_text.delta"} == {"__fake_id__"}


async def test_a_run_is_traced_unless_it_is_told_not_to(upstream: Upstream, client: AsyncOpenAI) -> None:
    """So each run of ours says `tracing_disabled`: the SDK alone sends what is said to OpenAI."""
    seen: list[str] = []

    class Listens:
        def on_trace_start(self, trace: Any) -> None:
            seen.append(json.dumps(trace.export()))

        def on_trace_end(self, trace: Any) -> None: ...
        def on_span_start(self, span: Any) -> None: ...
        def on_span_end(self, span: Any) -> None: ...
        def shutdown(self) -> None: ...
        def force_flush(self) -> None: ...

    provider: Any = get_trace_provider()
    before = provider._multi_processor._processors
    provider.set_processors([Listens()])
    try:
        for config in (RunConfig(), CONFIG):
            upstream.script("m", [["one"]])
            result = Runner.run_streamed(agent_over(client), "hi", run_config=config)
            async for _ in result.stream_events():
                pass
    finally:
        provider.set_processors(list(before))
    assert len(seen) == 1
