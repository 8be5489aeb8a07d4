"""One request to a Letta agent and the run that answers it, over as many connections as it takes.

Owns the connection, its re-attachment and the run's cancel. What the messages mean is `decoder`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import httpx
import structlog

from ...errors import AgentError
from ...sse_parser import EventTooLarge, ServerSentEvent, SSEParser
from ..tasks import cancelled_once, uninterrupted
from ..upstream.errors import SilenceLimit
from .api import WHO, LettaApi
from .decoder import Message, decode
from .errors import LettaRefused, LettaUnreachable, failed

log = structlog.get_logger(__name__)

CLEAN_UP_SECONDS = 4.5
"""Limit of closing and cancelling; the pump waits a little longer before it cancels again."""
LEARN_SECONDS = 3.0
"""Part of it that an unanswered request may take to be answered, so that its run can be cancelled."""
PING_SECONDS = 20.0
"""How often Letta says that it is alive."""
SILENCE_SECONDS = 2 * PING_SECONDS + 5.0
"""Two pings missed: the connection of a background run is dead, whatever the network says."""
READ_GRACE_SECONDS = 5.0
"""A foreground run's connection is given up this long after the agent's own limits, which say more."""
REATTACH_TRIES = 6
"""Connections in a row that bring nothing new before a run is given up."""
REATTACH_SECONDS, MAX_REATTACH_SECONDS = 0.1, 2.0
"""Delay before the first and, doubled each time, before a later connection."""
FINALIZER_TURNS = 5
"""Turns of the loop in which httpx's nested generators close: each level takes one."""


class RunNotFound(Exception):
    """The server knows of no run that was to be found: the messages were never sent."""


