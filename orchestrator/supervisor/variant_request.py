"""Checks whom a request asks: configured agents by their ids, and variants of them under names of their own.

Owns the shape `{"agent_id", "as", …}`. What an agent lets be changed is its settings' to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import FieldProblem
from ..events.run import AgentVariant
from ..run.registry import AgentRegistry
from ..settings.scalars import check_agent_id
from ..settings.variants import WrongVariant, vary

_OWN_KEYS = ("agent_id", "as")


@dataclass(slots=True)
class AskedAgents:
    """Who is asked, in order; the variants among them by name; and what is wrong, each with its place."""

    names: tuple[str, ...] = ()
    variants: dict[str, AgentVariant] = field(default_factory=dict)
    problems: list[FieldProblem] = field(default_factory=list)


def read_agents(value: Sequence[Any], registry: AgentRegistry) -> AskedAgents:
    """Read a request's `agents`: ids, and mappings that say how a variant differs."""
    asked = AskedAgents()
    names: list[str] = []
    for index, each in enumerate(value):
        at = f"agents[{index}]"
        if isinstance(each, str):
            name, wrong = each, _wrong_id(each, registry)
        elif isinstance(each, Mapping):
            name, wrong = _read_variant(asked, at, each, registry)
        else:
            name, wrong = "", "must be an agent's id, or an object with `agent_id` and `as`"
        if wrong is None and name in names:
            wrong = f"{name!r} is named twice"
        if wrong is not None:
            asked.problems.append(FieldProblem(at, wrong))
        names.append(name)
    asked.names = tuple(names)
    return asked


def _wrong_id(agent_id: str, registry: AgentRegistry) -> str | None:
    return None if agent_id in registry.agents else registry.why_not(agent_id)


def _read_variant(
    asked: AskedAgents, at: str, given: Mapping[str, Any], registry: AgentRegistry
) -> tuple[str, str | None]:
    """Take one variant in; return its name, and what is wrong with it as a whole."""
    agent_id, name = given.get("agent_id"), given.get("as")
    if not isinstance(agent_id, str):
        return "", "needs `agent_id`, the agent that is to be changed"
    if agent_id not in registry.agents:
        return "", registry.why_not(agent_id)
    if not isinstance(name, str):
        return "", "needs `as`, the name under which the changed agent takes part"
    try:
        check_agent_id(name)
    except ValueError as exc:
        asked.problems.append(FieldProblem(f"{at}.as", str(exc)))
        return name, None
    if name in registry.agents or name in registry.left_out:
        asked.problems.append(
            FieldProblem(f"{at}.as", f"{name!r} is a configured agent; choose another name")
        )
        return name, None
    changes = {key: each for key, each in given.items() if key not in _OWN_KEYS and each is not None}
    try:
        vary(registry.agents[agent_id], changes)
    except WrongVariant as exc:
        asked.problems += [FieldProblem(f"{at}.{key[:80]}", why) for key, why in exc.problems]
        return name, None
    asked.variants.setdefault(name, AgentVariant(agent_id, changes))
    return name, None
