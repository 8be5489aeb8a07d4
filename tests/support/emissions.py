"""What a backend's stream yields, gathered for a test; and answers to what it asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

from orchestrator.backends.base import AgentInput, Backend, Emission, Finish
from orchestrator.errors import AgentError
from orchestrator.events import Reasoning, Token
from tests.support.patience import PATIENCE_SECONDS

_T = TypeVar("_T")


async def gather(
    stream: AsyncGenerator[Emission, None], into: list[Emission] | None = None
) -> list[Emission]:
    """Read a stream to its end; *into* has what was said even if it fails."""
    found = [] if into is None else into
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(stream):
        async for emission in stream:
            found.append(emission)
    return found


async def heard(stream: AsyncGenerator[Emission, None]) -> tuple[list[Emission], AgentError | None]:
    """Read a stream to its end; return what was said, and how it failed."""
    said: list[Emission] = []
    try:
        await gather(stream, said)
    except AgentError as exc:
        return said, exc
    return said, None


def text_in(emissions: list[Emission]) -> str:
    """Return the answer: text and tokens of no nested agent, joined."""
    said = (e if isinstance(e, str) else e.text for e in emissions if isinstance(e, str | Token))
    return "".join(said)


def reasoning_in(emissions: list[Emission]) -> str:
    return "".join(e.text for e in emissions if isinstance(e, Reasoning))


def of_kind(emissions: list[Emission], kind: type[_T]) -> list[_T]:
    return [e for e in emissions if isinstance(e, kind)]


def finish_of(emissions: list[Emission]) -> Finish:
    (finish,) = of_kind(emissions, Finish)
    return finish


class Answering:
    """Answers what an agent asks as the test says, and keeps the ids of the calls."""

    def __init__(self, approve: bool = True, reason: str | None = None, by: str | None = None) -> None:
        self.asked: list[str] = []
        self.reasons: dict[str, str] = {}
        self.names: dict[str, str] = {}
        self._approve, self._reason, self._by = approve, reason, by

    async def __call__(self, call_id: str) -> bool:
        self.asked.append(call_id)
        if self._reason is not None:
            self.reasons[call_id] = self._reason
        if self._by is not None:
            self.names[call_id] = self._by
        return self._approve

    def of(self, request: AgentInput) -> AgentInput:
        """Return *request* with these answers."""
        return replace(request, approve=self, reasons=self.reasons, answered_by=self.names)


async def ask(backend: Backend, message: str = "hi", **keys: Any) -> list[Emission]:
    return await gather(backend.stream(AgentInput(message, **keys)))
