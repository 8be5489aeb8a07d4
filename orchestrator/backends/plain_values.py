"""What a framework's own objects are in JSON: for a result, custom data, a tool's arguments."""

from __future__ import annotations

import json
from typing import Any

import msgspec


def plain(value: Any) -> Any:
    """Return *value* as JSON has it: a Pydantic model by its fields, what JSON does not have by its text."""
    try:
        return msgspec.to_builtins(value, enc_hook=_plain_of)
    except (TypeError, ValueError, RecursionError):
        return str(value)


def as_json(value: Any) -> str:
    """Return *value* as JSON; what is none of it, as its text."""
    return json.dumps(plain(value), ensure_ascii=False)


def _plain_of(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)
