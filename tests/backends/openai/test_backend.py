"""The openai-agents backend says everything a real SDK agent does, over real HTTP, on both APIs."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
from agents import set_trace_processors
from agents.tracing import TracingProcessor

from orchestrator.backends.base import AgentInput, Emission, Finish, Spent, Turn
from orchestrator.backends.openai import endpoints as openai_endpoints
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.config import load_config
from orchestrator.errors import AgentError, ConfigError
from orchestrator.events import ApprovalRequest, Handoff, Reasoning, Token, ToolCall, ToolResult, Usage
from tests.support import sdk_parts
from tests.support.patience import PATIENCE_SECONDS
from tests.support.upstream import (
    SECRET,
    Abort,
    Answer,
    Call,
    Calls,
    Cut,
    ErrorChunk,
    Failed,
    Gate,
    HalfJson,
    NoUse,
    Refusal,
    Stall,
    Upstream,
    Use,
    WrongShape,
    dropped,
    failed,
    hanging,
    html,
    nothing,
    refusing_url,
)
from tests.support.upstream import Finish as End
from tests.support.upstream import Reasoning as Thinks
from tests.support.upstream import Turn as Said
from tests.support.zygote import module_command

FAILED = re.compile(r"The tool failed \(err_[0-9a-f]{16}\)\.")
MCP_SERVER = "tests.support.mcp_server"


@dataclass
class Rig:
    """An upstream and the backends that a test makes for it."""

    upstream: Upstream
    api: str
    transport: str
    backends: list[OpenAIAgentsBackend] = field(default_factory=list)

    def settings(self, **keys: Any) -> OpenAIAgentsSettings:
        own = {} if "agent" in keys else {"model": "m"}
        common = {"agent_id": "a", "base_url": self.upstream.url, "api_key": "k"}
        return OpenAIAgentsSettings.model_validate(
            {**common, "api": self.api, "transport": self.transport, **own, **keys}
        )

    def backend(self, *others: OpenAIAgentsSettings, **keys: Any) -> OpenAIAgentsBackend:
        settings = self.settings(**keys)
        backend = OpenAIAgentsBackend(settings, {s.agent_id: s for s in (settings, *others)})
        self.backends.append(backend)
        return backend

    def says(self, *turns: Said, model: str = "m", **options: Any) -> None:
        self.upstream.script(model, turns, pick="depth", **options)


@pytest.fixture(params=["chat_completions", "responses"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["sdk", "fast"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def rig(api: str, transport: str) -> AsyncIterator[Rig]:
    sdk_parts.gates.clear()
    async with Upstream() as upstream:
        made = Rig(upstream, api, transport)
        yield made
        for backend in made.backends:
            await backend.aclose()
        await upstream.wait_all_closed()


async def collect(backend: OpenAIAgentsBackend, message: str = "hi", **keys: Any) -> list[Any]:
    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(backend.stream(AgentInput(message, **keys))) as stream,
    ):
        return [item async for item in stream if not isinstance(item, Spent)]


async def hear(
    backend: OpenAIAgentsBackend,
    request: AgentInput,
    said: list[Any],
    heard: Callable[[], None] = lambda: None,
) -> None:
    """Put what the agent says into *said*, calling *heard* after each."""
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(backend.stream(request)) as stream:
        async for item in stream:
            if isinstance(item, Spent):
                continue
            said.append(item)
            heard()


async def collect_failing(backend: OpenAIAgentsBackend, **keys: Any) -> tuple[list[Any], AgentError]:
    said: list[Any] = []
    with pytest.raises(AgentError) as caught:
        await hear(backend, AgentInput("hi", **keys), said)
    return said, caught.value


def text_of(items: Sequence[Emission]) -> str:
    return "".join(item.text for item in items if isinstance(item, Token))


def finish_of(items: Sequence[Any]) -> Finish:
    assert isinstance(items[-1], Finish)
    assert sum(isinstance(item, Finish) for item in items) == 1
    return items[-1]


# ── what a model says ─────────────────────────────────────────────────────────────────────────


async def test_text_comes_piece_by_piece_with_reasoning_before_and_usage_after(rig: Rig) -> None:
    """Every delta is a payload of its own kind, and the provider's count closes the answer."""
    rig.says([Thinks("let me"), Thinks(" see"), "Hel", "lo", Use(input=7, output=5)])
    items = await collect(rig.backend())
    kinds = [(type(item), item.text) for item in items[:-1]]
    assert "".join(text for kind, text in kinds if kind is Reasoning) == "let me see"
    assert text_of(items) == "Hello"
    assert [kind for kind, _ in kinds] == sorted((kind for kind, _ in kinds), key=[Reasoning, Token].index)
    assert finish_of(items).reason == "stop"
    assert finish_of(items).usage == Usage(input_tokens=7, output_tokens=5)


