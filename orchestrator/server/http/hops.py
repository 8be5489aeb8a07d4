"""What a request says of those who passed its question on: how many they are, and whose trace it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aiohttp import web

from ...backends.upstream.hops import DEPTH_META, MAX_DEPTH, TOO_DEEP
from ...events.hops import DEPTH_HEADER
from .problem import ProblemError

TRACEPARENT_CHARS = 55
"""Of the only version there is. Source: W3C Trace Context, 3.2.2."""


def read_depth(request: web.Request) -> int:
    """Return how many instances have passed the question on.

    Raises:
        ProblemError: 422, it goes round in a circle; 400, it is no number.
    """
    found = request.headers.get(DEPTH_HEADER, "0")
    if not re.fullmatch(r"[0-9]{1,3}", found, re.ASCII):
        raise ProblemError(400, f"{DEPTH_HEADER} must be a number.")
    return _bounded(int(found))


def depth_in_meta(meta: object) -> int:
    """Return the same of an MCP call, by its `_meta`; whoever says nothing has asked first.

    Raises:
        ProblemError: 422, it goes round in a circle.
    """
    found = meta.get(DEPTH_META) if isinstance(meta, Mapping) else None
    return _bounded(found) if isinstance(found, int) and found > 0 else 0


def _bounded(depth: int) -> int:
    if depth > MAX_DEPTH:
        raise ProblemError(422, TOO_DEEP)
    return depth


def read_traceparent(request: web.Request) -> str | None:
    """Return the caller's trace as it came; one that is wrong is no reason to refuse the call."""
    found = request.headers.get("traceparent")
    return found if found is not None and len(found) == TRACEPARENT_CHARS and found.isascii() else None
