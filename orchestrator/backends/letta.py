"""The letta backend: an agent that lives in a Letta server answers.

Owns the turn: its conversation, its approvals and its finish. A request's connection is `letta_run`'s,
what the messages say is `letta_stream`'s, and the SDK is known in `letta_api` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from ..errors import AgentError
from ..events import ApprovalRequest, Status
from .base import AgentInput, Emission, Finish, Turn
from .letta_api import LettaApi, tls_context
from .letta_errors import finish_reason
from .letta_run import LettaRun
from .letta_stream import Translator

CONVERSATION = "conversation_id"
"""The key in `Turn.memory` under which the Letta conversation of a turn stands."""
FOREGROUND_SECONDS = 60.0
"""How long a server's refusal of background runs is remembered."""
QUIET_SHARE = 0.25
"""Part of `idle_timeout_s` that must have passed in silence before a ping is told as a `Status`."""
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

    def __init__(self, settings: Any, agents: Mapping[str, Any]) -> None:
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
        conversation, messages = await _open_turn(api, request)
        translator = Translator()
        while True:
            async with aclosing(self._run(api, conversation, messages, translator)) as emissions:
                async for emission in emissions:
                    yield emission
            if translator.stop_reason != "requires_approval":
                break
            answers: list[dict[str, Any]] = []
            async with aclosing(_approvals(request, translator, answers)) as emissions:
                async for emission in emissions:
                    yield emission
            messages = [_message({"type": "approval", "approvals": answers})]
        reason = finish_reason(translator.stop_reason)
        for emission in translator.end():
            yield emission
        kept = request.conversation_id is not None and conversation is not None
        yield Finish(reason, translator.usage, {CONVERSATION: conversation} if kept else None)

    async def _run(
        self, api: LettaApi, conversation: str | None, messages: list[dict[str, Any]], translator: Translator
    ) -> AsyncGenerator[Emission, None]:
        """Send *messages* and yield what the agent says."""
        limits, clock = self._settings.limits, asyncio.get_running_loop().time
        background = self._settings.background and clock() >= self._foreground_until
        quiet_s = max(limits.first_token_timeout_s, limits.idle_timeout_s)
        run = LettaRun(api, conversation, messages, background=background, quiet_s=quiet_s)
        pulse = _Pulse(limits.idle_timeout_s)
        try:
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
            await run.aclose()

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
    """Decides which pings of a silent server are worth telling.

    The pump gives an agent up after `idle_timeout_s` without an event. A ping says that the server lives,
    not that the agent gets on: told now and then it bridges a long thought, but not for ever.
    """

    def __init__(self, idle_s: float) -> None:
        self._clock = asyncio.get_running_loop().time
        self._idle_s = idle_s
        self._said_at = self._told_at = self._clock()

    def said(self) -> None:
        """Note that the agent itself said something."""
        self._said_at = self._told_at = self._clock()

    def ping(self) -> bool:
        """Whether to tell this ping."""
        now = self._clock()
        if (
            now - self._told_at < self._idle_s * QUIET_SHARE
            or now - self._said_at > self._idle_s * QUIET_LIMIT
        ):
            return False
        self._told_at = now
        return True


async def _open_turn(api: LettaApi, request: AgentInput) -> tuple[str | None, list[dict[str, Any]]]:
    """Choose the turn's Letta conversation, and what to send to it."""
    question = _message({"role": "user", "content": _content(request)})
    history = request.history if request.conversation_id is not None else ()
    if history and (earlier := _conversation_of(history[-1])) is not None:
        forked = await api.fork_conversation(earlier)
        if forked is not None:
            return forked, [question]
    conversation = await api.new_conversation()
    if conversation is None:
        return None, [question]
    # Turns of another backend, or of a conversation that is gone at the server, are told in words.
    return conversation, [*_told(history), question]


def _conversation_of(turn: Turn) -> str | None:
    found = turn.memory.get(CONVERSATION) if isinstance(turn.memory, dict) else None
    return found if isinstance(found, str) and found else None


def _told(history: tuple[Turn, ...]) -> list[dict[str, Any]]:
    told = []
    for turn in history:
        told.append(_message({"role": "user", "content": turn.message}))
        if turn.text:
            told.append(_message({"role": "assistant", "content": turn.text}))
    return told


def _content(request: AgentInput) -> str | list[dict[str, Any]]:
    if not request.images:
        return request.message
    images = [{"type": "image", "source": _image_source(url)} for url in request.images]
    return [{"type": "text", "text": request.message}, *images]


def _image_source(url: str) -> dict[str, str]:
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    kind, _, data = url.removeprefix("data:").partition(";base64,")
    return {"type": "base64", "media_type": kind, "data": data}


def _message(content: dict[str, Any]) -> dict[str, Any]:
    """Give a message the id of ours by which the server finds its run."""
    return {**content, "otid": str(uuid4())}


async def _approvals(
    request: AgentInput, translator: Translator, answers: list[dict[str, Any]]
) -> AsyncGenerator[Emission, None]:
    """Ask for each waiting call, one after the other; the answers go into *answers*."""
    if not translator.waiting:
        raise AgentError("upstream_invalid", "The Letta server waits for an approval of nothing.")
    for call in list(translator.waiting.values()):
        yield ApprovalRequest(call.call_id, call.name, call.arguments)
        approve = await request.approve(call.call_id)
        answers.append({"type": "approval", "approve": approve, "tool_call_id": call.call_id})
        if approve:
            yield translator.approved(call)
    translator.waiting.clear()
    translator.stop_reason = None
