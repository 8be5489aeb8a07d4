"""A graph that waits for an answer outlives the worker that ran it, if its checkpointer does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from msgspec import UNSET
from structlog.testing import capture_logs

from orchestrator import AgentError
from orchestrator.backends.base import AgentInput, Emission
from orchestrator.events import ApprovalRequest, Status
from tests.support.emissions import Answering, finish_of, gather, heard, of_kind, text_in
from tests.support.parts import require_library
from tests.support.patience import PATIENCE_SECONDS

from .test_backend import backend_of

TALK: dict[str, Any] = {"conversation_id": "talk", "agent_id": "graph"}


async def lost(graph: str, request: AgentInput, questions: int = 1) -> tuple[str, str]:
    """Ask until the graph waits, and be gone as a worker is that was lost; return its anchor and its question's id.

    Args:
        questions: How many it asks; all but the last are answered.
    """
    got: list[Emission] = []
    stream = backend_of(graph).stream(Answering().of(request))
    while len(of_kind(got, ApprovalRequest)) < questions:
        got.append(await anext(stream))
    request.taken.set()
    await stream.aclose()
    anchors = [each.anchor for each in of_kind(got, Status) if each.anchor is not None]
    assert isinstance(got[-2], Status), "it can be found before anybody can answer it"
    return anchors[-1], of_kind(got, ApprovalRequest)[-1].call_id


def left(anchor: str, **keys: Any) -> AgentInput:
    return AgentInput("hi", anchor=anchor, **keys)


@pytest.mark.parametrize("keys", [{}, TALK], ids=["alone", "conversation"])
@pytest.mark.parametrize(("approve", "words"), [(True, "True"), (False, "False")])
async def test_the_next_worker_asks_the_same_and_goes_on(
    keys: dict[str, Any], approve: bool, words: str
) -> None:
    anchor, call_id = await lost("asking", AgentInput("hi", **keys))
    answering = Answering(approve)
    said = await gather(backend_of("asking").stream(answering.of(left(anchor, **keys))))
    assert answering.asked == [call_id]
    assert text_in(said) == f"question 1 of 1 You said {words}."
    if keys:
        await backend_of("asking")._graph.checkpointer.adelete_thread("talk/graph")


async def test_a_breakpoint_is_asked_again_too() -> None:
    anchor, call_id = await lost("paused", AgentInput("hi"))
    answering = Answering()
    said = await gather(backend_of("paused").stream(answering.of(left(anchor))))
    assert answering.asked == [call_id]
    assert text_in(said).startswith("question 1 of 1")


async def test_what_was_answered_before_is_not_asked_again() -> None:
    anchor, call_id = await lost("asking_twice", AgentInput("hi"), questions=2)
    answering = Answering()
    said = await gather(backend_of("asking_twice").stream(answering.of(left(anchor))))
    assert answering.asked == [call_id]
    assert text_in(said) == "True, True"


async def test_a_no_to_a_question_that_was_found_again_leaves_the_thread_as_before_the_turn() -> None:
    anchor, _ = await lost("paused", AgentInput("hi", **TALK))
    with pytest.raises(AgentError):
        await gather(backend_of("paused").stream(Answering(False).of(left(anchor, **TALK))))
    graph = backend_of("paused")._graph
    assert (await graph.aget_state({"configurable": {"thread_id": "talk/graph"}})).values == {}


async def test_a_checkpointer_that_forgets_is_named() -> None:
    anchor, _ = await lost("asking", AgentInput("hi"))
    gone = json.dumps({**json.loads(anchor), "thread": "nobody"})
    with pytest.raises(AgentError, match=r"InMemorySaver.*Ask again") as caught:
        await gather(backend_of("asking").stream(Answering().of(left(gone))))
    assert (caught.value.code, caught.value.retryable) == ("worker_lost", False)
    anew = backend_of("asking", on_worker_lost="restart")
    assert text_in(await gather(anew.stream(Answering().of(left(gone))))) == "question 1 of 1 You said True."


async def test_a_graph_that_had_gone_on_does_nothing_twice() -> None:
    """What ran after the answer may have done something, so it is not run again without being asked for."""
    anchor, _ = await lost("asking_twice", AgentInput("hi", **TALK))
    elsewhere = json.dumps({**json.loads(anchor), "at": "earlier"})
    with pytest.raises(AgentError) as caught:
        await gather(backend_of("asking_twice").stream(Answering().of(left(elsewhere, **TALK))))
    assert caught.value.code == "worker_lost"
    state = await backend_of("asking_twice")._graph.aget_state({"configurable": {"thread_id": "talk/graph"}})
    assert state.values == {}, "and the conversation can go on"


async def test_a_graph_that_had_come_to_its_end_answers() -> None:
    anchor, _ = await lost("asking", AgentInput("hi", **TALK))
    backend = backend_of("asking")
    await backend._graph.ainvoke(backend._command(resume=True), {"configurable": {"thread_id": "talk/graph"}})
    answering = Answering()
    said = await gather(backend.stream(answering.of(left(anchor, **TALK))))
    assert answering.asked == []
    assert text_in(said) == "question 1 of 1 You said True."
    await backend._graph.checkpointer.adelete_thread("talk/graph")


def graphs() -> Any:
    require_library("langgraph")
    from tests.backends.langgraph import thread_graphs

    return thread_graphs


def of_thread(graph: str, **keys: Any) -> Any:
    from orchestrator.backends.langgraph.backend import LangGraphBackend
    from orchestrator.backends.langgraph.settings import LangGraphSettings

    settings = {"agent_id": "graph", "graph": f"{graphs().__name__}:{graph}", **keys}
    return LangGraphBackend(LangGraphSettings.model_validate(settings), {})


async def left_waiting(backend: Any, request: AgentInput, *, taken: bool = True) -> str:
    """Ask until the graph waits, and be gone; return its anchor. If it was not *taken*, the thread is put back."""
    anchor = ""
    stream = backend.stream(Answering().of(request))
    async for each in stream:
        anchor = each.anchor or anchor if isinstance(each, Status) else anchor
        if isinstance(each, ApprovalRequest):
            break
    if taken:
        request.taken.set()
    await stream.aclose()
    return anchor


async def goes_on(backend: Any, anchor: str, **keys: Any) -> tuple[list[Emission], AgentError | None, int]:
    """Go on as the next worker; return what is said, how it fails, and how often it asks."""
    answering = Answering()
    said, failure = await heard(backend.stream(answering.of(left(anchor, **keys))))
    return said, failure, len(answering.asked)


@pytest.mark.parametrize("graph", ["deleting", "deleting_within"])
async def test_an_answered_question_is_not_asked_again(graph: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer is kept beside the same checkpoint, and a new one would reach the node's next question."""
    backend = of_thread(graph)
    request = AgentInput("hi", conversation_id="answered", agent_id=graph)
    anchor = await left_waiting(backend, request)
    reached = asyncio.Event()
    monkeypatch.setattr(graphs(), "REACHED", reached)
    config = {"configurable": {"thread_id": f"answered/{graph}"}}
    work = asyncio.create_task(backend._graph.ainvoke(backend._command(resume=False), config))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await reached.wait()
    work.cancel()
    await asyncio.wait((work,))
    monkeypatch.setattr(graphs(), "REACHED", None)
    said, failure, asked = await goes_on(backend, anchor)
    assert (text_in(said), asked) == ("", 0)
    assert failure is not None
    assert failure.code == "worker_lost"
    said, failure, asked = await goes_on(of_thread(graph, on_worker_lost="restart"), anchor)
    assert (text_in(said), failure, asked) == ("draft True, database True", None, 2)


