"""One run at another instance, over as many connections as it takes. Owns its connection, its cursor and its cancel.

What the events mean is `reading`'s.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from typing import Any
from urllib.parse import quote

import structlog

from ...errors import AgentError
from ...events.agent import Approval
from ...sse_parser import ServerSentEvent
from ..tasks import uninterrupted
from ..upstream.connections import ConnectionLost, HttpUpstream, UpstreamAnswer, UpstreamRefused

log = structlog.get_logger(__name__)

SILENCE_SECONDS = 45.0
"""The other instance says every 15 s that it is there: after three times nothing, the connection is dead."""
TRIES = 8
"""Connections in a row that bring nothing new before a run is given up."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.05, 3.0
"""Delay before the first and, doubled each time, before a later connection."""
CLEAN_UP_SECONDS = 4.5
"""Limit of cancelling; the pump waits a little longer before it cancels again."""
MAX_ID_CHARS = 200
GONE = (400, 404, 410)
"""What a run is answered with that there is not, or not any more."""


class RemoteRun:
    """Starts a run and yields its events, each once and in order.

    Args:
        url: Of the instance, without a slash at its end.
        body: What starts the run.
        headers: Sent with the start.
        run_id: Of a run that was started by a worker that is lost: it is followed from its first event, or if the
            other instance does not know it any more, begun anew.

    Attributes:
        run_id: The run's id there, None before it is known.

    Always `aclose`, whatever happened.
    """

    def __init__(
        self, http: HttpUpstream, url: str, body: Any, headers: Mapping[str, str], *, run_id: str | None
    ) -> None:
        self.run_id = run_id
        self._http = http
        self._url = url
        self._body = body
        self._headers = {**headers, "Idempotency-Key": secrets.token_urlsafe(18)}
        self._cursor = ""
        self._answer: UpstreamAnswer | None = None
        self._ended = False

    async def events(self) -> AsyncGenerator[ServerSentEvent, None]:
        """Yield the run's events after the last one that was yielded, to its end.

        Raises:
            AgentError: The other instance refuses, or is lost for good.
        """
        tries = 0
        while not self._ended:
            seen = self._cursor
            try:
                async with aclosing(self._connected()) as events:
                    async for event in events:
                        if event.id:
                            self._cursor = event.id
                        self._ended = event.event == "run.done"
                        yield event
                # An instance that is asked to stop ends its streams in good order, and another goes on.
                lost = ConnectionLost("The other instance ended the stream before its run had ended.")
            except (ConnectionLost, UpstreamRefused) as exc:
                if self.run_id and isinstance(exc, UpstreamRefused) and exc.status in GONE:
                    if self._cursor:
                        gone = "The other instance no longer knows the run."
                        raise AgentError("upstream_unavailable", gone) from exc
                    self.run_id = None
                    continue
                if not self._may_retry(exc):
                    raise
                lost = exc if isinstance(exc, ConnectionLost) else ConnectionLost(exc.message)
            self._close()
            if self._ended:
                return
            tries = 1 if self._cursor != seen else tries + 1
            if tries > TRIES:
                raise lost
            await asyncio.sleep(min(PAUSE_SECONDS * 2 ** (tries - 1), MAX_PAUSE_SECONDS))

    async def answer(self, agent_id: str, answer: Approval) -> None:
        """Answer a question of an agent there.

        Raises:
            AgentError: It could not be passed on. One that was answered there already is no error.
        """
        path = f"agents/{quote(agent_id, safe='')}/approvals/{quote(answer.call_id, safe='')}"
        known: dict[str, Any] = {"approve": answer.approve}
        if answer.reason is not None:
            known["reason"] = answer.reason
        try:
            await self._give(path, known if answer.by is None else {**known, "by": answer.by}, known)
        except UpstreamRefused as exc:
            if exc.status not in (404, 409, 410):
                raise

    async def _give(self, path: str, said: dict[str, Any], known: dict[str, Any]) -> None:
        """Give an answer; an instance of before there was a `by` is given what it knows."""
        try:
            await self._http.call("POST", f"{self._path}/{path}", said)
        except UpstreamRefused as exc:
            if exc.status != 422 or said == known:
                raise
            await self._http.call("POST", f"{self._path}/{path}", known)

    async def aclose(self, *, leave: bool, ended: bool) -> None:
        """Close the connection and, unless the run is to be left at work, cancel it there and wait for its end."""
        try:
            if self.run_id is not None and not leave and not ended and not self._ended:
                await uninterrupted(self._cancel(), CLEAN_UP_SECONDS)
        except (AgentError, TimeoutError) as exc:
            reason = exc.code if isinstance(exc, AgentError) else "timeout"
            log.warning("remote_run_not_cancelled", remote_run_id=self.run_id, reason=reason)
        finally:
            self._close()

    @property
    def _path(self) -> str:
        return f"{self._url}/v1/runs/{quote(self.run_id or '', safe='')}"

    async def _connected(self) -> AsyncGenerator[ServerSentEvent, None]:
        """Yield what one connection brings."""
        accept = {"Accept": "text/event-stream"}
        if self.run_id is None:
            answer = await self._http.open(
                "POST", f"{self._url}/v1/runs", self._body, headers={**self._headers, **accept}
            )
            self._answer = answer
            run_id = answer.headers.get("Run-Id", "")
            if not run_id or len(run_id) > MAX_ID_CHARS:
                raise AgentError("upstream_invalid", "The other instance is no instance of this service.")
            self.run_id = run_id
        else:
            cursor = {"Last-Event-ID": self._cursor} if self._cursor else {}
            answer = await self._http.open("GET", f"{self._path}/events", headers={**accept, **cursor})
            self._answer = answer
            if answer.status == 204:
                self._ended = True
                return
        async with aclosing(answer.events(SILENCE_SECONDS)) as events:
            async for event in events:
                yield event

    def _may_retry(self, exc: ConnectionLost | UpstreamRefused) -> bool:
        if isinstance(exc, ConnectionLost):
            # What never left, and nothing waits for yet, is for the agent's own retries.
            return exc.sent or self.run_id is not None
        return self.run_id is not None and (exc.status >= 500 or exc.status == 429)

    async def _cancel(self) -> None:
        await self._http.call("POST", f"{self._path}/cancel", {})
        answer = self._answer
        if answer is None or answer.status == 204:
            answer = self._answer = await self._http.open(
                "GET", f"{self._path}/events", headers={"Accept": "text/event-stream"}
            )
        if not answer.is_stream:
            return
        with suppress(ConnectionLost):
            async with aclosing(answer.events()) as events:
                async for event in events:
                    if event.event == "run.done":
                        return

    def _close(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None
