"""Covers `orchestrator/run/state.py`: what a run has come to, as a fold of its events."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from orchestrator.events import (
    PANEL,
    AgentAdded,
    AgentInfo,
    AgentMetrics,
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    PanelInfo,
    PanelLate,
    PanelResult,
    PanelStage,
    Payload,
    Retry,
    RunDone,
    RunStarted,
    Started,
    Status,
    Token,
    ToolResult,
    Usage,
)
from orchestrator.events.run import AgentVariant
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState

SPEC = RunSpec("run_1", "room", "hi", ("a", "b"))
INFOS = [AgentInfo("a", "A", "function", None), AgentInfo("b", "B", "function", "m")]


def metrics(**keys: Any) -> AgentMetrics:
    return AgentMetrics(**{"queue_ms": 1, "ttft_ms": 2, "duration_ms": 3, "output_chars": 4, "tokens_per_s": None,
                           "retries": 0, **keys})  # fmt: skip


def state(*events: tuple[str | None, Payload], started: bool = True) -> RunState:
    """Fold *events* after the run's start."""
    found = RunState(SPEC, 1000)
    opening: list[tuple[str | None, Payload]] = (
        [(None, RunStarted("run_1", "room", INFOS))] if started else []
    )
    for number, (who, payload) in enumerate([*opening, *events], 1):
        found.fold(who, payload, f"epoch-{number}")
    return found


ASKED = ApprovalRequest("c1", "send", "{}")
OTHER = ApprovalRequest("c2", "look", "{}")


@pytest.mark.parametrize(
    ("then", "waiting"),
    [
        ([], [ASKED, OTHER]),
        ([Approval("c1", True)], [OTHER]),
        ([ToolResult("c2", "found", False)], [ASKED]),
        ([Done("", None, None, metrics(), 1)], []),
        ([Error("internal", "", "e", False, metrics(), 1)], []),
        ([Cancelled("requested", metrics(), 1)], []),
        ([Retry(2, "internal", 0)], []),
    ],
)
def test_a_snapshot_has_the_calls_that_wait_for_an_answer(
    then: list[Payload], waiting: list[Payload]
) -> None:
    """Who has no events, behind a proxy that holds them back say, can answer, too."""
    payloads: list[Payload] = [Started(1), ASKED, OTHER, *then]
    found = state(*[("a", payload) for payload in payloads]).snapshot()
    assert found.agents["a"].approvals == waiting
    assert found.agents["b"].approvals == []


@pytest.mark.parametrize("blind", [False, True])
def test_a_snapshot_names_a_variant_as_such_but_in_a_blind_run(blind: bool) -> None:
    variant = AgentVariant("a", {"model": "m"})
    found = RunState(replace(SPEC, blind=blind, variants={"hot": variant}), 1000)
    found.fold("hot", Started(1), "epoch-2")  # its `run.started` was trimmed away
    assert found.snapshot().agents["hot"].variant == (msgspec.UNSET if blind else variant)


def test_a_run_begins_with_its_agents_queued() -> None:
    found = state()
    assert {name: (p.status, p.attempt, p.text) for name, p in found.participants.items()} == {
        "a": ("queued", 1, ""), "b": ("queued", 1, "")
    }  # fmt: skip
    assert (found.status, found.last_event_id, found.closing) == ("running", "epoch-1", False)
    assert found.facts.channel == "room"


def test_channel_of_its_own_is_told_as_none() -> None:
    assert RunState(RunSpec("run_1", "run_1", "hi", ()), 0).facts.channel is None


def test_tokens_add_up_and_those_of_nested_agents_do_not() -> None:
    found = state(
        ("a", Started(1)), ("a", Token("Hel")), ("a", Token("inner", parent="c1")), ("a", Token("lo"))
    )
    agent = found.participants["a"]
    assert (agent.text, agent.status, agent.ended) == ("Hello", "running", False)
    assert agent.text == "Hello", "and again"


