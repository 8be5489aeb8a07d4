"""Covers `orchestrator/framing/rollback.py`: from any state of a run, the state before some of its events."""

from __future__ import annotations

from itertools import pairwise

import pytest

from orchestrator.eventlog.base import Entry
from orchestrator.events import (
    Done,
    Error,
    Payload,
    Retry,
    RunDone,
    RunMetrics,
    RunStarted,
    Snapshot,
    Started,
    Token,
    encode_data,
)
from orchestrator.events.run import AgentAdded, AgentInfo
from orchestrator.framing.rollback import rolled_back
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState

RUN = "run_1"


def info(agent_id: str) -> AgentInfo:
    return AgentInfo(agent_id, agent_id.title(), "function", None)


def done(text: str, attempt: int = 1) -> Done:
    return Done(text, None, "stop", None, attempt)


EVENTS: list[tuple[str | None, Payload]] = [
    (None, RunStarted(RUN, RUN, [info("a"), info("b")])),
    ("a", Started(1)),
    ("a", Token("one ")),
    ("b", Started(1)),
    ("b", Token("lost")),
    ("a", Token("nested", parent="helper")),
    ("b", Retry(2, 0.1, "timeout_idle")),
    ("a", Token("two")),
    (None, AgentAdded(info("c"))),
    ("b", Started(2)),
    ("c", Started(1)),
    ("c", Token("late")),
    ("b", Token("again")),
    ("a", done("one two")),
    ("b", done("again", 2)),
    ("c", Error("internal", "It broke.", "err_1", False, None, 1)),
    (None, RunDone("partial", {}, RunMetrics(1, 1, None, None, 0))),
]


def states() -> list[Snapshot]:
    """Return the run after each of its events."""
    state = RunState(RunSpec(RUN, RUN, "hi", ("a", "b")), 1)
    found = []
    for seq, (agent_id, payload) in enumerate(EVENTS, 1):
        state.fold(agent_id, payload, f"abcd-{seq}")
        found.append(state.snapshot())
    return found


def entries() -> list[Entry]:
    return [
        Entry("abcd", seq, RUN, agent_id, payload.TYPE, encode_data(agent_id, payload, seq))
        for seq, (agent_id, payload) in enumerate(EVENTS, 1)
    ]


@pytest.mark.parametrize("to", range(1, len(EVENTS) + 1))
def test_every_earlier_state_is_found_again(to: int) -> None:
    """But for words that a later attempt has replaced."""
    told, events = states(), entries()
    for at in range(1, to):
        then, found = told[at - 1], rolled_back(told[to - 1], events[at:to])
        assert (found.status, list(found.agents)) == (then.status, list(then.agents))
        for agent_id, agent in then.agents.items():
            now = found.agents[agent_id]
            assert (now.status, now.attempt) == (agent.status, agent.attempt), (at, to, agent_id)
            assert now.text in (agent.text, "")
            assert now.text == agent.text or agent.text == "lost"


def test_turns_of_a_panel_are_told_apart() -> None:
    events: list[tuple[str | None, Payload]] = [
        (None, RunStarted(RUN, RUN, [info("a")])),
        ("a", Started(1, turn=0)),
        ("a", done("x")),
        ("a", Started(1, turn=1)),
    ]
    state = RunState(RunSpec(RUN, RUN, "hi", ("a",)), 1)
    for seq, (agent_id, payload) in enumerate(events, 1):
        state.fold(agent_id, payload, f"abcd-{seq}")
    last = Entry("abcd", 4, RUN, "a", "started", encode_data("a", events[3][1], 4))
    was = rolled_back(state.snapshot(), [last]).agents["a"]
    assert (was.status, was.turn) == ("done", 0)


def test_nothing_later_changes_nothing() -> None:
    assert all(rolled_back(state, []) == state for state, _ in pairwise(states()))
