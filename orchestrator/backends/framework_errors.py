"""What a framework's agent raised → the protocol's words. Knows no framework: it looks at what an exception is like.

Frameworks wrap what their providers' clients raise, each in its own way, but nearly all keep the HTTP status on it or
on its cause. Texts are neither matched nor passed on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import AgentError
from .upstream.http_errors import status_error

_HTTP_LIBRARIES = frozenset(
    {"httpx", "httpx2", "httpcore", "aiohttp", "requests", "urllib3", "openai", "anthropic"}
)
_LOST_WORDS = (
    "timeout",
    "connect",
    "network",
    "protocolerror",
    "transport",
    "readerror",
    "payload",
    "disconnect",
)
MAX_CAUSES = 20


def framework_error(exc: BaseException) -> AgentError | None:
    """Return what *exc* means; None if it is nothing that an upstream did."""
    for each in _with_causes(exc):
        if isinstance(each, AgentError):
            return each
        status = _status_of(each)
        if status is not None:
            response = getattr(each, "response", None)
            headers = getattr(response, "headers", None)
            return status_error(
                status, headers if isinstance(headers, Mapping) else {}, body=getattr(each, "body", None)
            )
        if isinstance(each, ConnectionError | TimeoutError | asyncio.IncompleteReadError) or _is_lost(each):
            return AgentError("upstream_unavailable", "The connection to the model's provider failed.")
    return None


def _status_of(exc: BaseException) -> int | None:
    for owner in (exc, getattr(exc, "response", None)):
        for name in ("status_code", "status"):
            value: Any = getattr(owner, name, None)
            if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
                return value
    return None


def _is_lost(exc: BaseException) -> bool:
    kind = type(exc)
    library = kind.__module__.partition(".")[0]
    return library in _HTTP_LIBRARIES and any(word in kind.__name__.lower() for word in _LOST_WORDS)


def _with_causes(exc: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    left = [exc]
    while left and len(seen) < MAX_CAUSES:
        each = left.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions
        left += [cause for cause in (each.__cause__, each.__context__) if cause is not None]
