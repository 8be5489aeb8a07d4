"""Values as servers write them → the types that OpenAI documents: numbers, places, ids, arguments, keys."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from ....errors import AgentError
from .stream_markers import is_done

INVALID = "The model's provider answered with something that is not an answer."
MAX_KEY_CHARS = 64
"""A longer key is not kept in memory with its plain spelling."""


def invalid(cause: Exception | None = None) -> AgentError:
    """Return what is said of an answer that cannot be read; *cause* is what showed it."""
    failure = AgentError("upstream_invalid", INVALID)
    if cause is not None:
        failure.__cause__ = cause
    return failure


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def index_of(value: Any) -> int | None:
    """Return a place in a list, however a server writes it; None if it gives none."""
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


ARGUMENTS = ("arguments", "parameters", "input", "args")
"""What servers call the arguments of a call."""


def arguments_in(function: Mapping[str, Any]) -> str | None:
    """Return the arguments that a call has, under whichever name."""
    return arguments_of(next((function[key] for key in ARGUMENTS if function.get(key) is not None), None))


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


def breaks_off(text: str) -> bool:
    """Whether *text* is no JSON: half of an event, as it stands where a connection broke."""
    try:
        json.loads(text)
    except ValueError:
        return True
    return False


def plain_key(key: str) -> str:
    """Bring a key into one spelling: `inputTokenCount` and `input_token_count` are one."""
    return _plain_key(key) if len(key) <= MAX_KEY_CHARS else _spelt(key)


def _spelt(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


_plain_key = lru_cache(maxsize=1024)(_spelt)  # servers have few keys, and say them in each answer
