"""The requests that we make of a Letta server, and their failures as `AgentError`.

The only module that knows Letta's SDK. It never sends anything twice, and leaves a stream's body unread:
that is `run`'s, for the SDK's own decoder reads unknown kinds wrongly and does not report whether the
stream came to its end.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import httpx
import letta_client.resources.agents
import letta_client.resources.conversations
import letta_client.resources.runs  # noqa: F401 - the SDK would import all three later, on the event loop
from letta_client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncLetta,
    DefaultAsyncHttpxClient,
    LettaError,
)

from ...errors import AgentError
from ..tasks import cancelled_once
from ..upstream.body_limits import BoundBody, ask_unpackable, read_as_stream
from ..upstream.http_errors import endless_redirect
from ..upstream.redirects import RefuseOtherOrigin, is_endless, refusal_in
from .errors import LettaRefused, LettaUnreachable, refused

WHO = "The Letta server"
HOSTED_URL = "https://api.letta.com"
CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 30.0
"""Limit of a request that is answered at once: a conversation, a cancel."""
MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""Of such an answer; messages may hold images."""
NEWEST_MESSAGES = 5
"""How many are looked through for the one that asks for approvals; it is among the last two."""
_NOT_THERE = (404, 405)

_T = TypeVar("_T")


class LettaApi:
    """One Letta agent at one server.

    Args:
        base_url: None takes the hosted server.
        api_key: None sends none, whatever the environment holds.
        tls: `tls_context()`, made beforehand: it reads files.

    Build and use it in the same event loop.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        base_url: str | None,
        api_key: str | None,
        stream_tokens: bool,
        tls: ssl.SSLContext,
    ) -> None:
        self._agent_id = agent_id
        self._stream_tokens = stream_tokens
        self._client = AsyncLetta(
            api_key=api_key,
            base_url=base_url or HOSTED_URL,
            # A repeated POST would send the message twice, and the server would not notice.
            max_retries=0,
            timeout=httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS),
            # After a 500 the server drops the connection, so the next request on it would fail.
            http_client=DefaultAsyncHttpxClient(
                verify=tls,
                event_hooks={
                    "request": [ask_unpackable],
                    "response": [RefuseOtherOrigin(WHO), BoundBody(WHO, most=MAX_ANSWER_BYTES)],
                },
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            ),
        )
        # Without a key the SDK takes LETTA_API_KEY, and would hand it to any `base_url`.
        self._client.api_key = api_key

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def new_conversation(self) -> str | None:
        """Create an empty conversation; None if the server knows of none.

        Raises:
            AgentError: The server refuses, or cannot be reached.
        """
        try:
            made = await _answered(self._client.conversations.create(agent_id=self._agent_id))
        except LettaRefused as exc:
            if exc.status in _NOT_THERE:
                return None
            raise
        return _id_of(made)

    async def fork_conversation(self, conversation: str) -> str | None:
        """Create one that begins with what *conversation* holds; None if the server has no such one.

        Raises:
            AgentError: The server refuses, or cannot be reached.
        """
        try:
            made = await _answered(self._client.conversations.fork(conversation))
        except LettaRefused as exc:
            if exc.code == "upstream_rejected":
                return None
            raise
        return _id_of(made)

    async def send(
        self,
        conversation: str | None,
        messages: Sequence[Mapping[str, Any]],
        *,
        background: bool,
        silence_s: float,
    ) -> httpx.Response:
        """Send *messages*; return the stream that answers, unread.

        Args:
            conversation: None sends to the agent's own list of messages.
            background: The run goes on without us, and can be attached to.
            silence_s: Seconds without a byte after which reading fails.
        Raises:
            AgentError: The server refuses, or cannot be reached. `LettaRefused` (503): no background here.
        """
        options: dict[str, Any] = {
            "messages": messages,
            "streaming": True,
            "stream_tokens": self._stream_tokens,
            "background": background,
            "include_pings": True,
            "timeout": _stream_timeout(silence_s),
        }
        if conversation is None:
            agents = self._client.agents.messages.with_raw_response
            return await _opened(agents.create(self._agent_id, **options))
        conversations = self._client.conversations.messages.with_raw_response
        return await _opened(conversations.create(conversation, **options))

    async def attach(self, run_id: str, *, after: int, silence_s: float) -> httpx.Response:
        """Return the stream of a background run from the message after *after* on, unread.

        Raises:
            AgentError: The server refuses, or cannot be reached.
        """
        runs = self._client.runs.messages.with_raw_response
        timeout = _stream_timeout(silence_s)
        return await _opened(runs.stream(run_id, starting_after=after, include_pings=True, timeout=timeout))

    async def find(self, conversation: str, otid: str, *, silence_s: float) -> httpx.Response:
        """Return the whole stream of the background run that the message with *otid* began, unread.

        Raises:
            AgentError: The server refuses, or cannot be reached. `LettaRefused` (404): it began none.
        """
        conversations = self._client.conversations.messages.with_raw_response
        timeout = _stream_timeout(silence_s)
        return await _opened(
            conversations.stream(conversation, otid=otid, include_pings=True, timeout=timeout)
        )

    async def waiting_calls(self, conversation: str) -> frozenset[str]:
        """Return the ids of the calls that wait for approval in *conversation*; empty if that is not reported."""
        listing = self._client.conversations.messages.list(conversation, limit=NEWEST_MESSAGES, order="desc")
        try:
            page = await _answered(listing)
        except AgentError:
            return frozenset()
        for message in (item.model_dump() for item in page.items):  # the SDK's classes are no guide
            if message.get("message_type") == "approval_request_message":
                calls = message.get("tool_calls") or [message.get("tool_call")]
                found = (call.get("tool_call_id") for call in calls if isinstance(call, dict))
                return frozenset(call_id for call_id in found if isinstance(call_id, str))
        return frozenset()

    async def cancel(self, *, run_id: str | None, conversation: str | None) -> None:
        """Cancel the run, or what runs in *conversation* if the run is not known.

        Raises:
            AgentError: The server refuses, or cannot be reached.
        """
        if run_id is not None:
            await _answered(self._client.agents.messages.cancel(self._agent_id, run_ids=[run_id]))
        elif conversation is not None:
            await _answered(self._client.conversations.cancel(conversation))


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Read the certificates that connections are checked against, once. Slow: 50 ms."""
    return httpx.create_ssl_context()


