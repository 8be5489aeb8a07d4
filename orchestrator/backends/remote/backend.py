"""The remote backend: an agent or a panel of another instance of this service answers.

Owns the course of an attempt. The run at the other instance and its connections are `run`'s, what its events mean
`reading`'s, the questions that wait for a person `approvals`'.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from ...errors import AgentError
from ...events.agent import Approval, Status
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission
from ..forwarded_approvals import ForwardedApprovals
from ..upstream.connections import HttpUpstream
from ..upstream.hops import passed_on
from .reading import AgentReading, AttemptRestarted, PanelReading
from .run import RemoteRun
from .settings import RemoteSettings

WHO = "The other instance"
MAX_LEFT = 1000
"""Runs that go on there while a next attempt of ours may follow them; the oldest is forgotten beyond it."""


class RemoteBackend:
    """Answers with an agent or a panel of another instance.

    Args:
        settings: `RemoteSettings`.
        agents: Not used: the other instance knows its own.
    """

    def __init__(self, settings: RemoteSettings, agents: Mapping[str, AgentSettings]) -> None:
        token = settings.token
        self._settings = settings
        self._url = settings.url.rstrip("/")
        headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
        self._http = HttpUpstream(self._url, headers=headers, who=WHO)
        self._left: dict[tuple[str, str], RemoteRun] = {}

    @property
    def model(self) -> None:
        """None: the other instance knows it."""
        return None

    async def aclose(self) -> None:
        """Close every connection."""
        self._left.clear()
        await self._http.aclose()

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Answer *request*.

        Raises:
            AgentError: The other instance refuses, is lost, or its agent failed: then with the same code.

        Cancelling and closing return when the run there has ended, or after a limit, and the connection is closed.
        """
        conversation = _conversation(request)
        settings = self._settings
        ours = (request.run_id, request.agent_id)
        run = self._left.pop(ours, None) or self._new_run(request, conversation)
        memory = None if conversation is None else {"conversation": conversation}
        reading = (
            AgentReading(settings.agent, memory)
            if settings.agent is not None
            else PanelReading(settings.panel or "", memory)
        )
        leave = False

        async def send(answer: Approval) -> None:
            call_id = answer.call_id
            agent_id, call = (settings.agent, call_id) if settings.agent else call_id.split(":", 1)
            await run.answer(agent_id, msgspec.structs.replace(answer, call_id=call))

        async with ForwardedApprovals(request, send) as approvals:
            try:
                async with aclosing(self._read(run, reading, approvals)) as emissions:
                    async for emission in emissions:
                        yield emission
            except AttemptRestarted as exc:
                # It goes on there, and the next attempt here follows it from where this one stopped.
                leave = True
                self._keep(ours, run)
                raise exc.error from exc
            finally:
                await run.aclose(leave=leave or request.taken.is_set(), ended=reading.ended)

    async def _read(
        self,
        run: RemoteRun,
        reading: AgentReading | PanelReading,
        approvals: ForwardedApprovals,
    ) -> AsyncGenerator[Emission, None]:
        anchored: str | None = None
        async with aclosing(run.events()) as events:
            while not reading.ended:
                try:
                    event = await approvals.next_of(events)
                except StopAsyncIteration:
                    break
                if run.run_id != anchored:
                    anchored = run.run_id
                    yield Status("thinking", anchor=anchored)
                for emission in reading.feed(event):
                    for passed in approvals.take(emission):
                        yield passed
        if not reading.ended:
            raise AgentError("upstream_invalid", f"{WHO} ended its run without an answer.")

    def _new_run(self, request: AgentInput, conversation: str | None) -> RemoteRun:
        settings = self._settings
        # If another worker may go on after this one was lost, the run has to last until it comes.
        lasting = settings.on_worker_lost == "restart"
        body: dict[str, Any] = {
            "message": request.message,
            "on_disconnect": "continue" if lasting else "cancel",
        }
        body |= {"panel": settings.panel} if settings.agent is None else {"agents": [settings.agent]}
        if request.images:
            body["images"] = list(request.images)
        if conversation is not None:
            body["conversation_id"] = conversation
        return RemoteRun(self._http, self._url, body, passed_on(request), run_id=request.anchor)

    def _keep(self, ours: tuple[str, str], run: RemoteRun) -> None:
        self._left[ours] = run
        while len(self._left) > MAX_LEFT:
            self._left.pop(next(iter(self._left)))


def _conversation(request: AgentInput) -> str | None:
    """Return the conversation there: that of the turn before, else a new one; None without one of ours."""
    if request.conversation_id is None:
        return None
    for turn in reversed(request.history):
        found = turn.memory.get("conversation") if isinstance(turn.memory, dict) else None
        if isinstance(found, str):
            return found
    return f"c_{secrets.token_urlsafe(18)}"
