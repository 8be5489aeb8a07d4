"""Generates JSON schemas with the texts below the models' attributes. Nothing else needs them.

Pydantic reads them at each start if a model asks for it, from the source of each class: a tenth of the time until a
service listens.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue


class DescribedJsonSchema(GenerateJsonSchema):
    """Gives each key of a model the text below its attribute as `description`, if it has none of its own."""

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model = schema["cls"]
        texts = {name: text for cls in reversed(model.__mro__) for name, text in _attribute_texts(cls)}
        for name, field in model.model_fields.items():
            key = made.get("properties", {}).get(field.alias or name)
            if key is not None and name in texts:
                key.setdefault("description", texts[name])
        return made


def _attribute_texts(cls: type) -> Iterator[tuple[str, str]]:
    """Yield the attributes that *cls* itself declares, each with the text that stands right below it."""
    if cls.__module__ == "builtins" or "__annotations__" not in vars(cls):
        return
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):  # made at run time: no file has it
        return
    body = ast.parse(source).body[0]
    for declared, below in pairwise(body.body if isinstance(body, ast.ClassDef) else ()):
        if (
            isinstance(declared, ast.AnnAssign)
            and isinstance(declared.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            yield declared.target.id, inspect.cleandoc(below.value.value)
