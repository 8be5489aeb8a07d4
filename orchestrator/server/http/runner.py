"""Runs an application, and holds for each connection what no middleware can reach. Owns no route.

Malformed HTTP and a refused `Expect` header are answered by a problem document too, and a connection
whose headers never end is closed.
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError
from aiohttp.web_protocol import RequestHandler

from .problem import Problem, client_is_gone, problem_from_http, unexpected

HEADERS_SECONDS = 30.0
"""Until a new connection's first request has all its headers: one that dribbles them costs a socket."""

KEEPALIVE_SECONDS = 75.0
"""Until the next request has all its headers; longer than the 60 s for which proxies keep a connection."""

MAX_HEADER_BYTES = 16 * 1024
"""Of one header, and of the request line: a `Last-Event-ID` of 8 KiB is answered with a gap, not with 400."""

_log = structlog.get_logger(__name__)


class ProblemProtocol(RequestHandler):
    """One connection. Overrides how a failure below the application is answered, and limits the headers' time."""

    _headers_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._headers_timer = self._loop.call_later(HEADERS_SECONDS, self._close_unasked)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._headers_timer is not None and self._request_count:
            self._headers_timer.cancel()
            self._headers_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None
        super().connection_lost(exc)

    def _close_unasked(self) -> None:
        self._headers_timer = None
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refused, or what escaped the application, and close."""
        if client_is_gone(request):
            raise ConnectionError("the client has gone")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun; another one cannot follow it")
        if status < 500:
            # The parser's message quotes the client's bytes, and so perhaps a credential.
            _log.info("malformed_request", status=status, kind=type(exc).__name__)
            if isinstance(exc, ContentEncodingError):
                problem = Problem(415, "The body's Content-Encoding must be gzip or deflate, or left out.")
            else:
                problem = Problem(status, "This is not a valid HTTP request.")
        elif exc is None:
            problem = Problem(status, "The server took too long.")
        else:
            problem = unexpected(exc, where="below the application")
        response = problem.response()
        response.force_close()
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPException) and resp.status >= 400 and not resp.prepared:
            resp = problem_from_http(resp).response()
        return await super().finish_response(request, resp, start_time)


class _ProblemServer(web.Server):
    """Makes a `ProblemProtocol` for each connection."""

    def __init__(self, server: web.Server, options: dict[str, Any]) -> None:
        super().__init__(
            server.request_handler,
            request_factory=server.request_factory,
            handler_cancellation=server.handler_cancellation,
        )
        self._options = {
            "keepalive_timeout": KEEPALIVE_SECONDS,
            "max_line_size": MAX_HEADER_BYTES,
            "max_field_size": MAX_HEADER_BYTES,
            **options,
        }

    def __call__(self) -> RequestHandler:
        return ProblemProtocol(self, loop=asyncio.get_running_loop(), **self._options)


class ProblemRunner(web.AppRunner):
    """An `AppRunner` whose connections are `ProblemProtocol`s; takes the same arguments."""

    async def _make_server(self) -> web.Server:
        options = {name: value for name, value in self._kwargs.items() if name != "handler_cancellation"}
        return _ProblemServer(await super()._make_server(), options)