def test_a_whole_answer_stands_in_done_though_tokens_were_trimmed() -> None:
    found = state(("a", Token("lo")), ("a", Done("Hello", Usage(1, 2), "stop", metrics(), 1)), started=False)
    agent = found.participants["a"]
    assert (agent.text, agent.status, agent.usage) == ("Hello", "done", Usage(1, 2))
    assert agent.info == AgentInfo("a", "a", "", None), "nothing but the id is known of it"


def test_a_retry_makes_void_what_was_said() -> None:
    found = state(
        ("a", Started(1)), ("a", Status("x", anchor="up-1")), ("a", Token("half")),
        ("a", Error("upstream_unavailable", "Down.", "err_1", True, metrics(), 1)),
        ("a", Retry(2, 0.5, "upstream_unavailable")),
    )  # fmt: skip
    agent = found.participants["a"]
    assert (agent.status, agent.attempt, agent.text, agent.retries) == ("queued", 2, "", 1)
    assert (agent.error, agent.metrics, agent.anchor) == (None, None, None)


def test_an_anchor_is_that_of_the_newest_attempt() -> None:
    found = state(("a", Started(1)), ("a", Status("x", anchor="up-1")), ("a", Status("y")))
    assert found.participants["a"].anchor == "up-1"
    found.fold("a", Started(2), "epoch-9")
    assert found.participants["a"].anchor is None


def test_an_error_is_kept_for_snapshots() -> None:
    found = state(("a", Error("budget", "Spent.", "err_1", False, None, 1)))
    assert found.snapshot().agents["a"].error == {
        "code": "budget", "message": "Spent.", "error_id": "err_1", "retryable": False
    }  # fmt: skip


def test_a_cancel_that_was_asked_for_is_not_overwritten_by_older_events() -> None:
    found = state()
    found.participants["a"].enter("cancelling")
    found.fold("a", Started(1), "epoch-2")
    # An attempt had failed, and the next had begun, before the cancel: only their events were not logged yet.
    found.fold("a", Error("internal", "No.", "err_1", True, None, 1), "epoch-3")
    found.fold("a", Retry(2, 0.0, "internal"), "epoch-4")
    assert found.participants["a"].status == "cancelling"
    found.fold("a", Started(2), "epoch-5")
    assert found.participants["a"].status == "cancelling"
    found.fold("a", Cancelled("requested", None, 2), "epoch-6")
    assert found.participants["a"].status == "cancelled"
    found.participants["a"].enter("queued")
    found.fold("a", Started(3), "epoch-7")
    assert found.participants["a"].status == "running"


def test_what_changes_no_state_changes_none() -> None:
    found = state(("a", Started(1)), ("a", Handoff("other")))
    assert found.participants["a"].status == "running"
    assert found.last_event_id == "epoch-3"


def test_who_joins_twice_stays_as_it_is() -> None:
    found = state(
        ("a", Started(1)), (None, AgentAdded(INFOS[0])), (None, AgentAdded(AgentInfo("c", "C", "", None)))
    )
    assert found.participants["a"].status == "running"
    assert list(found.participants) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("endings", "status"),
    [
        (("done", "done"), "completed"),
        (("done", "error"), "partial"),
        (("done", "cancelled"), "partial"),
        (("error", "cancelled"), "failed"),
        (("cancelled", "cancelled"), "cancelled"),
    ],
)
def test_a_runs_end_follows_from_its_agents(endings: tuple[str, str], status: str) -> None:
    ends = {
        "done": Done("x", None, "stop", None, 1),
        "error": Error("internal", "m", "err_1", False, None, 1),
        "cancelled": Cancelled("requested", None, 1),
    }
    found = state(*((agent, ends[end]) for agent, end in zip("ab", endings, strict=True)))
    assert found.closing
    done = found.conclusion(5)
    assert done.status == status
    assert {name: outcome.status for name, outcome in done.agents.items()} == dict(
        zip("ab", endings, strict=True)
    )
    found.fold(None, done, "epoch-9")
    assert (found.status, found.closing) == (status, False)


