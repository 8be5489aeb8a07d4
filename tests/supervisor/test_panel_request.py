"""Covers `orchestrator/supervisor/panel_request.py`: what a client asks of panels."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.config.panels import check_panel
from orchestrator.errors import Conflict, InvalidRequest
from orchestrator.events import AgentInfo, Done, Started, Token
from orchestrator.panels.base import Answer
from orchestrator.run.registry import AgentRegistry
from orchestrator.run.spec import GivenAnswer, RunSpec
from orchestrator.run.state import RunState
from orchestrator.supervisor.panel_request import choose_panel, given, panel_over
from tests.support.spine import settings

VOTE: dict[str, Any] = {"method": "vote", "members": ["a", "b"]}


def registry() -> AgentRegistry:
    agents = {name: settings(name, default=name != "d") for name in "abcd"}
    panels = {
        "jury": check_panel({"panel_id": "jury", "method": "vote", "members": ["a", "b"], "title": "Jury"}),
        "all": check_panel({"panel_id": "all", "method": "vote"}),
    }
    return AgentRegistry(agents, backends={}, panels=panels)


def state_of(**texts: str | None) -> RunState:
    """Return a run in which the agents have said *texts*; None: one that has not ended."""
    state = RunState(RunSpec("run_1", "run_1", "hi", tuple(texts)), 1)
    for agent_id, text in texts.items():
        state.join(AgentInfo(agent_id, agent_id.upper(), "function", None))
        state.fold(agent_id, Started(1), "e-1")
        if text is not None:
            state.fold(agent_id, Token(text), "e-2")
            state.fold(agent_id, Done(text, None, "stop", None, 1), "e-3")
    return state


def at(caught: pytest.ExceptionInfo[InvalidRequest]) -> list[str]:
    return [problem.at for problem in caught.value.fields]


def test_a_configured_panel_is_found_by_its_id() -> None:
    panel = choose_panel("jury", registry())
    assert (panel.panel_id, panel.title, panel.members) == ("jury", "Jury", ("a", "b"))


def test_members_are_the_ones_asked_for_else_the_panels_own_else_the_default_agents() -> None:
    assert choose_panel("jury", registry(), agents=("c", "d")).members == ("c", "d")
    assert choose_panel("all", registry()).members == ("a", "b", "c")
    assert choose_panel(VOTE, registry()).members == ("a", "b")


@pytest.mark.parametrize(
    ("value", "where", "says"),
    [
        ("nobody", "panel", "configured: jury, all"),
        (7, "panel", "id, or an object"),
        ({"members": ["a", "b"]}, "panel.method", ""),
        ({**VOTE, "method": "os:system"}, "panel.method", "agents_config/panels"),
        ({**VOTE, "panel_id": "mine"}, "panel.panel_id", "configured panels"),
        ({**VOTE, "members": ["a", "zed"]}, "panel", "'zed'"),
        ({**VOTE, "members": ["a"]}, "panel.members", ""),
    ],
)
def test_what_is_wrong_is_named_with_its_place(value: object, where: str, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        choose_panel(value, registry())
    assert any(place.startswith(where) for place in at(caught)), at(caught)
    assert says in " ".join([str(caught.value), *(problem.detail for problem in caught.value.fields)])


def test_a_panel_may_not_ask_more_agents_than_a_run_may_have() -> None:
    assert choose_panel("jury", registry(), most=2).members == ("a", "b")
    with pytest.raises(InvalidRequest, match="at most 1"):
        choose_panel("jury", registry(), most=1)


def test_over_a_run_the_members_are_those_that_have_answered() -> None:
    state = state_of(a="Yes.", c="No.")
    panel, there = panel_over("jury", registry(), state.spec, state)
    assert panel.members == ("a", "c")
    assert [(each.agent_id, each.text) for each in there] == [("a", "Yes."), ("c", "No.")]


def test_an_inline_panel_over_a_run_chooses_among_its_agents() -> None:
    state = state_of(a="Yes.", b="No.", c="Maybe.")
    panel, there = panel_over(VOTE, registry(), state.spec, state)
    assert panel.members == ("a", "b")
    assert [each.agent_id for each in there] == ["a", "b"]
    with pytest.raises(InvalidRequest) as caught:
        panel_over({**VOTE, "members": ["a", "d"]}, registry(), state.spec, state)
    assert at(caught) == ["panel.members[1]"]


def test_without_an_answer_no_panel_can_sit() -> None:
    state = state_of(a=None, b=None)
    with pytest.raises(Conflict, match="has answered yet"):
        panel_over("jury", registry(), state.spec, state)


def test_a_run_over_given_answers_gives_these_on() -> None:
    """Its own agents were asked about answers, and gave none themselves."""
    there = [GivenAnswer("x", "X", "done", "Yes.", 1), GivenAnswer("y", "Y", "done", "No.", 2)]
    spec = RunSpec("run_2", "run_2", "hi", (), of="run_1", given=tuple(there))
    panel, answers = panel_over("jury", registry(), spec, RunState(spec, 1))
    assert panel.members == ("x", "y"), "they are read, and need not be configured here"
    assert list(given(answers)) == there


def test_answers_are_kept_for_a_new_run_as_they_stand() -> None:
    assert given([Answer("a", "A", "error", "half", 2, "internal")]) == (
        GivenAnswer("a", "A", "error", "half", 2),
    )
