"""An agent that needs no Runner says, sends and remembers the same as one that the Runner runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from agents import Runner

from orchestrator.backends.base import AgentInput, Finish, Turn
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import Reasoning, Token
from tests.support.emissions import finish_of, gather, text_in
from tests.support.patience import PATIENCE_SECONDS
from tests.support.upstream import (
    Abort,
    Call,
    Cut,
    ErrorChunk,
    Failed,
    Gate,
    HalfJson,
    NoUse,
    Refusal,
    Upstream,
    Use,
    WrongShape,
    failed,
    nothing,
)
from tests.support.upstream import Finish as End
from tests.support.upstream import Reasoning as Thinks
from tests.support.upstream import Turn as Said

KEYS = {
    "agent_id": "a", "model": "m", "api_key": "k", "instructions": "Be brief.",
    "model_settings": {"temperature": 0.25, "max_tokens": 99},
}  # fmt: skip

ANSWERS: dict[str, Sequence[Said]] = {
    "words": [["Hel", "lo"]],
    "counted": [["Hello", Use(input=7, output=5)]],
    "not counted": [["Hello", NoUse()]],
    "thoughts": [[Thinks("hm, "), Thinks("yes"), "Hello"]],
    "thoughts alone": [[Thinks("hm")]],
    "cut": [["half an ans", End("length")]],
    "filtered": [["half", End("content_filter")]],
    "refused": [["Well, ", Refusal("no.")]],
    "a tool that nobody offered": [["I look. ", Call("clock", '{"zone":"UTC"}', call_id="c1")], ["Noon."]],
    "aborted": [["one ", Abort()]],
    "ends early": [["one ", Cut()]],
    "half of its JSON": [["one ", HalfJson()]],
    "an error between": [["one ", ErrorChunk()]],
    "failed": [["one ", Failed()]],
    "wrong shape": [["one ", WrongShape()]],
}
FAULTS = {"status 500": failed(500), "status 429": failed(429, retry_after="3"), "nothing": nothing()}
HISTORY = (
    Turn("Who are you?", "A clock."),
    Turn("And now?", "Still.", {"items": [
        {"role": "user", "content": "And now?"},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
         "content": [{"type": "output_text", "text": "Still.", "annotations": []}]},
    ]}),
)  # fmt: skip


def nobody(request: AgentInput) -> None:
    """Be a run's context."""


@pytest.fixture(params=["chat_completions", "responses"])
def api(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as made:
        yield made


def settings_of(upstream: Upstream, api: str, **keys: Any) -> OpenAIAgentsSettings:
    return OpenAIAgentsSettings.model_validate({**KEYS, "base_url": upstream.url, "api": api, **keys})


class AtOnce:
    """Takes what is said at once, but for each *n*th piece, as a mailbox that is full now and then."""

    def __init__(self, said: list[Any], leaves: int) -> None:
        self._said, self._leaves = said, leaves
        self.taken: list[str] = []
        self._asked = 0

    def __call__(self, text: str) -> bool:
        self._asked += 1
        if self._asked % self._leaves == 0:
            return False
        self.taken.append(text)
        add(self._said, Token(text))
        return True


def add(said: list[Any], item: Any) -> None:
    """Add an item to what was said, joined to a neighbour of its kind: pieces may be cut elsewhere."""
    last = said[-1] if said else None
    if isinstance(item, Token | Reasoning) and type(item) is type(last):
        said[-1] = type(item)(last.text + item.text, item.speaker, item.parent)
    else:
        said.append(item)


async def heard(backend: OpenAIAgentsBackend, request: AgentInput, leaves: int = 0) -> list[Any]:
    """Return all that the agent says, and how it failed if it did.

    Args:
        leaves: As `AtOnce`'s; 0 lets nothing be said at once.
    """
    said: list[Any] = []
    if leaves:
        request = replace(request, say=AtOnce(said, leaves))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS), aclosing(backend.stream(request)) as stream:
            async for item in stream:
                add(said, item)
    except AgentError as exc:
        said.append((exc.code, exc.message, exc.retryable, exc.retry_after))
    finally:
        await backend.aclose()
    return said


def runs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note each run that the Runner is asked for."""
    found: list[Any] = []
    run = Runner.run_streamed

    def note(agent: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(agent)
        return run(agent, *args, **kwargs)

    monkeypatch.setattr(Runner, "run_streamed", note)
    return found


@pytest.mark.parametrize("answer", [*ANSWERS, *FAULTS])
async def test_the_runner_would_have_said_and_sent_the_same(
    upstream: Upstream, api: str, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the model answers: payloads, their order, the error, the memory, and each request's body."""
    found = {}
    for way, leaves in {"alone": 0, "at once": 99, "partly at once": 2, "runner": 0}.items():
        upstream.script("m", ANSWERS.get(answer, [["x"]]), pick="depth", fault=FAULTS.get(answer))
        upstream.requests.clear()
        settings = settings_of(upstream, api)
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        if way == "runner":
            monkeypatch.setattr(backend, "_lone", None)
        said = await heard(backend, AgentInput("What is it?", history=HISTORY, conversation_id="c"), leaves)
        found[way] = (said, [(each.body, each.headers.get("Accept")) for each in upstream.requests])
    assert found["alone"] == found["at once"] == found["partly at once"] == found["runner"]
    assert found["alone"][1]