def _stream_timeout(silence_s: float) -> httpx.Timeout:
    return httpx.Timeout(REQUEST_SECONDS, connect=CONNECT_SECONDS, read=silence_s)


async def _opened(request: Awaitable[Any]) -> httpx.Response:
    response: httpx.Response = (await _asked(request)).http_response
    kind = response.headers.get("content-type", "")
    if not kind.startswith("text/event-stream"):
        await response.aclose()
        raise AgentError("upstream_invalid", "The Letta server answered with something that is not a stream.")
    read_as_stream(response)
    return response


async def _answered(request: Awaitable[_T]) -> _T:
    """Wait for a whole answer: one that comes a byte at a time never meets the limit of each."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await _asked(request)
    except TimeoutError as exc:
        raise LettaUnreachable("The Letta server does not answer in time.") from exc


async def _asked(request: Awaitable[_T]) -> _T:
    try:
        return await cancelled_once(request)
    except APIStatusError as exc:
        raise refused(exc.status_code, exc.response.headers, exc.body) from exc
    except APIConnectionError as exc:
        if (ours := refusal_in(exc)) is not None:
            raise ours from exc
        if is_endless(exc):
            raise endless_redirect(who=WHO) from exc
        never = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
        raise LettaUnreachable(sent=not isinstance(exc.__cause__, never)) from exc
    except httpx.RequestError as exc:  # while an error's body was read
        raise LettaUnreachable from exc
    except (APIError, LettaError, ValueError) as exc:
        raise AgentError(
            "upstream_invalid", "The Letta server answered with something that is not JSON."
        ) from exc


def _id_of(made: object) -> str:
    found = getattr(made, "id", None)  # the SDK hands on a page of HTML as a string
    if not isinstance(found, str) or not found:
        raise AgentError(
            "upstream_invalid", "The Letta server answered with something that is no conversation."
        )
    return found
