"""Finds what `orchestrator check` reports: mistakes in files, agents and panel methods that are not there.

Asks no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..backends.base import Backend
from ..errors import ConfigError, ConfigProblem
from ..panels.methods.registry import METHODS
from ..panels.settings import PanelSettings
from ..settings.agent import AgentSettings
from .load import Config, read_config
from .yamlfile import key_name, read_yaml


@dataclass(frozen=True, slots=True)
class Report:
    """One line for each agent and panel that is well, after what answers for those that leave it open; and every
    problem of the others."""

    lines: list[str]
    problems: list[ConfigProblem]


def check_agents(directory: Path, environ: Mapping[str, str], *, load: bool = True) -> Report:
    """Read the files of agents and panels and, with *load*, load what they refer to: wrong references are
    found here.

    Slow with *load*: it imports SDKs and the user's own modules.
    """
    try:
        config, found = read_config(directory, environ)
    except ConfigError as exc:
        return Report([], list(exc.problems))
    backends: dict[str, Backend] = {}
    if load:
        config = _without(config, {problem.file for problem in found})
        backends, problems = _build(config)
        problems += _missing_methods(config)
        asyncio.run(_close(backends))
        found += [_with_line(problem, environ) for problem in problems]
        found.sort(key=lambda problem: (problem.file, problem.line or 0))
    well = _without(config, {problem.file for problem in found})
    return Report(_lines(well, backends), found)


def _without(config: Config, faulty: Collection[str]) -> Config:
    """Leave out agents and panels of *faulty* files, and panels that need such an agent."""
    agents = {agent_id: each for agent_id, each in config.agents.items() if each.file not in faulty}
    panels = {
        panel_id: panel
        for panel_id, panel in config.panels.items()
        if panel.file not in faulty and agents.keys() >= set(panel.everyone)
    }
    return replace(config, agents=agents, panels=panels)


def _build(config: Config) -> tuple[dict[str, Backend], list[ConfigProblem]]:
    from ..backends.registry import create_backend

    backends: dict[str, Backend] = {}
    problems: list[ConfigProblem] = []
    for agent_id, settings in config.agents.items():
        if not config.agents.keys() >= set(settings.hands_off_to):
            continue  # the file of the one that is to take over says what is wrong
        try:
            backends[agent_id] = create_backend(settings, config.agents)
        except ConfigError as exc:
            problems += [replace(problem, file=problem.file or settings.file) for problem in exc.problems]
        except Exception as exc:  # noqa: BLE001 -- a user's module may raise anything while it is imported
            problems.append(ConfigProblem(settings.file, None, "", f"{type(exc).__name__}: {exc}"))
    return backends, problems


def _missing_methods(config: Config) -> list[ConfigProblem]:
    from ..panels.loader import check_methods, load_method

    problems = check_methods()
    for panel in config.panels.values():
        try:
            load_method(panel.method, file=panel.file)
        except ConfigError as exc:
            problems += exc.problems
        except Exception as exc:  # noqa: BLE001 -- as above
            problems.append(ConfigProblem(panel.file, None, "method", f"{type(exc).__name__}: {exc}"))
    return problems


def _with_line(problem: ConfigProblem, environ: Mapping[str, str]) -> ConfigProblem:
    """Add the line of the key: what is built from checked settings does not know lines any more."""
    if problem.line is not None or not problem.key:
        return problem
    try:
        content = read_yaml(Path(problem.file), environ)
    except ConfigError:
        return problem
    return replace(
        problem, line=next((n for at, n in content.lines.items() if key_name(at) == problem.key), None)
    )


async def _close(backends: Mapping[str, Backend]) -> None:
    await asyncio.gather(*(backend.aclose() for backend in backends.values()), return_exceptions=True)


def _lines(config: Config, backends: Mapping[str, Backend]) -> list[str]:
    default = set(config.default_agents())
    rows = [_row(settings, backends.get(a), a in default) for a, settings in config.agents.items()]
    rows += [(skipped.agent_id, "skipped", skipped.reason) for skipped in config.skipped]
    rows += [(panel_id, "panel", _described(panel)) for panel_id, panel in config.panels.items()]
    rows += [(panel.panel_id, "skipped", f"panel: {panel.reason}") for panel in config.skipped_panels]
    first, second = (max((len(row[column]) for row in rows), default=0) for column in range(2))
    table = [f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]}" for row in rows]
    for agent_id, each in config.agents.items():
        of_app: tuple[str, ...] = getattr(
            backends.get(agent_id), "hints", ()
        )  # few kinds of backend have any
        table += [f"{agent_id}: {hint}" for hint in (*each.hints, *of_app)]
    return [config.notice, *table] if config.notice else table


def _row(settings: AgentSettings, backend: Backend | None, default: bool) -> tuple[str, str, str]:
    model = backend.model if backend is not None else settings.named_model
    return settings.agent_id, settings.backend, f"{model or '-'}{' (default)' if default else ''}"


def _described(panel: PanelSettings) -> str:
    layers = panel.named_layers
    members = " → ".join(", ".join(layer) for layer in layers) or ", ".join(panel.members)
    last = f"; last word: {', then '.join(panel.last_words)}" if panel.last_words else ""
    return f"{panel.method}{'' if panel.method in METHODS else ' (own)'}: {members}{last}"
