"""How a call is told that failed, was never run or cannot be written down: in an app's own tools, as it left them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from agents import (
    Agent,
    FunctionTool,
    RunConfig,
    ToolGuardrailFunctionOutput,
    function_tool,
    handoff,
    tool_input_guardrail,
)

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.instrumented import RESULT_CHARS
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import Token
from orchestrator.events.encoding import clean_text
from tests.backends.openai.replays.server import ReplayServer, Reply
from tests.backends.openai.replays.wire import ANSWER, CHAT, DONE, call, chunk, data, stream
from tests.backends.openai.test_tool_events import TRANSPORTS, calls_in
from tests.support.emissions import heard

HERE = "tests.backends.openai.test_tool_failures"


def clock_of(function: Any, **options: Any) -> FunctionTool:
    return function_tool(function, name_override="clock", **options)


def breaks(zone: str) -> str:
    raise ValueError("sk-secret")


async def cancels(zone: str) -> str:
    raise asyncio.CancelledError


def half(zone: str) -> dict[str, list[str]]:
    return {"\ud800k": ["a\udc00b"]}


def endless(zone: str) -> str:
    return "z" * (RESULT_CHARS + 1)


@tool_input_guardrail
def stops(data: Any) -> ToolGuardrailFunctionOutput:
    return ToolGuardrailFunctionOutput.raise_exception()


async def lost(context: Any) -> None:
    raise RuntimeError("sk-secret")


def agent_with(*tools: Any, **fields: Any) -> Agent[Any]:
    return Agent[Any](name="a", model="m", tools=list(tools), **fields)


def goes_on(request: AgentInput) -> RunConfig:
    return RunConfig(tracing_disabled=True, tool_not_found_behavior="return_error_to_model")


default = agent_with(clock_of(breaks))
own_words = agent_with(clock_of(breaks, failure_error_function=lambda context, error: "try later"))
cancelled = agent_with(clock_of(cancels))
too_long = agent_with(clock_of(endless))
halves = agent_with(clock_of(half))
raising = agent_with(clock_of(breaks, failure_error_function=None))
guarded = agent_with(clock_of(half, tool_input_guardrails=[stops]))
toolless = agent_with(function_tool(half, name_override="other"))
lost_handoff = agent_with(handoffs=[handoff(halves, tool_name_override="clock", on_handoff=lost)])
inner = agent_with(raising.as_tool("clock", "Tells the hour."))
"""Its tool is an agent whose own tool lets its run fail; both are called `clock`."""


def asking(arguments: str = '{"zone": "UTC"}') -> Reply:
    return stream(data(chunk(call(arguments=arguments)), chunk(finish="tool_calls")), DONE)


async def told(
    replies: list[Reply], transport: str, **keys: Any
) -> tuple[list[Emission], AgentError | None, list[Any]]:
    """What an agent says, how it failed, and what its model was asked."""
    async with ReplayServer(replies) as server:
        fixed = {"agent_id": "a", "base_url": server.url, "api_key": "k", "api": CHAT, "transport": transport}
        settings = OpenAIAgentsSettings.model_validate({**fixed, **keys})
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        try:
            said, error = await heard(backend.stream(AgentInput("go")))
        finally:
            await backend.aclose()
        return said, error, [each.body for each in server.asked]


GOES_ON = [
    ("default", {}, "The tool failed (err_", True),
    ("own_words", {}, "try later", True),
    ("cancelled", {}, "An error occurred while running the tool.", True),
    ("too_long", {}, "The tool failed: its result has 8388609 characters", True),
    ("halves", {}, '{"�k": ["a�b"]}', False),
    ("toolless", {"run_config": f"{HERE}:goes_on"}, "There is no such tool.", True),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("agent", "keys", "output", "failed"), GOES_ON)
async def test_a_run_goes_on_after_such_a_call(
    agent: str, keys: dict[str, Any], output: str, failed: bool, transport: str
) -> None:
    said, error, asked = await told([asking(), ANSWER[CHAT]], transport, agent=f"{HERE}:{agent}", **keys)
    assert error is None
    [(name, _, words, is_error)] = calls_in(said)
    assert (name, clean_text(words)[: len(output)], is_error) == ("clock", output, failed)
    assert any(isinstance(each, str | Token) for each in said)
    assert len(asked) == 2
    assert "sk-secret" not in str(said) + str(asked)


ENDS = [
    ("raising", "tool_failed", "The tool failed."),
    ("guarded", "guardrail", "The tool was not run."),
    ("toolless", "upstream_invalid", "The tool was not run."),
    ("lost_handoff", "internal", "The tool was not run."),
]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(("agent", "code", "output"), ENDS)
async def test_a_call_that_ends_the_run_is_told(agent: str, code: str, output: str, transport: str) -> None:
    """What the model asked for stands before the error, for whoever looks for the reason."""
    said, error, _ = await told([asking()], transport, agent=f"{HERE}:{agent}")
    assert error is not None
    assert error.code == code
    [(name, _, words, is_error)] = calls_in(said)
    assert (name, words, is_error) == ("clock", output, True)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_nested_agent_that_fails_ends_its_calls_and_fails_its_own(transport: str) -> None:
    replies = [asking('{"input": "the hour?"}'), asking(), ANSWER[CHAT]]
    said, error, _ = await told(replies, transport, agent=f"{HERE}:inner")
    assert error is None
    outer, nested = calls_in(said)
    assert (nested[2], nested[3]) == ("The tool failed.", True)
    assert outer[3]
    assert any(isinstance(each, str | Token) for each in said)