async def test_deltas_are_not_gathered_until_the_end(rig: Rig) -> None:
    """A piece is yielded while the model is still speaking."""
    gate = Gate()
    rig.says(["first", gate, "second"])
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(rig.backend().stream(AgentInput("hi"))) as stream:
        assert await anext(stream) == Token("first")
        assert not gate.open.is_set()
        gate.open.set()
        assert await anext(stream) == Token("second")


async def test_usage_is_null_where_the_provider_counts_nothing(rig: Rig) -> None:
    rig.says(["ok", NoUse()])
    assert finish_of(await collect(rig.backend())).usage is None


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_an_answer_that_was_cut_says_why(rig: Rig, reason: Any) -> None:
    """The SDK makes a truncated answer look like a whole one, or an error; it is neither."""
    rig.says(["half an ans", End(reason)])
    items = await collect(rig.backend())
    assert text_of(items) == "half an ans"
    assert finish_of(items).reason == reason


async def test_a_refusal_is_an_error_after_what_was_said(rig: Rig) -> None:
    rig.says(["Well, ", Refusal("I will not "), Refusal("do that.")])
    said, error = await collect_failing(rig.backend())
    assert text_of(said) == "Well, I will not do that."
    assert error.code == "refusal"
    assert not error.retryable


async def test_structured_output_is_its_json(rig: Rig) -> None:
    rig.says(['{"city":"Oslo",', '"degrees":-3}'])
    backend = rig.backend(agent="tests.support.sdk_parts:structured")
    items = await collect(backend)
    assert json.loads(text_of(items)) == {"city": "Oslo", "degrees": -3}
    assert finish_of(items).usage == Usage(input_tokens=10, output_tokens=2)
    assert backend.model == "m"
    body = rig.upstream.requests[0].body
    assert "degrees" in json.dumps(body.get("response_format") or body.get("text"))


async def test_settings_reach_the_model(rig: Rig) -> None:
    """Instructions, model settings and key are sent as given."""
    rig.says(["ok"])
    settings = {"temperature": 0.25, "max_tokens": 99, "reasoning": {"effort": "low"}}
    backend = rig.backend(instructions="Be brief.", model_settings=settings, api_key="the-key")
    await collect(backend)
    received = rig.upstream.requests[0]
    assert backend.model == "m"
    assert received.body["temperature"] == 0.25
    assert 99 in (received.body.get("max_tokens"), received.body.get("max_output_tokens"))
    assert "low" in (received.body.get("reasoning_effort"), received.body.get("reasoning", {}).get("effort"))
    assert "Be brief." in json.dumps(received.body)
    assert received.headers["Authorization"] == "Bearer the-key"


async def test_the_environments_key_never_goes_to_a_server_of_ones_own(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OPENAI_API_KEY belongs to another server than `base_url`."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-real")
    rig.says(["ok"])
    await collect(rig.backend(api_key=None))
    assert "sk-real" not in str(dict(rig.upstream.requests[0].headers))


# ── tools ─────────────────────────────────────────────────────────────────────────────────────


async def test_serial_tools_are_told_in_order_and_answered_from(rig: Rig) -> None:
    rig.says(
        ["Let me look. ", Call("clock", ['{"zone":', '"UTC"}'], call_id="c1")],
        [Call("clock", '{"zone":"CET"}', call_id="c2")],
        ["Both noon."],
    )
    items = await collect(rig.backend(tools=["tests.support.sdk_parts:clock"]))
    assert items[:-1] == [
        Token("Let me look. "),
        ToolCall("c1", "clock", '{"zone":"UTC"}'),
        ToolResult("c1", "noon in UTC", is_error=False),
        ToolCall("c2", "clock", '{"zone":"CET"}'),
        ToolResult("c2", "noon in CET", is_error=False),
        Token("Both noon."),
    ]
    assert "noon in CET" in json.dumps(rig.upstream.requests[2].body)
    assert finish_of(items).usage == Usage(input_tokens=30, output_tokens=2)


