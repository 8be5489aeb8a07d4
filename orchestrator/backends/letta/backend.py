"""The letta backend: an agent that lives in a Letta server answers.

Owns the course of a turn: its runs, its approvals and its finish. What is sent is `turn`'s, a request's
connection `run`'s, what the messages say `decoder`'s, and the SDK is known in `api` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ...errors import AgentError
from ...events.agent import ApprovalRequest, Status, ToolCall
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission, Finish
from .api import LettaApi, tls_context
from .decoder import MessageDecoder
from .errors import finish_reason
from .run import LettaRun, RunNotFound
from .settings import LettaSettings
from .turn import LettaTurn, open_turn

FOREGROUND_SECONDS = 60.0
"""How long a server's refusal of background runs is remembered."""
QUIET_SHARE = 0.25
"""Part of `idle_timeout_s` that must have passed in silence before a ping is reported as a `Status`."""
QUIET_LIMIT = 5.0
"""Silences of `idle_timeout_s` that pings can bridge; a server that only pings is given up then."""


class LettaBackend:
    """Answers with a Letta agent.

    Each turn has a Letta conversation of its own, which begins with that of the turn before it: so turns
    at the same time do not mix, and one that failed or was cancelled leaves nothing behind in the next.

    Args:
        settings: `LettaSettings`.
        agents: Not used: Letta agents hand off inside Letta.
    """

    def __init__(self, settings: LettaSettings, agents: Mapping[str, AgentSettings]) -> None:
        self._settings = settings
        self._tls = tls_context()
        self._connected: LettaApi | None = None
        self._foreground_until = float("-inf")

    @property
    def model(self) -> str | None:
        """None: the Letta server knows it."""
        return None

    async def aclose(self) -> None:
        """Close the client. Called once, when no stream runs."""
        if self._connected is not None:
            await self._connected.aclose()
            self._connected = None

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Answer *request*.

        Raises:
            AgentError: The server refuses, fails or is lost; nobody answered an approval.

        Cancelling and closing return when the connection is closed and the run is cancelled at the server.
        """
        api = self._api()
        turn = await open_turn(api, request)
        translator = MessageDecoder()
        heard = False
        while True:
            try:
                async with aclosing(self._run(api, request, turn, translator)) as emissions:
                    async for emission in emissions:
                        yield emission
            except RunNotFound as exc:
                if heard:
                    lost = "The answer to an approval was lost with the worker that had it; ask again."
                    raise AgentError("worker_lost", lost, retryable=False) from exc
                # That worker was lost before it had asked anything, so the agent is not asked twice.
                turn = await open_turn(api, replace(request, anchor=None))
                continue
            heard = True
            if translator.stop_reason != "requires_approval":
                break
            for dropped in await _dropped(api, turn, translator):
                yield translator.dropped(dropped)
            async with aclosing(_approvals(request, turn, translator)) as emissions:
                async for emission in emissions:
                    yield emission
        reason = finish_reason(translator.stop_reason, said=translator.said)
        for emission in translator.end():
            yield emission
        yield Finish(reason, translator.usage, turn.memory if request.conversation_id is not None else None)

    async def _run(
        self, api: LettaApi, request: AgentInput, turn: LettaTurn, translator: MessageDecoder
    ) -> AsyncGenerator[Emission, None]:
        """Send the turn's messages, or find the run that a lost worker began with them; yield what the agent says.

        Raises:
            NeverBegan: The lost worker never sent them.
        """
        limits, clock = self._settings.limits, asyncio.get_running_loop().time
        background = self._settings.background and clock() >= self._foreground_until
        quiet_s = max(limits.first_token_timeout_s, limits.idle_timeout_s)
        begun = turn.begun.pop(0) if turn.begun else None
        run = LettaRun(
            api, turn.conversation, turn.messages, background=background, quiet_s=quiet_s, begun=begun
        )
        pulse = _Pulse(limits.idle_timeout_s)
        try:
            if background and begun is None and (anchor := turn.anchor()) is not None:
                yield Status(translator.activity, anchor=anchor)
            async with aclosing(run.messages()) as received:
                async for message in received:
                    if message.get("message_type") == "ping" and pulse.ping():
                        yield Status(translator.activity, "The Letta server is still at work.")
                    for emission in translator.feed(message):
                        yield emission
                        pulse.said()
        finally:
            if background and not run.background:
                self._foreground_until = clock() + FOREGROUND_SECONDS
            await run.aclose(leave=request.taken.is_set())

    def _api(self) -> LettaApi:
        if self._connected is None:
            settings, key = self._settings, self._settings.api_key
            self._connected = LettaApi(
                settings.letta_agent_id,
                base_url=settings.base_url,
                api_key=None if key is None else key.get_secret_value(),
                stream_tokens=settings.stream_tokens,
                tls=self._tls,
            )
        return self._connected


class _Pulse:
    """Decides which pings of a silent server are worth reporting.

    The pump gives an agent up after `idle_timeout_s` without an event. A ping says that the server lives,
    not that the agent gets on: reported now and then it bridges a long thought, but not for ever.
    """

    def __init__(self, idle_s: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._idle_s = idle_s
        self._said_at = self._reported_at = self._clock()

    def said(self) -> None:
        """Note that the agent itself said something."""
        self._said_at = self._reported_at = self._clock()

    def ping(self) -> bool:
        """Whether to report this ping."""
        now = self._clock()
        if (
            now - self._reported_at < self._idle_s * QUIET_SHARE
            or now - self._said_at > self._idle_s * QUIET_LIMIT
        ):
            return False
        self._reported_at = now
        return True


async def _dropped(api: LettaApi, turn: LettaTurn, translator: MessageDecoder) -> list[ToolCall]:
    """Return the waiting calls that the server will not run.

    It streams all that the model called. If its agent makes one call at a time it keeps the first alone, and
    refuses an answer to any other.
    """
    if len(translator.waiting) < 2 or turn.conversation is None or turn.begun:
        return []
    kept = await api.waiting_calls(turn.conversation)
    return [call for call_id, call in translator.waiting.items() if kept and call_id not in kept]


async def _approvals(
    request: AgentInput, turn: LettaTurn, translator: MessageDecoder
) -> AsyncGenerator[Emission, None]:
    """Ask for each waiting call, one after the other, and send the answers next.

    Those that a lost worker has sent already are not asked again.
    """
    if not translator.waiting:
        raise AgentError("upstream_invalid", "The Letta server waits for an approval of nothing.")
    answers: list[dict[str, Any]] = []
    for call in list(translator.waiting.values()):
        approve = bool(turn.begun)
        if not turn.begun:
            yield ApprovalRequest(call.call_id, call.name, call.arguments)
            approve = await request.approve(call.call_id)
            answer = {"type": "approval", "approve": approve, "tool_call_id": call.call_id}
            reason = request.reasons.get(call.call_id)
            answers.append(answer if reason is None else {**answer, "reason": reason})
        if approve:
            yield translator.approved(call)
        else:
            translator.refused(call)
    if not turn.begun:
        turn.answer(answers)
    translator.waiting.clear()
    translator.stop_reason = None
