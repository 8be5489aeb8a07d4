"""The JSON Schemas of an agent's and of a panel's file, for editors; say nothing that the models do not say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Union

from pydantic import Field, TypeAdapter

from ..backends.registry import settings_classes
from ..panels.methods.registry import METHODS
from ..panels.settings import PanelSettings
from .described import DescribedJsonSchema

_VARIABLE = {
    "description": "A variable of the environment, or a file: ${env:NAME}, ${file:PATH}; each may end in :-fallback}.",
    "type": "string",
    "pattern": r"\$\{(env:[A-Za-z_][A-Za-z0-9_]*|file:[^}]+)(:-[^}]*)?\}",
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ANNOTATIONS = ("title", "description", "default")


def json_schema() -> dict[str, Any]:
    """Return the schema (2020-12) of one agent's file.

    A string with ``${env:…}`` is allowed wherever a value is, whatever the value's own type; `backend`
    alone has to be spelled out, because it says which keys there are.
    """
    kinds = tuple(settings_classes().values())
    any_agent: Any = Annotated[Union[kinds], Field(discriminator="backend")]  # noqa: UP007 - the table is read here
    schema = TypeAdapter(any_agent).json_schema(schema_generator=DescribedJsonSchema)
    agents = schema["discriminator"]["mapping"].values()
    names = {reference.rpartition("/")[2] for reference in agents}
    definitions = {
        name: _agent(definition) if name in names else _with_variables(definition)
        for name, definition in schema["$defs"].items()
    }
    return {
        "$schema": _DIALECT,
        "title": "An agent of the orchestrator",
        "oneOf": schema["oneOf"],
        "$defs": definitions | {"Variable": _VARIABLE},
    }


def panel_schema() -> dict[str, Any]:
    """Return the schema (2020-12) of one panel's file; ``${env:…}`` as in `json_schema`, but for `method`."""
    schema = TypeAdapter(PanelSettings).json_schema(schema_generator=DescribedJsonSchema)
    definitions = {name: _with_variables(each) for name, each in schema.pop("$defs").items()}
    definitions["StartWhen"]["not"] = {  # `all: false` alone says nothing
        "properties": {"all": {"const": False}}, "required": ["all"], "maxProperties": 1,
    }  # fmt: skip
    changed: dict[str, Any] = _with_variables(schema)
    changed["properties"]["method"] = schema["properties"]["method"]
    return changed | {
        "$schema": _DIALECT,
        "title": "A panel of the orchestrator",
        "required": ["method"],
        "allOf": list(_rules_of_methods()),
        "$defs": definitions | {"Variable": _VARIABLE},
    }


def _rules_of_methods() -> Iterator[dict[str, Any]]:
    """Yield what a method asks of other keys."""
    for method, kind in METHODS.items():
        rule: dict[str, Any] = {"required": []}
        if kind.moderator == "required":
            rule = {"required": ["moderator"], "properties": {"moderator": {"not": {"type": "null"}}}}
        elif kind.moderator == "none":
            rule = {"properties": {"moderator": {"type": "null"}}}
        least = {"members": {"minItems": kind.least_members}}
        rule |= {"properties": rule.get("properties", {}) | least}
        named: dict[str, Any] = {"required": ["members"]}
        if kind.takes_layers:
            named = {"anyOf": [named, {"required": ["layers"], "properties": {"layers": {"type": "array"}}}]}
        yield {
            "if": {"properties": {"method": {"const": method}}, "required": ["method"]},
            "then": {"allOf": [rule, named]},
        }
    own = {"properties": {"method": {"enum": list(METHODS)}}}
    yield {"if": {"not": own}, "then": {"required": ["members"], "properties": {"members": {"minItems": 1}}}}


def _agent(definition: dict[str, Any]) -> dict[str, Any]:
    """Ask for `backend`, which picks the class, and not for `agent_id`, which the file's name gives."""
    required = {"backend", *definition.get("required", ())} - {"agent_id"}
    changed: dict[str, Any] = _with_variables(definition)
    changed["properties"]["backend"] = definition["properties"]["backend"]
    return changed | {"required": sorted(required)}


def _with_variables(schema: Any) -> Any:
    """Let ``${env:…}`` stand for every value in *schema* that not just any string can be."""
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.keys() & {"enum", "const", "pattern"} or schema.get("type") in ("integer", "number", "boolean"):
        outer = {key: schema[key] for key in _ANNOTATIONS if key in schema}
        inner = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
        return outer | {"anyOf": [inner, {"$ref": "#/$defs/Variable"}]}
    if "properties" in schema:
        properties = {key: _with_variables(value) for key, value in schema["properties"].items()}
        return schema | {"properties": properties}
    nested = ("anyOf", "items", "additionalProperties")
    return schema | {key: _with_variables(schema[key]) for key in nested if key in schema}
