"""One conformance suite for the SDK's models: fast and stock, on both APIs, in the unmodified Runner.

Every test speaks real HTTP to `tests.support.upstream`. What a fault does to the stock models is the backend's to
mend (`transport: sdk`), so the faults of those go through it.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from agents import (
    Agent,
    GuardrailFunctionOutput,
    InputGuardrailTripwireTriggered,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    Runner,
    RunResultStreaming,
    SQLiteSession,
    function_tool,
    input_guardrail,
    output_guardrail,
)
from agents.exceptions import ModelRefusalError
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseFunctionToolCall, ResponseOutputMessage
from openai.types.responses.response_reasoning_item import ResponseReasoningItem
from pydantic import BaseModel

from orchestrator.backends.base import AgentInput
from orchestrator.backends.base import Finish as End
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.model.fast import FastChatModel, FastResponsesModel, FastTransport
from orchestrator.backends.openai.runner import stream_agent
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import Reasoning, Token, ToolResult, clean_text
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
    Finish,
    Gate,
    HalfJson,
    NoUse,
    Raw,
    Refusal,
    Stall,
    Step,
    Turn,
    Upstream,
    Use,
    WrongShape,
    dropped,
    failed,
    html,
    nothing,
    refusing_url,
)
from tests.support.upstream import Reasoning as Thinks

CONFIG = RunConfig(tracing_disabled=True)


@dataclass
class Rig:
    """An upstream, and a model in front of it."""

    upstream: Upstream
    transport: str
    api: str
    model: Model
    pool: FastTransport | None

    def says(self, *turns: Turn, **options: Any) -> None:
        self.upstream.script("m", turns, **options)

    def agent(self, **options: Any) -> Agent[Any]:
        settings = options.pop("model_settings", ModelSettings(include_usage=True))
        return Agent(name="a", model=self.model, model_settings=settings, **options)

    async def run(self, agent: Agent[Any], question: Any = "go", **options: Any) -> Heard:
        heard = Heard(Runner.run_streamed(agent, question, run_config=CONFIG, **options))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await heard.listen()
        return heard

    def sent(self, number: int) -> list[Any]:
        body = self.upstream.requests[number].body
        items: list[Any] = body["messages"] if self.api == "chat_completions" else body["input"]
        return items

    def backend(self, **keys: Any) -> OpenAIAgentsBackend:
        common = {"agent_id": "a", "base_url": self.upstream.url, "api_key": "k", "model": "m"}
        settings = OpenAIAgentsSettings.model_validate(
            {**common, "api": self.api, "transport": self.transport, **keys}
        )
        return OpenAIAgentsBackend(settings, {"a": settings})


@dataclass
class Heard:
    """What a run's events said: the raw deltas by kind, and the names of its items."""

    result: RunResultStreaming
    deltas: dict[str, str] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    async def listen(self) -> None:
        async for event in self.result.stream_events():
            if event.type == "run_item_stream_event":
                self.items.append(event.name)
            elif event.type == "raw_response_event":
                self.take(event.data)

    def take(self, event: Any) -> None:
        self.kinds.append(event.type)
        if event.type.endswith(".delta"):
            name = event.type.removeprefix("response.").removesuffix(".delta")
            self.deltas[name] = self.deltas.get(name, "") + event.delta
        elif event.type == "response.completed":
            self.responses.append(event.response)


@pytest.fixture(params=["chat_completions", "responses"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["fast", "sdk"])
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def rig(api: str, transport: str) -> AsyncIterator[Rig]:
    chat = api == "chat_completions"
    async with Upstream() as upstream:
        if transport == "fast":
            pool = FastTransport(upstream.url, "k")
            model: Model = FastChatModel("m", pool) if chat else FastResponsesModel("m", pool)
            yield Rig(upstream, transport, api, model, pool)
            await pool.aclose()
        else:
            async with AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0) as client:
                stock = OpenAIChatCompletionsModel if chat else OpenAIResponsesModel
                yield Rig(upstream, transport, api, stock("m", openai_client=client), None)


@function_tool
def clock(zone: str) -> str:
    """Tell the time in a zone."""
    return f"noon in {zone}"


class Verdict(BaseModel):
    good: bool
    why: str


