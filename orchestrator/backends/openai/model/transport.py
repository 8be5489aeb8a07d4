"""One backend's pooled HTTP connections to an OpenAI-compatible server. Owns the sockets, knows no API.

Timeouts: connecting has one, an answer has none, because the pump knows an agent's limits. Proxies come
from the usual environment variables, as they are when the first connection is made; `.netrc` is not read, since
aiohttp refuses it beside a bearer token.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import yarl

from ....errors import AgentError
from ...upstream.body_limits import MAX_WHOLE_BYTES
from ...upstream.connections import (
    CONNECT_SECONDS,
    ERROR_BODY_SECONDS,
    MAX_REDIRECTS,
    body_of,
    new_session,
    proxy_for,
    read_whole,
    target_within_origin,
    with_shared_names,
)
from ...upstream.errors import PROVIDER
from ...upstream.hops import counted_for_model
from ...upstream.http_errors import MAX_BODY_BYTES, REDIRECTS, endless_redirect, status_error
from ...upstream.lenient_connector import MendedHandler
from ..errors import transport_error
from .chat.cumulative_pieces import DeltaStyle
from .sse import check_label

DEFAULT_BASE_URL = "https://api.openai.com/v1"
DRAIN_SECONDS = 0.25
"""How long an answer that has said its end may take to end, for its connection to be used again."""


class FastTransport:
    """Posts JSON and reads answers; one for each backend, shared by its models.

    Args:
        base_url: Up to and with the version, as in ``http://127.0.0.1:8000/v1``. None takes
            `OPENAI_BASE_URL`, else OpenAI's own.
        api_key: Sent as a bearer token. None takes `OPENAI_API_KEY`, but only if *base_url* is None too:
            the environment's key belongs to the environment's server.
        headers: Sent with every request.

    Attributes:
        habits: How the server says the answers of each model.

    The first request opens the session in the running loop.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        connect_timeout_s: float = CONNECT_SECONDS,
    ) -> None:
        self.base_url = (base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
        self._url = yarl.URL(self.base_url)
        if self._url.scheme not in ("http", "https") or not self._url.host:
            raise ValueError(f"base_url must begin with http:// or https:// and name a host: {base_url!r}")
        if self._url.user is not None:
            raise ValueError("base_url must not hold credentials; use api_key, or headers")
        key = api_key or (os.environ.get("OPENAI_API_KEY") if base_url is None else None)
        self._headers = {**({"Authorization": f"Bearer {key}"} if key else {}), **(headers or {})}
        self._json_headers = {"Content-Type": "application/json", **self._headers}
        self._connect_s = connect_timeout_s
        self._targets: dict[str, yarl.URL] = {}
        self._session: aiohttp.ClientSession | None = None
        self.habits: dict[str, DeltaStyle] = {}
        self._proxy: str | None = None

    @property
    def origin(self) -> str:
        """The server without path and query, for a trace."""
        return str(self._url.origin())

    async def aclose(self) -> None:
        """Close every connection. Safe to call twice; a later request opens a new session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def open_stream(self, path: str, body: bytes, options: Mapping[str, Any]) -> StreamBody:
        """Post *body* and return the answer's event stream once its headers are there.

        Args:
            options: `headers` and `query`, both may be absent.
        Raises:
            AgentError: No connection, an error status, or an answer that is no event stream.
        """
        response = await self._post(path, body, {"Accept": "text/event-stream"}, options)
        try:
            check_label(response.headers.get("content-type", ""))
        except AgentError:
            response.close()
            raise
        return StreamBody(response)

    async def fetch(self, path: str, body: bytes, options: Mapping[str, Any]) -> tuple[bytes, str | None]:
        """Post *body* and return the whole answer and the provider's id of the request.

        Raises:
            AgentError: As `open_stream`, or the answer broke off.
        """
        response = await self._post(path, body, {"Accept": "application/json"}, options)
        try:
            if "html" in response.content_type:
                raise AgentError("upstream_invalid", "The model's provider answered with a web page.")
            body = await read_whole(response.content.readany, PROVIDER, most=MAX_WHOLE_BYTES)
            return body, response.headers.get("x-request-id")
        except (aiohttp.ClientError, OSError) as exc:
            raise _lost(exc) from exc
        finally:
            response.close()

    async def _post(
        self, path: str, body: bytes, accept: dict[str, str], options: Mapping[str, Any]
    ) -> aiohttp.ClientResponse:
        url = self._target(path)
        headers = with_shared_names(
            {**accept, **self._json_headers, **options.get("headers", {}), **counted_for_model()}
        )
        data = body_of(body)
        session = self._open_session()
        if query := options.get("query"):
            url = url.update_query(query)
        for _ in range(MAX_REDIRECTS + 1):
            try:
                response = await session.post(
                    url, data=data, headers=headers, proxy=self._proxy, allow_redirects=False
                )
            except (aiohttp.ClientError, OSError) as exc:
                raise _lost(exc) from exc
            if response.status not in REDIRECTS:
                break
            response.close()
            url = target_within_origin(response)
            data = body_of(body)
        if response.status in REDIRECTS:
            response.close()
            raise endless_redirect()
        if response.status >= 300:
            error = status_error(response.status, response.headers, body=await _error_body(response))
            response.close()
            raise error
        return response

    def _target(self, path: str) -> yarl.URL:
        url = self._targets.get(path)
        if url is None:
            raw = self._url.raw_path.rstrip("/") + path
            url = self._targets[path] = self._url.with_path(raw, encoded=True, keep_query=True)
        return url

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = new_session(self._connect_s)
            self._proxy = proxy_for(self._url)
        return self._session


class StreamBody:
    """An open event stream. Whoever holds it closes it."""

    __slots__ = ("_content", "_response", "_take", "_waiter", "request_id")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self._take: Callable[[bytes], bool] | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self.request_id = response.headers.get("x-request-id")

    async def read(self, take: Callable[[bytes], bool] | None = None) -> bytes | None:
        """Return what has arrived, waiting for at least a byte; empty at a clean end.

        Args:
            take: Gets what arrives while nobody else has something to do about it, in the turn in which it
                arrives. Once it returns False, which ends the wait, None is returned.
        Raises:
            AgentError: `upstream_unavailable`: the connection broke.
        """
        content = self._content
        try:
            if take is None or content._buffer or content.is_eof() or content.exception() is not None:
                return await content.readany()
            connection = self._response.connection
            handler = None if connection is None else connection.protocol
            if isinstance(handler, MendedHandler):
                # Here and in no coroutine of its own, which would be a frame more for each answer that waits.
                self._take, self._waiter = take, asyncio.get_running_loop().create_future()
                handler.on_arrival = self._arrived
                try:
                    if await self._waiter:
                        return None
                finally:
                    self._take = self._waiter = handler.on_arrival = None
            return await content.readany()
        except (aiohttp.ClientError, OSError) as exc:
            raise _lost(exc) from exc

    def _arrived(self, is_lost: bool) -> None:
        """Hand on what has arrived. Raises nothing: this is the connection's own callback."""
        content, waiter, take = self._content, self._waiter, self._take
        if waiter is None or take is None or waiter.done():
            return
        try:
            # Its own check comes first, and an error that came with the last bytes would hide them.
            while content._buffer:
                if not take(content._read_nowait(-1)):
                    waiter.set_result(True)
                    return
        except Exception as exc:  # noqa: BLE001 - raised where the answer is read
            waiter.set_exception(exc)
            return
        if is_lost or content.is_eof() or content.exception() is not None:
            waiter.set_result(False)

    async def drain(self) -> None:
        """Read to the end, if it is near, so that the connection can be used again."""
        if self._content.at_eof():
            return  # as a rule the end comes with the last event: a clock for nothing
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._content.at_eof():
                    await self._content.readany()
        except (TimeoutError, aiohttp.ClientError, OSError):
            self.close()

    def close(self) -> None:
        """Give the connection back if the answer was read to its end, else close it, now."""
        self._response.close()


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    try:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            return await response.content.read(MAX_BODY_BYTES)
    except (TimeoutError, aiohttp.ClientError, OSError):
        return b""


def _lost(exc: Exception) -> AgentError:
    known = transport_error(exc)
    return known or AgentError("upstream_invalid", "The model's provider does not answer in HTTP.")
