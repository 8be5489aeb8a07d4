"""Runs an application, and holds for each connection what no middleware can reach. Owns no route.

Malformed HTTP and a refused `Expect` header are answered by a problem document too, and a connection
whose headers never end is closed.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from yarl import URL

from ..app_keys import OPTIONS
from ..listener import BACKLOG
from .guards.connections import CONNECTIONS, Connections
from .guards.read_budget import ReadBudget
from .problem import Problem, client_is_gone, problem_from_http, unexpected
from .streams import limit_socket

HEADERS_SECONDS = 30.0
"""Until a new connection's first request has all its headers: one that dribbles them costs a socket."""

KEEPALIVE_SECONDS = 75.0
"""Until the next request has all its headers; longer than the 60 s for which proxies keep a connection."""

MAX_HEADER_BYTES = 16 * 1024
"""Of one header, and of the request line: a `Last-Event-ID` of 8 KiB is answered with a gap, not with 400."""

SEND_SECONDS = 8.0
"""How long a client may take nothing of an answer that waits for it."""

FEWEST_BYTES, MOST_BYTES = 512, 64 * 1024
"""Parsed in one go, as long as it takes: within as much there may be ten thousand pieces of a body, or messages."""

ANSWER_SECONDS = 0.0004
"""What a request costs within the rounds after that in which it was parsed, at least: a refusal of a broken one."""

MESSAGES_BYTES, MESSAGES_SECONDS = 2048, 0.0005
"""Parsed in one go of a WebSocket, and what that costs: within as much there may be forty messages, or pings, which are
all answered before anybody else goes on."""

PARSE_SECONDS = 0.0005
"""Of CPU time that one go should take; if it takes more, the connection's next one is half as long."""

ACCEPTED_AT_ONCE = 8
"""Connections accepted in one round of the loop; asyncio would take as many as may wait for it."""

_log = structlog.get_logger(__name__)


