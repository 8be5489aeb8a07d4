"""Waits until a stage of a panel is over: `start_when` is true, or its time is up. Asks nobody, cancels nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from .base import Answer
from .settings import StartWhen

Asked = dict[str, "asyncio.Task[Answer]"]
"""Who was asked, and the task that its answer comes with."""


class Waiting:
    """Waits for the answers of one stage at a time. An agent may be asked once more meanwhile: see `replace`."""

    def __init__(self, when: StartWhen) -> None:
        self._when = when
        self._began_at = time.monotonic()
        self._asked: Asked = {}
        self._changed: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """Count `deadline_s` from now."""
        self._began_at = time.monotonic()

    def replace(self, agent_id: str, answer: asyncio.Task[Answer]) -> bool:
        """Wait for another answer of an agent; False if nobody waits for any."""
        if agent_id not in self._asked:
            return False
        self._asked[agent_id] = answer
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
        return True

    async def as_they_end(self, asked: Asked) -> AsyncGenerator[Answer, None]:
        """Yield answers in the order in which they end, until `start_when` comes true."""
        yielded: set[asyncio.Task[Answer]] = set()
        self._asked = asked
        try:
            while True:
                fresh = [task for task in asked.values() if task.done() and task not in yielded]
                for task in fresh:
                    yielded.add(task)
                    yield task.result()
                if fresh:
                    continue  # more may have ended meanwhile
                if self._met(asked):
                    return
                await self._next_end(self._time_left())
        finally:
            self._asked = {}

    async def for_all(self, asked: Asked, seconds: float) -> None:
        """Wait until all have ended, at most *seconds*."""
        end = time.monotonic() + seconds
        self._asked = asked
        while not _ended(asked) and time.monotonic() < end:
            await self._next_end(end - time.monotonic())
        self._asked = {}

    def _met(self, asked: Asked) -> bool:
        """Whether `start_when` is true: of its conditions, any that is given."""
        if _ended(asked):
            return True
        answered = sum(task.done() and task.result().good for task in asked.values())
        if self._when.quorum is not None and answered >= self._when.quorum:
            return True
        return self._overdue and answered > 0

    @property
    def _overdue(self) -> bool:
        deadline = self._when.deadline_s
        return deadline is not None and time.monotonic() - self._began_at >= deadline

    def _time_left(self) -> float | None:
        """Seconds to the deadline; None if there is none, or it has passed and the first answer is awaited."""
        deadline = self._when.deadline_s
        if deadline is None or self._overdue:
            return None
        return max(0.0, deadline - (time.monotonic() - self._began_at))

    async def _next_end(self, seconds: float | None) -> None:
        self._changed = asyncio.get_running_loop().create_future()
        waiting: set[asyncio.Future[Any]] = {task for task in self._asked.values() if not task.done()}
        await asyncio.wait({*waiting, self._changed}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _ended(asked: Asked) -> bool:
    return all(task.done() for task in asked.values())
