"""Covers `orchestrator/events/snapshot.py`: a run in one value."""

from __future__ import annotations

import json

import msgspec

from orchestrator.events.agent import AgentMetrics, Usage
from orchestrator.events.content import Data
from orchestrator.events.encoding import encode_json
from orchestrator.events.snapshot import AgentSnapshot, EarlierTurn, Revealed, RevealedAgent, Snapshot

PLAIN = [
    "run_id",
    "channel",
    "conversation_id",
    "message",
    "status",
    "created_at",
    "ended_at",
    "last_event_id",
    "agents",
]


def snapshot(**agents: AgentSnapshot) -> Snapshot:
    return Snapshot("run_1", "run_1", None, "hi", "running", 1, None, None, agents)


def test_what_the_protocol_promises_is_always_there_and_the_rest_only_if_it_is_used() -> None:
    found = json.loads(encode_json(snapshot(a=AgentSnapshot("queued", 1, "", None, None, None))))
    assert list(found) == PLAIN
    assert found["ended_at"] is None
    assert found["agents"]["a"] == {
        "status": "queued", "attempt": 1, "text": "", "error": None, "metrics": None, "usage": None,
    }  # fmt: skip


def test_it_is_read_back_as_it_was() -> None:
    agent = AgentSnapshot(
        "done", 2, "x", None, AgentMetrics(0, 1, 2, 3, None, 1), Usage(1, 2), stage="round", round=1, turn=2,
        turns=[EarlierTurn(1, "panel", 1, "done", "before")], output=None, data=[Data("d", 1)],
    )  # fmt: skip
    whole = snapshot(a=agent)
    whole.blind, whole.revealed = (
        True,
        Revealed("a", [RevealedAgent("a", "ann", "Ann", "openai", "m", None, None, None)]),
    )
    assert msgspec.json.decode(encode_json(whole), type=Snapshot) == whole


def test_agents_share_none_of_their_lists() -> None:
    """Lists as defaults would be one list for all, if msgspec did not copy them."""
    one, other = (AgentSnapshot("queued", 1, "", None, None, None) for _ in range(2))
    one.data.append(Data("d", 1))
    assert other.data == []
