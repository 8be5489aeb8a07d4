"""Owns what `orchestrator check` finds: mistakes in files, agents that cannot be built. Asks no model."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .backends.base import Backend
from .config import AgentSettings, Config, load_config
from .errors import ConfigError, ConfigProblem


@dataclass(frozen=True, slots=True)
class Report:
    """One line for each agent that is well, and every problem of the others."""

    lines: list[str]
    problems: list[ConfigProblem]


def check_agents(directory: Path, environ: Mapping[str, str], *, load: bool = True) -> Report:
    """Read the agents' files and, with *load*, build every agent: wrong references are found here.

    Slow with *load*: it imports SDKs and the user's own modules.
    """
    try:
        config = load_config(directory, environ)
    except ConfigError as exc:
        return Report([], list(exc.problems))
    if not load:
        return Report(_lines(config, {}), [])
    backends, problems = _build(config)
    asyncio.run(_close(backends))
    faulty = {problem.file for problem in problems}
    well = replace(config, agents={a: s for a, s in config.agents.items() if s.file not in faulty})
    return Report(_lines(well, backends), problems)


def _build(config: Config) -> tuple[dict[str, Backend], list[ConfigProblem]]:
    from .backends.loader import create_backend

    backends: dict[str, Backend] = {}
    problems: list[ConfigProblem] = []
    for agent_id, settings in config.agents.items():
        try:
            backends[agent_id] = create_backend(settings, config.agents)
        except ConfigError as exc:
            problems += [replace(problem, file=problem.file or settings.file) for problem in exc.problems]
        except Exception as exc:  # noqa: BLE001 -- a user's module may raise anything while it is imported
            problems.append(ConfigProblem(settings.file, None, "", f"{type(exc).__name__}: {exc}"))
    return backends, problems


async def _close(backends: Mapping[str, Backend]) -> None:
    await asyncio.gather(*(backend.aclose() for backend in backends.values()), return_exceptions=True)


def _lines(config: Config, backends: Mapping[str, Backend]) -> list[str]:
    default = set(config.default_agents())
    rows = [_row(settings, backends.get(a), a in default) for a, settings in config.agents.items()]
    rows += [(skipped.agent_id, "skipped", skipped.reason) for skipped in config.skipped]
    first, second = (max((len(row[column]) for row in rows), default=0) for column in range(2))
    return [f"{row[0]:<{first}}  {row[1]:<{second}}  {row[2]}" for row in rows]


def _row(settings: AgentSettings, backend: Backend | None, default: bool) -> tuple[str, str, str]:
    model = backend.model if backend is not None else getattr(settings, "model", None)
    return settings.agent_id, settings.backend, f"{model or '-'}{' (default)' if default else ''}"
