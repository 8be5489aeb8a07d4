"""Graphs of LangGraph answer, run by the library itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from msgspec import UNSET

from orchestrator import AgentError, Progress, Usage
from orchestrator.backends.base import AgentInput, Emission, Turn
from orchestrator.errors import ConfigError
from orchestrator.events import (
    ApprovalRequest,
    Data,
    File,
    Reasoning,
    Source,
    Status,
    Token,
    ToolCall,
    ToolResult,
)
from tests.support.emissions import Answering, ask, finish_of, gather, of_kind, text_in
from tests.support.parts import require_library
from tests.support.patience import PATIENCE_SECONDS
from tests.support.spine import of, read, start, supervised
from tests.support.upstream import SECRET, Upstream, failed

GRAPHS = "tests.backends.langgraph.graphs"


def backend_of(graph: str, **keys: Any) -> Any:
    require_library("langgraph")
    from orchestrator.backends.langgraph.backend import LangGraphBackend
    from orchestrator.backends.langgraph.settings import LangGraphSettings

    settings = {"agent_id": "graph", "graph": f"{GRAPHS}:{graph}", **keys}
    return LangGraphBackend(LangGraphSettings.model_validate(settings), {})


async def test_all_that_a_graph_says_is_told() -> None:
    said = await ask(backend_of("playing"))
    assert said[:-1] == [
        Progress("Playing", step=1, steps=2),
        Data("custom", {"seen": 1}),
        Status("working", "still playing"),
        Reasoning("hm", speaker="play"),
        Token("Let me look. ", speaker="play"),
        ToolCall("c1", "look", '{"at": "sky"}'),
        ToolResult("c1", "blue", is_error=False),
        Progress("Playing", step=1, steps=2),
        Data("custom", {"seen": 3}),
        Status("working", "still playing"),
        Token("It is ", speaker="play"),
        Token("blue", speaker="play"),
    ]
    finish = finish_of(said)
    assert (finish.reason, finish.usage) == ("length", Usage(8, 7, 1, 2))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("So|finish_reason|MAX_TOKENS", "length"),
        ("So|stopReason|guardrail_intervened", "content_filter"),
        ("So|stop_reason|end_turn", "stop"),
        ("So|done_reason|length", "length"),
    ],
)
async def test_why_the_last_answer_ended_is_told(message: str, reason: str) -> None:
    assert finish_of(await ask(backend_of("ending"), message)).reason == reason


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("|finish_reason|content_filter", "refusal"),
        ("|stop_reason|refusal", "refusal"),
        ("|finish_reason|SAFETY", "refusal"),
        ("So|finish_reason|MALFORMED_FUNCTION_CALL", "upstream_invalid"),
    ],
)
async def test_an_answer_that_was_withheld_or_broke_off_is_an_error(message: str, code: str) -> None:
    with pytest.raises(AgentError) as caught:
        await ask(backend_of("ending"), message)
    assert caught.value.code == code


async def test_nodes_need_not_be_speakers() -> None:
    said = await ask(backend_of("counting", speaker_nodes=False))
    assert of_kind(said, Token) == [Token("question 1 of 1")]


@pytest.mark.parametrize(("approve", "words"), [(True, "True"), (False, "False")])
async def test_an_interrupt_is_an_approval(approve: bool, words: str) -> None:
    answering = Answering(approve)
    said = await gather(backend_of("asking").stream(answering.of(AgentInput("hi"))))
    (request,) = of_kind(said, ApprovalRequest)
    assert (request.name, request.arguments) == ("input", '{"question": "Shall I?"}')
    assert answering.asked == [request.call_id]
    assert text_in(said) == f"question 1 of 1 You said {words}."


async def test_calls_that_wait_for_a_person_are_named() -> None:
    said = await gather(backend_of("approving").stream(Answering(False, "no").of(AgentInput("hi"))))
    (request,) = of_kind(said, ApprovalRequest)
    assert (request.name, request.arguments) == ("send", '{"to": "all"}')
    assert text_in(said) == "[{'type': 'reject', 'message': 'no'}]"


async def test_without_a_checkpointer_an_interrupt_says_what_to_do() -> None:
    with pytest.raises(AgentError, match="compile it with one") as caught:
        await ask(backend_of("forgetful"))
    assert caught.value.code == "upstream_invalid"


async def test_a_checkpointer_remembers_and_a_turn_that_fails_leaves_no_trace() -> None:
    backend = backend_of("remembering")
    history = (Turn("hi", "question 1 of 1"),)
    keys: dict[str, Any] = {"conversation_id": "c1", "agent_id": "graph"}
    assert text_in(await ask(backend, **keys)) == "question 1 of 1"
    with pytest.raises(AgentError) as caught:
        await ask(backend, "fail", history=history, **keys)
    assert caught.value.code == "upstream_unavailable"
    assert "secret" not in caught.value.message
    assert text_in(await ask(backend, history=history, **keys)) == "question 2 of 3"
    assert text_in(await ask(backend, conversation_id="c2", agent_id="graph")) == "question 1 of 1"
    with pytest.raises(AgentError):
        await ask(backend, "fail", conversation_id="c3", agent_id="graph")
    assert text_in(await ask(backend, conversation_id="c3", agent_id="graph")) == "question 1 of 1"


async def test_a_cancelled_turn_leaves_the_thread_as_it_was() -> None:
    backend = backend_of("asking")
    keys: dict[str, Any] = {"conversation_id": "c9", "agent_id": "graph"}
    stream = backend.stream(AgentInput("hi", **keys))
    while not isinstance(await anext(stream), ApprovalRequest):
        pass
    await stream.aclose()
    said = await gather(backend.stream(Answering().of(AgentInput("hi", **keys))))
    assert text_in(said).startswith("question 1 of 1")


async def test_without_a_checkpointer_our_history_is_the_memory() -> None:
    history = (Turn("one", "first"), Turn("two", "second"))
    said = await ask(backend_of("counting"), history=history, conversation_id="c")
    assert text_in(said) == "question 3 of 5"


async def test_a_graph_that_never_ends_takes_too_many_turns() -> None:
    with pytest.raises(AgentError) as caught:
        await ask(backend_of("circling", config={"recursion_limit": 5}))
    assert caught.value.code == "max_turns"


async def test_stopping_closes_the_models_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    from .graphs import WireModel

    async with Upstream(tokens_per_s=50) as upstream:
        monkeypatch.setattr(WireModel, "url", upstream.url)
        before = asyncio.all_tasks()
        said: list[Emission] = []
        under_way = asyncio.Event()

        async def consume() -> None:
            async with aclosing(backend_of("talking").stream(AgentInput("hi"))) as stream:
                async for emission in stream:
                    said.append(emission)
                    under_way.set()

        task = asyncio.create_task(consume())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await under_way.wait()
            assert upstream.open_connections == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await upstream.wait_all_closed()
        assert {
            t for t in asyncio.all_tasks() - before if "RequestHandler" not in repr(t.get_coro())
        } == set()


async def test_a_providers_refusal_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    from .graphs import WireModel

    async with Upstream() as upstream:
        monkeypatch.setattr(WireModel, "url", upstream.url)
        monkeypatch.setattr(WireModel, "name_there", "full")
        upstream.script("full", [[]], fault=failed(429, retry_after="7"), fail_times=None)
        with pytest.raises(AgentError) as caught:
            await ask(backend_of("talking"))
        assert (caught.value.code, caught.value.retry_after) == ("upstream_rate_limited", 7)
        assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    ("graph", "words"), [
        ("nothing", "has no 'nodes'"), ("look", "gives a str"), ("absent", "no 'absent'"),
        ("leaves", r"fails \(SystemExit: 3\)"),
        ("unheard", "never hear the question: .*has 'question'"),
    ],
)  # fmt: skip
def test_what_is_no_graph_is_said(graph: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        backend_of(graph)


async def test_whatever_a_node_writes_is_told() -> None:
    said = await ask(backend_of("writing"))
    assert [each for each in said if isinstance(each, Data | Status)] == [
        Data("custom", [1, "two"]),
        Data("custom", 3),
        Data("custom", True),
        Data("custom", {"a": [4]}),
        Status("working", "words"),
    ]


async def test_what_is_too_large_or_too_much_of_it_costs_no_answer() -> None:
    said = await ask(backend_of("too_much"))
    assert text_in(said) == "written"
    values = [each.value for each in of_kind(said, Data)]
    assert values[:5] == ["nan", "[Unreadable]", "[list]", "[int]", 0]
    assert len(values) == 1_000


@pytest.mark.parametrize(
    ("graph", "question", "text", "output"),
    [
        ("drafting", "hi", "In a key of its own.", UNSET),
        ("drafting", "structured", '{"draft":{"title":"A"}}', {"draft": {"title": "A"}}),
        ("functional", "hi", "heard hi", UNSET),
    ],
)
async def test_the_answer_of_a_graph_that_says_nothing_is_what_it_ends_with(
    graph: str, question: str, text: str, output: Any
) -> None:
    said = await ask(backend_of(graph), question)
    assert (text_in(said), finish_of(said).output) == (text, output)


async def test_nodes_that_speak_at_once_are_heard_one_after_the_other() -> None:
    """Word by word they would be mixed in the answer, which is one text."""
    said = await ask(backend_of("together"))
    assert text_in(said) == "0a 0b 0c 1a 1b 1c 2a 2b 2c "


async def test_what_a_model_says_within_a_tool_is_not_the_answer() -> None:
    said = await ask(backend_of("delegating"))
    assert of_kind(said, Token) == [
        Token("Let me. ", speaker="call"),
        Token("spelt ", speaker="tools", parent="c1"),
        Token("again", speaker="again"),
    ]
    assert of_kind(said, ToolResult) == [ToolResult("c1", "spelt ", is_error=False)]


async def test_the_speaker_is_the_graphs_own_node() -> None:
    """Agents within a graph have nodes of the same names, so that nobody could tell them apart."""
    assert of_kind(await ask(backend_of("nested")), Token) == [Token("spelt ", speaker="researcher")]


async def test_a_graph_goes_on_beyond_a_breakpoint_if_somebody_lets_it() -> None:
    backend = backend_of("paused")
    said = await gather(backend.stream(Answering().of(AgentInput("hi"))))
    assert of_kind(said, ApprovalRequest) == [ApprovalRequest("before.again", "again", '{"next": ["again"]}')]
    assert text_in(said) == "question 1 of 1again"
    with pytest.raises(AgentError, match="breakpoint"):
        await gather(backend.stream(Answering(approve=False).of(AgentInput("hi"))))


async def test_a_graph_gets_its_context() -> None:
    assert text_in(await ask(backend_of("addressed", context=f"{GRAPHS}:context_of"))) == "for agent"
    with pytest.raises(ConfigError, match="no function"):
        backend_of("addressed", context=f"{GRAPHS}:nothing")


async def test_a_node_that_asks_the_process_to_end_ends_its_own_agent_alone() -> None:
    """Each node has a task of its own, and asyncio hands SystemExit past all of them."""
    async with supervised({"graph": backend_of("exiting").stream, "sibling": one_word}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "graph", "error")[0].data["code"] == "internal"
    assert of(events, "sibling", "done")[0].data["text"] == "one"


async def one_word(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "one"


async def test_a_graph_may_be_made_in_the_running_loop_of_its_config() -> None:
    """As LangGraph's own server has them: tools of MCP servers and databases are there only in a loop."""
    require_library("langgraph")
    from .graphs import MADE

    MADE.clear()
    for graph in ("made_later", "made_of_config", "opened"):
        backend = backend_of(graph, config={"tags": ["a"]})
        answers = await asyncio.gather(ask(backend), ask(backend))
        assert {text_in(each) for each in answers} == {"question 1 of 1"}
        await backend.aclose()
    assert MADE == ["['a']", "opened", "closed"]
    failing = backend_of("fails_later")
    for _ in range(2):
        with pytest.raises(ValueError, match="today"):
            await ask(failing)
    await failing.aclose()


async def test_a_builder_is_compiled() -> None:
    assert text_in(await ask(backend_of("uncompiled"))) == "question 1 of 1"


async def test_images_and_citations_in_the_parts_of_messages_are_told() -> None:
    said = await ask(backend_of("showing", speaker_nodes=False))
    assert of_kind(said, ToolResult) == [ToolResult("c1", "A dot.\n[image]", is_error=False)]
    assert of_kind(said, File) == [
        File("file.1", "image", "image/gif", "data:image/gif;base64,iVBORw0KGgo="),
        File("file.2", "image", "image/png", "https://example.org/a.png"),
    ]
    page = "https://example.org/a"
    assert of_kind(said, Source) == [Source(page, url=page, title="A", quote="It is so.")]
    assert text_in(said) == "See."
