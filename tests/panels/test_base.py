"""Covers `orchestrator/panels/base.py`: what panel methods work with."""

from __future__ import annotations

import dataclasses

import pytest

from orchestrator.events.base import AgentStatus
from orchestrator.panels.base import Answer, TurnPrompt, Verdict


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
