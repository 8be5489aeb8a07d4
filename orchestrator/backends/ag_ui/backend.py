"""The ag-ui backend: an agent behind AG-UI answers, whatever framework it is made with.

Owns the course of an attempt: its requests and its questions. What the events mean is `reading`'s, the messages that
a client has to keep are `transcript`'s.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from ...errors import AgentError
from ...events.agent import ApprovalRequest
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission, Finish
from ..upstream.connections import (
    ConnectionLost,
    HttpUpstream,
    UpstreamAnswer,
    UpstreamRefused,
    decode_object,
)
from ..upstream.hops import passed_on
from .interrupts import answers_to
from .reading import WHO, RunReading
from .settings import AgUiSettings
from .transcript import Transcript, earlier_messages, earlier_state, question_of

CURRENT = "1.0"
REFUSES_FIELDS = (400, 422)


class AgUiBackend:
    """Answers with an agent behind AG-UI.

    Args:
        settings: `AgUiSettings`.
        agents: Not used: the agent knows its own.
    """

    def __init__(self, settings: AgUiSettings, agents: Mapping[str, AgentSettings]) -> None:
        headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._settings = settings
        self._http = HttpUpstream(settings.url, headers=headers, who=WHO)
        self._current = settings.protocol != "0.0"

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

        Cancelling and closing close the connection, by which AG-UI's servers know that nobody wants the answer.
        """
        thread, hops = _thread(request), passed_on(request)
        earlier = earlier_messages(request)
        transcript = Transcript(question_of(request, str(uuid.uuid4()), current=self._current), earlier)
        state = earlier_state(request)
        answers: dict[str, Any] = {}
        usage, reading = None, None
        while True:
            body: dict[str, Any] = {
                "threadId": thread,
                "runId": str(uuid.uuid4()),
                "state": state,
                "messages": [*earlier, *transcript.messages],
                "tools": [],
                "context": [],
                "forwardedProps": {},
                **answers,
            }
            reading = RunReading(transcript, state, reading)
            async with aclosing(self._run(body, reading, hops)) as emissions:
                async for emission in emissions:
                    yield emission
            state = reading.state
            counted = reading.usage or reading.endings.usage
            if counted is not None:
                usage = counted if usage is None else usage.plus(counted)
            if not reading.interrupts:
                break
            approved: dict[str, bool] = {}
            for asked in reading.interrupts:
                yield ApprovalRequest(asked.interrupt_id, asked.name, asked.arguments)
                approved[asked.interrupt_id] = await request.approve(asked.interrupt_id)
            answers = answers_to(reading.interrupts, approved, request)
        memory = transcript.memory(thread, state) if request.conversation_id is not None else None
        yield Finish(reading.endings.reason, usage, memory, reading.endings.output)

    async def _run(
        self, body: dict[str, Any], reading: RunReading, hops: dict[str, str]
    ) -> AsyncGenerator[Emission, None]:
        answer = await self._open(body, hops)
        try:
            async with aclosing(answer.events()) as events:
                async for event in events:
                    if not event.data:
                        continue
                    for emission in reading.feed(decode_object(event.data, WHO)):
                        yield emission
                    if reading.ended:
                        return
        except AgentError:
            for emission in reading.waiting():
                yield emission
            raise
        finally:
            answer.close()
        for emission in reading.waiting():
            yield emission
        raise ConnectionLost(f"{WHO} ended its stream before its run had ended.")

    async def _open(self, body: dict[str, Any], hops: dict[str, str]) -> UpstreamAnswer:
        """Post a run; one who refuses to hear which version we speak is not sent it again."""
        accept = {"Accept": "text/event-stream", **hops}
        url = self._settings.url
        if not self._current:
            return await self._http.open("POST", url, body, headers=accept)
        try:
            return await self._http.open("POST", url, {**body, "protocolVersion": CURRENT}, headers=accept)
        except UpstreamRefused as exc:
            if exc.status not in REFUSES_FIELDS or self._settings.protocol != "auto":
                raise
            answer = await self._http.open("POST", url, body, headers=accept)
            self._current = False
            return answer


def _thread(request: AgentInput) -> str:
    """Return the conversation's thread: that of the turn before, else a new one."""
    for turn in reversed(request.history):
        found = turn.memory.get("thread") if isinstance(turn.memory, dict) else None
        if isinstance(found, str):
            return found
    return str(uuid.uuid4())
