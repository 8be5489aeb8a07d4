"""Covers `orchestrator/backends/graph_interrupts.py`: what a graph asks, and with what it is resumed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.backends.graph_interrupts import answer_to_graph, asked_by_graph

ONE = {"action_requests": [{"name": "send", "args": {"to": "a"}}]}
TWO = {"action_requests": [{"name": "send", "args": {"to": "a"}}, {"name": "erase"}]}
NO_CALLS: list[Any] = [
    "Go on?",
    {"question": "Go on?"},
    {"action_requests": []},
    {"action_requests": "send"},
    None,
]


@pytest.mark.parametrize(
    ("value", "name", "arguments"),
    [
        (ONE, "send", {"to": "a"}),
        (TWO, "send, erase", [{"to": "a"}, {}]),
        ({"action_requests": [{}]}, "input", {}),
    ],
)
def test_a_graph_that_asks_about_calls_names_them(value: Any, name: str, arguments: object) -> None:
    asked, given = asked_by_graph(value)
    assert (asked, json.loads(given)) == (name, arguments)


@pytest.mark.parametrize("value", [*NO_CALLS, {"action_requests": ["send"]}])
def test_whatever_else_it_asks_is_shown_whole(value: Any) -> None:
    name, given = asked_by_graph(value)
    assert (name, json.loads(given)) == ("input", value)


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("value", NO_CALLS)
def test_such_a_question_is_answered_with_yes_or_no(value: Any, approve: bool) -> None:
    assert answer_to_graph(value, approve, "because") is approve


def test_calls_are_answered_with_a_decision_each() -> None:
    assert answer_to_graph(TWO, True, "fine") == {"decisions": [{"type": "approve"}] * 2}
    assert answer_to_graph(ONE, False, None) == {"decisions": [{"type": "reject"}]}
    assert answer_to_graph(ONE, False, "not now") == {"decisions": [{"type": "reject", "message": "not now"}]}
