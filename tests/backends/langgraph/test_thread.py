"""A graph that waits for an answer outlives the worker that ran it, if its checkpointer does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator import AgentError
from orchestrator.backends.base import AgentInput, Emission
from orchestrator.events import ApprovalRequest, Status
from tests.support.emissions import Answering, gather, of_kind, text_in

from .test_backend import backend_of

TALK: dict[str, Any] = {"conversation_id": "talk", "agent_id": "graph"}


async def lost(graph: str, request: AgentInput, questions: int = 1) -> tuple[str, str]:
    """Ask until the graph waits, and be gone as a worker is that was lost; return its anchor and its question's id.

    Args:
        questions: How many it asks; all but the last are answered.
    """
    heard: list[Emission] = []
    stream = backend_of(graph).stream(Answering().of(request))
    while len(of_kind(heard, ApprovalRequest)) < questions:
        heard.append(await anext(stream))
    request.taken.set()
    await stream.aclose()
    anchors = [each.anchor for each in of_kind(heard, Status) if each.anchor is not None]
    assert isinstance(heard[-2], Status), "it can be found before anybody can answer it"
    return anchors[-1], of_kind(heard, ApprovalRequest)[-1].call_id


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
