"""Covers `orchestrator/events/agent.py`: usage that adds up, and the kinds of events there are."""

from __future__ import annotations

from orchestrator.events.agent import AGENT_PAYLOADS, TERMINAL_TYPES, Done, Usage
from orchestrator.events.content import CONTENT
from orchestrator.events.encoding import encode_json


def test_usage_adds_up_and_what_nobody_counted_stays_unknown() -> None:
    first, second = Usage(10, 5), Usage(1, 2, cached_input_tokens=1, reasoning_tokens=0)
    assert first.plus(second) == Usage(11, 7, 1, 0)
    assert first.plus(first) == Usage(20, 10)


def test_a_sum_of_usage_stays_a_number_that_all_readers_have_alike() -> None:
    most = 2**53 - 1
    assert Usage(most, most, most, None).plus(Usage(5, 0, 5, most)) == Usage(most, most, most, most)


def test_what_is_left_of_usage_is_never_less_than_nothing() -> None:
    """A provider that counts a part twice must not give an agent a negative price."""
    whole, part = Usage(10, 5, 4, None), Usage(12, 1, 6, 3)
    assert whole.minus(part) == Usage(0, 4, 0, None)
    assert whole.minus(Usage(0, 0)) == whole


def test_no_output_is_not_an_output_of_null() -> None:
    done = Done("x", None, "stop", None, 1)
    assert b'"output"' not in encode_json(done)
    assert b'"output":null' in encode_json(Done("x", None, "stop", None, 1, None))


def test_the_table_has_each_kind_by_its_name() -> None:
    assert all(name == kind.TYPE for name, kind in AGENT_PAYLOADS.items())
    assert {"done", "error", "cancelled"} == TERMINAL_TYPES
    assert {kind.TYPE for kind in CONTENT} <= AGENT_PAYLOADS.keys()
