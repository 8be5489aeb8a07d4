"""A panel is what its events say: stages, turns that stay, a result, and a snapshot that says the same."""

from __future__ import annotations

import json
from typing import Any

from orchestrator.client.agent_view import TurnView
from orchestrator.client.event import parse_event
from orchestrator.client.run_view import RunView
from orchestrator.events import PANEL, PanelStage, encode_data
from tests.client.test_run_view import event
from tests.support.panelscript import (
    INFO,
    INPUTS,
    MISSING,
    RESULT,
    Said,
    agent_info,
    council,
    done,
    failed,
    opening,
    stage,
    started,
    token,
)


def follow(view: RunView, *said: Said) -> RunView:
    for name, data in said:
        view.apply(event(name, **data))
    return view


def test_a_panel_is_followed_from_stage_to_result() -> None:
    view = RunView("run_1")
    script = council()
    follow(view, *script[:9])
    panel = view.panel
    assert panel is not None
    assert (panel.title, panel.method, panel.moderator) == ("Council", "moderator", "mod")
    assert (list(panel.members), list(panel.fallback)) == (["ann", "bob", "cid"], ["sub"])
    assert (panel.stage, panel.speakers, panel.missing, panel.result) == (
        "panel",
        ["ann", "bob", "cid"],
        [],
        None,
    )
    follow(view, *script[9:13])
    assert (panel.stage, panel.speakers, panel.missing) == ("final", ["mod"], MISSING)
    moderator = view.agents["mod"]
    assert (moderator.stage, moderator.inputs, moderator.missing) == ("final", INPUTS, MISSING)
    assert moderator.text == "Ann says "
    follow(view, *script[13:])
    assert panel.result == RESULT
    assert panel.late == [{"panel": "council", "agent": "cid", "attempt": 1, "status": "done", "chars": 5}]
    assert (view.status, view.agents["ann"].text, view.agents["ann"].turns) == ("partial", "It is\nso.", [])


def test_a_new_turn_keeps_what_was_said_before() -> None:
    """A review is another attempt by number, but nothing failed: the answer is not void."""
    view = follow(
        RunView("run_1"),
        opening("ann", "bob"),
        started("ann"),
        token("ann", "A"),
        done("ann", "A"),
        started("ann", "review", attempt=2, turn=2, inputs=INPUTS),
        token("ann", "B is best", "review"),
    )
    agent = view.agents["ann"]
    assert agent.turns == [TurnView(1, "panel", 1, "done", "A")]
    assert (agent.stage, agent.turn, agent.attempt, agent.text) == ("review", 2, 2, "B is best")
    assert agent.inputs == INPUTS
    follow(
        view,
        done("ann", "B is best", "review", attempt=2),
        started("ann", "round", attempt=3, turn=3, round=2),
    )
    assert agent.turns[1:] == [TurnView(2, "review", 2, "done", "B is best")]
    assert (agent.stage, agent.round, agent.text, agent.inputs) == ("round", 2, "", [])


def test_a_retry_within_a_turn_voids_that_turn_only() -> None:
    view = follow(
        RunView("run_1"),
        started("ann"),
        done("ann", "A"),
        started("ann", "layer", attempt=2, turn=2, layer=2),
        token("ann", "wrong", "layer", layer=2),
        failed("ann", "layer", attempt=2),
        ("ann.retry", {"attempt": 3, "delay_s": 0.1, "code": "upstream_auth", "stage": "layer", "layer": 2}),
        started("ann", "layer", attempt=3, turn=2, layer=2),
        token("ann", "right", "layer", layer=2),
    )
    agent = view.agents["ann"]
    assert [turn.text for turn in agent.turns] == ["A"]
    assert (agent.turn, agent.layer, agent.attempt, agent.text) == (2, 2, 3, "right")


def test_an_answer_from_before_any_panel_sat_is_the_first_turn() -> None:
    view = follow(
        RunView("run_1"),
        ("ann.started", {"attempt": 1}),
        ("ann.done", {**done("ann", "A")[1], "stage": None}),
        started("ann", "review", attempt=2, turn=2),
    )
    assert view.agents["ann"].turns == [TurnView(1, "panel", 1, "done", "A")]