def test_metrics_add_up_over_agents_and_turns() -> None:
    found = state(
        ("a", Started(1, stage="panel", turn=1)),
        ("a", Done("one", Usage(1, 10), "stop", metrics(output_chars=3, cost=0.25), 1)),
        ("a", Started(2, stage="review", turn=2)),
        ("a", Done("three", Usage(2, 20), "stop", metrics(output_chars=5), 2)),
        ("b", Retry(2, 0.0, "internal")),
        ("b", Done("x", None, "stop", metrics(output_chars=1, cost=0.5), 2)),
    )  # fmt: skip
    total = found.conclusion(77).metrics
    assert (total.duration_ms, total.output_chars, total.input_tokens, total.output_tokens) == (77, 9, 3, 30)
    assert (total.retries, total.cost) == (1, 0.75)


def test_unknown_sums_stay_unknown() -> None:
    total = state().conclusion(1).metrics
    assert (total.input_tokens, total.output_tokens, total.cost) == (None, None, None)


def test_turns_of_a_panel_are_kept_one_after_the_other() -> None:
    found = state(
        ("a", Started(1)), ("a", Done("before any panel", None, "stop", None, 1)),
        ("a", Started(2, stage="round", round=1, turn=2)), ("a", Token("first round")),
        ("a", Done("first round", None, "stop", None, 2)),
        ("a", Started(3, stage="round", round=2, turn=3)), ("a", Token("sec")),
    )  # fmt: skip
    agent = found.snapshot().agents["a"]
    assert [(t.turn, t.stage, t.round, t.attempt, t.text) for t in agent.turns] == [
        (1, "panel", None, 1, "before any panel"), (2, "round", 1, 2, "first round")
    ]  # fmt: skip
    assert (agent.turn, agent.round, agent.text, agent.status) == (3, 2, "sec", "running")


def test_a_panel_is_folded_from_its_stages_and_result() -> None:
    info = PanelInfo("council", "Council", "moderator", ["a", "b"], "c", [])
    found = RunState(SPEC, 1000)
    found.fold(None, RunStarted("run_1", "room", INFOS, info), "epoch-1")
    for agent in "ab":
        found.fold(agent, Cancelled("requested", None, 1), "epoch-2")
    assert not found.closing, "its panel has no result yet"
    found.fold(PANEL, PanelStage("council", "moderator", "final", ["c"]), "epoch-3")
    result = PanelResult("council", "moderator", "failed", None, [], {}, [])
    found.fold(PANEL, result, "epoch-4")
    late = PanelLate("council", "b", 1, "done", 12)
    found.fold(PANEL, late, "epoch-5")
    assert found.closing
    panel = found.snapshot().panel
    assert panel is not None
    assert (panel.panel_id, panel.stage, panel.result, panel.late) == ("council", "final", result, [late])
    assert (found.panel_events, found.panel_called, list(found.stages)) == (3, False, [("final", 0)])


def test_a_panel_that_is_called_during_the_run_replaces_the_one_before() -> None:
    info = PanelInfo(None, "Judge", "judge", ["a"], "c", [])
    found = state((PANEL, PanelStage("old", "vote", "vote", ["a"], missing=[])))
    found.fold(PANEL, PanelStage("judge", "judge", "final", ["c"], info=info), "epoch-3")
    assert found.panel is not None
    assert (found.panel.title, found.panel_called, list(found.stages)) == ("Judge", True, [("final", 0)])


def test_a_snapshot_does_not_change_with_the_run() -> None:
    found = state((PANEL, PanelStage("p", "vote", "vote", ["a"])), ("a", Token("x")))
    before = found.snapshot()
    found.fold("a", Token("y"), "epoch-8")
    found.fold(PANEL, PanelLate("p", "b", 1, "done", 12), "epoch-9")
    found.fold(None, RunDone("partial", {}, found.conclusion(1).metrics), "epoch-10")
    assert (before.agents["a"].text, before.status, before.last_event_id) == ("x", "running", "epoch-3")
    assert before.panel is not None
    assert before.panel.late == []
