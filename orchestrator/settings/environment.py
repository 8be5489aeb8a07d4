"""``${env:NAME}``, ``${file:PATH}`` and either with ``:-fallback`` in a string; knows no file format, keeps no values.

An empty variable, and an empty file, counts as missing. A fallback ends at the first ``}`` and cannot hold another
reference. Files are read by whoever calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"\$\{(?P<kind>env|file):(?:"
    r"(?P<name>(?<=env:)[A-Za-z_][A-Za-z0-9_]*|(?<=file:)(?:(?!:-|\$\{)[^}\x00-\x1f])+)"
    r"(?::-(?P<fallback>(?:(?!\$\{)[^}])*))?\}|(?P<broken>))"
)
_BEGINNINGS = ("${env:", "${file:")
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
        unread: Paths of files that cannot be read, or are empty, and have no fallback, in order.
        malformed: The beginnings of references that cannot be read, as the string spells them.
    """

    text: str
    missing: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    malformed: tuple[str, ...] = ()


def no_file(path: str) -> str | None:
    """Read no file."""
    return None


def expand(
    text: str, environ: Mapping[str, str], read_file: Callable[[str], str | None] = no_file
) -> Expansion:
    """Replace every reference in *text*, once: a variable's own ``${env:…}``, or a file's, stays as it is.

    Args:
        read_file: Returns what a file holds; None if it cannot be read.
    """
    if not any(beginning in text for beginning in _BEGINNINGS):
        return Expansion(text)
    missing: list[str] = []
    unread: list[str] = []
    malformed: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match["broken"] is not None:
            malformed.append(text[match.start() :].split("\n", 1)[0][:_SHOWN_CHARS])
            return ""
        name, of_file = match["name"], match["kind"] == "file"
        value = (read_file(name) if of_file else environ.get(name)) or match["fallback"]
        if value is None:
            (unread if of_file else missing).append(name)
            return ""
        return value

    expanded = EnvText(_REFERENCE.sub(replace, text))
    if malformed:  # then what looks like a reference may be a part of the malformed one
        return Expansion(expanded, malformed=tuple(malformed))
    return Expansion(expanded, missing=tuple(dict.fromkeys(missing)), unread=tuple(dict.fromkeys(unread)))
