"""Values as servers write them → the types that OpenAI documents: numbers, places, ids, arguments, keys."""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeGuard

from ....errors import AgentError
from .signs import is_done

INVALID = "The model's provider answered with something that is not an answer."
_NO_ARGUMENTS = frozenset({"", "null", "none", "undefined", "[]", '""', "''", "{}"})


def invalid() -> AgentError:
    return AgentError("upstream_invalid", INVALID)


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def index_of(value: Any) -> int | None:
    """Return a place in a list, however a server writes it; None where it gives none."""
    if value is None or value == "":
        return None
    if is_number(value) and value == int(value):
        return int(value)
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    raise invalid()


def id_of(value: Any) -> str | None:
    """Return an id as text; some servers number theirs. None where there is none."""
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if is_number(value) else None


def arguments_of(value: Any) -> str | None:
    """Return a call's arguments as text; some servers send the object itself."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    raise invalid()


def whole_arguments(text: str) -> str:
    """Return the arguments of a whole call as the JSON of an object, as far as they can be read as one.

    Some servers write none as `null` or an empty list, and some encode the object twice.
    """
    plain = text.strip()
    if plain.lower() in _NO_ARGUMENTS:
        return "{}"
    if plain.startswith('"'):
        try:
            inner = json.loads(plain)
        except ValueError:
            return text
        if isinstance(inner, str) and (
            inner.strip().lower() in _NO_ARGUMENTS or inner.strip().startswith("{")
        ):
            return whole_arguments(inner)
    return text


def documents(text: str) -> list[Any]:
    """Return the JSON values of a body that is no event stream: one, or one a line.

    Raises:
        ValueError: It is not JSON.
    """
    try:
        return [json.loads(text)]
    except ValueError:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            raise
        return [json.loads(line) for line in lines if not is_done(line.encode())]


def plain_key(key: str) -> str:
    """Bring a key into one spelling: `inputTokenCount` and `input_token_count` are one."""
    return re.sub(r"[^a-z0-9]", "", key.lower())
