"""Events in, state out: what a reader knows of a run is what its events say, no more."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.client.event import Event, SeenCursor, parse_event
from orchestrator.client.run_view import RunView
from orchestrator.events import AgentInfo as Info
from orchestrator.events import (
    Done,
    RunStarted,
    Token,
    Usage,
    encode_data,
)
from tests.support.scripted_server import METRICS


def event(full_name: str, /, *, event_id: str | None = None, **data: Any) -> Event:
    agent_id, _, kind = full_name.rpartition(".")
    who = {} if agent_id in ("run", "panel") else {"agent_id": agent_id}
    made = parse_event(json.dumps({**who, "type": kind, "t": 0} | data), id=event_id, name=full_name)
    assert made is not None
    return made


def told(*events: Event) -> RunView:
    view = RunView("run_1")
    for one in events:
        view.apply(one)
    return view


STARTED = event("a.started", attempt=1)
ERROR: dict[str, Any] = {"message": "m", "error_id": "e", "retryable": True, "metrics": METRICS}


def test_it_reads_what_the_writer_encodes() -> None:
    """Reader and writer are different code; the protocol's bytes are what they share."""
    view = RunView("run_1")
    payloads = [
        (None, RunStarted("run_1", "run_1", [Info("a", "Ann", "offline", "m")])),
        ("a", Token("one\u2028")),
        ("a", Token(" two", speaker="other")),
    ]
    for seq, (agent_id, payload) in enumerate(payloads):
        found = parse_event(encode_data(agent_id, payload, seq), id=f"e-{seq + 1}")
        assert found is not None
        assert found.t == seq
        view.apply(found)
    agent = view.agents["a"]
    assert (agent.title, agent.model, agent.text, agent.speaker) == ("Ann", "m", "one\u2028 two", "other")
    assert Done.TYPE == "done"
    assert Usage(1, 2).output_tokens == 2


def test_a_retry_voids_what_the_failed_attempt_said() -> None:
    view = told(
        STARTED,
        event("a.token", text="wrong"),
        event("a.reasoning", text="hm"),
        event("a.tool_call", call_id="c", name="clock", arguments="{}"),
        event("a.error", code="upstream_unavailable", attempt=1, **ERROR),
    )
    assert (view.agents["a"].status, view.agents["a"].text) == ("error", "wrong")
    view.apply(event("a.retry", attempt=2, delay_s=0.5, code="upstream_unavailable"))
    agent = view.agents["a"]
    assert (agent.status, agent.attempt, agent.text, agent.reasoning) == ("queued", 2, "", "")
    assert (agent.tools, agent.error, agent.metrics) == ([], None, None)
    assert agent.note == "again after upstream_unavailable"
    view.apply(event("a.started", attempt=2))
    view.apply(event("a.token", text="right"))
    assert (agent.status, agent.text, agent.note) == ("running", "right", "")


def test_an_attempt_that_somebody_asked_for_starts_anew() -> None:
    """A retry by hand may show in no `retry` event, only in the next `started`."""
    view = told(STARTED, event("a.token", text="old"), event("a.error", code="internal", attempt=1, **ERROR))
    view.apply(event("a.started", attempt=2))
    assert (view.agents["a"].text, view.agents["a"].error, view.agents["a"].attempt) == ("", None, 2)


def test_done_states_the_whole_text() -> None:
    """A reader that came in the middle has only pieces until then."""
    view = told(event("a.token", text="the end"))
    usage = {"input_tokens": 1, "output_tokens": 2}
    done = {"text": "all to the end", "usage": usage, "finish_reason": "length", "metrics": METRICS}
    view.apply(event("a.done", attempt=1, **done))
    agent = view.agents["a"]
    assert (agent.text, agent.usage, agent.finish_reason) == ("all to the end", usage, "length")
    assert agent.ended


def test_tools_match_their_results_and_hold_nested_words() -> None:
    view = told(
        STARTED,
        event("a.tool_call", call_id="1", name="ask", arguments="{}"),
        event("a.tool_call", call_id="2", name="clock", arguments='{"tz":1}'),
        event("a.token", text="inner", parent="1"),
        event("a.token", text="outer"),
        event("a.tool_result", call_id="2", output="no", is_error=True),
        event("a.tool_result", call_id="9", output="of no call", is_error=False),
    )
    ask, clock = view.agents["a"].tools
    assert (ask.text, ask.output) == ("inner", None)
    assert (clock.output, clock.is_error) == ("no", True)
    assert view.agents["a"].text == "outer"


