"""JSON Patch (RFC 6902), applied to a copy: a document that others hold stays as it is. Does no I/O.

Every container on an operation's way is copied, so that a patch that fails has changed nothing; what a patch may cost
is bounded, for an upstream chooses both the document and the patch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

MAX_DEPTH = 64
MAX_WORK = 1_000_000
"""Entries that one patch may copy, compare or look at. The cap is a denial-of-service guard."""
END = "-"
"""What a path says for the place after a list's last entry."""
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class PatchError(ValueError):
    """A patch that is none, does not fit its document, or costs too much."""


def apply_patch(document: Any, patch: object) -> Any:
    """Return *document* after *patch*.

    Raises:
        PatchError: Nothing of it was applied.
    """
    if not isinstance(patch, list):
        raise PatchError("a patch is a list of operations")
    work = _Work()
    for operation in patch:
        if not isinstance(operation, dict):
            raise PatchError("an operation is an object")
        document = _operate(document, operation, work)
    return document


def _operate(document: Any, operation: dict[str, Any], work: _Work) -> Any:
    kind, path = operation.get("op"), _tokens(operation.get("path"))
    if kind == "remove":
        return _remove(document, path, work)
    if kind in ("add", "replace", "test"):
        if "value" not in operation:
            raise PatchError(f"{kind} has no value")
        value = operation["value"]
        if kind == "add":
            return _put(document, path, value, work, is_new=True)
        if kind == "replace":
            return _put(document, path, value, work, is_new=False)
        if not _equal(_find(document, path), value, work):
            raise PatchError("a test does not hold")
        return document
    if kind in ("move", "copy"):
        source = _tokens(operation.get("from"))
        value = _find(document, source)
        if kind == "move":
            if source == path:
                return document
            if path[: len(source)] == source:
                raise PatchError("nothing can be moved into itself")
            document = _remove(document, source, work)
        return _put(document, path, value, work, is_new=True)
    raise PatchError("an operation is none that there is")


class _Work:
    """Counts what a patch costs."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def take(self, entries: int) -> None:
        self._left -= entries + 1
        if self._left < 0:
            raise PatchError("a patch costs too much")


def _tokens(pointer: object) -> list[str]:
    """Read a JSON Pointer (RFC 6901)."""
    if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
        raise PatchError("a path is a JSON Pointer")
    tokens = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if len(tokens) > MAX_DEPTH:
        raise PatchError("a path is too deep")
    return tokens


def _find(document: Any, path: Sequence[str]) -> Any:
    for token in path:
        document = _child(document, token)
    return document


def _child(container: Any, token: str) -> Any:
    if isinstance(container, dict):
        if token in container:
            return container[token]
    elif isinstance(container, list) and (at := _index(token)) is not None and at < len(container):
        return container[at]
    raise PatchError("a path leads nowhere")


def _index(token: str) -> int | None:
    return int(token) if _INDEX.fullmatch(token) else None


def _put(document: Any, path: Sequence[str], value: Any, work: _Work, *, is_new: bool) -> Any:
    if not path:
        return value
    token, rest = path[0], path[1:]
    if rest:
        return _with(document, token, _put(_child(document, token), rest, value, work, is_new=is_new), work)
    if not is_new or isinstance(document, dict):
        if not is_new:
            _child(document, token)
        return _with(document, token, value, work)
    if not isinstance(document, list):
        raise PatchError("a path leads nowhere")
    at = _index(token) if token != END else len(document)
    if at is None or at > len(document):
        raise PatchError("an index is beyond its list")
    work.take(len(document))
    return [*document[:at], value, *document[at:]]


def _with(container: Any, token: str, value: Any, work: _Work) -> Any:
    """Return a copy of *container* with *value* at *token*."""
    work.take(len(container))
    if isinstance(container, dict):
        return {**container, token: value}
    changed = list(container)
    changed[int(token)] = value
    return changed


def _remove(document: Any, path: Sequence[str], work: _Work) -> Any:
    if not path:
        return None
    token, rest = path[0], path[1:]
    inner = _child(document, token)
    if rest:
        return _with(document, token, _remove(inner, rest, work), work)
    work.take(len(document))
    if isinstance(document, dict):
        return {key: value for key, value in document.items() if key != token}
    at = int(token)
    return [*document[:at], *document[at + 1 :]]


def _equal(left: Any, right: Any, work: _Work) -> bool:
    """Whether two JSON values are the same; a number is no truth value, and 1 is 1.0."""
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        work.take(0)
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            work.take(len(one))
            pairs += [(one[key], other[key]) for key in one]
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            work.take(len(one))
            pairs += zip(one, other, strict=True)
        elif isinstance(one, bool) is not isinstance(other, bool) or one != other:
            return False
    return True


def weight_of(value: Any, limit: int) -> int:
    """Return about how many characters *value* has as JSON; counting ends beyond *limit*.

    A patch can copy what it has copied, so that a document of few containers is exponentially long when it is written.
    """
    total, left = 0, [value]
    while left and total <= limit:
        each = left.pop()
        if isinstance(each, str | list | dict):
            total += len(each)
        if isinstance(each, dict):
            total += sum(map(len, each))
            left += each.values()
        elif isinstance(each, list):
            left += each
        total += 1
    return total
