"""``${env:NAME}`` and ``${env:NAME:-fallback}`` in a string; knows no file format and keeps no values.

An empty variable counts as missing. A fallback ends at the first ``}`` and cannot hold another reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"\$\{env:(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<fallback>(?:(?!\$\{)[^}])*))?\}|(?P<broken>))"
)
_SHOWN_CHARS = 40


class EnvText(str):
    """Text in which a variable had a part: it may be a secret, so no message may show it."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Expansion:
    """A string with its references expanded.

    Args:
        text: The result; an `EnvText` if it held a reference, and of use only if none is at fault.
        missing: Names of variables that are not set and have no fallback, in order.
        malformed: The beginnings of references that cannot be read, as the string spells them.
    """

    text: str
    missing: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()


def expand(text: str, environ: Mapping[str, str]) -> Expansion:
    """Replace every reference in *text*, once: a variable's own ``${env:…}`` stays as it is."""
    if "${env:" not in text:
        return Expansion(text)
    missing: list[str] = []
    malformed: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match["broken"] is not None:
            malformed.append(text[match.start() :].split("\n", 1)[0][:_SHOWN_CHARS])
            return ""
        value = environ.get(match["name"]) or match["fallback"]
        if value is None:
            missing.append(match["name"])
            return ""
        return value

    expanded = EnvText(_REFERENCE.sub(replace, text))
    if malformed:  # then what looks like a reference may be a part of the malformed one
        return Expansion(expanded, malformed=tuple(malformed))
    return Expansion(expanded, missing=tuple(dict.fromkeys(missing)))