async def test_parallel_tools_are_live(rig: Rig) -> None:
    """A call is told while the tool works, and a result while its neighbour still does."""
    one, two = sdk_parts.gates["one"], sdk_parts.gates["two"]
    rig.says(
        [Calls(Call("gated", '{"gate":"one"}', "c1"), Call("gated", '{"gate":"two"}', "c2"))],
        ["done"],
    )
    backend = rig.backend(tools=["tests.support.sdk_parts:gated"])
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(backend.stream(AgentInput("hi"))) as stream:
        spent, *calls = [await anext(stream) for _ in range(3)]
        assert isinstance(spent, Spent)
        assert [call.call_id for call in calls] == ["c1", "c2"]
        await one.reached.wait()
        await two.reached.wait()
        two.open.set()
        assert await anext(stream) == ToolResult("c2", "through two", is_error=False)
        assert not one.open.is_set()
        one.open.set()
        assert await anext(stream) == ToolResult("c1", "through one", is_error=False)
        assert text_of([item async for item in stream]) == "done"


@pytest.mark.parametrize(
    ("tool", "told"),
    [
        ("broken", None),
        ("wrong_value", None),
        ("told", "The tool failed: zone must be one of: UTC"),
    ],
)
async def test_a_tool_that_raises_is_an_error_result_without_secrets(
    rig: Rig, tool: str, told: str | None
) -> None:
    """The model reads what went wrong and goes on; an exception's text may hold a secret."""
    rig.says([Call(tool, call_id="c1")], ["Sorry."])
    items = await collect(rig.backend(tools=[f"tests.support.sdk_parts:{tool}"]))
    [result] = [item for item in items if isinstance(item, ToolResult)]
    assert result.is_error
    assert result.output == told if told else FAILED.fullmatch(result.output)
    assert text_of(items) == "Sorry."
    assert "hunter2" not in json.dumps(rig.upstream.requests[1].body)


@pytest.mark.parametrize("tool", ["leaves", "leaves_the_loop"])
async def test_a_tool_that_ends_the_process_ends_only_its_call(rig: Rig, tool: str) -> None:
    """A parser of arguments says `sys.exit`; the other agents of the service must not hear of it."""
    rig.says([Call(tool, call_id="c1")], ["Sorry."])
    items = await collect(rig.backend(tools=[f"tests.support.sdk_parts:{tool}"]))
    [result] = [item for item in items if isinstance(item, ToolResult)]
    assert result.is_error
    assert FAILED.fullmatch(result.output)
    assert text_of(items) == "Sorry."


async def test_a_tool_that_lets_the_run_fail_is_tool_failed(rig: Rig) -> None:
    rig.says(["Trying. ", Call("fatal", call_id="c1")])
    said, error = await collect_failing(rig.backend(tools=["tests.support.sdk_parts:fatal"]))
    assert text_of(said) == "Trying. "
    assert said[-1] == ToolResult("c1", "The tool failed.", is_error=True)
    assert error.code == "tool_failed"
    assert "hunter2" not in error.message


async def test_a_tool_has_a_time_limit(rig: Rig) -> None:
    rig.says([Call("gated", '{"gate":"never"}', "c1")], ["Gave up."])
    backend = rig.backend(tools=["tests.support.sdk_parts:gated"], limits={"tool_timeout_s": 0.05})
    items = await collect(backend)
    [result] = [item for item in items if isinstance(item, ToolResult)]
    assert result.is_error
    assert text_of(items) == "Gave up."
    assert sdk_parts.gates["never"].cancelled.is_set()


async def test_tools_see_the_request(rig: Rig) -> None:
    rig.says([Call("whoami", call_id="c1")], ["ok"])
    items = await collect(rig.backend(tools=["tests.support.sdk_parts:whoami"]), run_id="run_7")
    assert ToolResult("c1", "run_7", is_error=False) in items


