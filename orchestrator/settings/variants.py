"""Which keys of an agent a request may change for itself, and the agent's settings with such changes.

Owns the keys and the checks of their values. Who asks, and under what name the changed agent takes part, is a run's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from .agent import AgentSettings

S = TypeVar("S", bound=AgentSettings)

MODEL = "model"
_TYPES = {"string": "text", "number": "number", "integer": "integer", "boolean": "boolean"}


class WrongVariant(Exception):
    """Changes that an agent does not take; `problems` has where and why, for each."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{at}: {why}" for at, why in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class VariableKey:
    """A key that may be changed: `text`, `number`, `integer`, `boolean` or `json`, and the values it may have."""

    key: str
    type: str
    choices: tuple[str, ...] = ()


def variable_keys(settings: AgentSettings) -> list[VariableKey]:
    """Return what a request may change of an agent, as its file lists it."""
    return [_described(type(settings), key, settings) for key in settings.variants]


def vary(settings: S, changes: Mapping[str, Any]) -> S:
    """Return *settings* with *changes*, a mapping as a file has it: nested keys are merged, not replaced.

    Raises:
        WrongVariant: A key is none that the file lists, or a value does not do.
    """
    problems: list[tuple[str, str]] = []
    update: dict[str, Any] = {}
    for name, given in changes.items():
        allowed = [key for key in settings.variants if key == name or key.startswith(f"{name}.")]
        if not allowed:
            problems.append((name, _not_listed(settings, name)))
        elif name in settings.variants:
            _take(settings, name, given, update, problems)
        else:
            _take_nested(settings, name, given, update, problems)
    if problems:
        raise WrongVariant(problems)
    if MODEL in update and update[MODEL] != settings.named_model:
        # What another model costs is not known; a sum that looks right and is wrong would be worse than none.
        update["prices"] = None
    return settings.model_copy(update=update)


def _take(
    settings: AgentSettings, name: str, given: Any, update: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    try:
        value = _adapter(type(settings), name).validate_python(given)
    except ValidationError as exc:
        problems.extend(_words(name, exc))
        return
    if name == MODEL and value != settings.named_model and value not in settings.variant_models:
        known = ", ".join(settings.variant_models)
        problems.append((name, f"may be one of {known} (`variant_models` of the agent)"))
        return
    update[name] = value


def _take_nested(
    settings: AgentSettings, name: str, given: Any, update: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    if not isinstance(given, Mapping):
        problems.append((name, "should hold keys and values"))
        return
    for key in given:
        if f"{name}.{key}" not in settings.variants:
            problems.append((f"{name}.{str(key)[:80]}", _not_listed(settings, f"{name}.{str(key)[:80]}")))
            return
    try:
        value = _adapter(type(settings), name).validate_python(dict(given))
    except ValidationError as exc:
        problems.extend(_words(name, exc))
        return
    update[name] = {**getattr(settings, name), **value}


def _not_listed(settings: AgentSettings, key: str) -> str:
    if not settings.variants:
        return f"cannot be changed: agent {settings.agent_id!r} lists no `variants`"
    known = ", ".join(settings.variants)
    return f"is none of the keys that agent {settings.agent_id!r} lets a request change: {known}"


def _words(name: str, error: ValidationError) -> Iterator[tuple[str, str]]:
    for detail in error.errors(include_url=False):
        yield ".".join((name, *map(str, detail["loc"]))), plain_words(detail)


def plain_words(detail: ErrorDetails) -> str:
    """Say what is wrong with a value in a sentence's end; pydantic's own words speak to programmers."""
    kind = detail["type"]
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "literal_error":
        return f"should be {detail['ctx']['expected']}"
    return _PLAIN.get(kind) or detail["msg"].removeprefix("Input ").removeprefix("String ")


_PLAIN = {
    "model_type": "should hold keys and values, indented under it",
    "dict_type": "should hold keys and values, indented under it",
    "tuple_type": "should be a list, such as [first, second]",
    "list_type": "should be a list, such as [first, second]",
    "bool_type": "should be true or false",
    "float_type": "should be a number",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "string_type": "should be text; put it in quotes",
    "string_unicode": "should be text that UTF-8 can hold",
    "string_too_short": "should not be empty; fill it in or remove the key",
}


@lru_cache(maxsize=256)
def _adapter(model: type[AgentSettings], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    whole: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(whole)


def _described(model: type[AgentSettings], key: str, settings: AgentSettings) -> VariableKey:
    if key == MODEL:
        named = [] if settings.named_model is None else [settings.named_model]
        return VariableKey(key, "text", tuple(dict.fromkeys([*named, *settings.variant_models])))
    return _typed(model, key)


@lru_cache(maxsize=256)
def _typed(model: type[AgentSettings], key: str) -> VariableKey:
    name, _, inner = key.partition(".")
    kind: Any = model.model_fields[name].annotation
    if inner:
        kind = get_type_hints(kind, include_extras=True)[inner]
    schema = TypeAdapter(kind).json_schema()
    options = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    if len(options) != 1:
        return VariableKey(key, "json")
    choices = options[0].get("enum", ())
    return VariableKey(key, _TYPES.get(options[0].get("type", ""), "json"), tuple(map(str, choices)))
