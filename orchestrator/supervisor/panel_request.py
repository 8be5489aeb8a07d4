"""Checks a client's request for a panel: for a new run, or over answers that are there.

Owns which agents such a panel has. Whether it can begin now is the run's to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..config.panels import check_panel
from ..errors import ConfigError, Conflict, FieldProblem, InvalidRequest
from ..panels.base import Answer
from ..panels.methods.registry import METHODS
from ..panels.settings import PanelSettings
from ..run.panel import answer_of, answers
from ..run.registry import AgentRegistry
from ..run.spec import GivenAnswer, RunSpec
from ..run.state import RunState


def choose_panel(
    value: object,
    registry: AgentRegistry,
    *,
    agents: Sequence[str] | None = None,
    variants: Collection[str] = (),
    most: int | None = None,
) -> PanelSettings:
    """Return the panel that *value*, an id or an inline panel, asks for, with its members.

    Args:
        agents: Who shall be its members; the panel's own unless given, the default agents if it has none.
        variants: Names of agents that the run changes for itself, and so knows.
        most: Agents that may take part in all.
    Raises:
        InvalidRequest: With what is wrong and where.
    """
    panel = _find(value, registry)
    members = tuple(agents) if agents else panel.members or tuple(registry.default_agents())
    if not panel.named_layers or agents:
        panel = _with_members(panel, members)
    _require_known(panel, registry, variants=variants)
    if most is not None and len(panel.everyone) > most:
        raise _wrong("panel", f"has {len(panel.everyone)} agents; at most {most} are allowed")
    return panel


def panel_over(
    value: object, registry: AgentRegistry, spec: RunSpec, state: RunState
) -> tuple[PanelSettings, list[Answer]]:
    """Return the panel that shall work over a run's answers, and these.

    Raises:
        InvalidRequest: The panel is wrong. Conflict: There is no answer yet.
    """
    panel = _find(value, registry)
    there = {answer.agent_id: answer for answer in _answers(spec, state)}
    inline = isinstance(value, dict) and bool(panel.members)
    for index, agent_id in enumerate(panel.members if inline else ()):
        if agent_id not in there:
            raise _wrong(f"panel.members[{index}]", f"agent {agent_id!r} has no answer in this run")
    members = panel.members if inline else tuple(there)
    if not any(there[agent_id].good for agent_id in members):
        raise Conflict("No agent of this run has answered yet.")
    panel = _with_members(panel, members)
    _require_known(panel, registry, but=members, variants=spec.variants)
    return panel, [there[agent_id] for agent_id in members]


def given(there: Iterable[Answer]) -> tuple[GivenAnswer, ...]:
    """Return answers as a new run keeps them."""
    return tuple(GivenAnswer(a.agent_id, a.title, a.status, a.text, a.attempt) for a in there)


def _answers(spec: RunSpec, state: RunState) -> list[Answer]:
    if spec.of is not None:
        return [Answer(g.agent_id, g.title, g.status, g.text, g.attempt) for g in spec.given]
    return [answer_of(participant) for participant in state.participants.values() if answers(participant)]


def _find(value: object, registry: AgentRegistry) -> PanelSettings:
    if isinstance(value, str):
        if value not in registry.panels:
            raise _wrong("panel", registry.why_no_panel(value))
        return registry.panels[value]
    if not isinstance(value, dict):
        raise _wrong("panel", "must be a panel's id, or an object with `method`")
    try:
        panel = check_panel(value)
    except ConfigError as exc:
        problems = [FieldProblem(f"panel.{p.key}" if p.key else "panel", p.message) for p in exc.problems]
        raise InvalidRequest("The panel is wrong.", problems) from exc
    if panel.method not in METHODS:
        # Importing what a request names would let anybody run any function that there is.
        raise _wrong("panel.method", "may be your own only in a file of agents_config/panels")
    if panel.panel_id is not None:
        raise _wrong("panel.panel_id", "belongs to configured panels; remove it")
    return panel


def _with_members(panel: PanelSettings, members: Sequence[str]) -> PanelSettings:
    changed: dict[str, Any] = panel.model_dump(mode="json") | {"members": list(members)}
    if not isinstance(panel.layers, int):
        changed["layers"] = len(panel.layers)
    try:
        return check_panel(changed)
    except ConfigError as exc:
        raise InvalidRequest(
            "The panel does not fit its members.", [FieldProblem("panel", p.message) for p in exc.problems]
        ) from exc


def _require_known(
    panel: PanelSettings, registry: AgentRegistry, *, but: Sequence[str] = (), variants: Collection[str] = ()
) -> None:
    asked = set(panel.everyone) - set(variants)
    if not panel.kind.asks_again:
        asked -= set(but) - set(panel.last_words)  # these are read, and not asked again
    unknown = sorted(agent_id for agent_id in asked if agent_id not in registry.agents)
    if unknown:
        raise _wrong("panel", registry.why_not(unknown[0]))


def _wrong(at: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"The panel is wrong: {detail}.", [FieldProblem(at, detail)])
