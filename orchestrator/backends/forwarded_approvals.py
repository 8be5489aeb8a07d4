"""Questions of an agent elsewhere, asked here: waits for their answers while the agent's stream is read on.

Owns one task per question. How an answer gets to the agent is the caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import TypeVar

from ..events.agent import Approval, ApprovalRequest
from .base import AgentInput, Emission

_T = TypeVar("_T")
SendAnswer = Callable[[Approval], Awaitable[None]]
"""Passes an answer on."""


class ForwardedApprovals:
    """Waits for the answers to the approval requests of one attempt, and sends each on.

    Use it with ``async with``; leaving ends all that still waits.
    """

    def __init__(self, request: AgentInput, send: SendAnswer) -> None:
        self._request = request
        self._send = send
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._answered: set[str] = set()

    async def __aenter__(self) -> ForwardedApprovals:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end(*self._waiting)

    def take(self, emission: Emission) -> Iterator[Emission]:
        """Yield what is to be said of *emission*; a question then waits for its answer as soon as it is said."""
        if isinstance(emission, ApprovalRequest):
            yield emission
            call_id = emission.call_id
            self._answered.discard(call_id)
            if call_id in self._waiting:
                return  # asked once more: the answer that is waited for is for both
            self._waiting[call_id] = asyncio.create_task(self._ask(call_id), name=f"approval {call_id}")
        elif isinstance(emission, Approval):
            if emission.call_id not in self._answered:  # by somebody there
                task = self._waiting.pop(emission.call_id, None)
                if task is not None:
                    task.cancel()
                yield emission
        else:
            yield emission

    async def next_of(self, events: AsyncGenerator[_T, None]) -> _T:
        """Return the next of *events*; an answer that cannot be got or sent ends the wait.

        Raises:
            AgentError: `approval_timeout`, or what sending the answer raised. StopAsyncIteration: No more events.
        """
        self._check()
        if not self._waiting:
            return await anext(events)
        reading = asyncio.ensure_future(anext(events))
        try:
            while not reading.done():
                await asyncio.wait({reading, *self._waiting.values()}, return_when=asyncio.FIRST_COMPLETED)
                self._check()
            return reading.result()
        finally:
            if not reading.done():
                reading.cancel()
                await asyncio.wait({reading})

    def _check(self) -> None:
        for call_id, task in list(self._waiting.items()):
            if task.done():
                del self._waiting[call_id]
                if not task.cancelled():
                    task.result()

    async def _ask(self, call_id: str) -> None:
        approve = await self._request.approve(call_id)
        self._answered.add(call_id)
        reason, by = self._request.reasons.get(call_id), self._request.answered_by.get(call_id)
        await self._send(Approval(call_id, approve, reason, by))

    async def _end(self, *call_ids: str) -> None:
        tasks = [self._waiting.pop(call_id) for call_id in call_ids]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.exception()  # fetched, so that asyncio does not report it as forgotten
