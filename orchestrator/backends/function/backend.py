"""The function backend: an agent that is an async generator function of the user's own.

Owns the checks on what it yields and its closing. What it does inside is the user's: it runs on
the event loop, so slow synchronous work belongs into `asyncio.to_thread`.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from ...errors import AgentError, ConfigError, ConfigProblem
from ...events.agent import ApprovalRequest, Handoff, Reasoning, Status, Token, ToolCall, ToolResult
from ...events.content import Data, File, Progress, Source
from ...references import load_attribute
from ...settings.agent import AgentSettings
from ..base import AgentInput, Emission, Finish, Spent, StreamFunction, Unchecked, close_iterator
from ..stream_check import trouble_with
from .settings import FunctionSettings

ALLOWED: tuple[type, ...] = (
    str,
    Token,
    Reasoning,
    Status,
    ToolCall,
    ToolResult,
    Handoff,
    ApprovalRequest,
    Progress,
    Data,
    Source,
    File,
    Spent,
    Finish,
)
"""What a stream function may yield. The life of an attempt (`Done`, `Error`, …) is the pump's to report."""

_ALLOWED_NAMES = ", ".join(kind.__name__ for kind in ALLOWED)


class FunctionBackend:
    """Answers with what a user's async generator function yields.

    Args:
        settings: `FunctionSettings`; `stream` names the function as ``"module:attribute"``.
        agents: All agents' settings; not needed here.
    Raises:
        ConfigError: `stream` names nothing, or something that cannot give an async iterator.
    """

    def __init__(self, settings: FunctionSettings, agents: Mapping[str, AgentSettings]) -> None:
        function = load_attribute(settings.stream, file=settings.source, key="stream")
        if trouble := trouble_with(function):
            raise settings.problem("stream", f"{settings.stream!r} {trouble}")
        self._function: StreamFunction = function
        self._name: str = settings.stream

    @classmethod
    def of(cls, function: StreamFunction) -> FunctionBackend:
        """Wrap a function that is at hand, also a closure or a bound method.

        Raises:
            ConfigError: It cannot give an async iterator.
        """
        name = getattr(function, "__qualname__", type(function).__name__)
        if trouble := trouble_with(function):
            raise ConfigError([ConfigProblem("", None, name, trouble)])
        made = cls.__new__(cls)
        made._function, made._name = function, name
        return made

    @property
    def model(self) -> None:
        """None: what answers is a function."""
        return None

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        """Yield what the function yields, up to a `Finish`.

        Closing or cancelling closes the function's generator first, so its `finally` has run.

        Raises:
            AgentError: `upstream_invalid`, if the function yields or returns something
                else.
        """
        iterator = self._call(request)
        try:
            async for item in iterator:
                yield self._checked(item)
                if isinstance(item, Finish):
                    return
        finally:
            await close_iterator(iterator)

    def unchecked(self, request: AgentInput, /) -> Unchecked:
        """Return what `stream` goes through. Raises as `stream` does when it begins."""
        return Unchecked(self._call(request), self._checked)

    async def aclose(self) -> None:
        """Do nothing: a function holds nothing between its streams."""

    def _call(self, request: AgentInput) -> AsyncIterator[Any]:
        returned: Any = self._function(request)
        try:
            # Of an iterable, so that it is this very iterator that is closed in the end.
            iterator: AsyncIterator[Any] = aiter(returned)
        except TypeError:
            if inspect.iscoroutine(returned):
                returned.close()
            kind = type(returned).__name__
            message = f"{self._name} returned {kind}; it must return an async iterator."
            raise AgentError("upstream_invalid", message, retryable=False) from None
        return iterator

    def _checked(self, item: object) -> Emission:
        if isinstance(item, ALLOWED):
            return str(item) if isinstance(item, str) else item  # type: ignore[return-value]  # narrowed by ALLOWED
        kind = type(item).__name__
        message = f"{self._name} yielded {kind}; it may yield {_ALLOWED_NAMES}."
        raise AgentError("upstream_invalid", message, retryable=False)
