"""Agents of Pydantic AI answer, run by the library itself."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from orchestrator import AgentError
from orchestrator.backends.base import AgentInput, Correction, Turn
from orchestrator.errors import ConfigError
from orchestrator.events import ApprovalRequest, File, Reasoning, Token, ToolCall, ToolResult
from tests.support.emissions import Answering, ask, finish_of, gather, of_kind, text_in
from tests.support.parts import require_library
from tests.support.patience import PATIENCE_SECONDS
from tests.support.upstream import SECRET, Upstream, failed

AGENTS = "tests.backends.pydantic_ai.agents"


def backend_of(agent: str, **keys: Any) -> Any:
    require_library("pydantic_ai")
    from orchestrator.backends.pydantic_ai.backend import PydanticAIBackend
    from orchestrator.backends.pydantic_ai.settings import PydanticAISettings

    settings = {"agent_id": "typed", "agent": f"{AGENTS}:{agent}", **keys}
    return PydanticAIBackend(PydanticAISettings.model_validate(settings), {})


async def test_all_that_an_agent_says_is_told() -> None:
    said = await ask(backend_of("playing"))
    assert said[:-1] == [
        Reasoning("hm"),
        "Let me. ",
        ToolCall("c2", "look", '{"at":"sky"}'),
        ToolResult("c2", '{"sky": "blue"}', is_error=False),
        "look: {'sky': 'blue'}. ",
    ]
    usage = finish_of(said).usage
    assert usage is not None
    assert usage.output_tokens > 0


async def test_a_cancel_does_not_wait_for_a_synchronous_tool() -> None:
    require_library("pydantic_ai")
    from .agents import GOES_ON, WAITS

    task = asyncio.create_task(ask(backend_of("waiting")))
    try:
        assert await asyncio.to_thread(WAITS.wait, PATIENCE_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    finally:
        GOES_ON.set()


async def test_a_tool_that_wants_to_be_called_anew_has_failed() -> None:
    assert of_kind(await ask(backend_of("refining")), ToolResult) == [
        ToolResult("c2", "look again", is_error=True)
    ]


@pytest.mark.parametrize("reason", ["stop", "length", "content_filter"])
async def test_why_the_last_answer_ended_is_told(reason: str) -> None:
    assert finish_of(await ask(backend_of("ending"), f"So|{reason}")).reason == reason


@pytest.mark.parametrize(
    ("message", "code"), [("|content_filter", "refusal"), ("So|error", "upstream_invalid")]
)
async def test_an_answer_that_was_withheld_or_broke_off_is_an_error(message: str, code: str) -> None:
    with pytest.raises(AgentError) as caught:
        await ask(backend_of("ending"), message)
    assert caught.value.code == code


@pytest.mark.parametrize("approve", [True, False])
async def test_a_tool_that_waits_is_an_approval(approve: bool) -> None:
    answering = Answering(approve, None if approve else "not today")
    backend = backend_of("asking", deps=f"{AGENTS}:who_asks")
    said = await gather(backend.stream(answering.of(AgentInput("hi", run_id="run_7"))))
    assert of_kind(said, ApprovalRequest) == [ApprovalRequest("c2", "send", '{"at":"sky"}')]
    assert [call.call_id for call in of_kind(said, ToolCall)] == ["c2"]
    words = "sent to sky for run_7" if approve else "not today"
    assert text_in(said) == f"Let me. send: {words}. "
    (result,) = of_kind(said, ToolResult)
    assert (result.output, result.is_error) == (words, not approve)


async def test_a_structured_answer_is_the_output() -> None:
    said = await ask(backend_of("judging"))
    assert text_in(said) == '{"blue":true,"why":["sky"]}'
    assert finish_of(said).output == {"blue": True, "why": ["sky"]}


async def test_a_conversation_goes_on_from_its_own_messages() -> None:
    backend = backend_of("counting")
    first = await ask(backend, "one", conversation_id="c", images=("https://example.org/a.png",))
    assert text_in(first) == "question 1 of 1 with 1"
    kept = Turn("one", text_in(first), finish_of(first).memory)
    lost = Turn("two", "without a memory")
    said = await ask(backend, "three", conversation_id="c", history=(kept, lost))
    assert text_in(said) == "question 3 of 5 with 1"


@pytest.mark.parametrize(
    ("keys", "model"), [({"agent": "counting"}, "abacus"), ({"agent": "counting", "model": "test"}, "test")]
)
async def test_the_model_has_a_name(keys: dict[str, str], model: str) -> None:
    assert backend_of(**keys).model == model


async def test_another_model_may_stand_in() -> None:
    assert text_in(await ask(backend_of("counting", model="test"))) == "success (no tool calls)"


async def test_a_failure_is_told_in_our_words() -> None:
    with pytest.raises(AgentError) as caught:
        await ask(backend_of("failing"))
    assert caught.value.code == "upstream_unavailable"
    assert "secret" not in caught.value.message


async def test_stopping_closes_the_models_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    require_library("pydantic_ai")
    from .agents import Place

    async with Upstream(tokens_per_s=50) as upstream:
        monkeypatch.setattr(Place, "url", upstream.url)
        under_way = asyncio.Event()
        before = asyncio.all_tasks()

        async def consume() -> None:
            async with aclosing(backend_of("wired").stream(AgentInput("hi"))) as stream:
                async for _ in stream:
                    under_way.set()

        task = asyncio.create_task(consume())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await under_way.wait()
            assert upstream.open_connections == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await Place.close()
        await upstream.wait_all_closed()
        assert {
            t for t in asyncio.all_tasks() - before if "RequestHandler" not in repr(t.get_coro())
        } == set()


async def test_a_providers_refusal_keeps_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    require_library("pydantic_ai")
    from .agents import Place

    async with Upstream() as upstream:
        monkeypatch.setattr(Place, "url", upstream.url)
        monkeypatch.setattr(Place, "model", "full")
        upstream.script("full", [[]], fault=failed(401), fail_times=None)
        with pytest.raises(AgentError) as caught:
            await ask(backend_of("wired"))
        await Place.close()
        assert caught.value.code == "upstream_auth"
        assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ("AGENTS", "no 'AGENTS'"),
        ("who_asks", "fails"),
        ("Verdict", "fails"),
        ("asking", "wants deps of the type str; name a function"),
        ("modelless", "has no model; name one"),
    ],
)
def test_what_is_no_agent_is_said(agent: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        backend_of(agent)


def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name.partition(".")[0] in ("pydantic_ai", "langgraph"):
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(ConfigError, match=r"install fanin-orchestrator\[pydantic-ai\]"):
        backend_of("counting")


async def test_an_agent_may_be_made_in_the_running_loop() -> None:
    backend = backend_of("later")
    assert backend.model is None
    assert text_in(await ask(backend)) == "question 1 of 1 with 0"
    assert backend.model == "abacus"
    await backend.aclose()
    with pytest.raises(ConfigError, match="gives a NoneType"):
        await ask(backend_of("never"))


@pytest.mark.parametrize("agent", ["checking", "wrapping", "optional"])
async def test_an_agent_may_validate_its_answer_and_do_without_deps(agent: str) -> None:
    """Such an agent takes no other type of output for a run than its own."""
    said = await ask(backend_of(agent))
    assert said[:-1] == ["quiet ", "words"]


async def test_an_answer_that_the_agent_makes_of_the_models_is_the_answer() -> None:
    said = await ask(backend_of("shouting"))
    assert said[:-1] == ["quiet ", "words", Correction((Token("QUIET WORDS"),))]


async def test_images_that_tools_return_are_files_and_one_that_is_too_large_is_left_out() -> None:
    said = await ask(backend_of("drawing"))
    assert sorted(file.url for file in of_kind(said, File)) == [
        "data:image/gif;base64,R0lGODdh",
        "https://example.org/a.png",
    ]
    results = {each.call_id: each.output for each in of_kind(said, ToolResult)}
    assert results["c1"] == "found"
    assert "A dot." in results["c0"]
    assert "R0lGODdh" not in results["c0"]
    assert text_in(said) == "Drawn."