@pytest.mark.parametrize("graph", ["asking", "paused"])
async def test_a_graph_that_was_let_go_on_is_not_asked_again(graph: str) -> None:
    """Beyond a breakpoint its checkpointer keeps nothing of the answer."""
    request = AgentInput("hi")
    stream = backend_of(graph).stream(Answering().of(request))
    anchors: list[str] = []
    while len(anchors) < 2:
        each = await anext(stream)
        anchors += [each.anchor] if isinstance(each, Status) and each.anchor else []
    request.taken.set()
    await stream.aclose()
    _, failure, asked = await goes_on(backend_of(graph), anchors[-1])
    assert failure is not None
    assert (failure.code, asked) == ("worker_lost", 0)


async def test_a_thread_that_was_put_back_has_not_come_to_its_end() -> None:
    backend, keys = of_thread("later"), {"conversation_id": "back", "agent_id": "later"}
    await gather(backend.stream(AgentInput("one", **keys)))
    anchor = await left_waiting(backend, AgentInput("two", **keys), taken=False)
    said, failure, _ = await goes_on(backend, anchor, **keys)
    assert (text_in(said), failure and failure.code) == ("", "worker_lost")


async def test_a_turn_since_is_not_the_end_of_this_one() -> None:
    backend, keys = of_thread("later"), {"conversation_id": "since", "agent_id": "later"}
    await gather(backend.stream(AgentInput("one", **keys)))
    anchor = await left_waiting(backend, AgentInput("two", **keys))
    config = {"configurable": {"thread_id": "since/later"}}
    await backend._graph.ainvoke({"messages": [("user", "three")]}, config)
    await backend._graph.ainvoke(backend._command(resume=True), config)
    said, failure, _ = await goes_on(backend, anchor, **keys)
    assert (text_in(said), failure and failure.code) == ("", "worker_lost")


@pytest.mark.parametrize("graph", ["later", "function"])
async def test_the_turn_before_is_not_said_again(graph: str) -> None:
    backend, keys = of_thread(graph), {"conversation_id": "before", "agent_id": graph}
    assert text_in(await gather(backend.stream(AgentInput("one", **keys)))) == "turn one"
    anchor = await left_waiting(backend, AgentInput("two", **keys))
    said, failure, asked = await goes_on(backend, anchor, **keys)
    assert (text_in(said), failure, asked) == ("answer True", None, 1)


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ("parallel", "Said. Beside. answer True"),
        ("within", "Said. answer True"),
        ("noting", "Found. answer True"),
        ("forming", "answer True"),
    ],
)
async def test_what_the_turn_had_said_is_said_again_once(graph: str, words: str) -> None:
    backend = of_thread(graph)
    anchor = await left_waiting(backend, AgentInput("hi"))
    said, failure, asked = await goes_on(backend, anchor)
    assert (text_in(said), failure, asked) == (words, None, 1)
    assert finish_of(said).output == ({"a": 1} if graph == "forming" else UNSET)


async def test_a_thread_that_is_not_kept_is_not_put_back() -> None:
    anchor = json.dumps({"thread": "nobody", "before": "gone", "at": "gone", "stood": ""})
    with capture_logs() as logs:
        _, failure, _ = await goes_on(of_thread("later"), anchor)
    assert failure is not None
    assert failure.code == "worker_lost"
    assert logs == []
