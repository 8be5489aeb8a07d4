"""Logs one line per request. Knows no route and no run."""

from __future__ import annotations

import re
import secrets

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from .http.guards.proxies import CLIENT
from .http.guards.tokens import TOKEN_NAME

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; their access lines are of level debug."""


class AccessLog(AbstractAccessLogger):
    """Logs who asked for what, and how it was answered; pass it as `access_log_class`.

    A stream's line comes when it ends. Queries and bodies are left out: they hold cursors, and may hold
    secrets.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        path = request.rel_url.raw_path  # still percent-encoded, so it cannot break a line
        log = structlog.get_logger("orchestrator.access")
        write = log.debug if path in QUIET_PATHS else log.info
        write(
            "request",
            client=request.get(CLIENT, request.remote),
            token=request.get(TOKEN_NAME),
            request_id=_request_id(request),
            method=request.method,
            path=path,
            status=response.status,
            ms=round(time * 1000, 1),
            bytes=response.body_length,
        )


def _request_id(request: web.BaseRequest) -> str:
    """Return the id that a proxy gave the request, if it is one, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _ID.fullmatch(given) else secrets.token_hex(8)
