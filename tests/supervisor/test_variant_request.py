"""Covers `orchestrator/supervisor/variant_request.py`: whom a request asks, and under what names."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.backends.offline.settings import OfflineSettings
from orchestrator.events.run import AgentVariant
from orchestrator.run.registry import AgentRegistry
from orchestrator.supervisor.variant_request import read_agents


def registry() -> AgentRegistry:
    agents = {
        "fixed": OfflineSettings(agent_id="fixed"),
        "loose": OfflineSettings(agent_id="loose", variants=("seed", "tokens_per_s")),
    }
    return AgentRegistry(agents, left_out={"paid": "PAID_KEY is not set"})


def test_ids_and_variants_stand_in_the_order_in_which_they_were_named() -> None:
    asked = read_agents(
        ["loose", {"agent_id": "loose", "as": "loose-2", "seed": 2}, {"agent_id": "fixed", "as": "twin"}],
        registry(),
    )
    assert not asked.problems
    assert asked.names == ("loose", "loose-2", "twin")
    assert asked.variants == {
        "loose-2": AgentVariant("loose", {"seed": 2}),
        "twin": AgentVariant("fixed", {}),
    }, "without a change it is the same agent once more"


@pytest.mark.parametrize(
    ("entry", "at", "why"),
    [
        (7, "", "must be an agent's id"),
        ([], "", "must be an agent's id"),
        ("nobody", "", "there is no agent 'nobody'"),
        ({"as": "x"}, "", "needs `agent_id`"),
        ({"agent_id": "nobody", "as": "x"}, "", "there is no agent 'nobody'"),
        ({"agent_id": "paid", "as": "x"}, "", "agent 'paid' is left out: PAID_KEY is not set"),
        ({"agent_id": "loose", "seed": 2}, "", "needs `as`"),
        ({"agent_id": "loose", "as": 7}, "", "needs `as`"),
        ({"agent_id": "loose", "as": "fixed"}, ".as", "is a configured agent"),
        ({"agent_id": "loose", "as": "paid"}, ".as", "is a configured agent"),
        ({"agent_id": "loose", "as": "Hot!"}, ".as", "should be 1 to 64 of"),
        ({"agent_id": "loose", "as": "panel"}, ".as", "is reserved"),
        ({"agent_id": "loose", "as": "x" * 65}, ".as", "should be 1 to 64 of"),
        ({"agent_id": "loose", "as": "loose-1"}, "", "'loose-1' is named twice"),
        ({"agent_id": "loose", "as": "x", "seeds": 1}, ".seeds", "is none of the keys that agent 'loose'"),
        ({"agent_id": "loose", "as": "x", "seed": -1}, ".seed", "greater than or equal to 0"),
        ({"agent_id": "fixed", "as": "x", "seed": 1}, ".seed", "agent 'fixed' lists no `variants`"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(entry: Any, at: str, why: str) -> None:
    asked = read_agents([{"agent_id": "loose", "as": "loose-1"}, entry], registry())
    ((place, detail),) = [(problem.at, problem.detail) for problem in asked.problems]
    assert place == f"agents[1]{at}"
    assert why in detail


def test_a_null_counts_as_a_key_that_is_not_there() -> None:
    asked = read_agents([{"agent_id": "fixed", "as": "x", "seed": None}], registry())
    assert not asked.problems
    assert asked.variants["x"].changes == {}
