"""Covers `orchestrator/backends/upstream/hops.py`: how often a question was passed on, and its trace."""

from __future__ import annotations

import pytest

from orchestrator.backends.base import AgentInput, as_current_input
from orchestrator.backends.upstream.hops import (
    DEPTH_META,
    MAX_DEPTH,
    counted_for_model,
    counted_for_tool,
    passed_on,
)
from orchestrator.errors import AgentError
from orchestrator.events.hops import DEPTH_HEADER

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_each_instance_counts_and_hands_the_trace_on() -> None:
    assert passed_on(AgentInput("hi")) == {DEPTH_HEADER: "1"}
    assert passed_on(AgentInput("hi", depth=MAX_DEPTH - 1, traceparent=TRACE)) == {
        DEPTH_HEADER: str(MAX_DEPTH),
        "traceparent": TRACE,
    }


def test_a_question_that_went_round_too_often_is_refused_for_good() -> None:
    with pytest.raises(AgentError, match="does one ask itself") as refused:
        passed_on(AgentInput("hi", depth=MAX_DEPTH))
    assert (refused.value.code, refused.value.retryable) == ("upstream_rejected", False)


def test_calls_of_models_and_tools_count_within_an_attempt_alone() -> None:
    assert counted_for_model() == {}
    assert counted_for_tool({"own": 1}) == {"own": 1}
    with as_current_input(AgentInput("hi", depth=2)):
        assert counted_for_model() == {DEPTH_HEADER: "3"}
        assert counted_for_tool({"own": 1}) == {"own": 1, DEPTH_META: 3}
        assert counted_for_tool(None) == {DEPTH_META: 3}