def test_without_turns_a_new_attempt_voids_the_old_one() -> None:
    view = follow(
        RunView("run_1"),
        ("ann.started", {"attempt": 1}),
        ("ann.token", {"text": "old"}),
        ("ann.started", {"attempt": 2}),
    )
    assert (view.agents["ann"].text, view.agents["ann"].turns, view.agents["ann"].turn) == ("", [], None)


def test_a_reader_that_came_in_the_middle_learns_the_stage() -> None:
    view = follow(RunView("run_1"), token("mod", "so", "final"))
    assert view.agents["mod"].stage == "final"


def test_a_panel_that_was_called_later_brings_who_is_in_it() -> None:
    view = follow(RunView("run_1"), *council()[:-1])
    later = INFO | {"panel_id": None, "title": "judge", "method": "judge"}
    judged = {"panel": "judge", "method": "judge", "stage": "final", "agents": ["mod"], "info": later}
    follow(view, ("panel.stage", judged))
    assert view.panel is not None
    assert (view.panel.name, view.panel.title, view.panel.moderator) == ("judge", "judge", "mod")
    assert (view.panel.result, view.panel.late) == (None, [])


def test_a_panel_whose_beginning_was_not_seen_is_named_by_its_events() -> None:
    view = follow(RunView("run_1"), stage("final", "mod"))
    assert view.panel is not None
    assert (view.panel.name, view.panel.method, list(view.panel.members)) == ("council", "moderator", [])


def test_what_a_panel_of_a_newer_version_says_changes_nothing() -> None:
    view = follow(RunView("run_1"), ("panel.applause", {"panel": "council"}), ("panel.stage", {"stage": 1}))
    assert view.panel is None


STATE: dict[str, Any] = {
    **INFO, "stage": "final", "result": RESULT, "late": [{"agent": "cid", "status": "done"}],
}  # fmt: skip
SPOKEN = {
    "status": "running", "attempt": 3, "text": "half", "stage": "round", "round": 2, "turn": 2,
    "inputs": INPUTS, "missing": MISSING,
    "turns": [{"turn": 1, "stage": "round", "round": 1, "attempt": 2, "status": "done", "text": "one"}],
}  # fmt: skip


def test_a_snapshot_replaces_all_of_it() -> None:
    view = follow(RunView("run_1"), *council())
    agents = {"ann": SPOKEN, "bob": {"status": "done", "attempt": 1, "text": "B"}}
    view.apply(event("run.snapshot", status="running", agents=agents, panel=STATE))
    assert view.panel is not None
    assert (view.panel.stage, view.panel.result, view.panel.info) == ("final", RESULT, INFO)
    assert view.panel.late == [{"agent": "cid", "status": "done"}]
    ann, bob = view.agents["ann"], view.agents["bob"]
    assert (ann.stage, ann.round, ann.turn, ann.text) == ("round", 2, 2, "half")
    assert ann.turns == [TurnView(1, "round", 2, "done", "one", round=1)]
    assert (ann.inputs, ann.missing) == (INPUTS, MISSING)
    assert (bob.stage, bob.turn, bob.turns, bob.inputs) == (None, None, [], [])
    follow(view, started("ann", "round", attempt=4, turn=3, round=3))
    assert [turn.text for turn in ann.turns] == ["one", "half"]
    view.apply(event("run.snapshot", status="running", agents={}))
    assert view.panel is None


def test_the_name_of_a_panels_event_is_made_where_the_framing_leaves_it_out() -> None:
    """`run.started` and `run.snapshot` describe a panel too, but are the run's."""
    written = encode_data(PANEL, PanelStage("council", "moderator", "final", ["mod"]), 7)
    described = (
        {"type": "started", "panel": INFO},
        {"type": "snapshot", "panel": None},
        {"type": "token", "panel": "x", "agent_id": "a"},
    )
    names = [parse_event(data, id="e-1") for data in (written, *map(json.dumps, described))]
    assert [one.name for one in names if one is not None] == [
        "panel.stage",
        "run.started",
        "run.snapshot",
        "a.token",
    ]
    assert names[0] is not None
    assert (names[0].agent_id, names[0].type, names[0].t) == (None, "stage", 7)


def test_an_agent_that_joins_is_described() -> None:
    view = follow(RunView("run_1"), ("run.agent_added", {"agent": agent_info("mod")}))
    assert (view.agents["mod"].title, view.agents["mod"].model) == ("Mod", "mod-1")