# ── what a model says ─────────────────────────────────────────────────────────────────────────


async def test_text_is_said_in_deltas_and_as_a_typed_item(rig: Rig) -> None:
    """The joined deltas, the final output and the item agree; odd characters survive."""
    pieces = ["Grüß ", "dich, ", "\u2028 \x00", "🙂", " end"]
    rig.says(pieces)
    heard = await rig.run(rig.agent(instructions="be brief"))
    assert heard.deltas == {"output_text": "".join(pieces)}
    assert heard.result.final_output == "".join(pieces)
    assert heard.items == ["message_output_created"]
    message = heard.responses[0].output[0]
    assert isinstance(message, ResponseOutputMessage)
    assert heard.kinds[0] == "response.created"
    assert heard.kinds[-1] == "response.completed"


async def test_deltas_come_while_the_model_still_speaks(rig: Rig) -> None:
    """Nothing waits for the end of the answer."""
    gate = Gate()
    rig.says(["first", gate, " second"])
    heard = Heard(Runner.run_streamed(rig.agent(), "go", run_config=CONFIG))
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in heard.result.stream_events():
            if event.type == "raw_response_event":
                heard.take(event.data)
                if heard.deltas == {"output_text": "first"}:
                    gate.open.set()
    assert heard.deltas == {"output_text": "first second"}


@pytest.mark.parametrize("raw", [False, True])
async def test_reasoning_is_said_apart_and_kept_as_an_item(rig: Rig, raw: bool) -> None:
    """A summary and the reasoning itself are different kinds of delta."""
    steps = [
        Thinks(text, raw=raw, field="reasoning" if raw else "reasoning_content") for text in ("hm", " so")
    ]
    rig.says([*steps, "answer"])
    heard = await rig.run(rig.agent())
    kind = "reasoning_text" if raw else "reasoning_summary_text"
    assert heard.deltas == {kind: "hm so", "output_text": "answer"}
    item = heard.responses[0].output[0]
    assert isinstance(item, ResponseReasoningItem)
    assert "hm so" in [part.text for part in (item.content if raw else item.summary) or []]
    assert heard.items == ["reasoning_item_created", "message_output_created"]


async def test_tools_one_after_the_other(rig: Rig) -> None:
    """Arguments that come in pieces are whole; each result goes back with its call's id."""
    rig.says(
        [Call("clock", ['{"zo', 'ne": "', 'Rome"}'])], [Call("clock", '{"zone": "Oslo"}', "c2")], ["done"]
    )
    heard = await rig.run(rig.agent(tools=[clock]))
    assert heard.result.final_output == "done"
    assert heard.items.count("tool_called") == heard.items.count("tool_output") == 2
    assert heard.deltas["function_call_arguments"] == '{"zone": "Rome"}{"zone": "Oslo"}'
    assert outputs_of(rig, 2) == {"call_1": "noon in Rome", "c2": "noon in Oslo"}


async def test_tools_in_parallel(rig: Rig) -> None:
    """Three calls whose arguments interleave, text before them."""
    calls = [Call("clock", ['{"zone"', f': "{zone}"', "}"], zone) for zone in ("A", "B", "C")]
    rig.says(["looking ", Calls(*calls)], ["done"])
    heard = await rig.run(rig.agent(tools=[clock]))
    assert outputs_of(rig, 1) == {zone: f"noon in {zone}" for zone in "ABC"}
    assert heard.kinds.count("response.output_item.added") >= 3
    output = heard.responses[0].output
    assert [i.call_id for i in output if isinstance(i, ResponseFunctionToolCall)] == ["A", "B", "C"]


async def test_handoffs(rig: Rig) -> None:
    """The second agent answers, told what was said before."""
    rig.says([Call("transfer_to_clerk", "{}")], ["clerk here"])
    clerk = Agent(name="clerk", model=rig.model, handoff_description="knows")
    heard = await rig.run(rig.agent(handoffs=[clerk]))
    assert heard.result.final_output == "clerk here"
    assert heard.result.last_agent.name == "clerk"
    assert heard.items[:2] == ["handoff_requested", "handoff_occured"]
    names = [tool.get("name") or tool["function"]["name"] for tool in rig.upstream.requests[0].body["tools"]]
    assert names == ["transfer_to_clerk"]


