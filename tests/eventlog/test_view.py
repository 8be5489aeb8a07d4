"""Covers `orchestrator/eventlog/view.py`: what of a channel a subscriber keeps."""

from __future__ import annotations

import pytest

from orchestrator.eventlog.base import Entry
from orchestrator.eventlog.view import View
from orchestrator.events import PANEL


@pytest.mark.parametrize(
    ("view", "kept"),
    [
        (View("c"), ["a", "b", None, PANEL]),
        (View("c", agents=frozenset({"a"})), ["a", None, PANEL]),
        (View("c", "run_1", frozenset()), [None, PANEL]),
        (View("c", "run_2"), []),
        (View("c", runs=frozenset({"run_1"})), ["a", "b", None, PANEL]),
        (View("c", runs=frozenset({"run_2"}), agents=frozenset({"a"})), []),
    ],
)
def test_a_view_keeps_the_events_of_its_runs_and_agents_and_of_the_run_itself(
    view: View, kept: list[str | None]
) -> None:
    entries = [
        Entry("epoch", n, "run_1", who, "token", b"{}") for n, who in enumerate(("a", "b", None, PANEL), 1)
    ]
    assert [entry.agent_id for entry in entries if view.keeps(entry)] == kept
    assert [entry.agent_id for entry in view.kept(entries)] == kept
