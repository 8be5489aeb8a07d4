"""Behind a real LiteLLM proxy, and with LiteLLM in this process: text, tools, reasoning, refusals and every failure."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openai import APIError, AsyncOpenAI, NotFoundError

from orchestrator.backends.base import AgentInput, Finish
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError, ConfigError
from orchestrator.events import Reasoning, Token, ToolCall, ToolResult
from tests.dialects.agents import AGENTS, CHATTY, TOOLED
from tests.support.litellm.proxy import KEY, LitellmProxy, litellm_proxy
from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import serving
from tests.support.upstream import (
    SECRET,
    Abort,
    Answer,
    Call,
    ErrorChunk,
    Refusal,
    Turn,
    Upstream,
    Use,
    failed,
)
from tests.support.upstream import Finish as Ends
from tests.support.upstream import Reasoning as Thought

from .replays.server import ReplayServer, Reply
from .replays.wire import ANSWER, CHAT, RESPONSES

__all__ = ["litellm_proxy"]

ROOT = Path(__file__).parents[3]


@dataclass
class Told:
    """What came of one question."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str, str]] | None = None
    finish: Finish | None = None
    error: AgentError | None = None


@dataclass(frozen=True)
class Case:
    """What the model behind the proxy says, and what must come of it.

    Attributes:
        code: Of an error, as the model's server meant it.
        lost: What else it may be where the proxy says less than it was told: a limit becomes its own 500.
    """

    turns: list[Turn]
    text: str | None = ""
    reasoning: str = ""
    calls: tuple[tuple[str, str, str], ...] = ()
    finish: str = "stop"
    code: str = ""
    lost: tuple[str, ...] = ()
    retryable: bool | None = None
    fault: Answer | None = None


CLOCK = Call("clock", ['{"zo', 'ne": "UTC"}'], "call_a")
CASES = {
    "text": Case([["Hello ", "there", Use(input=7, output=2)]], "Hello there"),
    "tools": Case([["Let me see. ", CLOCK], ["It is noon."]], "Let me see. It is noon.",
                  calls=(("clock", '{"zone": "UTC"}', "noon in UTC"),)),
    "reasoning": Case([[Thought("hm, "), Thought("well"), "hello"]], "hello", reasoning="hm, well"),
    "a cut answer": Case([["half of ", Ends("length")]], "half of ", finish="length"),
    "a refusal": Case([[Refusal("I will "), Refusal("not")]], None, code="refusal", lost=("upstream_invalid",)),
    "a filter": Case([[Ends("content_filter")]], None, code="refusal", retryable=False),
    "an error in mid-stream": Case([["half ", ErrorChunk()]], None, code="upstream_unavailable", retryable=True),
    "a limit in mid-stream": Case([["half ", ErrorChunk("slow down", "429")]], None, code="upstream_rate_limited",
                                  lost=("upstream_unavailable",), retryable=True),
    "a break": Case([["half ", Abort()]], None, code="upstream_unavailable", lost=("upstream_invalid",)),
    "a rate limit": Case([["x"]], code="upstream_rate_limited", retryable=True, fault=failed(429, retry_after="2")),
    "a wrong key": Case([["x"]], code="upstream_auth", retryable=False, fault=failed(401)),
    "a broken model": Case([["x"]], code="upstream_unavailable", retryable=True, fault=failed(503)),
}  # fmt: skip
WHERE = [("m", CHAT), ("m", RESPONSES), ("bridged/m", RESPONSES)]
ASKS_ALL = bool(int(os.environ.get("FAULT_ROUNDS") or 0))
OFTEN = ("text", "tools", "reasoning", "a limit in mid-stream")
"""Asked over the bridge, too, which the rest is only if FAULT_ROUNDS asks for all. Whether both transports read alike
what a server sends is the replays' to say, so the SDK's is asked for no more than that it gets there."""
ON_BOTH = ("text", "tools")
WAYS = [
    (name, model, api, transport)
    for name in CASES
    for model, api in WHERE
    for transport in ("fast", "sdk")
    if ASKS_ALL
    or (transport == "fast" and (name in OFTEN or model == "m"))
    or (name in ON_BOTH and model == "m")
]