async def test_guardrails_trip(rig: Rig) -> None:
    """Both kinds end the run with the SDK's own exceptions."""

    @input_guardrail
    async def no_bombs(context: Any, agent: Any, question: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(None, tripwire_triggered="bomb" in str(question))

    @output_guardrail
    async def no_curses(context: Any, agent: Any, answer: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(None, tripwire_triggered="damn" in str(answer))

    rig.says(["damn"])
    agent = rig.agent(input_guardrails=[no_bombs], output_guardrails=[no_curses])
    with pytest.raises(OutputGuardrailTripwireTriggered):
        await rig.run(agent)
    with pytest.raises(InputGuardrailTripwireTriggered):
        await rig.run(agent, "a bomb")


async def test_structured_output(rig: Rig) -> None:
    """The schema reaches the model, its JSON becomes the type."""
    rig.says(['{"good": tr', 'ue, "why": "it is"}'])
    heard = await rig.run(rig.agent(output_type=Verdict))
    assert heard.result.final_output == Verdict(good=True, why="it is")
    body = rig.upstream.requests[0].body
    schema = (
        body["response_format"]["json_schema"] if rig.api == "chat_completions" else body["text"]["format"]
    )
    assert set(schema["schema"]["properties"]) == {"good", "why"}


async def test_a_refusal_is_said_and_raised(rig: Rig) -> None:
    """Its pieces are deltas of their own."""
    rig.says([Refusal("I will "), Refusal("not.")])
    heard = Heard(Runner.run_streamed(rig.agent(), "go", run_config=CONFIG))
    with pytest.raises(ModelRefusalError):
        await heard.listen()
    assert heard.deltas == {"refusal": "I will not."}
    message = heard.responses[0].output[0]
    assert isinstance(message, ResponseOutputMessage)
    assert [part.refusal for part in message.content if part.type == "refusal"] == ["I will not."]


async def test_usage_is_what_the_provider_counted(rig: Rig) -> None:
    """Summed over the turns, details included."""
    rig.says(
        [Call("clock", '{"zone": "x"}'), Use(11, 3, reasoning=2, cached=4)],
        ["ok", Use(20, 5, cached=8)],
    )
    usage = (await rig.run(rig.agent(tools=[clock]))).result.context_wrapper.usage
    assert (usage.requests, usage.input_tokens, usage.output_tokens, usage.total_tokens) == (2, 31, 8, 39)
    assert usage.output_tokens_details.reasoning_tokens == 2
    assert usage.input_tokens_details.cached_tokens == 12


async def test_a_request_counts_without_usage(rig: Rig) -> None:
    rig.says(["ok", NoUse()])
    usage = (await rig.run(rig.agent())).result.context_wrapper.usage
    assert (usage.requests, usage.total_tokens) == (1, 0)


async def test_turns_of_a_session_follow_each_other(rig: Rig) -> None:
    """Reasoning, calls and results of the first run are sent back in the second, as the API wants them."""
    rig.says([Thinks("hm"), Call("clock", '{"zone": "x"}')], ["first"], ["second"])
    agent, session = rig.agent(tools=[clock]), SQLiteSession("s")
    await rig.run(agent, "one", session=session)
    heard = await rig.run(agent, "two", session=session)
    assert heard.result.final_output == "second"
    sent = rig.sent(2)
    assert [i["content"] for i in sent if i.get("role") == "user"] == ["one", "two"]
    assert outputs_of(rig, 2) == {"call_1": "noon in x"}
    assert "first" in str([i for i in sent if i.get("role") == "assistant"])
    session.close()


async def test_settings_and_images_reach_the_model_unchanged(rig: Rig) -> None:
    """An image larger than a megabyte, sampling settings, extras of the caller's own."""
    image = "data:image/png;base64," + base64.b64encode(bytes(1_200_000)).decode()
    parts = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": image, "detail": "low"},
    ]
    settings = ModelSettings(
        temperature=0.5, max_tokens=7, metadata={"k": "v"},
        extra_body={"own": [1]}, extra_headers={"X-Own": "h"}, extra_query={"q": "1"},
    )  # fmt: skip
    rig.says(["ok"])
    await rig.run(rig.agent(model_settings=settings), [{"role": "user", "content": parts}])
    received = rig.upstream.requests[0]
    part = rig.sent(0)[0]["content"][1]
    assert (part["image_url"]["url"] if rig.api == "chat_completions" else part["image_url"]) == image
    limit = "max_tokens" if rig.api == "chat_completions" else "max_output_tokens"
    body = received.body
    assert (body["temperature"], body[limit], body["metadata"], body["own"]) == (0.5, 7, {"k": "v"}, [1])
    assert received.headers["X-Own"] == "h"
    assert received.headers["Authorization"] == "Bearer k"


async def test_both_transports_send_the_same_request(api: str) -> None:
    """Byte for byte the same JSON values: the requests are the SDK's own."""
    bodies = []
    async with Upstream() as upstream:
        upstream.script("m", [["ok"]])
        pool = FastTransport(upstream.url, "k")
        async with AsyncOpenAI(base_url=upstream.url, api_key="k") as client:
            chat = api == "chat_completions"
            fast = FastChatModel("m", pool) if chat else FastResponsesModel("m", pool)
            stock = (OpenAIChatCompletionsModel if chat else OpenAIResponsesModel)("m", openai_client=client)
            settings = ModelSettings(
                include_usage=True, top_p=0.5, parallel_tool_calls=True, tool_choice="auto",
                reasoning={"effort": "low"}, verbosity="low", store=False, top_logprobs=2,
            )  # fmt: skip
            other = Agent(name="other")
            for model in (fast, stock):
                agent = Agent(
                    name="a", model=model, instructions="be", tools=[clock], handoffs=[other],
                    output_type=Verdict, model_settings=settings,
                )  # fmt: skip
                for run in (Runner.run, _drained):
                    with pytest.raises(Exception, match="JSON"):  # "ok" is no Verdict
                        await run(agent, "go", run_config=CONFIG)
        await pool.aclose()
        bodies = [received.body for received in upstream.requests]
    assert len(bodies) == 4
    assert bodies[:2] == bodies[2:]


async def _drained(agent: Agent[Any], question: str, *, run_config: RunConfig) -> None:
    async for _ in Runner.run_streamed(agent, question, run_config=run_config).stream_events():
        pass


async def test_an_answer_that_does_not_stream_is_the_same(rig: Rig) -> None:
    """`Runner.run`, as agents that are tools use it."""
    rig.says([Thinks("hm"), Calls(Call("clock", '{"zone": "x"}'), Call("clock", '{"zone": "y"}'))], ["done"])
    result = await Runner.run(rig.agent(tools=[clock]), "go", run_config=CONFIG)
    assert result.final_output == "done"
    assert outputs_of(rig, 1) == {"call_1": "noon in x", "call_2": "noon in y"}
    assert result.context_wrapper.usage.requests == 2
    assert result.raw_responses[0].request_id == "req_1"


async def test_connections_are_used_again(rig: Rig) -> None:
    """Three turns, one connection."""
    rig.says([Call("clock", '{"zone": "x"}')], [Call("clock", '{"zone": "y"}')], ["done"])
    await rig.run(rig.agent(tools=[clock]))
    assert len(rig.upstream.requests) == 3
    assert len(rig.upstream.connections) == 1


# ── how an answer ends that is not whole ──────────────────────────────────────────────────────


@pytest.mark.parametrize(("reason", "detail"), [("length", "max_output_tokens"), ("content_filter",) * 2])
@pytest.mark.parametrize("transport", ["fast"], indirect=True)
async def test_an_answer_cut_short_says_so(rig: Rig, reason: Any, detail: str) -> None:
    """Text that was said is kept; a call whose arguments were cut is not made."""
    rig.says(["half an ans", Call("clock", ['{"zo']), Finish(reason)])
    heard = await rig.run(rig.agent(tools=[clock]))
    assert heard.result.final_output == "half an ans"
    details = heard.responses[0].incomplete_details
    assert details is not None
    assert details.reason == detail
    assert len(rig.upstream.requests) == 1


@pytest.mark.parametrize("transport", ["fast"], indirect=True)
async def test_a_limit_before_the_first_word_is_no_failure(rig: Rig) -> None:
    """Reasoning may use the whole budget."""
    rig.says([Thinks("so much to think"), Finish("length")])
    heard = await rig.run(rig.agent())
    assert heard.result.final_output == ""
    assert heard.responses[0].incomplete_details is not None


@pytest.mark.parametrize("transport", ["fast"], indirect=True)
async def test_an_answer_that_was_withheld_is_a_refusal(rig: Rig) -> None:
    """A content filter that leaves nothing does not pass for an empty answer."""
    rig.says([Finish("content_filter")])
    with pytest.raises(AgentError, match="content filter") as caught:
        await rig.run(rig.agent())
    assert caught.value.code == "refusal"


# ── faults ────────────────────────────────────────────────────────────────────────────────────

FAULTS = [
    (failed(401), "upstream_auth"),
    (failed(403), "upstream_auth"),
    (failed(429, retry_after="2"), "upstream_rate_limited"),
    (failed(400), "upstream_rejected"),
    (failed(404), "upstream_rejected"),
    (failed(500), "upstream_unavailable"),
    (failed(503, retry_after="2"), "upstream_unavailable"),
    (html(), "upstream_invalid"),
    (nothing(), "upstream_invalid"),
    (Answer(200, b'{"error":{"message":"no","code":null}}'), "upstream_invalid"),
    (dropped(), "upstream_unavailable"),
]
BREAKS: Sequence[tuple[Step, str]] = [
    (Abort(), "upstream_unavailable"),
    (Cut(), "upstream_invalid"),
    (HalfJson(), "upstream_invalid"),
    (ErrorChunk(), "upstream_unavailable"),
    (ErrorChunk(code="rate_limit_exceeded"), "upstream_rate_limited"),
    (Failed(), "upstream_unavailable"),
    (WrongShape(), "upstream_invalid"),
]


async def failure_of(rig: Rig, **keys: Any) -> tuple[str, AgentError]:
    """Run through the backend; what was said before it failed, and how it did."""
    backend = rig.backend(**keys)
    said: list[str] = []

    async def listen() -> None:
        async for emission in backend.stream(AgentInput("go")):
            if isinstance(emission, Token):
                said.append(emission.text)

    try:
        with pytest.raises(AgentError) as caught:
            await asyncio.wait_for(listen(), PATIENCE_SECONDS)
    finally:
        await backend.aclose()
    assert SECRET not in str(caught.value)
    assert "Bearer" not in str(caught.value)
    return "".join(said), caught.value


@pytest.mark.parametrize(("fault", "code"), FAULTS)
async def test_an_answer_that_is_none_is_told_as_what_it_is(rig: Rig, fault: Answer, code: str) -> None:
    """One request each; nothing of the provider's body or headers is repeated."""
    rig.says(["never"], fault=fault)
    said, error = await failure_of(rig)
    assert (said, error.code) == ("", code)
    assert error.retry_after == (2.0 if "Retry-After" in fault.headers else None)
    assert len(rig.upstream.requests) == 1


@pytest.mark.parametrize(("step", "code"), BREAKS)
async def test_a_break_is_told_after_what_was_said(rig: Rig, step: Step, code: str) -> None:
    """Never a silent success, and no word is lost."""
    # Without the wait a reset would overtake the words: TCP drops what the client has not read.
    rig.says(["one ", "two", *([Gate()] if isinstance(step, Abort) else []), step])
    if isinstance(step, Abort):
        gate = rig.upstream.scripts["m"].turns[0][2]
        assert isinstance(gate, Gate)
        asyncio.get_running_loop().call_later(0.3, gate.open.set)
    said, error = await failure_of(rig)
    assert (said, error.code) == ("one two", code)


async def test_nobody_there(rig: Rig) -> None:
    with refusing_url() as nowhere:
        _, error = await failure_of(rig, base_url=nowhere)
    assert error.code == "upstream_unavailable"


async def test_a_character_cut_in_half_is_put_together(rig: Rig) -> None:
    """Servers in JavaScript cut texts between the halves of an emoji, and may send them apart."""
    halves = [Raw(_half(rig.api, half)) for half in ("\\ud83d", "\\ude42 ok")]
    rig.says(["so ", halves[0], Gate(), halves[1], Call("clock", '{"zone": "x"}')], ["done"])
    gate = rig.upstream.scripts["m"].turns[0][2]
    assert isinstance(gate, Gate)
    asyncio.get_running_loop().call_later(0.1, gate.open.set)
    backend = rig.backend(tools=["tests.support.sdk_parts:clock"])
    async with asyncio.timeout(PATIENCE_SECONDS):
        emissions = [emission async for emission in backend.stream(AgentInput("go"))]
    await backend.aclose()
    said = "".join(clean_text(e.text) for e in emissions if isinstance(e, Token))
    assert said == "so 🙂 okdone"


def _half(api: str, text: str) -> bytes:
    if api == "chat_completions":
        return b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode()
    return b'data: {"type":"response.output_text.delta","output_index":0,"delta":"%s"}\n\n' % text.encode()


def chunks(*deltas: Any, finish: str = "stop", done: bytes = b"data: [DONE]\n\n") -> Answer:
    """A chat answer of another server than OpenAI's: each *delta* stands in a chunk, or is a whole choice."""
    choices = [d if "finish_reason" in d else {"index": 0, "delta": d, "finish_reason": None} for d in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    events = [b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() for choice in choices]
    return Answer(200, b"\n\n".join([*events, done]), "text/event-stream")


def calling(zone: str, **where: Any) -> dict[str, Any]:
    arguments = json.dumps({"zone": zone})
    return {"tool_calls": [{**where, "function": {"name": "clock", "arguments": arguments}}]}


SAID_BY_OTHERS = [
    # Azure's asynchronous filter speaks in choices without a delta.
    (chunks({"content": "Hel"}, {"index": 0, "finish_reason": None, "content_filter_results": {}}, {"content": "lo"}),
     "Hello", ""),
    (chunks({"finish_reason": None, "delta": {"content": "Hello"}}), "Hello", ""),  # no index
    (chunks({"content": "Hello"}, done=b"data: [DONE]"), "Hello", ""),
    (chunks({"content": "Hello"}, done=b"data:\n\ndata: [DONE]\n\n"), "Hello", ""),
    (chunks({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
            {"content": [{"type": "text", "text": "Hello"}]}), "Hello", "hm"),  # Mistral
    (chunks({"reasoning": "hm", "reasoning_content": "hm"}, {"content": "Hello"}), "Hello", "hm"),  # vLLM
]  # fmt: skip


@pytest.mark.parametrize("api", ["chat_completions"], indirect=True)
@pytest.mark.parametrize(("answer", "text", "reasoning"), SAID_BY_OTHERS)
async def test_what_other_servers_say_is_heard(rig: Rig, answer: Answer, text: str, reasoning: str) -> None:
    rig.says(["never"], fault=answer)
    backend = rig.backend()
    async with asyncio.timeout(PATIENCE_SECONDS):
        emissions = [emission async for emission in backend.stream(AgentInput("go"))]
    await backend.aclose()
    assert "".join(e.text for e in emissions if isinstance(e, Token)) == text
    assert "".join(e.text for e in emissions if isinstance(e, Reasoning)) == reasoning


@pytest.mark.parametrize("api", ["chat_completions"], indirect=True)
@pytest.mark.parametrize(
    "answer",
    [
        chunks(calling("A", index=0, id="1"), calling("B", index=0, id="2")),
        chunks(calling("A", id="1"), calling("B", id="2")),
        chunks(calling("A", id=""), calling("B", id="")),
        chunks(calling("A", index=0), calling("B", index=1), finish="tool_calls"),
    ],
)
async def test_calls_are_told_apart_however_they_are_numbered(rig: Rig, answer: Answer) -> None:
    """Gemini's endpoint leaves numbers and ids out, or numbers every call 0."""
    rig.says(["done"], fault=answer, fail_times=1)
    backend = rig.backend(tools=["tests.support.sdk_parts:clock"])
    async with asyncio.timeout(PATIENCE_SECONDS):
        emissions = [emission async for emission in backend.stream(AgentInput("go"))]
    await backend.aclose()
    results = [e.output for e in emissions if isinstance(e, ToolResult)]
    assert results == ["noon in A", "noon in B"]
    assert "".join(e.text for e in emissions if isinstance(e, Token)) == "done"


@pytest.mark.parametrize("api", ["chat_completions"], indirect=True)
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (chunks({"content": "Hello"}, finish="error"), "upstream_invalid"),
        (chunks({"content": "Hello"}, finish="abort"), "upstream_unavailable"),
        (chunks(finish="tool_calls"), "upstream_invalid"),
        (chunks({"finish_reason": None, "message": "Hello"}), "upstream_invalid"),
        (chunks({"finish_reason": None, "delta": ["Hello"]}), "upstream_invalid"),
    ],
)
async def test_what_is_no_answer_does_not_pass_for_one(rig: Rig, answer: Answer, code: str) -> None:
    """Another kind of answer in a stream, or a finish reason that is the provider's own failure."""
    rig.says(["never"], fault=answer)
    _, error = await failure_of(rig)
    assert error.code == code


@pytest.mark.parametrize("api", ["chat_completions"], indirect=True)
@pytest.mark.parametrize("transport", ["fast"], indirect=True)
@pytest.mark.parametrize(
    ("turn", "ending"), [(["one", Cut()], "upstream_invalid"), (["one", Finish("length")], "length")]
)
async def test_a_stock_model_of_the_users_own_is_looked_at_too(rig: Rig, turn: Turn, ending: str) -> None:
    """An `agents.Agent` may bring its own `OpenAIChatCompletionsModel`: the SDK would call both a success."""
    rig.says(turn)
    async with AsyncOpenAI(base_url=rig.upstream.url, api_key="k", max_retries=0) as client:
        own = Agent(name="a", model=OpenAIChatCompletionsModel("m", openai_client=client))
        run = stream_agent(own, "go", request=AgentInput("go"))
        said: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                said += [emission async for emission in run]
        except AgentError as exc:
            said.append(exc)
    assert ending == (said[-1].reason if isinstance(said[-1], End) else said[-1].code)


@pytest.mark.parametrize("transport", ["fast"], indirect=True)
@pytest.mark.parametrize(("step", "code"), BREAKS)
async def test_a_fast_model_raises_agent_errors_itself(rig: Rig, step: Step, code: str) -> None:
    """Without the backend around it, in the bare Runner."""
    rig.says(["one", step])
    with pytest.raises(AgentError) as caught:
        await rig.run(rig.agent())
    assert caught.value.code == code


@pytest.mark.parametrize("transport", ["fast"], indirect=True)
@pytest.mark.parametrize(
    ("fault", "turn"),
    [
        (html(), []),
        (Answer(200, b'{"half'), []),
        (None, [ErrorChunk()]),
        (None, [WrongShape()]),
        (None, ["one", Cut()]),
        (None, ["one", Abort()]),
    ],
)
async def test_whole_answers_are_checked_too(rig: Rig, fault: Answer | None, turn: Turn) -> None:
    """`Runner.run` on a bad answer: the same codes."""
    rig.says(turn, fault=fault)
    with pytest.raises(AgentError) as caught:
        await Runner.run(rig.agent(), "go", run_config=CONFIG)
    # A body that ends cleanly in the middle of its announced chunks cannot be told from half a JSON.
    is_away = turn[1:] == [Abort()] or turn == [ErrorChunk()]
    assert caught.value.code == ("upstream_unavailable" if is_away else "upstream_invalid")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("transport", ["fast"], indirect=True)
async def test_a_cancelled_run_closes_its_connection(rig: Rig) -> None:
    """While the upstream stalls in the middle, the server sees the close."""
    rig.says(["one", Stall()])
    heard = Heard(Runner.run_streamed(rig.agent(), "go", run_config=CONFIG))
    async with asyncio.timeout(PATIENCE_SECONDS):
        async for event in heard.result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                heard.result.cancel()
    await rig.upstream.wait_all_closed(limit=PATIENCE_SECONDS)


def outputs_of(rig: Rig, number: int) -> dict[str, str]:
    """The tools' results that the request of this number sent back, by call id."""
    sent = rig.sent(number)
    if rig.api == "chat_completions":
        return {item["tool_call_id"]: item["content"] for item in sent if item["role"] == "tool"}
    return {i["call_id"]: i["output"] for i in sent if i.get("type") == "function_call_output"}