async def test_an_agent_as_a_tool_streams_as_nested(rig: Rig) -> None:
    """What the inner agent says, and its tools, carry the outer call's id; the answer's text does not."""
    rig.says([Call("helper", '{"input":"ask"}', "outer")], ["It is noon."])
    rig.says(
        [Thinks("hm"), Call("clock", '{"zone":"UTC"}', "inner")],
        ["no", "on"],
        model="helper-model",
    )
    helper = {"tools": ["tests.support.sdk_parts:helper"]}
    items = await collect(rig.backend(**helper))
    assert items[:-1] == [
        ToolCall("outer", "helper", '{"input":"ask"}'),
        Reasoning("hm", speaker="helper", parent="outer"),
        ToolCall("inner", "clock", '{"zone":"UTC"}', parent="outer"),
        ToolResult("inner", "noon in UTC", is_error=False, parent="outer"),
        *(item for item in items if isinstance(item, Token) and item.parent == "outer"),
        ToolResult("outer", "noon", is_error=False),
        *(item for item in items if isinstance(item, Token) and item.parent is None),
    ]
    assert text_of([item for item in items if getattr(item, "parent", None) == "outer"]) == "noon"
    assert all(item.speaker == "helper" for item in items if isinstance(item, Token) and item.parent)


async def test_what_an_inner_agent_used_is_counted(rig: Rig) -> None:
    """Else a budget would not hold for what tools spend."""
    rig.says([Call("helper", '{"input":"ask"}', "outer"), Use(1, 2)], ["So.", Use(10, 20)])
    rig.says(["noon", Use(100, 200)], model="helper-model")
    items = await collect(rig.backend(tools=["tests.support.sdk_parts:helper"]))
    assert finish_of(items).usage == Usage(111, 222)


async def test_a_failing_inner_agent_leaks_nothing(rig: Rig) -> None:
    """The SDK would hand the provider's error body to the outer model, and so to the client."""
    rig.says([Call("helper", '{"input":"ask"}', "outer")], ["Never mind."])
    rig.says(["x"], model="helper-model", fault=failed(500))
    items = await collect(rig.backend(tools=["tests.support.sdk_parts:helper"]))
    [result] = [item for item in items if isinstance(item, ToolResult)]
    assert result.is_error
    assert SECRET not in repr(items)
    assert SECRET not in json.dumps(rig.upstream.requests[-1].body)


async def test_max_turns_is_an_error(rig: Rig) -> None:
    rig.says(*[[Call("clock", '{"zone":"UTC"}', f"c{n}")] for n in range(9)])
    said, error = await collect_failing(rig.backend(tools=["tests.support.sdk_parts:clock"], max_turns=2))
    assert error.code == "max_turns"
    assert sum(isinstance(item, ToolCall) for item in said) == 2


# ── handoffs and guardrails ───────────────────────────────────────────────────────────────────


async def test_a_handoff_says_to_whom_and_later_tokens_who_speaks(rig: Rig) -> None:
    rig.says(["I ask. ", Call("transfer_to_expert", call_id="c1")])
    rig.says(["I know."], model="expert-model")
    expert = rig.settings(agent_id="expert", model="expert-model", description="Knows.", handoffs=["a"])
    backend = rig.backend(expert, handoffs=["expert"])
    items = await collect(backend)
    assert [item for item in items if isinstance(item, Handoff)] == [Handoff("expert")]
    assert [(item.text, item.speaker) for item in items if isinstance(item, Token)] == [
        ("I ask. ", None),
        ("I know.", "expert"),
    ]
    assert not [item for item in items if isinstance(item, ToolCall)]


@pytest.mark.parametrize("handoffs", [["nobody"], ["stranger"]])
async def test_a_handoff_that_cannot_be_is_a_config_error(rig: Rig, handoffs: list[str]) -> None:
    from orchestrator.backends.offline.settings import OfflineSettings

    settings = rig.settings(handoffs=handoffs)
    others: dict[str, Any] = {"a": settings, "stranger": OfflineSettings(agent_id="stranger")}
    with pytest.raises(ConfigError) as caught:
        OpenAIAgentsBackend(settings, others)
    assert caught.value.problems[0].key == "handoffs[0]"


@pytest.mark.parametrize(("message", "answer"), [("a secret", "fine"), ("hi", "darn")])
async def test_a_guardrail_that_trips_is_an_error(rig: Rig, message: str, answer: str) -> None:
    rig.says([answer])
    backend = rig.backend(agent="tests.support.sdk_parts:guarded")
    with pytest.raises(AgentError) as caught:
        await collect(backend, message)
    assert caught.value.code == "guardrail"
    assert len(rig.upstream.requests) == (0 if "secret" in message else 1)


async def test_an_agent_of_the_users_own_must_be_one(rig: Rig) -> None:
    with pytest.raises(ConfigError, match=r"not agents\.Agent"):
        rig.backend(agent="tests.support.sdk_parts:not_an_agent")


# ── approvals ─────────────────────────────────────────────────────────────────────────────────


