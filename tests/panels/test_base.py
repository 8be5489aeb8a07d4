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
        (Verdict("won"), "status 'won' should be one of decided"),  # type: ignore[arg-type]
        (Verdict("decided", winner="stranger"), "names stranger"),
        (Verdict("decided", ranking=[("a", 1.0), ("stranger", 2.0)]), "names stranger"),
        (Verdict("decided", ranking=["a"]), "pairs of an agent's id and a number"),  # type: ignore[list-item]
        (Verdict("decided", ranking=[("a", "much")]), "pairs of an agent's id and a number"),  # type: ignore[list-item]
    ],
)
def test_what_a_method_returns_is_looked_at_before_clients_are_sent_it(returned: object, why: str) -> None:
    with pytest.raises((TypeError, ValueError), match=why):
        check_verdict(returned, {"a", "b"})


def test_a_verdict_on_the_panels_own_agents_passes() -> None:
    check_verdict(Verdict("decided", winner="a", ranking=[("a", 2), ("b", 1.5)]), {"a", "b"})
    check_verdict(Verdict("failed"), ())
