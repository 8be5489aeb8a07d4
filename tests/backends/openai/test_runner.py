"""A run's payloads come live, bounded and whole, and whoever stops reading stops the run.

The model here is a scripted `agents.Model`, so that what it does between two events is exact.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    Model,
    ModelProvider,
    ModelResponse,
    RunConfig,
    RunHooks,
    Usage,
    function_tool,
    handoff,
    input_guardrail,
)
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseFunctionWebSearch,
    ResponseOutputItemAddedEvent,
    ResponseOutputItemDoneEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
)
from openai.types.responses.response_function_web_search import ActionSearch

from orchestrator.backends.base import AgentInput, Emission, Finish, Turn
from orchestrator.backends.openai.outbox import PENDING_LIMIT
from orchestrator.backends.openai.runner import conversation_items, stream_agent
from orchestrator.errors import AgentError
from orchestrator.events import ApprovalRequest, Handoff, Status, Token, ToolCall, ToolResult
from tests.support.patience import PATIENCE_SECONDS, soon

Reply = Callable[[], AsyncGenerator[Any, None]]


def delta(text: str) -> Any:
    return ResponseTextDeltaEvent(
        type="response.output_text.delta", delta=text, item_id="m", output_index=0, content_index=0,
        sequence_number=0, logprobs=[],
    )  # fmt: skip


def completed(*output: Any) -> Any:
    response = Response(
        id="r", created_at=0, model="scripted", object="response", output=list(output),
        parallel_tool_calls=True, tool_choice="auto", tools=[],
    )  # fmt: skip
    return ResponseCompletedEvent(type="response.completed", response=response, sequence_number=0)


def message(text: str) -> Any:
    part = ResponseOutputText(text=text, type="output_text", annotations=[], logprobs=[])
    return ResponseOutputMessage(id="m", content=[part], role="assistant", status="completed", type="message")


def call(name: str, call_id: str, arguments: str = "{}") -> Any:
    return ResponseFunctionToolCall(name=name, call_id=call_id, arguments=arguments, type="function_call")


def text_reply(*pieces: str) -> Reply:
    async def reply() -> AsyncGenerator[Any, None]:
        for piece in pieces:
            yield delta(piece)
        yield completed(message("".join(pieces)))

    return reply


def call_reply(*calls: Any) -> Reply:
    async def reply() -> AsyncGenerator[Any, None]:
        yield completed(*calls)

    return reply


class Scripted(Model):
    """Plays one reply a request and remembers what it was asked, and that its streams were closed."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[Any] = []
        self.open = 0

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        async with aclosing(self.stream_response(*args, **kwargs)) as events:
            async for event in events:
                last = event
        return ModelResponse(output=last.response.output, usage=Usage(), response_id=None)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncGenerator[Any, None]:
        self.asked.append(args[1])
        self.open += 1
        try:
            async with aclosing(self.replies.pop(0)()) as events:
                async for event in events:
                    yield event
        finally:
            self.open -= 1


def agent(*replies: Reply, name: str = "a", **keys: Any) -> Agent[Any]:
    return Agent(name=name, model=Scripted(*replies), **keys)


def start(agent: Agent[Any], **keys: Any) -> AsyncGenerator[Emission, None]:
    request = keys.pop("request", AgentInput("hi"))
    return stream_agent(agent, conversation_items(request), request=request, **keys)


async def collect(agent: Agent[Any], **keys: Any) -> list[Any]:
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(start(agent, **keys)) as stream:
        return [item async for item in stream]


async def hear(stream: AsyncIterator[Any], said: list[Any], step: Callable[[], Awaitable[None]]) -> None:
    async for item in stream:
        said.append(item)
        await step()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
async def no_task_stays() -> AsyncIterator[None]:
    """Every test leaves as many tasks as it found."""
    before = asyncio.all_tasks()
    yield
    await turns(3)
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


# ── whole and live ────────────────────────────────────────────────────────────────────────────


async def test_nothing_said_before_a_failure_is_lost_on_a_slow_reader() -> None:
    """The SDK throws its queue away when the run fails; a reader that lags must still get all of it."""

    async def reply() -> AsyncGenerator[Any, None]:
        for number in range(50):
            yield delta(f"{number} ")
        raise ValueError("half a JSON")

    said: list[Any] = []
    stream = start(agent(reply))
    with pytest.raises(AgentError) as caught:
        await hear(stream, said, lambda: asyncio.sleep(0.001))
    assert caught.value.code == "upstream_invalid"
    assert [item.text for item in said] == [f"{number} " for number in range(50)]


