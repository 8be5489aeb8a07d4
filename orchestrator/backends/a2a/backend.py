"""The a2a backend: an agent behind A2A 1.0 answers, whatever framework it is made with.

Owns the course of a task: its streams, its questions, its cancel. The calls are `calls`', what the updates mean
`reading`'s, the card `card`'s.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import structlog
from msgspec import UNSET

from ...errors import AgentError
from ...events.agent import ApprovalRequest, Status
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission, Finish
from ..tasks import uninterrupted
from ..upstream.connections import ConnectionLost, HttpUpstream
from ..upstream.hops import passed_on
from .calls import A2aCalls, TaskHasEnded
from .card import WHO, card_url, endpoint_of, reached_at
from .input_required import TaskQuestion
from .reading import ENDED, TaskReading
from .settings import A2aSettings

log = structlog.get_logger(__name__)

CARD_SECONDS = 300.0
"""How long a card is believed."""
TRIES = 6
"""Streams in a row that bring nothing new before a task is given up."""
PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 2.0
"""Delay before the first and, doubled each time, before a later stream; and between two looks at a task."""
CLEAN_UP_SECONDS = 4.5
"""Limit of cancelling; the pump waits a little longer before it cancels again."""


class A2aBackend:
    """Answers with an agent behind A2A.

    Args:
        settings: `A2aSettings`.
        agents: Not used: the agent knows its own.
    """

    def __init__(self, settings: A2aSettings, agents: Mapping[str, AgentSettings]) -> None:
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._settings = settings
        self._http = HttpUpstream(settings.url, headers=headers, who=WHO)
        self._calls: A2aCalls | None = None
        self._read_at = float("-inf")

    @property
    def model(self) -> None:
        """None: the agent knows it."""
        return None

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Answer *request*.

        Raises:
            AgentError: The agent refuses, fails or is lost; nobody answered its question.

        Cancelling and closing return when the agent has said that its task is cancelled, or after a limit, and the
        connection is closed.
        """
        hops = passed_on(request)
        calls = await self._connect()
        task = _Task(calls, TaskReading(), hops, begun=request.anchor)
        message = _first_message(request)
        reading, anchored, asked = task.reading, None, 0
        try:
            while not reading.done:
                async with aclosing(task.updates(message)) as updates:
                    async for update in updates:
                        for emission in reading.feed(update):
                            yield emission
                        if reading.task_id != anchored:
                            anchored = reading.task_id
                            yield Status("working", anchor=anchored)
                if reading.asks and not reading.done:
                    asked += 1
                    question = reading.question or TaskQuestion("input", "{}")
                    call_id = f"{reading.task_id}.{asked}"
                    yield ApprovalRequest(call_id, question.name, question.arguments)
                    approve = await request.approve(call_id)
                    message = _reply(reading, question, approve, request.reasons.get(call_id))
        finally:
            if not request.taken.is_set():
                await task.aclose()
        memory = {"context": reading.context_id} if request.conversation_id is not None else None
        endings = reading.endings
        output = reading.output if endings.output is UNSET else endings.output
        yield Finish(endings.reason, reading.usage or endings.usage, memory, output)

    async def _connect(self) -> A2aCalls:
        """Read the agent's card, unless it was read a short while ago."""
        if self._calls is None or time.monotonic() - self._read_at > CARD_SECONDS:
            settings = self._settings
            card = await self._http.call("GET", card_url(settings.url))
            endpoint = endpoint_of(card, settings.binding)
            endpoint = replace(endpoint, url=reached_at(endpoint.url, settings.url))
            if not self._http.reaches(endpoint.url):
                raise AgentError(
                    "upstream_rejected",
                    f"{WHO}'s card names an address of another origin, which is not followed.",
                )
            self._calls, self._read_at = A2aCalls(self._http, endpoint), time.monotonic()
        return self._calls