@pytest.mark.parametrize("answer", [*ANSWERS, *FAULTS])
async def test_a_question_outside_of_a_conversation_is_answered_as_by_the_runner(
    upstream: Upstream, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody keeps the items of its answer then, so none are made of words alone."""
    found = {}
    for way, leaves in {"alone": 0, "partly at once": 2, "runner": 0}.items():
        upstream.script("m", ANSWERS.get(answer, [["x"]]), pick="depth", fault=FAULTS.get(answer))
        settings = settings_of(upstream, "chat_completions")
        backend = OpenAIAgentsBackend(settings, {"a": settings})
        if way == "runner":
            monkeypatch.setattr(backend, "_lone", None)
        said = await heard(backend, AgentInput("What is it?"), leaves)
        found[way] = [replace(each, memory=None) if isinstance(each, Finish) else each for each in said]
    assert found["alone"] == found["partly at once"] == found["runner"]


async def test_words_need_no_runner(upstream: Upstream, api: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream.script("m", [["Hello"]])
    asked = runs(monkeypatch)
    settings = settings_of(upstream, api)
    assert await heard(OpenAIAgentsBackend(settings, {"a": settings}), AgentInput("hi"))
    assert not asked


@pytest.mark.parametrize(
    "keys",
    [
        {"tools": ["tests.support.sdk_parts:clock"]},
        {"transport": "sdk"},
        {"model_settings": {"timeout": 30}},
        {"context": "tests.backends.openai.test_direct_turn:nobody"},
    ],
)
async def test_more_than_instructions_needs_the_runner(
    upstream: Upstream, api: str, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any]
) -> None:
    upstream.script("m", [["Hello"]])
    asked = runs(monkeypatch)
    settings = settings_of(upstream, api, **keys)
    assert await heard(OpenAIAgentsBackend(settings, {"a": settings}), AgentInput("hi"))
    assert len(asked) == 1


async def test_tracing_needs_the_runner(upstream: Upstream, api: str) -> None:
    """Its spans are the Runner's."""
    settings = settings_of(upstream, api, tracing=True)
    assert OpenAIAgentsBackend(settings, {"a": settings})._lone is None


async def test_a_remembered_call_needs_the_runner(
    upstream: Upstream, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that had tools yesterday: what to send of their calls is the Runner's to know."""
    upstream.script("m", [["Hello"]])
    asked = runs(monkeypatch)
    call = {"type": "function_call", "call_id": "c1", "name": "clock", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "noon"}
    memory = {"items": [{"role": "user", "content": "When?"}, call, result]}
    settings = settings_of(upstream, api)
    backend = OpenAIAgentsBackend(settings, {"a": settings})
    assert await heard(backend, AgentInput("hi", history=(Turn("When?", "Noon.", memory),)))
    assert len(asked) == 1


@pytest.mark.parametrize("end", ["whole", "aborted", "closed"])
async def test_what_arrives_while_it_waits_is_said_in_the_same_turn(
    upstream: Upstream, api: str, end: str
) -> None:
    """No task wakes for it: the stream yields nothing of it, and still ends as the server does."""
    gates = [Gate() for _ in range(3)]
    last = {"whole": [], "aborted": [Abort()], "closed": [Cut()]}[end]
    upstream.script("m", [["one", gates[0], " two", gates[1], " thr\u00e9e", gates[2], *last]])
    settings = settings_of(upstream, api)
    backend = OpenAIAgentsBackend(settings, {"a": settings})
    arrived = asyncio.Event()
    taken: list[str] = []

    def say(text: str) -> bool:
        taken.append(text)
        arrived.set()
        return True

    async with (
        asyncio.timeout(PATIENCE_SECONDS),
        aclosing(backend.stream(AgentInput("hi", conversation_id="c", say=say))) as stream,
    ):
        assert await anext(stream) == Token("one")
        rest: list[Any] = []
        reading = asyncio.ensure_future(gather(stream, rest))
        for count, gate in enumerate(gates):
            if count:
                await arrived.wait()
                arrived.clear()
            gate.open.set()
        await asyncio.wait((reading,))
    fault = reading.exception()
    assert fault is None if end == "whole" else isinstance(fault, AgentError)
    assert taken == [" two", " thr\u00e9e"]
    assert text_in(rest) == ""
    assert fault or finish_of(rest).memory["items"][-1]["content"][0]["text"] == "one two thr\u00e9e"
    await backend.aclose()


async def test_closing_it_closes_the_connection_at_once(upstream: Upstream, api: str) -> None:
    upstream.script("m", [["first", Gate(), "second"]])
    settings = settings_of(upstream, api)
    backend = OpenAIAgentsBackend(settings, {"a": settings})
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with aclosing(backend.stream(AgentInput("hi"))) as stream:
            assert await anext(stream) == Token("first")
        assert not [task for task in asyncio.all_tasks() if "openai-agents" in task.get_name()]
        await upstream.wait_all_closed()
    await backend.aclose()


async def test_text_goes_past_no_subclass_that_changes_it(upstream: Upstream, api: str) -> None:
    class Louder(OpenAIAgentsBackend):
        async def stream(self, request: AgentInput, /) -> AsyncGenerator[Any, None]:
            async for item in super().stream(request):
                yield item.upper() if isinstance(item, str) else item

    class Named(OpenAIAgentsBackend):
        name = "named"

    settings = settings_of(upstream, api)
    kinds = (OpenAIAgentsBackend, Named, Louder)
    assert [kind(settings, {"a": settings}).emits_at_once for kind in kinds] == [True, True, False]