@pytest.fixture
async def upstream(litellm_proxy: LitellmProxy) -> AsyncIterator[Upstream]:
    async with Upstream(port=litellm_proxy.upstream_port) as server:
        yield server


async def asked(proxy: LitellmProxy, model: str, api: str, transport: str) -> Told:
    settings = OpenAIAgentsSettings.model_validate(
        {"agent_id": "a", "model": model, "base_url": proxy.url, "api_key": KEY, "api": api, "transport": transport,
         "tools": ["tests.support.sdk_parts:clock"]}
    )  # fmt: skip
    backend = OpenAIAgentsBackend(settings, {"a": settings})
    told, made, outputs = Told(), [], {}
    try:
        async for each in backend.stream(AgentInput("my secret prompt")):
            match each:
                case Token():
                    told.text += each.text
                case Reasoning():
                    told.reasoning += each.text
                case ToolCall():
                    made.append(each)
                case ToolResult():
                    outputs[each.call_id] = each.output
                case Finish():
                    told.finish = each
    except AgentError as exc:
        told.error = exc
    finally:
        await backend.aclose()
    told.calls = [(call.name, json.dumps(json.loads(call.arguments)), outputs[call.call_id]) for call in made]
    return told


def check(case: Case, told: Told) -> None:
    if case.code:
        assert told.error is not None, told
        assert told.error.code in (case.code, *case.lost), told.error
        assert case.retryable in (None, told.error.retryable), told.error
        assert SECRET not in str(told.error)
        assert told.finish is None
    else:
        assert told.error is None, told.error
        assert told.finish is not None
        assert told.finish.reason == case.finish
        assert told.finish.usage is not None
        assert told.finish.usage.input_tokens > 0
    assert case.text in (None, told.text)
    assert told.reasoning == case.reasoning
    assert told.calls == list(case.calls)


@pytest.mark.parametrize(("name", "model", "api", "transport"), WAYS)
async def test_what_a_model_says_comes_through_a_litellm_proxy(
    litellm_proxy: LitellmProxy, upstream: Upstream, name: str, model: str, api: str, transport: str
) -> None:
    case = CASES[name]
    upstream.script("m", case.turns, fault=case.fault)
    told = await asked(litellm_proxy, model, api, transport)
    check(case, told)
    if name == "a refusal" and (model, api) == ("m", RESPONSES):
        assert told.error is not None
        assert told.error.code == "refusal"
    assert len(upstream.requests) == len(case.turns)


OWN = [{"agent": f"tests.support.litellm.app:{name}"} for name in ("own", "made", "of_ones_own_class")]