class _Task:
    """One task and its streams.

    Args:
        hops: Headers that are sent with each message.
        begun: Id of a task that a worker began which is lost: it is gone on with, and nothing sent first.
    """

    def __init__(
        self, calls: A2aCalls, reading: TaskReading, hops: dict[str, str], *, begun: str | None
    ) -> None:
        self.reading = reading
        self._hops = hops
        self._calls = calls
        self._begun = begun

    async def updates(self, message: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Send *message*, and yield updates until the task has ended or waits for an answer.

        Raises:
            AgentError: The agent refuses, or is lost for good.
        """
        reading, begun, self._begun = self.reading, self._begun, None
        reading.state = ""
        tries = 0
        if begun is not None:
            reading.task_id = begun
        stream = self._calls.send(message, self._hops) if begun is None else self._calls.subscribe(begun)
        while True:
            lost: AgentError = ConnectionLost(f"{WHO} ended its stream before its task had ended.")
            try:
                async with aclosing(stream) as updates:
                    async for update in updates:
                        tries = 0
                        yield update
                        # A stream that begins with the task tells how it stood, which the rest may have overtaken.
                        if reading.done or (reading.asks and "statusUpdate" in update):
                            return
                if self._rests:
                    return
            except ConnectionLost as exc:
                if reading.task_id is None:
                    raise
                lost = exc
            except TaskHasEnded:
                if begun is not None and not reading.state:
                    # That worker's task is gone: the question is asked anew.
                    begun, reading.task_id = None, None
                    stream = self._calls.send(message, self._hops)
                    continue
                if reading.task_id is None:
                    raise
                yield await self._calls.task(reading.task_id)
                if self._rests:
                    return
            if reading.task_id is None:
                raise lost
            tries += 1
            if tries > TRIES and self._calls.streams:
                raise lost
            await asyncio.sleep(min(PAUSE_SECONDS * 2 ** min(tries - 1, 5), MAX_PAUSE_SECONDS))
            stream = self._calls.subscribe(reading.task_id) if self._calls.streams else self._look()

    async def _look(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the task as it stands: all that can be had of an agent that does not stream."""
        yield await self._calls.task(self.reading.task_id or "")

    @property
    def _rests(self) -> bool:
        return self.reading.done or self.reading.asks

    async def aclose(self) -> None:
        """Cancel the task, unless it has ended, and wait for the agent's word."""
        reading = self.reading
        if reading.done or reading.task_id is None or reading.state in ENDED:
            return
        try:
            await uninterrupted(self._cancel(reading.task_id), CLEAN_UP_SECONDS)
        except TaskHasEnded:
            return
        except (AgentError, TimeoutError) as exc:
            reason = exc.code if isinstance(exc, AgentError) else "timeout"
            log.warning("a2a_task_not_cancelled", task_id=reading.task_id, reason=reason)

    async def _cancel(self, task_id: str) -> None:
        await self._calls.cancel(task_id)


def _first_message(request: AgentInput) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"text": request.message}, *map(_image, request.images)]
    message = {"messageId": str(uuid.uuid4()), "role": "ROLE_USER", "parts": parts}
    for turn in reversed(request.history):
        context = turn.memory.get("context") if isinstance(turn.memory, dict) else None
        if isinstance(context, str):
            return {**message, "contextId": context}
    return message if request.conversation_id is None else {**message, "contextId": request.conversation_id}


def _image(url: str) -> dict[str, Any]:
    if url.startswith("data:") and ";base64," in url:
        head, _, data = url.partition(";base64,")
        return {"raw": data, "mediaType": head.removeprefix("data:")}
    return {"url": url}


def _reply(reading: TaskReading, question: TaskQuestion, approve: bool, reason: str | None) -> dict[str, Any]:
    """Return the message that answers a question, in words and as data: agents read either."""
    decision: dict[str, Any] = {"approve": approve, **question.answer}
    if reason is not None:
        decision["reason"] = reason
    words = ("yes" if approve else "no") + (f": {reason}" if reason else "")
    parts: list[dict[str, Any]] = [{"text": words}, {"data": decision}]
    if question.call is not None:
        answer = {"id": question.call.get("id"), "name": question.call.get("name")}
        confirmed = {**answer, "response": {"confirmed": approve}}
        parts = [{"data": confirmed, "metadata": {"adk_type": "function_response"}}]
    message = {
        "messageId": str(uuid.uuid4()),
        "role": "ROLE_USER",
        "parts": parts,
        "taskId": reading.task_id,
    }
    return message if reading.context_id is None else {**message, "contextId": reading.context_id}
