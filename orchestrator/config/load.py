"""Turns agents_config/*.yaml into checked settings; errors name file, line and key, all at once.

Owns the folder, what one file says about another, and the wording. `settings` owns the keys, `yamlfile`
the syntax. Imports no server and no SDK, so that `orchestrator check` is quick.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ..backends.auto.search import ModelSearch
from ..backends.registry import is_open, kinds_that_take_over, settings_class, settle
from ..errors import ConfigError, ConfigProblem
from ..panels.settings import PanelSettings
from ..settings.agent import AgentSettings
from ..settings.scalars import Enabled
from .auto_notice import describe_models
from .panels import SkippedPanel, load_panels
from .problems import explain, explain_backend, nearest, quoted
from .yamlfile import YamlFile, decode_utf8, key_name, read_yaml

_ENABLED: TypeAdapter[bool | str] = TypeAdapter(Enabled)


@dataclass(frozen=True, slots=True)
class SkippedAgent:
    """An agent with `enabled: auto` that lacks something; `reason` is worth one line in the log."""

    agent_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Config:
    """The agents of a folder, and the panels of its `panels/`, in the order of their files' names.

    `notice` says in one line what answers for agents with `backend: auto`; it is empty if there are none.
    """

    agents: dict[str, AgentSettings]
    skipped: tuple[SkippedAgent, ...]
    directory: Path
    panels: dict[str, PanelSettings] = field(default_factory=dict)
    skipped_panels: tuple[SkippedPanel, ...] = ()
    notice: str = ""

    @property
    def left_out(self) -> dict[str, str]:
        """What each agent lacks that is left out, by its id."""
        return {each.agent_id: each.reason for each in self.skipped}

    @property
    def left_out_panels(self) -> dict[str, str]:
        """The same of panels."""
        return {each.panel_id: each.reason for each in self.skipped_panels}

    def default_agents(self) -> list[str]:
        """Return the ids that take part if a request names none: those marked `default`, else all."""
        return [agent_id for agent_id, agent in self.agents.items() if agent.default] or list(self.agents)


def load_config(directory: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read every ``*.yaml`` in *directory*; subfolders and files with other endings are left alone.

    Blocks on the disk, and up to a second if a file says `backend: auto` and an Ollama is to be looked for.
    *environ* is only read.

    Raises:
        ConfigError: With every problem of every file.
    """
    config, problems = read_config(directory, environ)
    if problems:
        raise ConfigError(problems)
    return config


def read_config(directory: Path, environ: Mapping[str, str]) -> tuple[Config, list[ConfigProblem]]:
    """Read as `load_config`; return what is well, and every problem of the other files.

    Raises:
        ConfigError: The folder cannot be read.
    """
    paths, problems = _find_files(directory)
    models = ModelSearch(environ)
    files = [_load_file(path, environ, models) for path in paths]
    opened = [file.agent_id for file in files if file.is_open]
    files = [_settled(file, models) for file in files]
    problems += [problem for file in files for problem in file.problems]
    problems += _duplicate_ids(files)
    files = _skip_without_target(files)
    problems += _wrong_handoffs(files)
    agents = {file.agent_id: file.settings for file in files if file.settings is not None}
    skipped = tuple(SkippedAgent(file.agent_id, file.reason) for file in files if file.reason)
    if not agents and not problems:
        problems.append(_nobody_left(directory, skipped))
    named = {file.agent_id: file.reason or "is switched off (`enabled: false`)" for file in files}
    panels = load_panels(directory / "panels", environ, agents=agents, left_out=named)
    problems += panels.problems
    problems.sort(key=lambda problem: (problem.file, problem.line or 0))
    notice = describe_models(opened, models) if opened else ""
    return Config(agents, skipped, directory, panels.panels, panels.skipped, notice), problems


# ── the folder ────────────────────────────────────────────────────────────────────────────────


