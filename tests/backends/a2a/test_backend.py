"""The A2A project's own server answers, and so do our own agents by our own A2A dialect, in both bindings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from orchestrator import AgentError, Status, Usage
from orchestrator.backends.a2a.backend import A2aBackend
from orchestrator.backends.a2a.settings import A2aSettings
from orchestrator.backends.base import AgentInput, Emission, Turn
from orchestrator.events import ApprovalRequest, Data, File, ToolCall, ToolResult
from tests.dialects.agents import CHATTY, ODD, TOOLED, dialects_served
from tests.support.a2a_server import Obedient, a2a_server
from tests.support.asgi import AsgiServer
from tests.support.emissions import Answering, ask, finish_of, gather, of_kind, reasoning_in, text_in
from tests.support.patience import PATIENCE_SECONDS, eventually

BINDINGS = {"JSONRPC": "jsonrpc", "HTTP+JSON": "http+json"}
both = pytest.mark.parametrize("binding", list(BINDINGS))


@asynccontextmanager
async def reaching(url: str, **keys: Any) -> AsyncIterator[A2aBackend]:
    backend = A2aBackend(A2aSettings.model_validate({"agent_id": "far", "url": url, **keys}), {})
    try:
        yield backend
    finally:
        await backend.aclose()


@asynccontextmanager
async def obedient(**options: Any) -> AsyncIterator[tuple[A2aBackend, AsgiServer, Obedient]]:
    async with a2a_server(**options) as (server, agent), reaching(server.url) as backend:
        yield backend, server, agent


@both
async def test_an_answer_comes_piece_by_piece(binding: str) -> None:
    async with obedient(binding=binding) as (backend, _, _):
        said = await ask(backend, "one two three")
        assert [e for e in said if isinstance(e, str)] == ["one ", "two ", "three "]
        assert Status("working", "I begin.") in said
        assert any(e.anchor for e in of_kind(said, Status))


@both
async def test_all_kinds_of_parts_are_told(binding: str) -> None:
    async with obedient(binding=binding) as (backend, _, _):
        said = await ask(backend, "rich")
        assert (text_in(said), reasoning_in(said)) == ("Blue.", "hm")
        assert of_kind(said, ToolCall) == [ToolCall("c1", "look", '{"at": "sky"}')]
        assert of_kind(said, ToolResult) == [ToolResult("c1", '{"is": "blue"}', is_error=False)]
        assert of_kind(said, Data) == [Data("result-1", {"weights": [1, None]}, "Result 1.4")]
        image, paper = of_kind(said, File)
        assert (image.name, image.url) == ("dot.png", "data:image/png;base64,iVBORw==")
        assert (paper.media_type, paper.url) == ("application/pdf", "https://example.org/a.pdf")


@pytest.mark.parametrize(("question", "text"), [("whole", "It is."), ("finish", "Only this.")])
async def test_the_answer_is_said_once(question: str, text: str) -> None:
    async with obedient() as (backend, _, _):
        assert text_in(await ask(backend, question)) == text


@pytest.mark.parametrize(
    ("question", "code"), [("fail", "upstream_rejected"), ("takeback", "upstream_invalid")]
)
async def test_a_failure_is_told_in_words_of_our_own(question: str, code: str) -> None:
    async with obedient() as (backend, _, _):
        with pytest.raises(AgentError) as caught:
            await ask(backend, question)
        assert caught.value.code == code
        assert "secret" not in caught.value.message


async def test_what_went_wrong_is_not_told_while_the_agent_works_either() -> None:
    said: list[Emission] = []
    async with obedient() as (backend, _, _):
        with pytest.raises(AgentError):
            await gather(backend.stream(AgentInput("adk_fail")), said)
    assert "secret" not in str(said)


async def test_all_that_adks_models_used_is_counted() -> None:
    async with obedient() as (backend, _, _):
        said = await ask(backend, "adk_count")
    assert (text_in(said), finish_of(said).usage) == ("Counted.", Usage(6, 4, reasoning_tokens=2))


@both
@pytest.mark.parametrize("approve", [True, False])
async def test_input_that_is_required_is_an_approval(binding: str, approve: bool) -> None:
    async with obedient(binding=binding) as (backend, _, agent):
        answering = Answering(approve, "as you like")
        said = await gather(backend.stream(answering.of(AgentInput("ask"))))
        (request,) = of_kind(said, ApprovalRequest)
        assert (request.name, request.arguments) == ("input", '{"message": "Shall I?"}')
        assert answering.asked == [request.call_id]
        words, decision = agent.answers
        assert words["text"] == ("yes: as you like" if approve else "no: as you like")
        assert decision["data"] == {"approve": approve, "reason": "as you like"}
        assert text_in(said) == "Thank you."


@both
async def test_a_cancel_waits_for_the_servers_word(binding: str) -> None:
    async with obedient(binding=binding) as (backend, server, agent):
        stream = backend.stream(AgentInput("work"))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await anext(stream) != "on ":
                pass
            await stream.aclose()
        assert agent.cancelled == 1
        await backend.aclose()
        await server.all_closed()


@both
async def test_a_task_whose_stream_was_cut_is_subscribed_to(binding: str) -> None:
    async with obedient(binding=binding) as (backend, server, agent):
        said: list[Emission] = []
        running = asyncio.create_task(gather(backend.stream(AgentInput("wait")), said))
        await eventually(lambda: text_in(said) == "before ")
        server.drop_all()
        await asyncio.sleep(0.05)
        agent.proceed.set()
        await running
        assert text_in(said) == "before after"
        assert len(agent.contexts) == 1


@both
async def test_an_agent_that_does_not_stream_answers_whole(binding: str) -> None:
    async with obedient(binding=binding, streaming=False) as (backend, _, _):
        assert text_in(await ask(backend, "one two")) == "one two "


async def test_a_conversation_goes_on_in_its_context() -> None:
    async with obedient() as (backend, _, agent):
        first = await ask(backend, "one", conversation_id="conv")
        turn = Turn("one", text_in(first), finish_of(first).memory)
        await ask(backend, "two", conversation_id="conv", history=(turn,))
        assert agent.contexts == ["conv", "conv"]
        await ask(backend, "three")
        assert agent.contexts[2] not in ("", "conv")


async def test_another_worker_goes_on_with_the_task() -> None:
    async with obedient() as (backend, _, agent):
        request = AgentInput("wait")
        stream = backend.stream(request)
        anchor = None
        while anchor is None:
            anchor = getattr(await anext(stream), "anchor", None)
        request.taken.set()
        await stream.aclose()
        assert agent.cancelled == 0
        agent.proceed.set()
        assert text_in(await ask(backend, "wait", anchor=anchor)) == "before after"
        assert text_in(await ask(backend, "anew", anchor="no-such-task")) == "anew "


@pytest.mark.parametrize(
    ("options", "keys", "words"),
    [
        ({"version": "0.3"}, {}, "offers no A2A 1.0"),
        ({}, {"binding": "http+json"}, "offers no A2A 1.0"),
        ({"url": "http://169.254.169.254/latest"}, {}, "another origin"),
    ],
)
async def test_what_cannot_be_reached_is_said(options: Any, keys: Any, words: str) -> None:
    async with a2a_server(**options) as (server, _), reaching(server.url, **keys) as backend:
        with pytest.raises(AgentError, match=words) as caught:
            await ask(backend)
        assert caught.value.code == "upstream_rejected"


# ── our own dialect ───────────────────────────────────────────────────────────────────────────


@both
async def test_a_round_trip_through_our_own_dialect_gives_the_same(binding: str) -> None:
    async with dialects_served() as service:
        async with reaching(f"{service.url}/v1/a2a/chatty", binding=BINDINGS[binding]) as backend:
            said = await ask(backend)
            assert (text_in(said), reasoning_in(said)) == ("".join(CHATTY), "hm, odd " + ODD)
            assert finish_of(said).usage == Usage(3, 22)
        async with reaching(f"{service.url}/v1/a2a/tooled", binding=BINDINGS[binding]) as backend:
            said = await ask(backend)
            assert text_in(said) == "".join(TOOLED)
            assert of_kind(said, ToolResult) == [ToolResult("c1", "blue\u2028sky", is_error=False)]
        async with reaching(f"{service.url}/v1/a2a/failing", binding=BINDINGS[binding]) as backend:
            with pytest.raises(AgentError) as caught:
                await ask(backend)
            assert caught.value.code == "upstream_unavailable"


@both
@pytest.mark.parametrize("approve", [True, False])
async def test_our_own_approvals_go_round(binding: str, approve: bool) -> None:
    keys = {"binding": BINDINGS[binding]}
    async with dialects_served() as service, reaching(f"{service.url}/v1/a2a/asking", **keys) as backend:
        said = await gather(backend.stream(Answering(approve).of(AgentInput("hi"))))
        (request,) = of_kind(said, ApprovalRequest)
        assert (request.name, request.arguments) == ("send", '{"to":"all"}')
        assert text_in(said) == ("May I? Sent." if approve else "May I? Not sent.")


async def test_our_own_task_is_cancelled() -> None:
    async with dialects_served() as service, reaching(f"{service.url}/v1/a2a/endless") as backend:
        async with aclosing(backend.stream(AgentInput("hi"))) as stream:
            while await anext(stream) != "on ":
                pass
        (run,) = (await service.call("GET", "/v1/runs")).json["runs"]
        assert run["status"] == "cancelled"