def answering(**answers: bool) -> Callable[[str], Awaitable[bool]]:
    async def approve(call_id: str) -> bool:
        return answers[call_id]

    return approve


async def test_an_approved_call_runs_and_the_agent_goes_on(rig: Rig) -> None:
    rig.says(["May I? ", Call("launch", '{"target":"x"}', "c1")], ["Done."])
    backend = rig.backend(tools=["tests.support.sdk_parts:launch"])
    items = await collect(backend, approve=answering(c1=True))
    assert items[:-1] == [
        Token("May I? "),
        ApprovalRequest("c1", "launch", '{"target":"x"}'),
        ToolCall("c1", "launch", '{"target":"x"}'),
        ToolResult("c1", "launched x", is_error=False),
        Token("Done."),
    ]
    assert finish_of(items).usage == Usage(input_tokens=20, output_tokens=2)


async def test_a_refused_call_does_not_run(rig: Rig) -> None:
    """Of two requests that wait at once each gets its own answer."""
    both = Calls(Call("launch", '{"target":"x"}', "c1"), Call("launch", '{"target":"y"}', "c2"))
    rig.says([both], ["One."])
    backend = rig.backend(tools=["tests.support.sdk_parts:launch"])
    items = await collect(backend, approve=answering(c1=False, c2=True))
    assert {item.call_id for item in items if isinstance(item, ApprovalRequest)} == {"c1", "c2"}
    results = {item.call_id: item for item in items if isinstance(item, ToolResult)}
    assert results["c1"].is_error
    assert results["c2"] == ToolResult("c2", "launched y", is_error=False)
    assert [item.call_id for item in items if isinstance(item, ToolCall)] == ["c2"]
    assert "launched x" not in json.dumps(rig.upstream.requests[-1].body)


async def test_an_inner_agents_call_is_approved_like_any_other(rig: Rig) -> None:
    """The outer call is told once, and goes on where it stood."""
    rig.says([Call("launcher", '{"input":"go"}', "outer")], ["All done."])
    rig.says([Call("launch", '{"target":"x"}', "inner")], ["up"], model="launcher-model")
    backend = rig.backend(tools=["tests.support.sdk_parts:launcher"])
    items = await collect(backend, approve=answering(inner=True))
    assert [item for item in items if not isinstance(item, Token | Finish)] == [
        ToolCall("outer", "launcher", '{"input":"go"}'),
        ApprovalRequest("inner", "launch", '{"target":"x"}'),
        ToolCall("inner", "launch", '{"target":"x"}', parent="outer"),
        ToolResult("inner", "launched x", is_error=False, parent="outer"),
        ToolResult("outer", "up", is_error=False),
    ]
    assert text_of([item for item in items if not getattr(item, "parent", None)]) == "All done."


async def test_an_approval_that_nobody_gives_ends_the_agent(rig: Rig) -> None:
    rig.says([Call("launch", '{"target":"x"}', "c1")])
    said, error = await collect_failing(rig.backend(tools=["tests.support.sdk_parts:launch"]))
    assert isinstance(said[-1], ApprovalRequest)
    assert error.code == "approval_timeout"


# ── MCP ───────────────────────────────────────────────────────────────────────────────────────


def mcp_turns() -> list[Said]:
    return [[Calls(Call("add", '{"a":2,"b":3}', "c1"), Call("fail", "{}", "c2"))], ["five"]]


def assert_mcp_results(items: Sequence[Any]) -> None:
    results = {item.call_id: item for item in items if isinstance(item, ToolResult)}
    assert results["c1"] == ToolResult("c1", "5", is_error=False)
    assert results["c2"].is_error
    assert text_of(items) == "five"


async def test_an_mcp_server_over_stdio_gives_tools(rig: Rig) -> None:
    rig.says(*mcp_turns())
    command, *arguments = module_command(MCP_SERVER)
    backend = rig.backend(mcp_servers=[{"command": command, "args": arguments}])
    assert_mcp_results(await collect(backend))


