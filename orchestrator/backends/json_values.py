"""What a framework's own objects are in JSON: for a result, custom data, a tool's arguments."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ..events.content import fault_of_json
from ..events.encoding import fields_of


def plain(value: Any) -> Any:
    """Return *value* as JSON has it: a Pydantic model by its fields, what JSON does not have by its text."""
    try:
        found = msgspec.to_builtins(value, str_keys=True, enc_hook=_plain_of)
    except Exception:  # noqa: BLE001 - whatever an object of the user's own does when it is looked at
        return _words(value)
    return found if fault_of_json(found) is None else _words(value)


def as_json(value: Any) -> str:
    """Return *value* as JSON; what is none of it, as its text."""
    return json.dumps(plain(value), ensure_ascii=False)


def _plain_of(value: Any) -> Any:
    return fields_of(value) if callable(getattr(value, "model_dump", None)) else _words(value)


def _words(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - likewise
        return f"[{type(value).__name__}]"
