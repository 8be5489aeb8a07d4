"""What LangChain's callbacks add to a graph's stream: whose tool speaks, and which words are of no account."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Correction
from orchestrator.events import Token
from tests.support.emissions import Answering, ask, gather, of_kind, text_in
from tests.support.parts import require_library
from tests.support.spine import of, read, start, supervised

GRAPHS = "tests.backends.langgraph.runs_graphs"
WHOLE = "First. It is blue now. "


def backend_of(graph: str) -> Any:
    require_library("langgraph")
    from orchestrator.backends.langgraph.backend import LangGraphBackend
    from orchestrator.backends.langgraph.settings import LangGraphSettings

    settings = {"agent_id": "graph", "graph": f"{GRAPHS}:{graph}"}
    return LangGraphBackend(LangGraphSettings.model_validate(settings), {})


@pytest.mark.parametrize("graph", ["broken_model", "broken_node", "caught"])
async def test_words_of_a_try_that_failed_are_no_part_of_the_answer(graph: str) -> None:
    """A node's retry, or a model's fallback: what was said before it is void."""
    said = await ask(backend_of(graph))
    (restated,) = [each for each in said if isinstance(each, Correction)]
    assert text_in(said) != WHOLE
    assert text_in([*restated.payloads]) == WHOLE
    assert [each.speaker for each in restated.payloads if isinstance(each, Token)] == ["first", "say"]


@pytest.mark.parametrize("graph", ["left_early", "asking"])
async def test_what_was_left_or_asked_is_no_failure(graph: str) -> None:
    answers = Answering(True)
    said = await gather(backend_of(graph).stream(answers.of(AgentInput("hi", conversation_id="c"))))
    assert not any(isinstance(each, Correction) for each in said)
    assert text_in(said).startswith(WHOLE)


async def test_a_client_hears_the_right_answer_in_an_attempt_of_its_own() -> None:
    async with supervised({"graph": backend_of("broken_model").stream}) as supervisor:
        events = await read(supervisor, await start(supervisor, "hi"))
    (done,) = of(events, "graph", "done")
    assert (done.data["text"], done.data["attempt"]) == (WHOLE, 2)
    assert len(of(events, "graph", "retry")) == 1


@pytest.mark.parametrize("graph", ["two_tools", "other_name"])
async def test_a_model_in_a_tool_speaks_in_its_own_call(graph: str) -> None:
    """Also of calls that run at the same time, whose words come by turns."""
    said = await ask(backend_of(graph))
    for what in ("aaa", "bbb"):
        inner = [each.text for each in of_kind(said, Token) if each.parent == f"call-{what}"]
        assert "".join(inner) == what
    assert text_in([each for each in said if getattr(each, "parent", None) is None]) == "Done."
