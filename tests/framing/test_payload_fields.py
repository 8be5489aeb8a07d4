"""Covers `orchestrator/framing/payload_fields.py`: what every dialect says of calls and endings."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.events import AgentMetrics, Cancelled, Done, Error, Usage
from orchestrator.events.base import AgentStatus
from orchestrator.events.snapshot import AgentSnapshot
from orchestrator.framing.payload_fields import data, ending_facts, ending_of, tool_input

METRICS = AgentMetrics(1, None, 2, 3, None, 0)


def test_a_block_is_one_line() -> None:
    assert data({"a": "x\n\u2028y"}) == b'data: {"a":"x\\n\\u2028y"}'


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ('{"a":1}', {"a": 1}),
        ("[1]", [1]),
        ("oops", {"arguments": "oops"}),
        ("", {"arguments": ""}),
        ("\ud800", {"arguments": "\ud800"}),
    ],
)
def test_arguments_that_are_no_json_are_passed_on_as_text(arguments: str, found: Any) -> None:
    """A model may break off within them; the client still has to show what it said."""
    assert tool_input(arguments) == found


def test_an_ending_says_what_there_is_and_nothing_that_is_null() -> None:
    assert ending_facts(Done("x", Usage(1, 2), "stop", METRICS, 1)) == {
        "status": "done", "usage": Usage(1, 2), "finish_reason": "stop", "metrics": METRICS,
    }  # fmt: skip
    assert ending_facts(Done("x", None, "stop", None, 1)) == {"status": "done", "finish_reason": "stop"}
    assert ending_facts(Error("internal", "No.", "e1", True, None, 1)) == {
        "status": "error", "code": "internal", "message": "No.",
    }  # fmt: skip
    assert ending_facts(Cancelled("user", None, 1)) == {"status": "cancelled", "reason": "user"}


@pytest.mark.parametrize("status", ["queued", "running", "cancelling"])
def test_an_agent_that_goes_on_has_no_ending(status: AgentStatus) -> None:
    assert ending_of(AgentSnapshot(status, 1, "", None, None, None)) is None


def test_a_snapshot_gives_the_last_event_back() -> None:
    snapshot = AgentSnapshot("done", 2, "whole", None, METRICS, Usage(1, 2))
    assert ending_of(snapshot) == Done("whole", Usage(1, 2), "stop", METRICS, 2)
    failed = AgentSnapshot(
        "error",
        1,
        "",
        {"code": "timeout_idle", "message": "Slow.", "error_id": "e1", "retryable": True},
        None,
        None,
    )
    assert ending_of(failed) == Error("timeout_idle", "Slow.", "e1", True, None, 1)
    assert ending_of(AgentSnapshot("error", 1, "", None, None, None)) == Error(
        "internal", "", "", False, None, 1
    )
    assert ending_of(AgentSnapshot("cancelled", 1, "", None, None, None)) == Cancelled("", None, 1)