async def test_a_slow_reader_holds_the_model_back() -> None:
    """Memory stays bounded: the model stands still while its reader does, however long that is."""
    made = 0

    async def reply() -> AsyncGenerator[Any, None]:
        nonlocal made
        for number in range(5000):
            made = number + 1
            yield delta("x")
        yield completed(message("x" * 5000))

    async with aclosing(start(agent(reply))) as stream:
        await anext(stream)
        await turns(2000)
        held_at = made
        assert held_at <= 2 * PENDING_LIMIT + 1
        rest = [item async for item in stream]
    assert made == 5000
    assert sum(isinstance(item, Token) for item in rest) == 4999


async def test_text_comes_before_the_tool_call_that_follows_it() -> None:
    """Text and tools take one way, so none overtakes the other."""

    async def reply() -> AsyncGenerator[Any, None]:
        for number in range(200):
            yield delta(str(number))
        yield completed(message("…"), call("ping", "c1"))

    items = await collect(agent(reply, text_reply("done"), tools=[ping]))
    kinds = [type(item) for item in items]
    assert kinds == [*[Token] * 200, ToolCall, ToolResult, Token, Finish]


async def test_a_tool_of_the_users_own_fails_without_its_secrets() -> None:
    """The SDK's default would tell the exception's text to the model, and so to the client."""

    @function_tool
    def broken() -> str:
        raise RuntimeError("password=hunter2")

    items = await collect(agent(call_reply(call("broken", "c1")), text_reply("ok"), tools=[broken]))
    [result] = [item for item in items if isinstance(item, ToolResult)]
    assert result.is_error
    assert re.fullmatch(r"The tool failed \(err_[0-9a-f]{16}\)\.", result.output)


async def test_a_tool_at_the_provider_is_told_like_any_other() -> None:
    """Web search and its like run inside the model's answer, so no hook tells of them."""

    def search(status: Any) -> Any:
        action = ActionSearch(type="search", query="weather", queries=["weather"])
        return ResponseFunctionWebSearch(id="ws_1", type="web_search_call", status=status, action=action)

    async def reply() -> AsyncGenerator[Any, None]:
        yield ResponseOutputItemAddedEvent(
            type="response.output_item.added", item=search("in_progress"), output_index=0, sequence_number=0
        )
        yield ResponseOutputItemDoneEvent(
            type="response.output_item.done", item=search("completed"), output_index=0, sequence_number=1
        )
        yield delta("Rain.")
        yield completed(search("completed"), message("Rain."))

    running, *items = await collect(agent(reply))
    assert running == Status("tool", "web_search")
    [told, result] = items[:2]
    assert (told.call_id, told.name) == ("ws_1", "web_search")
    assert json.loads(told.arguments)["action"]["query"] == "weather"
    assert result == ToolResult("ws_1", "completed", is_error=False)
    assert items[2] == Token("Rain.")


async def test_a_stream_without_an_end_is_invalid() -> None:
    async def reply() -> AsyncGenerator[Any, None]:
        yield delta("half")

    said: list[Any] = []
    with pytest.raises(AgentError) as caught:
        await hear(start(agent(reply)), said, lambda: asyncio.sleep(0))
    assert said == [Token("half")]
    assert caught.value.code == "upstream_invalid"
    assert "end mark" in caught.value.message


async def test_reading_inside_a_timeout_does_not_disturb_the_run() -> None:
    """`asyncio.timeout` around each step is how the pump watches; `wait_for` would kill the run."""
    said = []
    async with aclosing(start(agent(text_reply("a", "b", "c")))) as stream:
        while True:
            async with asyncio.timeout(PATIENCE_SECONDS):
                item = await anext(stream, None)
            if item is None:
                break
            said.append(item)
    assert said[:-1] == [Token("a"), Token("b"), Token("c")]


async def test_two_runs_of_one_agent_do_not_mix() -> None:
    """What a run says goes to its own reader, though agent and model are shared."""

    async def reply() -> AsyncGenerator[Any, None]:
        name = str(len(model.asked))
        for _ in range(20):
            yield delta(name)
            await asyncio.sleep(0)
        yield completed(message(name * 20))

    model = Scripted(reply, reply, reply)
    shared = Agent[Any](name="a", model=model)
    runs = await asyncio.gather(*(collect(shared) for _ in range(3)))
    said = ["".join(item.text for item in items if isinstance(item, Token)) for items in runs]
    assert all(len(set(text)) == 1 for text in said)
    assert sorted(text[0] for text in said) == ["1", "2", "3"]


