"""Covers `orchestrator/panels/base.py`: what panel methods work with."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.events.base import AgentStatus
from orchestrator.panels.base import Answer, TurnPrompt, Verdict, check_verdict


@pytest.mark.parametrize(
    ("status", "text", "good", "ended"),
    [
        ("done", "Yes.", True, True), ("done", " \n", False, True), ("error", "half", False, True),
        ("cancelled", "half", False, True), ("running", "half", False, False), ("cancelling", "half", False, False),
        ("queued", "", False, False),
    ],
)  # fmt: skip
def test_an_answer_counts_if_it_is_whole_and_says_anything(
    status: AgentStatus, text: str, good: bool, ended: bool
) -> None:
    answer = Answer("a", "Ann", status, text)
    assert (answer.good, answer.ended) == (good, ended)


def test_a_turn_belongs_to_the_conversation_unless_it_is_said_not_to() -> None:
    """A review must not stand in an agent's memory as its answer to the user."""
    assert TurnPrompt("hi", "panel").remember
    assert TurnPrompt("hi", "panel").task == "answer"
    assert not TurnPrompt("hi", "review", "review", remember=False).remember


def test_a_verdict_that_nothing_came_of_names_nobody() -> None:
    verdict = Verdict("failed")
    assert (verdict.winner, list(verdict.ranking), verdict.tally, verdict.answer, verdict.last) == (
        None,
        [],
        None,
        None,
        None,
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        verdict.status = "decided"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("returned", "why"),
    [
        (None, "returned NoneType; it should return a Verdict"),
        (Verdict("won"), "`status` of the verdict of mine, 'won', should be one of decided"),  # type: ignore[arg-type]
        (Verdict(["x"]), "`status` of the verdict of mine"),  # type: ignore[arg-type]
        (Verdict("decided", winner="stranger"), "names stranger"),
        (Verdict("decided", winner=["a"]), "`winner` of the verdict of mine does not fit .list."),  # type: ignore[arg-type]
        (Verdict("decided", ranking=None), "`ranking` of the verdict of mine does not fit .NoneType."),  # type: ignore[arg-type]
        (Verdict("decided", ranking=[(["a"], 1)]), "`ranking` of the verdict"),  # type: ignore[list-item]
        (Verdict("decided", ranking=[("a", 10**400)]), "`ranking` of .* a finite number below"),
        (Verdict("decided", ranking=[("a", float("nan"))]), "`ranking` of .* a finite number below"),
        (Verdict("decided", tally={"a": float("inf")}), "`tally` of the verdict of mine"),
        (Verdict("decided", tally={1: 2}), "`tally` of the verdict of mine"),  # type: ignore[dict-item]
        (Verdict("decided", tally=[1]), "`tally` of the verdict of mine does not fit .list."),  # type: ignore[arg-type]
        (Verdict("decided", answer=5), "`answer` of the verdict of mine does not fit .int."),  # type: ignore[arg-type]
        (Verdict("decided", answer={"a": 1}), "`answer` of the verdict of mine"),  # type: ignore[arg-type]
        (Verdict("decided", last="a"), "`last` of the verdict of mine"),  # type: ignore[arg-type]
        (Verdict("decided", ranking=[("a", 1.0), ("stranger", 2.0)]), "names stranger"),
        (Verdict("decided", ranking=["a"]), "pairs of an agent's id and a finite number"),  # type: ignore[list-item]
        (Verdict("decided", ranking=[("a", "much")]), "pairs of an agent's id and a finite number"),  # type: ignore[list-item]
    ],
)
def test_what_a_method_returns_is_looked_at_before_clients_are_sent_it(returned: object, why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        check_verdict(returned, {"a", "b"}, "mine")


def test_a_verdict_on_the_panels_own_agents_passes() -> None:
    check_verdict(Verdict("decided", winner="a", ranking=[("a", 2), ("b", 1.5)]), {"a", "b"})
    check_verdict(Verdict("failed"), ())