def test_an_approval_waits_until_it_is_answered() -> None:
    view = told(STARTED, event("a.approval_request", call_id="1", name="rm", arguments="{}"))
    assert list(view.agents["a"].approvals) == ["1"]
    view.apply(event("a.tool_result", call_id="1", output="done", is_error=False))
    assert view.agents["a"].approvals == {}


def test_an_acknowledged_cancel_shows_until_it_comes() -> None:
    view = told(STARTED, event("b.started", attempt=1))
    view.apply(event("b.done", text="", usage=None, finish_reason="stop", metrics=METRICS, attempt=1))
    view.acknowledge({"agents": {name: {"status": "cancelling"} for name in ("a", "b", "unknown")}})
    assert {name: agent.status for name, agent in view.agents.items()} == {"a": "cancelling", "b": "done"}
    view.apply(event("a.token", text="late"))
    assert view.agents["a"].status == "cancelling"
    view.apply(event("a.cancelled", reason="by request", metrics=METRICS, attempt=1))
    assert (view.agents["a"].status, view.agents["a"].note) == ("cancelled", "by request")


def test_a_cancel_asked_for_while_queued_outlives_the_start() -> None:
    view = told(event("run.started", agents=[{"agent_id": "a"}]))
    view.acknowledge({"agents": {"a": {"status": "cancelling"}}})
    view.apply(STARTED)
    assert view.agents["a"].status == "cancelling"


def test_agents_join_and_the_end_says_how_each_ended() -> None:
    view = told(
        event("run.started", channel="c", agents=[{"agent_id": "a", "title": "A"}]),
        event("run.agent_added", agent={"agent_id": "b", "title": "B", "backend": "letta", "model": "m"}),
        event("run.done", status="partial", agents={"a": {"status": "cancelled", "attempt": 3}}, metrics={}),
    )
    assert list(view.agents) == ["a", "b"]
    assert (view.agents["b"].title, view.agents["b"].backend) == ("B", "letta")
    assert (view.agents["a"].status, view.agents["a"].attempt) == ("cancelled", 3)
    assert (view.status, view.ended, view.channel, view.metrics) == ("partial", True, "c", {})


@pytest.mark.parametrize(
    "data", ["", "{", "[]", "{}", '{"type":1}', '{"type":"token","agent_id":7}', "\x00", "[" * 200_000]
)
def test_what_is_no_event_is_none(data: str) -> None:
    assert parse_event(data, id=None) is None


def test_the_name_is_made_where_the_framing_leaves_it_out() -> None:
    both = ('{"type": "x"}', '{"type": "x", "agent_id": "a"}')
    named = [parse_event(data, id=None, name="message") for data in both]
    assert [one.name for one in named if one is not None] == ["run.x", "a.x"]


def test_the_cursor_takes_each_id_once() -> None:
    cursor = SeenCursor()
    ids = ("e-1", "e-2", "e-2", "e-1", "e-5", "e-4")
    taken = [i for i in ids if cursor.accept(event("a.token", event_id=i))]
    assert taken == ["e-1", "e-2", "e-5"]
    assert cursor.last == "e-5"
    assert cursor.accept(event("run.gap")), "a gap has no id and is no repetition"
    assert cursor.last == "e-5"
    assert cursor.accept(event("a.token", event_id="f-1")), "another epoch counts anew"


def test_a_snapshot_moves_the_cursor_wherever_it_stands() -> None:
    """A cursor ahead of the log is answered with a snapshot whose id is smaller."""
    cursor = SeenCursor("e-900")
    assert cursor.accept(event("run.snapshot", event_id="e-7"))
    assert cursor.accept(event("a.token", event_id="e-8"))


def test_numbers_beyond_reason_are_no_sequence() -> None:
    cursor = SeenCursor("e-" + "9" * 5000)
    assert cursor.accept(event("a.token", event_id="e-1"))
