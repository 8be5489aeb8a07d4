"""What an agent says of its work is of a size that all can take: cut if only a reader needs it, else refused."""

from __future__ import annotations

import json

import pytest

from orchestrator.agent.event_bounds import (
    LONG_CHARS,
    MORE_CHARS,
    bound_event,
    check_names,
    countable,
)
from orchestrator.errors import AgentError
from orchestrator.events import ApprovalRequest, Handoff, Status, ToolCall, ToolResult, Usage
from orchestrator.events.base import Payload
from orchestrator.events.content import MOST_COUNTED, TEXT_CHARS


@pytest.mark.parametrize(
    "item",
    [
        ToolCall("c" * TEXT_CHARS, "n", '"' + "x" * (LONG_CHARS - 2) + '"'),
        ToolResult("c", "x" * LONG_CHARS, is_error=False),
        Status("working", "x" * TEXT_CHARS),
        ApprovalRequest("c", "n", "x" * LONG_CHARS),
        Handoff("x" * TEXT_CHARS),
    ],
    ids=lambda item: item.TYPE,
)
def test_what_is_within_the_bounds_goes_out_as_it_is(item: Payload) -> None:
    event, weight = bound_event(item)
    assert event is item
    assert weight > 30


def test_what_only_a_reader_needs_is_cut() -> None:
    long = "x" * (LONG_CHARS + 1_234)
    result, weight = bound_event(ToolResult("c", long, is_error=True))
    assert result.output == "x" * (LONG_CHARS - MORE_CHARS) + "… (1,334 more characters)"
    assert bound_event(result)[0] is result
    assert weight > 200
    call, _ = bound_event(ToolCall("c", "n", json.dumps({"text": long})))
    assert json.loads(call.arguments).startswith('{"text": "xxx')
    assert bound_event(call)[0] is call
    assert len(call.arguments) < LONG_CHARS + 1_000
    status, _ = bound_event(Status("working", long))
    assert status.detail.startswith("xxx")
    assert len(status.detail) < TEXT_CHARS + 100


@pytest.mark.parametrize(
    "item",
    [
        ApprovalRequest("c", "n", "x" * (LONG_CHARS + 1)),
        ToolCall("c" * (TEXT_CHARS + 1), "n", "{}"),
        ToolResult("c" * (TEXT_CHARS + 1), "", is_error=False),
        Status("x" * (TEXT_CHARS + 1)),
        Handoff("x" * (TEXT_CHARS + 1)),
    ],
    ids=lambda item: item.TYPE,
)
def test_what_would_mean_something_else_if_it_was_cut_is_refused(item: Payload) -> None:
    with pytest.raises(AgentError, match=r"is too long: \d+ characters") as caught:
        bound_event(item)
    assert caught.value.code == "upstream_invalid"


def test_what_nobody_could_approve_is_refused() -> None:
    with pytest.raises(AgentError, match="by which nobody can answer"):
        bound_event(ApprovalRequest("", "n", "{}"))


def test_a_name_that_goes_with_each_piece_of_text_is_bounded() -> None:
    check_names("x" * TEXT_CHARS, None)
    with pytest.raises(AgentError, match="longer than"):
        check_names(None, "x" * (TEXT_CHARS + 1))


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (Usage(1, 2, 0, 3), Usage(1, 2, 0, 3)),
        (Usage(-1, 2, -1, -5), Usage(0, 2)),
        (Usage(MOST_COUNTED, MOST_COUNTED - 1), Usage(0, MOST_COUNTED - 1)),
    ],
)
def test_what_is_no_count_was_not_counted(said: Usage, counted: Usage) -> None:
    assert countable(said) == counted