def _find_files(directory: Path) -> tuple[list[Path], list[ConfigProblem]]:
    try:
        entries = sorted(entry for entry in directory.iterdir() if not entry.is_dir())
    except OSError as exc:
        message = f"cannot be read ({exc.strerror}); name the folder that holds one YAML file per agent"
        raise ConfigError([ConfigProblem(str(directory), None, "", message)]) from exc
    # A leading dot marks editors' lock and backup files.
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    paths = [entry for entry in shown if entry.suffix == ".yaml"]
    misnamed = [entry for entry in shown if entry not in paths and entry.suffix.lower() in (".yml", ".yaml")]
    problems = [
        ConfigProblem(str(entry), None, "", f"ends in {entry.suffix}; rename it to {entry.stem}.yaml")
        for entry in misnamed
    ]
    if not paths and not problems:
        message = "holds no agent; write one file such as assistant.yaml, with `backend: offline` in it"
        problems.append(ConfigProblem(str(directory), None, "", message))
    return paths, problems


def _nobody_left(directory: Path, skipped: Iterable[SkippedAgent]) -> ConfigProblem:
    reasons = "; ".join(dict.fromkeys(agent.reason for agent in skipped)) or "all say `enabled: false`"
    return ConfigProblem(str(directory), None, "", f"has no agent left ({reasons}); enable one")


# ── one file ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _File:
    """The outcome of one file: `settings`, a `reason` to skip it, `off`, or `problems`."""

    content: YamlFile
    agent_id: str
    enabled: bool | str = True
    settings: AgentSettings | None = None
    reason: str = ""
    problems: tuple[ConfigProblem, ...] = ()

    @property
    def off(self) -> bool:
        return self.enabled is False

    @property
    def is_open(self) -> bool:
        return self.settings is not None and is_open(self.settings)

    @property
    def handoffs(self) -> tuple[str, ...]:
        return () if self.settings is None else self.settings.hands_off_to


def _load_file(path: Path, environ: Mapping[str, str], models: ModelSearch) -> _File:
    try:
        content = read_yaml(path, environ)
    except ConfigError as exc:
        return _File(YamlFile(str(path), {}), path.stem, problems=exc.problems)
    given = content.data.get("agent_id")
    agent_id = str(given) if isinstance(given, str) and given else path.stem
    file = _File(content, agent_id, _enabled(content))
    if file.off:
        return file
    settings, problems = _validate(content, path)
    problems += content.problems
    if content.missing and file.enabled != "auto":
        problems += _missing_variables(content)
    if problems:
        return replace(file, problems=tuple(problems))
    if content.missing:
        return replace(file, reason=_skip_reason(content))
    file = replace(file, settings=settings)
    if file.is_open:
        models.begin()  # the other files are read meanwhile
    return file


def _settled(file: _File, models: ModelSearch) -> _File:
    """Decide what answers, for a file that leaves it open."""
    if file.settings is None or not file.is_open:
        return file
    try:
        return replace(file, settings=settle(file.settings, models))
    except ValidationError as exc:
        at = ".".join(str(part) for part in exc.errors()[0]["loc"])
        found = models.found
        message = f"cannot use the model that is found ({found.reason if found else ''}): its {at} is none"
        problem = file.content.problem(("backend",), message)
        return replace(file, settings=None, problems=(problem,))


def _enabled(content: YamlFile) -> bool | str:
    try:
        return _ENABLED.validate_python(content.data.get("enabled", True))
    except ValidationError:
        return True  # the whole file's validation says what is wrong with it


def _missing_variables(content: YamlFile) -> list[ConfigProblem]:
    return [
        ConfigProblem(
            content.file,
            missing.line,
            key_name(missing.path),
            f"{missing.reason}; {'correct' if missing.is_file else 'set'} it, give a fallback ({missing.fallback}) "
            "or say `enabled: auto`",
        )
        for missing in content.missing
    ]