# ── agents that hand on ───────────────────────────────────────────────────────────────────────


async def test_handoffs_may_run_in_a_circle_and_be_objects() -> None:
    """Each speaker's tokens are told, whichever way its agent is reached; the originals stay as they are."""
    first = agent(call_reply(call("transfer_to_b", "c1")), text_reply("back"), name="a")
    second = agent(call_reply(call("transfer_to_a", "c2")), name="b")
    first.handoffs = [handoff(second)]
    second.handoffs = [first]
    model = first.model
    items = await collect(first)
    assert items[:-1] == [Handoff("b"), Handoff("a"), Token("back")]
    assert first.model is model


@function_tool
def ping() -> str:
    return "pong"


class Named(ModelProvider):
    """Gives the one model it has, whatever its name; so the inner run's goes through ours as well."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def get_model(self, model_name: str | None) -> Model:
        return self.model


class ToolLog(RunHooks[Any]):
    """Hooks of the user's own."""

    def __init__(self) -> None:
        self.tools: list[str] = []

    async def on_tool_start(self, context: Any, agent: Any, tool: Any) -> None:
        self.tools.append(tool.name)


@pytest.mark.parametrize("by_name", [True, False])
async def test_an_agent_that_the_user_made_a_tool_streams_as_nested(by_name: bool) -> None:
    """`Agent.as_tool`: text and tools carry the call's id; the user's own handler and hooks hear as ever."""
    heard: list[Any] = []
    hooks = ToolLog()
    replies = (call_reply(call("ping", "c2")), text_reply("in", "side"))
    model = Scripted(*replies)
    inner = Agent[Any](name="inner", model="by-name" if by_name else model, tools=[ping])
    original = inner.as_tool(
        tool_name="ask", tool_description="", on_stream=heard.append if by_name else None, hooks=hooks
    )
    outer = agent(call_reply(call("ask", "c1", '{"input":"x"}')), text_reply("out"), tools=[original])
    config = RunConfig(model_provider=Named(model), tracing_disabled=True)
    items = await collect(outer, run_config=config)
    assert items[:-1] == [
        ToolCall("c1", "ask", '{"input":"x"}'),
        ToolCall("c2", "ping", "{}", parent="c1"),
        ToolResult("c2", "pong", is_error=False, parent="c1"),
        Token("in", speaker="inner", parent="c1"),
        Token("side", speaker="inner", parent="c1"),
        ToolResult("c1", "inside", is_error=False),
        Token("out"),
    ]
    assert hooks.tools == ["ping"]
    assert bool(heard) is by_name
    assert inner.model == ("by-name" if by_name else model)
    assert outer.tools == [original]


async def test_an_agent_may_be_its_own_tool() -> None:
    """Circles of tools end, like circles of handoffs."""
    run = agent(
        call_reply(call("ask", "c1", '{"input":"x"}')),
        text_reply("inner"),
        text_reply("outer"),
    )
    run.tools = [run.as_tool("ask", "")]
    items = await collect(run)
    assert [item for item in items if isinstance(item, Token)] == [
        Token("inner", speaker="a", parent="c1"),
        Token("outer"),
    ]


# ── what no model says ────────────────────────────────────────────────────────────────────────


async def test_the_answer_of_a_tool_is_said() -> None:
    """`tool_use_behavior` may make a tool's output the answer: then nothing else would say it."""
    run = agent(call_reply(call("ping", "c1")), tools=[ping], tool_use_behavior="stop_on_first_tool")
    items = await collect(run)
    assert items[:-1] == [
        ToolCall("c1", "ping", "{}"),
        ToolResult("c1", "pong", is_error=False),
        Token("pong"),
    ]


async def test_a_model_of_ones_own_without_deltas_is_heard() -> None:
    async def reply() -> AsyncGenerator[Any, None]:
        yield completed(message("all at once"))

    assert (await collect(agent(reply)))[0] == Token("all at once")


async def test_an_item_of_a_kind_that_the_sdk_does_not_know_is_left_out() -> None:
    """The SDK takes it for a message and fails of what it has not."""
    new = ResponseOutputMessage.construct(type="new_kind_of_call", id="x")

    async def reply() -> AsyncGenerator[Any, None]:
        yield delta("said")
        yield completed().model_copy(
            update={"response": completed().response.model_copy(update={"output": [message("said"), new]})}
        )

    items = await collect(agent(reply))
    assert items[0] == Token("said")
    assert isinstance(items[-1], Finish)