async def test_litellm_answers_as_a_library(litellm_proxy: LitellmProxy) -> None:
    """`litellm/<provider>/<model>`, and an app's own agents and models: each asks once, and no other origin.

    The app's models come first: once a `litellm/…` was asked, the whole process is guarded.
    """
    async with Upstream() as upstream, ReplayServer([ANSWER[CHAT]]) as elsewhere, ReplayServer([]) as moved:
        origin = elsewhere.origin
        away = ("Location", f"{origin}/latest/meta-data?key=secret")
        moved.replies = [Reply([b""], status=307, headers=[away])]
        for name, case in CASES.items():
            upstream.script(name, case.turns, fault=case.fault)
        upstream.script("m", CASES["text"].turns)
        here = {"OPENAI_BASE_URL": upstream.url, "OPENAI_API_KEY": "k"}
        gone = {
            **here,
            "OPENAI_BASE_URL": moved.url,
            "ANTHROPIC_API_BASE": moved.origin,
            "ANTHROPIC_API_KEY": "k",
        }
        tools = ["tests.support.sdk_parts:clock"]
        asks: list[tuple[Any, Any]] = [(gone, own) for own in reversed(OWN)]
        asks += [(gone, {"model": f"litellm/{name}"}) for name in ("openai/x", "anthropic/claude-x")]
        asks += [(here, own) for own in OWN]
        asks += [(here, {"model": f"litellm/openai/{name}", "tools": tools}) for name in CASES]
        cases = [{"environ": environ, "keys": keys} for environ, keys in asks]
        said = await as_a_library(litellm_proxy, cases)
        paths = Counter(asked.path for asked in moved.asked)
        assert paths == {"/v1/chat/completions": len(OWN) + 1, "/v1/messages": 1}
        assert elsewhere.asked == []
        assert len(upstream.requests) == sum(len(case.turns) for case in CASES.values()) + len(OWN)
    redirects, owns, answers = said[: len(OWN) + 2], said[len(OWN) + 2 : -len(CASES)], said[-len(CASES) :]
    assert len(owns) == len(OWN)
    for (name, case), one in zip(CASES.items(), answers, strict=True):
        if case.code:
            assert one.get("error") in (case.code, *case.lost), (name, one)
            assert case.retryable in (None, one["retryable"]), (name, one)
            assert SECRET not in str(one)
        else:
            assert "error" not in one, (name, one)
            assert one["usage"][0] > 0
        assert case.text in (None, one["text"]), (name, one)  # of a filter, LiteLLM says a word of its own
        assert one["reasoning"] == case.reasoning
        assert one["calls"] == [[tool, json.loads(arguments), out] for tool, arguments, out in case.calls]
    for own in owns:
        assert (own["text"], own["usage"]) == ("Hello there", [7, 2]), own
    for one in redirects:
        assert (one["error"], one["retryable"]) == ("upstream_rejected", False), one
        assert origin in one["message"]
        assert "meta-data" not in one["message"]


async def test_it_asks_our_agents_as_models(litellm_proxy: LitellmProxy) -> None:
    """The proxy as a client of ours, on both of its APIs: a panel of two, a stream, what is unknown and what fails."""
    async with (
        serving(AGENTS, port=litellm_proxy.upstream_port),
        AsyncOpenAI(base_url=litellm_proxy.url, api_key=KEY, max_retries=0) as client,
    ):
        asked: Any = {"messages": [{"role": "user", "content": "hi"}]}
        both = await client.chat.completions.create(model="chatty+tooled", **asked)
        assert [choice.message.content for choice in both.choices] == ["".join(CHATTY), "".join(TOOLED)]
        chunks = await client.chat.completions.create(model="tooled", stream=True, **asked)
        assert "".join([each.choices[0].delta.content or "" async for each in chunks]) == "".join(TOOLED)
        events = await client.responses.create(model="chatty", input="hi", stream=True)
        pieces = [each.delta async for each in events if each.type == "response.output_text.delta"]
        assert "".join(pieces) == "".join(CHATTY)
        with pytest.raises(NotFoundError, match="nobody"):
            await client.chat.completions.create(model="nobody", **asked)
        broken = await client.chat.completions.create(model="broken", stream=True, **asked)
        with pytest.raises(APIError):
            _ = [each async for each in broken]


async def as_a_library(proxy: LitellmProxy, cases: list[Any]) -> list[Any]:
    """Ask agents in a process of LiteLLM's own environment; return what they say."""
    async with asyncio.timeout(PATIENCE_SECONDS * 3):
        reader, writer = await asyncio.open_unix_connection(proxy.library)
        writer.write(json.dumps(cases).encode())
        writer.write_eof()
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    said: list[Any] = json.loads(answer)
    return said


async def test_without_the_package_the_agent_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked: `orchestrator check` and the start say it."""
    monkeypatch.setitem(sys.modules, "agents.extensions.models.litellm_model", None)
    monkeypatch.delitem(sys.modules, "orchestrator.backends.openai.model.litellm", raising=False)
    settings = OpenAIAgentsSettings.model_validate(
        {"agent_id": "a", "model": "litellm/openai/m"}, context={"file": None}
    )
    with pytest.raises(
        ConfigError, match=r"model.*needs litellm: pip install 'fanin-orchestrator\[litellm\]'"
    ):
        OpenAIAgentsBackend(settings, {"a": settings})
