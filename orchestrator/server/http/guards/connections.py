"""Bounds on what all clients hold together: connections, streams, sockets, bytes of answers. Owns no route.

What is over a bound is refused with 503 and a log line that says which; `/healthz` is answered all the same, so that
nobody takes a full server for a dead one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from ....errors import Unavailable
from ....settings.limits import ConnectionLimits
from ..problem import ProblemError

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
SPARE_CONNECTIONS = 64
"""Beyond the bound, for those that ask whether we live; a further one takes the place of the oldest of them."""

SPARE_DESCRIPTORS = 256
"""For the store, upstreams and files."""

QUIET_SECONDS = 10.0
"""Between two log lines about the same bound."""

SMALL_ANSWER_BYTES = 64 * 1024
"""Not counted: asyncio writes so much without waiting for the client."""


class Closable(Protocol):
    """A connection that can be closed at once."""

    def force_close(self) -> None: ...


class Connections:
    """Counts what clients hold.

    Args:
        limits: The bounds; that of connections is lowered to what the process may open.
    """

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self.most = self.limits.max_connections
        self.open = 0
        self._crowd: dict[Closable, None] = {}
        self.answer_bytes = 0
        self._held = {"streams": 0, "websockets": 0}
        self._warned_at: dict[str, float] = {}
        self.on_drop: Callable[[str], None] | None = None
        """Hears why a client was dropped."""

    def fit_descriptors(self) -> None:
        """Raise the soft limit of descriptors as far as the system lets us; warn if it is too low.

        For a whole process, so only a command may call it.
        """
        allowed = raise_descriptors()
        if allowed is None or allowed - SPARE_DESCRIPTORS >= self.most:
            return
        self.most = max(1, allowed - SPARE_DESCRIPTORS)
        log.warning(
            "few_descriptors",
            descriptors=allowed,
            max_connections=self.most,
            advice="raise the hard limit of open files (ulimit -Hn, LimitNOFILE=) or lower --max-connections",
        )

    def enter(self, connection: Closable) -> bool:
        """Count a connection; return whether it is one too many.

        Of too many the oldest are closed: if instead the newest were, a crowd that asks nothing would let nobody hear
        that we live.
        """
        self.open += 1
        if self.open <= self.most:
            return False
        self._warn_full("connections", self.most)
        self._crowd[connection] = None
        if len(self._crowd) > SPARE_CONNECTIONS:
            oldest = next(iter(self._crowd))
            del self._crowd[oldest]
            oldest.force_close()
        return True

    def leave(self, connection: Closable) -> None:
        self.open -= 1
        self._crowd.pop(connection, None)

    @contextmanager
    def holding(self, kind: str) -> Iterator[None]:
        """Count one of `streams` or `websockets` while inside.

        Raises:
            Unavailable: There are too many.
        """
        self.require_room(kind)
        self._held[kind] += 1
        try:
            yield
        finally:
            self._held[kind] -= 1

    def require_room(self, kind: str) -> None:
        """Raise as `holding` if it would."""
        most = self.limits.max_streams if kind == "streams" else self.limits.max_websockets
        if self._held[kind] >= most:
            self._warn_full(kind, most)
            raise Unavailable(f"The server has {most} {kind} already.", retry_after=RETRY_AFTER_SECONDS)

    @contextmanager
    def answering(self, size: int) -> Iterator[bool]:
        """Count an answer's bytes while they are sent; False if they are too many and it must not be."""
        counted = size if size > SMALL_ANSWER_BYTES else 0
        # One alone may be larger than all together: it could never be had otherwise.
        if counted and self.answer_bytes and self.answer_bytes + counted > self.limits.max_answer_bytes:
            self._warn_full("answer_bytes", self.limits.max_answer_bytes)
            yield False
            return
        self.answer_bytes += counted
        try:
            yield True
        finally:
            self.answer_bytes -= counted

    def report_dropped(self) -> None:
        """Note that a client was cut off because it took nothing."""
        if self.on_drop is not None:
            self.on_drop("too_slow")

    def _warn_full(self, what: str, most: int) -> None:
        """Log that a bound is reached, once in a while."""
        now = time.monotonic()
        if now - self._warned_at.get(what, -QUIET_SECONDS) >= QUIET_SECONDS:
            self._warned_at[what] = now
            log.warning("limit_reached", what=what, most=most)


CONNECTIONS = web.AppKey("connections", Connections)


def setup_connections(app: web.Application, connections: Connections) -> None:
    """Refuse what comes over a connection too many; call it after `setup_problems`."""
    app[CONNECTIONS] = connections

    @web.middleware
    async def refuse_crowd(request: web.Request, handler: Handler) -> web.StreamResponse:
        if getattr(request.protocol, "crowded", False) and request.path != "/healthz":
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Connection": "close"}
            raise ProblemError(503, "The server has as many connections as it may.", headers=headers)
        return await handler(request)

    app.middlewares.append(refuse_crowd)


def raise_descriptors() -> int | None:
    """Raise the soft limit of open files to the hard one; return what holds now, None if there is no limit."""
    try:
        import resource
    except ImportError:
        return None  # Windows has no such limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):  # then the old one holds
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft
