"""The arguments of a whole call, as models and servers write them → the JSON of one object. Owns no I/O."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

_NONE = frozenset({"", "null", "none", "undefined", "[]", '""', "''", "{}", "[{}]"})
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)
MAX_BEGINNINGS = 64
"""So many places are looked at as the beginning of the newest of arguments that were sent again and again."""


def whole_arguments(text: str) -> str:
    """Return the arguments of a whole call as the JSON of an object, as far as they can be read as one.

    Some servers write none as `null` or an empty list; some encode the object twice, in a list or within a fence; some
    send an empty object before or after it, or all so far in each piece. What is none of these stays as it is.
    """
    plain = text.strip()
    if plain.lower() in _NONE:
        return "{}"
    if (fenced := _FENCED.fullmatch(plain)) is not None:
        plain = fenced[1]
    read = _read(plain)
    if read is not None:
        return read
    return _of_several(plain) or _of_all_so_far(plain) or text


def is_object(text: str) -> bool:
    """Whether *text* is one whole JSON object."""
    if not (text.startswith("{") and text.rstrip().endswith("}")):
        return False
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _read(plain: str) -> str | None:
    """Return a JSON value as an object's JSON; None if *plain* is no JSON value."""
    try:
        value = json.loads(plain)
    except ValueError:
        return None
    if isinstance(value, str):
        return whole_arguments(value) if value.strip()[:1] in ("{", "[", "") or value in _NONE else plain
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        return _written(value[0])
    return plain


def _of_several(plain: str) -> str | None:
    """Return the one object that says something of objects one after another; None if they are none, or differ."""
    decoder = json.JSONDecoder()
    found: list[Any] = []
    at = 0
    while at < len(plain):
        try:
            value, at = decoder.raw_decode(plain, at)
        except ValueError:
            return None
        if value and value not in found:
            found.append(value)
        at += len(plain[at:]) - len(plain[at:].lstrip())
    return _written(found[0]) if len(found) == 1 and isinstance(found[0], dict) else None


def _of_all_so_far(plain: str) -> str | None:
    """Return the last of pieces each of which says all before it again; None if *plain* is not made of such."""
    begin = plain[:2]
    if len(begin) < 2 or begin[0] != "{":
        return None
    at = plain.find(begin, 1)
    for _ in range(MAX_BEGINNINGS):
        if at < 0:
            return None
        newest = plain[at:]
        if is_object(newest) and _is_beginnings(plain[:at], newest):
            return newest
        at = plain.find(begin, at + 1)
    return None


def _is_beginnings(text: str, whole: str) -> bool:
    """Whether *text* is beginnings of *whole*, one after another."""
    at = 0
    while at < len(text):
        most = min(len(text) - at, len(whole))
        alike = next((n for n in range(most) if text[at + n] != whole[n]), most)
        if not alike:
            return False
        at += alike
    return True


def _written(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