class LettaRun:
    """Sends messages once and yields everything that the server answers.

    Args:
        conversation: Where they are sent; None is the agent's own list of messages.
        messages: Each with an `otid`, by which a run is found whose answer was lost.
        background: Re-attach instead of failing, if the server offers it.
        quiet_s: The longest silence that the agent's own limits allow.
        begun: The `otid` of messages that a worker sent which was lost: their run is found, and nothing sent.

    Attributes:
        background: False once the server has refused a background run.

    Always `aclose`, whatever happened.
    """

    def __init__(
        self,
        api: LettaApi,
        conversation: str | None,
        messages: Sequence[Mapping[str, Any]],
        *,
        background: bool,
        quiet_s: float,
        begun: str | None = None,
    ) -> None:
        self.background = background or begun is not None
        self._api = api
        self._conversation = conversation
        self._messages = messages
        self._quiet_s = quiet_s
        self._begun = begun
        self._request: asyncio.Task[httpx.Response] | None = None
        self._response: httpx.Response | None = None
        self._run_id: str | None = None
        self._seq = 0
        self._ended = False

    async def messages(self) -> AsyncGenerator[Message, None]:
        """Yield the messages of the stream, each once and in order, until the server has ended it.

        Raises:
            AgentError: The server refuses, fails, or is lost for good. NeverBegan: There is no such run.

        Cancelling leaves the run at work until `aclose`.
        """
        await self._begin()
        tries = 0
        while True:
            seen = self._seq
            try:
                async with aclosing(self._read()) as messages:
                    async for message in messages:
                        yield message
                return
            except LettaUnreachable as exc:
                if not self.background:
                    raise
                tries = await self._attach(1 if self._seq > seen else tries + 1, exc)

    async def aclose(self, *, leave: bool = False) -> None:
        """Close the connection and, unless the server has ended the run, cancel it there.

        Args:
            leave: Another worker goes on with the run: a background run is left at work.

        Takes `CLEAN_UP_SECONDS` at most. A cancel of the caller waits for that, and is then passed on.
        """
        if self._request is None and self._begun is None:
            return
        try:
            await uninterrupted(self._release(leave and self.background), CLEAN_UP_SECONDS)
        except (AgentError, TimeoutError) as exc:
            reason = exc.code if isinstance(exc, AgentError) else "timeout"
            log.warning("letta_run_not_cancelled", letta_run_id=self._run_id, reason=reason)

    # beginning
    async def _begin(self) -> None:
        if self._begun is not None:
            await self._rejoin()
            return
        try:
            await self._send()
        except LettaRefused as exc:
            if exc.status != 503 or not self.background:
                raise
            # Without Redis the server offers no background runs, and says so before it does anything.
            self.background = False
            await self._send()
        except LettaUnreachable as exc:
            if not (self.background and exc.sent and self._conversation):
                raise
            await self._attach(1, exc)

    async def _rejoin(self) -> None:
        """Attach to the run that a lost worker began, from its first message on."""
        try:
            self._response = await self._find()
        except LettaRefused as exc:
            if exc.status != 404:
                raise
            self._ended = True
            raise RunNotFound from exc
        except LettaUnreachable as exc:
            await self._attach(1, exc)

    async def _send(self) -> None:
        # A task of its own, so that a cancel can wait for the answer, which names the run to be cancelled.
        self._request = asyncio.create_task(
            self._api.send(
                self._conversation, self._messages, background=self.background, silence_s=self._silence_s
            )
        )
        self._response = await asyncio.shield(self._request)

    async def _attach(self, tries: int, cause: AgentError) -> int:
        """Connect to the run again; return how many tries in a row that makes."""
        await self._close()
        while tries <= REATTACH_TRIES:
            await asyncio.sleep(min(REATTACH_SECONDS * 2 ** (tries - 1), MAX_REATTACH_SECONDS))
            try:
                self._response = await self._find()
                return tries
            except AgentError as exc:
                if exc.code != "upstream_unavailable":
                    raise LettaUnreachable from exc
                cause = exc
            tries += 1
        raise LettaUnreachable("The connection to the Letta server broke off too often.") from cause

    async def _find(self) -> httpx.Response:
        if self._run_id is not None:
            return await self._api.attach(self._run_id, after=self._seq, silence_s=self._silence_s)
        if self._conversation is None:
            raise LettaUnreachable
        otid = self._begun or str(self._messages[0]["otid"])
        return await self._api.find(self._conversation, otid, silence_s=self._silence_s)

    @property
    def _silence_s(self) -> float:
        if self.background:
            return min(SILENCE_SECONDS, 0.75 * self._quiet_s)
        return self._quiet_s + READ_GRACE_SECONDS

    # reading
    async def _read(self) -> AsyncGenerator[Message, None]:
        """Yield what one connection brings. Raises LettaUnreachable if it ends before the stream does."""
        response = self._response
        if response is None:
            raise LettaUnreachable
        parser = SSEParser()
        chunks = response.aiter_bytes()
        eventless = SilenceLimit(WHO)
        try:
            while (chunk := await cancelled_once(_next(chunks))) is not None:
                events = parser.feed(chunk)
                eventless.note(chunk, events)
                for event in events:
                    if event.data.startswith("[DONE]"):
                        self._ended = True
                        return
                    if (message := self._take(event)) is not None:
                        yield message
        except EventTooLarge as exc:
            raise AgentError("upstream_invalid", "The Letta server sent an event without an end.") from exc
        except httpx.RequestError as exc:
            raise LettaUnreachable("The connection to the Letta server broke off.") from exc
        raise LettaUnreachable("The Letta server's answer broke off.")

    def _take(self, event: ServerSentEvent) -> Message | None:
        """Read one event and move the cursor; None if it was there before or is no message."""
        if event.event == "error":
            self._ended = True
            raise failed(_error_type(event.data))
        if event.event != "message":
            return None
        message = decode(event.data)
        if self._run_id is None and isinstance(message.get("run_id"), str):
            self._run_id = message["run_id"]
        seq = message.get("seq_id")
        if isinstance(seq, int):
            # A ping repeats the number of the message before it.
            if seq <= self._seq and message.get("message_type") != "ping":
                return None
            self._seq = max(self._seq, seq)
        return message

    # ending
    async def _release(self, leave: bool) -> None:
        await self._close()
        if self._ended:
            return
        if self._request is not None:
            await self._learn(self._request)
            leave = leave or (self._run_id is None and not self._may_run(self._request))
        if not leave:
            await self._api.cancel(run_id=self._run_id, conversation=self._conversation)

    async def _learn(self, request: asyncio.Task[httpx.Response]) -> None:
        """Wait for the answer to a request for a while, and close its connection."""
        if not request.done():
            await asyncio.wait((request,), timeout=LEARN_SECONDS)
        if not request.done():
            request.cancel()
            await asyncio.wait((request,))
        if not request.cancelled() and request.exception() is None:
            await request.result().aclose()

    def _may_run(self, request: asyncio.Task[httpx.Response]) -> bool:
        """Whether a request has begun a run, or may have begun one though it failed."""
        if request.cancelled() or (exc := request.exception()) is None:
            return True
        return isinstance(exc, LettaUnreachable) and exc.sent

    async def _close(self) -> None:
        if self._response is not None:
            await self._response.aclose()
            self._response = None
        for _ in range(FINALIZER_TURNS):
            await asyncio.sleep(0)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


def _error_type(data: str) -> object:
    try:
        return decode(data).get("error_type")
    except AgentError:
        return None
