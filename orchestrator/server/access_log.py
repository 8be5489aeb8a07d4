"""Logs one line per request. Knows no route and no run."""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their access lines are of level debug."""


class AccessLog(AbstractAccessLogger):
    """Logs method, path, status and duration of each request; pass it as `access_log_class`.

    A stream's line comes when it ends. Queries and bodies are left out: they hold cursors, and may hold
    secrets.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        path = request.rel_url.raw_path  # still percent-encoded, so it cannot break a line
        log = structlog.get_logger("orchestrator.access")
        write = log.debug if path in QUIET_PATHS else log.info
        write(
            "request",
            method=request.method,
            path=path,
            status=response.status,
            ms=round(time * 1000, 1),
            bytes=response.body_length,
        )
