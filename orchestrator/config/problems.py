"""Words for what is wrong with a file of agents_config: what, the value if it is no secret, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..backends.registry import KINDS, settings_classes
from ..errors import ConfigProblem
from ..settings.agent import AgentSettings, parts_of
from ..settings.environment import EnvText
from ..settings.scalars import Settings
from ..settings.variants import plain_words
from .yamlfile import KeyPath, YamlFile

_SECRET_KEYS = frozenset({"api_key", "headers", "env", "extra_headers"})
_SHOWN_CHARS = 60


def explain(
    content: YamlFile, error: ValidationError, model: type[Settings] | None
) -> Iterator[ConfigProblem]:
    """Turn pydantic's errors about *content* into problems.

    What only follows from a variable that is not set is left out, and so are unknown keys if *model* is
    None: without a backend nobody knows which keys there are.
    """
    for detail in error.errors(include_url=False):
        path: KeyPath = detail["loc"]
        kind = detail["type"]
        if kind == "default_factory_not_called" or (model is None and path == ("backend",)):
            continue  # another problem says it
        if kind == "extra_forbidden":
            if model is not None or len(path) > 1:
                yield content.problem(path, _unknown_key(path, model or AgentSettings))
        elif not any(missing.path[: len(path)] == path for missing in content.missing):
            yield content.problem(path, _sentence(content, detail))


def explain_backend(content: YamlFile) -> list[ConfigProblem]:
    """Say what is wrong with the `backend` of *content*, which is none that there is."""
    path = ("backend",)
    if any(missing.path == path for missing in content.missing):
        return []
    choices = ", ".join(KINDS)
    if "backend" not in content.data:
        return [content.problem(path, f"is missing; choose one of {choices}")]
    value = content.data["backend"]
    message = f"{quoted(value)}is no backend; {nearest(value, KINDS)}choose one of {choices}"
    return [content.problem(path, message)]


def quoted(value: object) -> str:
    """Spell *value* for a message, with a space after it; nothing if a variable had a part in it."""
    if isinstance(value, EnvText) or not isinstance(value, str | int | float | None):
        return ""
    shown = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return (shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "…") + " "


def nearest(value: object, known: Iterable[str]) -> str:
    """Ask "did you mean …?" if *value* is almost one of *known*; not about a variable's value."""
    if isinstance(value, EnvText) or not isinstance(value, str):
        return ""
    found = get_close_matches(value, list(known), n=1)
    return f"did you mean {found[0]!r}? " if found else ""


def _unknown_key(path: KeyPath, model: type[Settings]) -> str:
    *parents, key = (str(step) for step in path if not isinstance(step, int))
    parts = parts_of(model)
    here = parts[tuple(parents)] if parents else frozenset(model.model_fields)
    elsewhere = {name: ".".join((*part, name)) for part, names in parts.items() for name in names}
    if parents:
        elsewhere |= {name: name for name in model.model_fields}
    of_agents = issubclass(model, AgentSettings) and not parents
    backends = [name for name, other in settings_classes().items() if of_agents and key in other.model_fields]
    if key in elsewhere:
        return f"is not a key here; did you mean {elsewhere[key]!r}?"
    if backends:
        return f"is a key of `backend: {backends[0]}` only; remove it or change `backend`"
    near = get_close_matches(key, here, n=1) or [
        elsewhere[name] for name in get_close_matches(key, elsewhere, n=1)
    ]
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(here))}"
    return f"is not a known key; {hint}"


def _sentence(content: YamlFile, detail: ErrorDetails) -> str:
    kind = detail["type"]
    path: KeyPath = detail["loc"]
    if kind == "missing":
        return "is missing; add it"
    message = plain_words(detail)
    value = _given(content, path)
    if isinstance(value, EnvText):
        return f"its variable's value {message}"
    if _SECRET_KEYS.intersection(path) or (value is None and path not in content.lines):
        return message  # a secret, or a default that does not do
    return quoted(value) + message


def _given(content: YamlFile, path: KeyPath) -> object:
    """The value as the file has it, not as a validator saw it: only the file's own shows a variable."""
    if path in (("agent_id",), ("panel_id",)) and path[0] not in content.data:
        return Path(content.file).stem
    return content.value(path)