async def test_an_mcp_server_over_http_gives_tools(rig: Rig) -> None:
    rig.says(*mcp_turns())
    process = await asyncio.create_subprocess_exec(
        *module_command(MCP_SERVER, "http"), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode().strip()
        assert_mcp_results(await collect(rig.backend(mcp_servers=[{"url": url}])))
    finally:
        process.terminate()
        await process.wait()


async def test_an_mcp_server_that_does_not_start_is_told(rig: Rig) -> None:
    rig.says(["never"])
    with refusing_url() as nowhere:
        for entry, code in [
            ({"command": "/nowhere/at-all"}, "tool_failed"),
            ({"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]}, "tool_failed"),
            ({"url": f"{nowhere}/mcp"}, "upstream_unavailable"),
        ]:
            _, error = await collect_failing(rig.backend(mcp_servers=[entry]))
            assert error.code == code, entry
    assert not rig.upstream.requests


# ── conversations ─────────────────────────────────────────────────────────────────────────────


async def test_memory_brings_back_the_whole_turn(rig: Rig) -> None:
    """The next run sees the earlier question, the tool call and its result, each once, and as plain JSON."""
    turns = [[Call("clock", '{"zone":"UTC"}', f"c{number}")] for number in range(3)]
    rig.upstream.script("m", [turn for call in turns for turn in (call, ["Noon."])])
    backend = rig.backend(tools=["tests.support.sdk_parts:clock"])
    first = finish_of(await collect(backend, "time?", conversation_id="c"))
    memory = json.loads(json.dumps(first.memory))
    again: Any = {"history": (Turn("time?", "Noon.", memory),), "conversation_id": "c"}
    second = finish_of(await collect(backend, "again?", **again))
    third = (Turn("time?", "Noon.", memory), Turn("again?", "Noon.", second.memory))
    await collect(backend, "and now?", history=third)
    sent = json.dumps(rig.upstream.requests[-1].body)
    for said in ("time?", "again?", "and now?"):
        assert sent.count(said) == 1
    assert sent.count("noon in UTC") == 3


async def test_a_turn_without_memory_is_told_as_question_and_answer(rig: Rig) -> None:
    rig.says(["ok"])
    await collect(rig.backend(), "now", history=(Turn("before", "answer"),))
    body = rig.upstream.requests[0].body
    items = body.get("messages") or body["input"]
    assert [item["role"] for item in items] == ["user", "assistant", "user"]
    assert "before" in json.dumps(items[0])
    assert "answer" in json.dumps(items[1])


# ── faults ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "code", "retry_after"),
    [
        (failed(401), "upstream_auth", None),
        (failed(403), "upstream_auth", None),
        (failed(429, retry_after="2"), "upstream_rate_limited", (2, 2)),
        (failed(429, after_date=30), "upstream_rate_limited", (25, 31)),
        (failed(400), "upstream_rejected", None),
        (failed(404), "upstream_rejected", None),
        (failed(500), "upstream_unavailable", None),
        (failed(503, retry_after="1"), "upstream_unavailable", (1, 1)),
        (html(502), "upstream_unavailable", None),
        (html(), "upstream_invalid", None),
        (nothing(), "upstream_invalid", None),
        (dropped(), "upstream_unavailable", None),
    ],
)
async def test_a_bad_answer_is_told_by_its_status(
    rig: Rig, fault: Answer, code: str, retry_after: tuple[float, float] | None
) -> None:
    """One request each: retries are the pump's. Nothing of the provider's body is said."""
    rig.says(["never"], fault=fault)
    said, error = await collect_failing(rig.backend())
    assert said == []
    assert error.code == code
    if retry_after is None:
        assert error.retry_after is None
    else:
        assert error.retry_after is not None
        assert retry_after[0] <= error.retry_after <= retry_after[1]
    assert SECRET not in error.message
    assert len(rig.upstream.requests) == 1


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (Abort(), "upstream_unavailable"),
        (Cut(), "upstream_invalid"),
        (HalfJson(), "upstream_invalid"),
        (ErrorChunk(), "upstream_unavailable"),
        (ErrorChunk(code="rate_limit_exceeded"), "upstream_rate_limited"),
        (Failed(), "upstream_unavailable"),
        (WrongShape(), "upstream_invalid"),
    ],
)
async def test_a_break_in_the_middle_is_told_after_what_was_said(rig: Rig, step: Any, code: str) -> None:
    """The SDK drops what is queued when a run fails, and takes a clean early end for success."""
    gate = Gate()
    rig.says(["one ", "two ", "three", gate, step])
    said: list[Any] = []

    def heard() -> None:
        if text_of(said) == "one two three":
            gate.open.set()

    with pytest.raises(AgentError) as caught:
        await hear(rig.backend(), AgentInput("hi"), said, heard)
    assert caught.value.code == code
    assert SECRET not in caught.value.message
    assert not [item for item in said if isinstance(item, Finish)]


