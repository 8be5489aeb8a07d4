"""One backend's connections to a server that speaks JSON and Server-Sent Events. Owns the sockets, knows no protocol.

What a server sends is bounded, and whatever is wrong with it is an `AgentError` in our own words: no body, no header
and no key gets into one. Nothing is sent to another origin than the one that was configured.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import urllib.request
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from functools import lru_cache
from typing import Any

import aiohttp
import msgspec
import yarl
from multidict import CIMultiDict, istr

from ...errors import AgentError
from ...events.encoding import clean_text, clean_values, encode_json, is_first_half
from ...sse_parser import EventTooLarge, ServerSentEvent, SSEParser
from ..at_once import AtOnce
from .errors import PROVIDER, SilenceLimit
from .http_errors import MAX_BODY_BYTES, REDIRECTS, redirect_error, status_error
from .lenient_connector import MendedConnector

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 4.5
"""How long a connection waits for its next request. Common servers (uvicorn, node) close theirs after 5 s,
and a POST that meets such a close cannot be sent again safely."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Of an answer that is no stream. The cap is a denial-of-service guard."""
READ_BUFFER_BYTES = 64 * 1024
LARGE_BODY_BYTES = 2**20
"""A request with images may be larger; aiohttp wants such a one as a file, to send it piece by piece."""
ERROR_BODY_SECONDS = 2.0
"""How long the body of an error may take, of which no more is needed than a word."""
MAX_REDIRECTS = 3
MAX_HEADER_BYTES = 256 * 1024
MAX_HEADERS = 1000
"""Gateways add traces, policies and a rate limit for each model: more than aiohttp's 8 KB and 100."""
_PROXY_VARIABLES = (
    "http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    "REQUEST_METHOD",
)  # fmt: skip
"""What decides which proxy is taken; a CGI program's `HTTP_PROXY` comes from its client, and does not count."""
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class ConnectionLost(AgentError):
    """No answer, or the rest of one did not come: whoever can, asks for it again.

    Attributes:
        sent: Whether the server may have taken the request.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__("upstream_unavailable", message)
        self.sent = sent


class HttpUpstream:
    """Sends JSON to one origin and reads what it answers.

    Args:
        url: Any address of the server; only its origin is ever asked.
        headers: Sent with every request.
        who: Answers; begins the messages of errors.

    The first request opens the session in the running loop.
    """

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None, who: str) -> None:
        self.who = who
        self._origin = yarl.URL(url).origin()
        self._headers = dict(headers or {})
        self._session: aiohttp.ClientSession | None = None

    async def aclose(self) -> None:
        """Close every connection. Safe to call twice; a later request opens a new session."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def open(
        self, method: str, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> UpstreamAnswer:
        """Send a request and return its answer once the headers are there. Whoever gets it closes it.

        Raises:
            AgentError: No connection (`ConnectionLost`), or an answer that is no success.
        """
        data = b"" if body is None else encode_json(body)
        sent = {
            **({} if body is None else {"Content-Type": "application/json"}),
            **self._headers,
            **(headers or {}),
        }
        target = self._within(url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._request(method, target, data, sent)
            if response.status not in REDIRECTS:
                break
            response.close()
            target = target_within_origin(response, who=self.who)
        if not 200 <= response.status < 300:
            error = status_error(
                response.status, response.headers, who=self.who, body=await _error_body(response)
            )
            response.close()
            raise UpstreamRefused(response.status, error)
        return UpstreamAnswer(response, self.who)

    async def call(
        self, method: str, url: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Any:
        """Send a request and return the JSON that it is answered with.

        Raises:
            AgentError: As `open`, or the answer is no JSON.
        """
        answer = await self.open(method, url, body, headers={"Accept": "application/json", **(headers or {})})
        try:
            return await answer.json()
        finally:
            answer.close()

    def reaches(self, url: str) -> bool:
        """Whether *url* is of the origin that may be asked; the names of this very machine count as one."""
        try:
            origin = yarl.URL(url).origin()
        except (ValueError, TypeError):
            return False
        if origin == self._origin:
            return True
        alike = origin.scheme == self._origin.scheme and origin.port == self._origin.port
        return alike and {origin.host, self._origin.host} <= _LOOPBACK

    def _within(self, url: str) -> yarl.URL:
        if not self.reaches(url):
            raise AgentError(
                "upstream_rejected", f"{self.who} points to another origin, which is not followed."
            )
        return yarl.URL(url, encoded=True)

    async def _request(
        self, method: str, url: yarl.URL, data: bytes, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        body = body_of(data)
        try:
            return await self._open_session().request(
                method, url, data=body, headers=headers, proxy=proxy_for(url), allow_redirects=False
            )
        except aiohttp.ClientConnectorError as exc:
            raise ConnectionLost(f"{self.who} cannot be reached.", sent=False) from exc
        except aiohttp.ConnectionTimeoutError as exc:
            raise ConnectionLost(f"{self.who} cannot be reached in time.", sent=False) from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _lost(self.who, exc) from exc

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = new_session()
        return self._session


def new_session(connect_s: float = CONNECT_SECONDS) -> aiohttp.ClientSession:
    """Return an empty pool of connections: only connecting has a limit, and a server's headers may be many."""
    return aiohttp.ClientSession(
        connector=MendedConnector(max_head_bytes=MAX_HEADER_BYTES, limit=0, keepalive_timeout=IDLE_SECONDS),
        timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER_BYTES,
        skip_auto_headers=("User-Agent",),
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        max_headers=MAX_HEADERS,
        headers={"Accept-Encoding": "identity"},
        request_class=_RequestAtOnce,
    )


_shared_name = lru_cache(maxsize=256)(istr)


def with_shared_names(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return *headers* with names that all requests share: aiohttp makes each anew, and holds them with the answer."""
    return CIMultiDict([(_shared_name(name), value) for name, value in headers.items()])


class _RequestAtOnce(aiohttp.ClientRequest):
    """A request whose body is written with its headers, if there is room, in place of a task that wakes for it."""

    def write_bytes(self, *written: Any) -> Coroutine[Any, Any, None]:
        return AtOnce(super().write_bytes(*written))


def body_of(data: bytes) -> bytes | io.BytesIO | None:
    """Return *data* as aiohttp takes a request's body without a warning; None if there is none."""
    return (data or None) if len(data) < LARGE_BODY_BYTES else io.BytesIO(data)


class UpstreamRefused(AgentError):
    """The server answered with a status that is no success."""

    def __init__(self, status: int, error: AgentError) -> None:
        super().__init__(error.code, error.message, retryable=error.retryable, retry_after=error.retry_after)
        self.status = status


class UpstreamAnswer:
    """An open answer: JSON as a whole, or a stream of events.

    Attributes:
        status: The HTTP status. headers: Of the answer. is_stream: Whether it is `text/event-stream`.
    """

    def __init__(self, response: aiohttp.ClientResponse, who: str) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.is_stream = response.content_type == "text/event-stream"
        self._response = response
        self._who = who

    def close(self) -> None:
        """Give the connection back if the answer was read to its end, else close it, now."""
        self._response.close()

    async def json(self) -> Any:
        """Read the whole answer as JSON.

        Raises:
            AgentError: It broke off, is too large, or is none.
        """
        return decode_json(await read_whole(self._read, self._who, most=MAX_ANSWER_BYTES), self._who)

    async def events(self, silence_s: float | None = None) -> AsyncGenerator[ServerSentEvent, None]:
        """Yield the stream's events to its end.

        Args:
            silence_s: Without a byte for so long, a comment included, the connection counts as lost.
        Raises:
            AgentError: It broke (`ConnectionLost`), is no stream of events, or has one that is too large.
        """
        if not self.is_stream:
            raise AgentError("upstream_invalid", f"{self._who} answered with something that is no stream.")
        parser = SSEParser(max_event_bytes=MAX_ANSWER_BYTES)
        eventless = SilenceLimit(self._who)
        try:
            while chunk := await self._read(silence_s):
                events = parser.feed(chunk)
                eventless.note(chunk, events)
                for event in events:
                    yield event
        except EventTooLarge as exc:
            raise AgentError(
                "upstream_invalid", f"{self._who} sent an event that is too large to read."
            ) from exc

    async def _read(self, seconds: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                return await self._response.content.readany()
        except TimeoutError as exc:
            raise ConnectionLost(f"{self._who} has gone silent.") from exc
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            raise _lost(self._who, exc) from exc


async def read_whole(read: Callable[[], Awaitable[bytes]], who: str, *, most: int) -> bytes:
    """Read with *read*, which returns nothing at the end, an answer of at most so many bytes.

    Raises:
        AgentError: `upstream_invalid`: it has more.
    """
    pieces, size = [], 0
    while piece := await read():
        size += len(piece)
        if size > most:
            raise AgentError("upstream_invalid", f"{who} answered with more than can be read.")
        pieces.append(piece)
    return b"".join(pieces)


def decode_json(data: bytes | str, who: str) -> Any:
    """Read JSON that a server sent.

    Raises:
        AgentError: `upstream_invalid`: it is none.
    """
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError) as exc:
        halves = _with_half_characters(data)
        if halves is None:
            raise AgentError("upstream_invalid", f"{who} sent something that is not JSON.") from exc
        return halves


def _with_half_characters(data: bytes | str) -> Any:
    """Read JSON with halves of UTF-16's pairs, as JavaScript sends a text cut within an emoji; None if it is none.

    A half at the end of a text stays: the other may begin the next.
    """
    text = data if isinstance(data, str) else data.decode(errors="replace")
    if "\\ud" not in text and "\\uD" not in text:
        return None
    try:
        return clean_values(json.loads(text, parse_constant=_no_json), _clean_within)
    except (ValueError, RecursionError):
        return None


def _clean_within(text: str) -> str:
    first = "\udc00" <= text[:1] <= "\udfff"
    last = len(text) > first and is_first_half(text)
    return text[:first] + clean_text(text[first : len(text) - last]) + text[len(text) - last :]


def _no_json(word: str) -> Any:
    raise ValueError(word)


def decode_object(data: bytes | str, who: str) -> dict[str, Any]:
    """Read a JSON object that a server sent.

    Raises:
        AgentError: `upstream_invalid`: it is none.
    """
    value = decode_json(data, who)
    if not isinstance(value, dict):
        raise AgentError("upstream_invalid", f"{who} sent JSON that is no object.")
    return value


def target_within_origin(response: aiohttp.ClientResponse, *, who: str = PROVIDER) -> yarl.URL:
    """Return where a redirect points, if that is the same server.

    Args:
        who: Answered; begins the message.
    Raises:
        AgentError: `upstream_rejected`: it is another, which the question and the headers are not meant for.
    """
    location = response.headers.get("location")
    error = redirect_error(response.status, str(response.url), location, who=who)
    try:
        target = response.url.join(yarl.URL(location or ""))
        if not location or target.origin() != response.url.origin():
            raise error
    except ValueError as exc:
        raise error from exc
    return target


def proxy_for(url: yarl.URL) -> str | None:
    """Return the proxy that the environment names for *url*, None if it names none or excepts its host."""
    return _proxy_in(url.scheme, url.raw_authority, tuple(map(os.environ.get, _PROXY_VARIABLES)))


@lru_cache(maxsize=256)
def _proxy_in(scheme: str, authority: str, environment: tuple[str | None, ...]) -> str | None:
    """Look through the whole environment, which takes longer than a request: again only if *environment* is another."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(authority):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    try:
        async with asyncio.timeout(ERROR_BODY_SECONDS):
            return await response.content.read(MAX_BODY_BYTES)
    except (TimeoutError, aiohttp.ClientError, OSError):
        return b""


def _lost(who: str, exc: Exception) -> AgentError:
    lost = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, OSError, asyncio.IncompleteReadError)
    if isinstance(exc, lost):
        return ConnectionLost(f"The connection to {who[:1].lower()}{who[1:]} failed.")
    return AgentError("upstream_invalid", f"{who} does not answer in HTTP.")
