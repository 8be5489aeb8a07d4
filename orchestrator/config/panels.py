"""agents_config/panels/*.yaml → checked panels. Owns what a panel and the agents it names must have in common."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import ConfigError, ConfigProblem
from ..panels.methods.registry import method_kind
from ..panels.settings import PanelSettings
from .problems import explain, nearest, quoted
from .yamlfile import KeyPath, YamlFile, read_yaml

MOST_INLINE_PROBLEMS = 20
"""Faults of an inline panel that are named."""


@dataclass(frozen=True, slots=True)
class SkippedPanel:
    """A panel that is left out because an agent of it is."""

    panel_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Panels:
    """The panels of a folder, and what is wrong with its files."""

    panels: dict[str, PanelSettings]
    skipped: tuple[SkippedPanel, ...]
    problems: tuple[ConfigProblem, ...]


def load_panels(
    directory: Path,
    environ: Mapping[str, str],
    *,
    agents: Collection[str],
    left_out: Mapping[str, str],
) -> Panels:
    """Read every ``*.yaml`` in *directory*, which need not be there. Blocks on the disk.

    Args:
        agents: Ids of those that take part.
        left_out: Ids of all that have a file → why they do not take part, if they do not.
    """
    panels: dict[str, PanelSettings] = {}
    skipped: list[SkippedPanel] = []
    problems: list[ConfigProblem] = []
    for path in _files(directory):
        if path.suffix != ".yaml":
            message = f"ends in {path.suffix}; rename it to {path.stem}.yaml"
            problems.append(ConfigProblem(str(path), None, "", message))
            continue
        try:
            content = read_yaml(path, environ, example="method: moderator")
        except ConfigError as exc:
            problems += exc.problems
            continue
        wrong = list(_unknown_agents(content, agents, left_out))
        try:
            panel = _read(content, path)
        except ConfigError as exc:
            known = {problem.key for problem in exc.problems}
            problems += exc.problems
            problems += [each for each in wrong if each.key not in known]
            continue
        panel_id = panel.panel_id or path.stem
        gone = [agent_id for agent_id in panel.everyone if agent_id not in agents]
        if panel_id in panels:
            wrong.append(
                content.problem(("panel_id",), f"{panel_id!r} is the id of another panel; rename it")
            )
        if wrong:
            problems += wrong
        elif gone:
            skipped.append(SkippedPanel(panel_id, f"agent {gone[0]!r} {_because(left_out[gone[0]])}"))
        else:
            panels[panel_id] = panel
    return Panels(panels, tuple(skipped), tuple(problems))


def check_panel(data: Mapping[str, Any], *, file: str = "panel") -> PanelSettings:
    """Check an inline panel.

    Raises:
        ConfigError: Whose problems' keys say where in *data*.
    """
    return _validate(YamlFile(file, dict(data)))


def _files(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    shown = (e for e in directory.iterdir() if not e.is_dir() and not e.name.startswith("."))
    return sorted(e for e in shown if e.suffix.lower() in (".yaml", ".yml"))


def _read(content: YamlFile, path: Path) -> PanelSettings:
    problems = list(content.problems)
    problems += [
        content.problem(
            each.path, f"{each.reason}; {'correct' if each.is_file else 'set'} it or give a fallback"
        )
        for each in content.missing
    ]
    if problems:
        raise ConfigError(problems)
    panel = _validate(content, panel_id=path.stem)
    if not panel.opening:
        raise ConfigError([content.problem(("members",), "is missing; name the agents that answer")])
    return panel


def _validate(content: YamlFile, *, panel_id: str | None = None) -> PanelSettings:
    data = content.data if panel_id is None else {"panel_id": panel_id} | content.data
    try:
        return PanelSettings.model_validate(data, context={"file": content.file if panel_id else ""})
    except ValidationError as exc:
        problems = explain(content, exc, PanelSettings)
        # Each looks for a similar name among all that are known: what a request brings is not to choose how often.
        most = None if panel_id is not None else MOST_INLINE_PROBLEMS
        raise ConfigError(list(islice(problems, most))) from exc


def _unknown_agents(
    content: YamlFile, agents: Collection[str], known: Mapping[str, str]
) -> Iterator[ConfigProblem]:
    for path, agent_id in _named(content.data):
        if agent_id not in known and agent_id not in agents:
            message = f"{quoted(content.value(path))}is no agent here; {nearest(agent_id, agents)}"
            yield content.problem(path, f"{message}correct or remove it")


def _named(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Yield every agent that a file names, and where, whatever else is wrong with it."""
    yield from _texts(("members",), data.get("members"))
    moderator = data.get("moderator")
    if isinstance(moderator, Mapping):
        yield from _texts(("moderator", "agent"), moderator.get("agent"))
        yield from _texts(("moderator", "fallback"), moderator.get("fallback"))
    else:
        yield from _texts(("moderator",), moderator)
    if method_kind(str(data.get("method"))).takes_layers and isinstance(data.get("layers"), list):
        yield from _texts(("layers",), data["layers"])


def _texts(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for n, each in enumerate(value):
            yield from _texts((*path, n), each)


def _because(reason: str) -> str:
    return reason if reason.startswith("is ") else f"is left out ({reason})"
