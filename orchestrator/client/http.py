"""The client's requests: addresses, credentials, refusals, pauses before another try. Knows no run's state."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp

from ..errors import OrchestratorError
from ..events.hops import nesting_headers

HEARTBEAT_LIMIT_SECONDS = 45.0
"""Three of the server's heartbeats. A stream that is silent for longer is taken for dead and opened again."""

REQUEST_SECONDS = 30.0
CONNECT_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 30.0
MAX_WAIT_SECONDS = 3600.0
"""Whatever a server asks for: an hour later it may think otherwise."""
TRIES = 3
"""Of a request that may be repeated: reads, cancels, and starts, which carry an Idempotency-Key."""


class ClientError(OrchestratorError):
    """A request was refused, or the server cannot be reached.

    Attributes:
        status: The HTTP status; None if no usable answer came.
        problem: The answer's problem details (RFC 9457): `title`, `detail`, `errors`; may be empty.
        retry_after: Seconds the server asks to wait, if it does.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})
        self.retry_after = retry_after

    @property
    def temporary(self) -> bool:
        """Whether the same request may be answered later: a limit, or a server that is going or coming."""
        return self.status in (408, 425, 429) or (self.status is not None and self.status >= 500)


class Backoff:
    """The pauses between tries: exponential, with jitter so that not all return at once."""

    def __init__(self, *, base_s: float = 0.5) -> None:
        self.base_s = base_s
        self._failures = 0

    def reset(self) -> None:
        """Start from `base_s` again; called once something was really received."""
        self._failures = 0

    def next_delay(self, at_least: float | None = None) -> float:
        """Return seconds, never less than `base_s` (a stream's `retry:`) or *at_least* (a `Retry-After`)."""
        delay = min(self.base_s * (1 << self._failures), max(MAX_BACKOFF_SECONDS, self.base_s))
        self._failures = min(self._failures + 1, 16)
        delay *= 1 + random.random() / 2  # noqa: S311 -- it spreads load, it guards nothing
        return min(max(delay, at_least or 0.0), MAX_WAIT_SECONDS)


class Http:
    """One server's address and the connections to it. Takes the arguments of `Client`."""

    def __init__(
        self, base_url: str, token: str | None, session: aiohttp.ClientSession | None, silence_s: float
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{base_url!r} is no http:// or https:// address")
        self.base = base_url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session = session
        self._owns_session = session is None
        self._silence_s = silence_s

    def open(self) -> None:
        if self._session is None:
            # One connection for each run that is followed: with a limit the next one would hang silently.
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def aclose(self) -> None:
        if self._owns_session and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        tries: int = 1,
    ) -> dict[str, Any]:
        """Make one request and return its JSON object, an empty one if there is no content.

        Args:
            tries: In all, if no answer comes. Any answer counts, a refusal too.

        Raises:
            ClientError: The server refuses, or does not answer.
        """
        backoff = Backoff(base_s=0.2)
        while True:
            tries -= 1
            try:
                return await self._call_once(method, path, body, params, headers)
            except (aiohttp.ClientError, TimeoutError, OSError) as exc:
                if tries <= 0 or isinstance(exc, aiohttp.ClientSSLError):
                    raise ClientError(
                        f"{self.base} does not answer ({str(exc) or type(exc).__name__})"
                    ) from exc
            await asyncio.sleep(backoff.next_delay())

    async def _call_once(
        self,
        method: str,
        path: str,
        body: object,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        async with self._live_session().request(
            method,
            self.base + path,
            json=body,
            params=params,
            headers={
                **self._headers,
                **nesting_headers(),
                "Accept": "application/json",
                **(headers or {}),
            },
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS, sock_connect=CONNECT_SECONDS),
            allow_redirects=False,
        ) as response:
            if not 200 <= response.status < 300:
                raise await refusal(response)
            if response.status == 204:
                return {}
            try:
                answer = await response.json()
            except (ValueError, RecursionError, aiohttp.ContentTypeError):
                answer = None
            if not isinstance(answer, dict):
                raise ClientError(f"{self.base}{path} answers, but not as an orchestrator does")
            return answer

    @asynccontextmanager
    async def stream(
        self, path: str, last_event_id: str | None, params: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask for a stream's events later than *last_event_id*; closes the connection on leaving."""
        # Not compressed: a proxy that compresses may hold events back to fill its window.
        headers = {**self._headers, "Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = last_event_id
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._silence_s)
        async with self._live_session().get(
            self.base + path, params=params, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            yield response

    def _live_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open; use `async with Client(...) as client:`")
        return self._session


def path_of(*parts: str) -> str:
    """Join *parts* below `/v1`, quoted: an id from a command line may hold anything."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


async def refusal(response: aiohttp.ClientResponse) -> ClientError:
    """Make an error of an answer that is none; its message is the problem's, fields at fault included."""
    problem: dict[str, Any] = {}
    if "json" in response.content_type:
        try:
            found = await response.json(content_type=None)
        except (ValueError, RecursionError, aiohttp.ClientError):
            found = None
        problem = found if isinstance(found, dict) else {}
    said = problem.get("detail") or problem.get("title") or response.reason or "refused"
    fields = problem.get("errors")
    if isinstance(fields, list) and fields:
        faults = [f"{field.get('at')}: {field.get('detail')}" for field in fields if isinstance(field, dict)]
        more = [fault for fault in faults if fault not in str(said)]
        said = f"{said} ({'; '.join(more)})" if more else said
    return ClientError(
        f"{response.status}: {said}",
        status=response.status,
        problem=problem,
        retry_after=_retry_after(response.headers.get("Retry-After", "")),
    )


def _retry_after(wait: str) -> float | None:
    """Read a `Retry-After`: seconds, or a date."""
    if wait.isascii() and wait.isdigit():
        return float(wait[:12]) if len(wait) < 12 else MAX_WAIT_SECONDS
    try:
        return max(0.0, parsedate_to_datetime(wait).timestamp() - time.time())
    except (ValueError, OverflowError):  # a year or an offset that no integer of C holds
        return None