class ProblemProtocol(RequestHandler):
    """One connection. Overrides how a failure below the application is answered, and limits the headers' time."""

    _headers_timer: asyncio.TimerHandle | None = None
    _send_timer: asyncio.TimerHandle | None = None
    _unsent = 0
    is_limited = True
    """For streams, which limit the sockets of another runner's connections themselves."""
    connections: Connections
    intake: ReadBudget
    crowded = False
    """Whether it is one too many: then only `/healthz` is answered over it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._unread: list[bytes] = []  # an empty deque holds 0.7 KiB
        self._parsed_bytes = MOST_BYTES // 4
        super().connection_made(transport)
        self.crowded = self.connections.enter(self)
        # Also for what is no stream: a client that never reads must cost no more than this.
        limit_socket(self.transport)
        self._headers_timer = self._loop.call_later(HEADERS_SECONDS, self._close_unasked)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, or put it off if this round of the loop has parsed enough."""
        if not data:
            super().data_received(data)  # our own: what the parser still holds is to go on
        elif self._unread or not self.intake.has_room or len(data) > self._portion:
            self._unread.append(data)
            self._pause_transport_reading()
            if len(self._unread) == 1:
                self.intake.put_off(self)
        else:
            self.intake.note(self._parse(data))

    def read_on(self) -> float:
        """Parse a piece of what was put off; return the CPU time it took."""
        if self.transport is None:
            self._unread.clear()  # nobody is there any more
            return 0.0
        data, portion = self._unread.pop(0), self._portion
        if rest := data[portion:]:
            self._unread.insert(0, rest)
        took = self._parse(data[:portion])
        if not self._unread and not self._reading_paused and not self._buffer_paused:
            self._resume_transport_reading()
        return took

    @property
    def has_unread(self) -> bool:
        """Whether there is more that was put off."""
        return bool(self._unread)

    @property
    def _portion(self) -> int:
        """How many bytes are parsed in one go."""
        most = MOST_BYTES if self._payload_parser is None else MESSAGES_BYTES
        return min(self._parsed_bytes, most)

    def _parse(self, data: bytes) -> float:
        begun, before = time.thread_time(), len(self._messages)
        super().data_received(data)
        took = time.thread_time() - begun
        if took > PARSE_SECONDS:
            self._parsed_bytes = max(FEWEST_BYTES, self._parsed_bytes // 2)
        elif len(data) >= self._parsed_bytes:
            self._parsed_bytes = min(MOST_BYTES, self._parsed_bytes * 2)
        if self._headers_timer is not None and self._request_count:
            self._headers_timer.cancel()
            self._headers_timer = None
        if self._payload_parser is not None:
            return took + MESSAGES_SECONDS * len(data) / MESSAGES_BYTES
        # Whoever reads a body has as much to do with its pieces.
        return 2 * took + ANSWER_SECONDS * max(0, len(self._messages) - before)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not take what it asked for: not longer than `SEND_SECONDS`."""
        super().pause_writing()
        if self.transport is not None:
            self._unsent = self.transport.get_write_buffer_size()
            self._send_timer = self._loop.call_later(SEND_SECONDS, self._look_after_sending)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_send_timer()

    def _look_after_sending(self) -> None:
        """Cut off a client that took nothing since the last look; a slow one that takes something may go on."""
        self._send_timer = None
        if self.transport is None:
            return
        unsent = self.transport.get_write_buffer_size()
        if unsent >= self._unsent:
            self.connections.report_dropped()
            self.transport.abort()
            return
        self._unsent = unsent
        self._send_timer = self._loop.call_later(SEND_SECONDS, self._look_after_sending)

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        self.connections.leave(self)
        self._stop_send_timer()
        if self._headers_timer is not None:
            self._headers_timer.cancel()
            self._headers_timer = None
        super().connection_lost(exc)

    def _close_unasked(self) -> None:
        self._headers_timer = None
        self.force_close()

    def log_exception(self, *args: Any, **keys: Any) -> None:
        """Log a failure of a connection; of a body that nobody asked for and that is broken only that it was."""
        broken = keys.get("exc_info")
        if isinstance(broken, web.RequestPayloadError):
            _log.info("malformed_request", status=400, kind=type(broken).__name__)
            return
        super().log_exception(*args, **keys)

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
        body = resp.body if isinstance(resp, web.Response) and not resp.prepared else None
        with self.connections.answering(len(body) if isinstance(body, bytes) else 0) as room:
            if not room:
                headers = {"Retry-After": "1"}
                resp = Problem(
                    503, "The server waits for others to take their answers.", headers=headers
                ).response()
            return await super().finish_response(request, resp, start_time)


READ_HEADERS = frozenset(
    {
        "accept", "accept-encoding", "access-control-request-headers", "access-control-request-method", "connection",
        "content-encoding", "content-type", "expect", "host", "idempotency-key", "if-none-match", "origin",
        "sec-fetch-site", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol",
        "sec-websocket-version", "te", "traceparent", "upgrade",
    }
)  # fmt: skip
"""Headers that mean something here and are ASCII by definition. A cursor may be odd: its answer is a gap."""


def _refusing_odd_bytes(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """Refuse a header whose bytes are no ASCII before anybody reads it: aiohttp hands them on as lone surrogates.

    Those cannot be encoded again, so a store, a log line or aiohttp's own answer to `Expect` would fail.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        for name, value in request.headers.items():
            if not value.isascii() and name.lower() in READ_HEADERS:
                return Problem(400, f"The header {name} must be ASCII.").response()
        return await handler(request)

    return handle


def _without(root: str, make: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Remove *root* from the beginning of requests' paths: some proxies leave it there, others do not."""

    def make_request(message: RawRequestMessage, *args: Any) -> web.BaseRequest:
        if message.path.startswith(f"{root}/"):
            url = URL.build(
                path=message.url.raw_path[len(root) :],
                query_string=message.url.raw_query_string,
                fragment=message.url.raw_fragment,
                encoded=True,
            )
            message = message._replace(path=message.path[len(root) :], url=url)
        return make(message, *args)

    return make_request


def site_of(runner: web.BaseRunner, listener: socket.socket) -> web.BaseSite:
    """Return what lets *runner* serve on a socket that is bound already."""
    kind = _UnixSite if listener.family == socket.AF_UNIX else _Site
    return kind(runner, listener, backlog=ACCEPTED_AT_ONCE)


class _Site(web.SockSite):
    """A `SockSite` of which more connections may wait than are accepted at once."""

    async def start(self) -> None:
        await super().start()
        self._sock.listen(BACKLOG)


class _UnixSite(web.SockSite):
    """A `SockSite` for a Unix socket: uvloop takes one that is made for TCP for nothing else."""

    async def start(self) -> None:
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None  # noqa: S101 - `setup` was called, or `BaseSite.start` had raised
        self._server = await asyncio.get_running_loop().create_unix_server(
            server, sock=self._sock, backlog=self._backlog
        )
        self._sock.listen(BACKLOG)


class _ProblemServer(web.Server):
    """Makes a `ProblemProtocol` for each connection."""

    def __init__(
        self, server: web.Server, options: dict[str, Any], connections: Connections, root: str
    ) -> None:
        super().__init__(
            _refusing_odd_bytes(server.request_handler),
            request_factory=_without(root, server.request_factory) if root else server.request_factory,
            handler_cancellation=server.handler_cancellation,
        )
        self._bounds = connections
        self._intake = ReadBudget()
        self._options = {
            "keepalive_timeout": KEEPALIVE_SECONDS,
            "max_line_size": MAX_HEADER_BYTES,
            "max_field_size": MAX_HEADER_BYTES,
            **options,
        }

    def __call__(self) -> RequestHandler:
        protocol = ProblemProtocol(self, loop=asyncio.get_running_loop(), **self._options)
        protocol.connections, protocol.intake = self._bounds, self._intake
        return protocol


class ProblemRunner(web.AppRunner):
    """An `AppRunner` whose connections are `ProblemProtocol`s; takes the same arguments."""

    async def _make_server(self) -> web.Server:
        options = {name: value for name, value in self._kwargs.items() if name != "handler_cancellation"}
        connections = self.app.get(CONNECTIONS) or Connections()
        known = self.app.get(OPTIONS)
        root = known.root_path if known is not None else ""
        return _ProblemServer(await super()._make_server(), options, connections, root)