async def test_nobody_there_is_unavailable(rig: Rig) -> None:
    with refusing_url() as nowhere:
        _, error = await collect_failing(rig.backend(base_url=nowhere))
    assert error.code == "upstream_unavailable"


async def test_a_stall_is_given_up_after_the_agents_own_limits(
    api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pump's limits come first; the stock client's read timeout is what ends a stall it cannot see."""
    monkeypatch.setattr(openai_endpoints, "READ_GRACE_SECONDS", 0.1)
    async with Upstream() as upstream:
        rig = Rig(upstream, api, "sdk")
        rig.says(["one", Stall()])
        limits = {"first_token_timeout_s": 0.1, "idle_timeout_s": 0.1}
        backend = rig.backend(limits=limits)
        said, error = await collect_failing(backend)
        assert text_of(said) == "one"
        assert error.code == "upstream_unavailable"
        await backend.aclose()


# ── cancelling ────────────────────────────────────────────────────────────────────────────────

PHASES: dict[str, list[Said]] = {
    "before the headers": [["never"]],
    "in the answer": [["some", Stall()]],
    "held back by a slow reader": [["x"] * 3000 + [Stall()]],
    "in an async tool": [[Call("gated", '{"gate":"g"}', "c1")], ["never"]],
    "in a sync tool": [[Call("sleepy", '{"seconds":3}', "c1")], ["never"]],
    "in an inner agent": [[Call("helper", '{"input":"x"}', "c1")], ["never"]],
    "in an approval": [[Call("launch", '{"target":"x"}', "c1")], ["never"]],
    "in an MCP tool": [[Call("wait", "{}", "c1")], ["never"]],
}
TOOLS = ["gated", "sleepy", "helper", "launch"]


async def nobody(call_id: str) -> bool:
    await asyncio.Event().wait()
    return False


def running_tasks() -> set[str]:
    """Name what runs beside this test and the upstream's own connection handlers."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    names = {getattr(task.get_coro(), "__qualname__", "") for task in tasks}
    return {name for name in names if "RequestHandler" not in name}


@pytest.mark.parametrize("how", ["cancel", "aclose"])
@pytest.mark.parametrize("phase", PHASES)
async def test_cancelling_closes_the_connection_and_leaves_no_task(rig: Rig, phase: str, how: str) -> None:
    """In every phase, by either way: the server sees the close within 1 s and nothing runs on."""
    fault = hanging() if phase == "before the headers" else None
    rig.says(*PHASES[phase], fault=fault)
    rig.says(["inner", Stall()], model="helper-model")
    keys: dict[str, Any] = {"tools": [f"tests.support.sdk_parts:{name}" for name in TOOLS]}
    if "MCP" in phase:
        command, *arguments = module_command(MCP_SERVER)
        keys["mcp_servers"] = [{"command": command, "args": arguments}]
    backend = rig.backend(**keys)
    before = running_tasks()
    reached = asyncio.Event()
    stream = backend.stream(AgentInput("hi", approve=nobody))

    async def read() -> None:
        async with aclosing(stream):
            async for _ in stream:
                reached.set()
                if phase.startswith("held back") or (how == "aclose" and phase == "in the answer"):
                    await asyncio.Event().wait()

    reader = asyncio.create_task(read())
    await rig.upstream.wait_requests(2 if phase == "in an inner agent" else 1)
    if phase != "before the headers":
        await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
    if phase == "in an async tool":
        await asyncio.wait_for(sdk_parts.gates["g"].reached.wait(), PATIENCE_SECONDS)
    reader.cancel()
    await asyncio.wait({reader}, timeout=PATIENCE_SECONDS)
    assert reader.cancelled()
    if phase in ("before the headers", "in the answer", "held back by a slow reader", "in an inner agent"):
        assert rig.upstream.requests[-1].connection.closed.done() or (
            await asyncio.wait_for(
                asyncio.shield(rig.upstream.requests[-1].connection.closed), PATIENCE_SECONDS
            )
        )
    if "MCP" in phase:
        await backend.aclose()  # its server is held for the next run
    assert running_tasks() == before
    if phase == "in an async tool":
        assert sdk_parts.gates["g"].cancelled.is_set()


async def test_fifty_cancels_leak_nothing(rig: Rig) -> None:
    """Cancelling both the SDK's result and its reader would leave a connection behind each time."""
    rig.says(["some"] * 20 + [Stall()])
    backend = rig.backend()
    before = running_tasks()
    for number in range(50):
        reached = asyncio.Event()

        async def read(reached: asyncio.Event = reached) -> None:
            async with aclosing(backend.stream(AgentInput("hi"))) as stream:
                async for _ in stream:
                    reached.set()

        reader = asyncio.create_task(read())
        if number % 2:
            await asyncio.wait_for(reached.wait(), PATIENCE_SECONDS)
        else:
            await rig.upstream.wait_requests(number + 1)
        reader.cancel()
        await asyncio.wait({reader})
    assert len(rig.upstream.requests) == 50
    assert running_tasks() == before
    await rig.upstream.wait_all_closed()


async def test_a_whole_answer_leaves_its_connection_for_the_next(rig: Rig) -> None:
    rig.says(["ok"])
    backend = rig.backend()
    for _ in range(3):
        await collect(backend)
    assert len(rig.upstream.connections) == 1


# ── nothing global ────────────────────────────────────────────────────────────────────────────


class Recorder(TracingProcessor):
    """Counts what the SDK would upload."""

    def __init__(self) -> None:
        self.seen = 0

    def on_trace_start(self, trace: Any) -> None:
        self.seen += 1

    def on_span_start(self, span: Any) -> None:
        self.seen += 1

    def on_trace_end(self, trace: Any) -> None: ...
    def on_span_end(self, span: Any) -> None: ...
    def shutdown(self) -> None: ...
    def force_flush(self) -> None: ...


@pytest.mark.parametrize("tracing", [False, True])
async def test_nothing_is_traced_unless_asked(rig: Rig, tracing: bool) -> None:
    recorder = Recorder()
    set_trace_processors([recorder])
    try:
        rig.says([Call("clock", '{"zone":"UTC"}')], ["ok"])
        await collect(rig.backend(tools=["tests.support.sdk_parts:clock"], tracing=tracing))
    finally:
        set_trace_processors([])
    assert bool(recorder.seen) is tracing


def test_a_missing_key_is_a_config_error(monkeypatch: pytest.MonkeyPatch, transport: Any) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = OpenAIAgentsSettings(agent_id="a", model="m", transport=transport)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
        OpenAIAgentsBackend(settings, {"a": settings})


async def test_instructions_come_from_a_file(rig: Rig, tmp_path: Any) -> None:
    """The path starts at the folder of the agent's own file."""
    (tmp_path / "prompt.md").write_text("Be kind.")
    (tmp_path / "a.yaml").write_text(
        "backend: openai-agents\nmodel: m\napi_key: k\ninstructions_file: prompt.md\n"
        f"base_url: {rig.upstream.url}\napi: {rig.api}\n"
    )
    rig.says(["ok"])
    rig.backends.append(OpenAIAgentsBackend(load_config(tmp_path, {}).agents["a"], {}))
    await collect(rig.backends[0])
    assert "Be kind." in json.dumps(rig.upstream.requests[0].body)


async def test_images_of_the_message_reach_the_model(rig: Rig) -> None:
    rig.says(["a cat"])
    picture = "data:image/png;base64,AAAA"
    await collect(rig.backend(), "What is this?", images=("https://example.org/cat.png", picture))
    body = json.dumps(rig.upstream.requests[0].body)
    assert "https://example.org/cat.png" in body
    assert picture in body
    assert "What is this?" in body


async def test_what_each_response_used_is_told_at_once(rig: Rig) -> None:
    """A budget must hold between the turns of one answer, not only at its end."""
    rig.says([Call("clock", '{"zone": "x"}'), Use(10, 5)], ["three", Use(20, 7)])
    backend = rig.backend(tools=["tests.support.sdk_parts:clock"])
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(backend.stream(AgentInput("hi"))) as stream:
        items = [item async for item in stream]
    assert [item.usage for item in items if isinstance(item, Spent)] == [Usage(10, 5), Usage(20, 7)]
    assert finish_of(items).usage == Usage(30, 12)


async def test_the_provider_is_asked_for_no_more_than_the_budget(rig: Rig) -> None:
    rig.says(["ok"])
    await collect(rig.backend(limits={"max_output_tokens": 70}, model_settings={"max_tokens": 90}))
    body = rig.upstream.requests[0].body
    assert 70 in (body.get("max_tokens"), body.get("max_completion_tokens"), body.get("max_output_tokens"))