async def test_a_guardrail_stops_the_model_as_soon_as_it_trips() -> None:
    """The SDK alone lets the model finish an answer that nobody shall see."""
    spoken = asyncio.Event()

    @input_guardrail
    async def trips(context: Any, agent: Any, items: Any) -> GuardrailFunctionOutput:
        await spoken.wait()
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    async def reply() -> AsyncGenerator[Any, None]:
        yield delta("x")
        spoken.set()
        await asyncio.Event().wait()

    run = agent(reply, input_guardrails=[trips])
    said: list[Any] = []
    with pytest.raises(AgentError) as caught:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await hear(start(run), said, lambda: asyncio.sleep(0))
    assert (said, caught.value.code) == ([Token("x")], "guardrail")
    assert isinstance(run.model, Scripted)
    assert run.model.open == 0


# ── conversations ─────────────────────────────────────────────────────────────────────────────


def test_items_of_a_conversation_are_its_turns_and_the_question() -> None:
    history = (Turn("one", "1"), Turn("two", "2", {"items": [{"role": "user", "content": "two"}]}))
    assert conversation_items(AgentInput("three", history=history)) == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"},
        {"role": "user", "content": "two"},
        {"role": "user", "content": "three"},
    ]


async def test_memory_is_this_turn_alone_and_plain_json() -> None:
    run = agent(call_reply(call("ping", "c1")), text_reply("done"), tools=[ping])
    request = AgentInput("now", history=(Turn("before", "then"),), conversation_id="c")
    finish = (await collect(run, request=request))[-1]
    items = json.loads(json.dumps(finish.memory))["items"]
    assert items[0] == {"role": "user", "content": "now"}
    assert [item.get("type", "question") for item in items] == [
        "question", "function_call", "function_call_output", "message",
    ]  # fmt: skip
    assert "before" not in json.dumps(items)


# ── approvals ─────────────────────────────────────────────────────────────────────────────────


async def test_approvals_wait_together_and_one_that_fails_ends_the_run() -> None:
    """The answers may come in any order; a limit that one reaches does not leave the other waiting."""
    waiting: set[str] = set()

    async def approve(call_id: str) -> bool:
        waiting.add(call_id)
        if call_id == "c1":
            await asyncio.Event().wait()
        while len(waiting) < 2:
            await asyncio.sleep(0)
        raise AgentError("approval_timeout", "nobody")

    @function_tool(needs_approval=True)
    def launch() -> str:
        return "up"

    run = agent(call_reply(call("launch", "c1"), call("launch", "c2")), tools=[launch])
    said: list[Any] = []
    with pytest.raises(AgentError) as caught:
        await hear(start(run, request=AgentInput("hi", approve=approve)), said, lambda: asyncio.sleep(0))
    assert [item.call_id for item in said if isinstance(item, ApprovalRequest)] == ["c1", "c2"]
    assert caught.value.code == "approval_timeout"


# ── stopping ──────────────────────────────────────────────────────────────────────────────────


async def test_closing_the_generator_closes_the_models_stream() -> None:
    async def reply() -> AsyncGenerator[Any, None]:
        yield delta("x")
        await asyncio.Event().wait()

    run = agent(reply)
    stream = start(run)
    assert await anext(stream) == Token("x")
    await stream.aclose()
    assert isinstance(run.model, Scripted)
    assert run.model.open == 0


async def test_a_clean_up_that_hangs_is_not_waited_for_long() -> None:
    """A model or tool that ignores its cancellation holds neither the agent nor its cancel."""
    let_go = asyncio.Event()

    async def reply() -> AsyncGenerator[Any, None]:
        try:
            yield delta("x")
            await asyncio.Event().wait()
        finally:
            await let_go.wait()

    stream = start(agent(reply))
    await anext(stream)
    began = asyncio.get_running_loop().time()
    await soon(stream.aclose())
    assert asyncio.get_running_loop().time() - began > 0.5
    let_go.set()
    await turns(50)


async def test_a_run_that_cannot_start_is_an_agent_error() -> None:
    broken = Agent[Any](name="a", model=Scripted(), mcp_servers=[object()])  # type: ignore[list-item]  # wrong on purpose
    with pytest.raises(AgentError):
        await collect(broken, run_config=RunConfig(tracing_disabled=True))