def _skip_reason(content: YamlFile) -> str:
    names = list(dict.fromkeys(missing.name for missing in content.missing if not missing.is_file))
    reasons = [f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set"] if names else []
    reasons += dict.fromkeys(missing.reason for missing in content.missing if missing.is_file)
    return ", and ".join(reasons)


def _validate(content: YamlFile, path: Path) -> tuple[AgentSettings | None, list[ConfigProblem]]:
    model = settings_class(content.data.get("backend"))
    problems = [] if model else explain_backend(content)
    instructions, unreadable = _read_instructions(content, path, model)
    problems += unreadable
    data = {"agent_id": path.stem} | content.data
    try:
        settings = (model or AgentSettings).model_validate(data, context={"file": content.file})
    except ValidationError as exc:
        return None, [*problems, *explain(content, exc, model)]
    if instructions is not None:
        settings = settings.model_copy(update={"instructions": instructions})
    return (settings if model else None), problems


def _read_instructions(
    content: YamlFile, path: Path, model: type[AgentSettings] | None
) -> tuple[str | None, list[ConfigProblem]]:
    """Read the `instructions_file` of an agent whose kind has that key; None if it names none."""
    key = ("instructions_file",)
    name = content.data.get("instructions_file")
    known = model is not None and "instructions_file" in model.model_fields
    if not known or not isinstance(name, str) or not name:
        return None, []
    try:
        text = decode_utf8((path.parent / name).read_bytes(), file=content.file).strip()
    except OSError as exc:
        reason = exc.strerror
    except ValueError:  # a NUL in the name
        reason = "no such name can be"
    except ConfigError as exc:
        reason = exc.problems[0].message
    else:
        if text:
            return text, []
        reason = "it is empty"
    message = f"{quoted(name)}cannot be read from {path.parent} ({reason}); correct it"
    return None, [content.problem(key, message)]


# ── one file about another ────────────────────────────────────────────────────────────────────


def _duplicate_ids(files: Iterable[_File]) -> Iterator[ConfigProblem]:
    first: dict[str, _File] = {}
    for file in files:
        if file.off:
            continue
        other = first.setdefault(file.agent_id, file)
        if other is not file:
            shown = quoted(file.content.data.get("agent_id", file.agent_id))
            message = f"{shown}is the id of {other.content.file} too; give one of them another `agent_id`"
            yield file.content.problem(("agent_id",), message)


def _skip_without_target(files: list[_File]) -> list[_File]:
    """Leave out, too, each `enabled: auto` agent that hands off to one that was left out."""
    while True:
        left_out = {file.agent_id: file.reason for file in files if file.reason}
        changed = [_skip_if_target_in(left_out, file) for file in files]
        if changed == files:
            return files
        files = changed


def _skip_if_target_in(left_out: Mapping[str, str], file: _File) -> _File:
    if file.enabled == "auto":
        for target in file.handoffs:
            if target in left_out:
                reason = f"an agent that it hands off to is left out ({left_out[target]})"
                return replace(file, settings=None, reason=reason)
    return file


def _wrong_handoffs(files: list[_File]) -> Iterator[ConfigProblem]:
    by_id = {file.agent_id: file for file in sorted(files, key=lambda file: not file.off)}
    possible = [file.agent_id for file in files if _takes_handoffs(file)]
    for file in files:
        for index, target in enumerate(file.handoffs):
            reason = _why_no_handoff(file.agent_id, target, by_id.get(target))
            if reason:
                path = ("handoffs", index)
                value = file.content.value(path)
                hint = nearest(value, [name for name in possible if name != file.agent_id])
                yield file.content.problem(path, f"{quoted(value)}{reason}; {hint}correct or remove it")


def _takes_handoffs(file: _File) -> bool:
    return file.settings is not None and file.settings.takes_over


def _why_no_handoff(agent_id: str, target: str, found: _File | None) -> str:
    """Say why *target* cannot take over from *agent_id*; empty if it can, or has problems of its own."""
    if target == agent_id:
        return "is the agent itself"
    if found is None:
        return "is no agent here"
    if found.off:
        return "is switched off (`enabled: false`)"
    if found.reason:
        return f"is left out ({found.reason})"
    if found.settings is not None and not _takes_handoffs(found):
        kinds = " and ".join(kinds_that_take_over())
        return f"has `backend: {found.settings.backend}`, and only agents of {kinds} can take over"
    return ""
