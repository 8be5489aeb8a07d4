"""Objects of the user's own that a backend runs: loaded by their reference, or made by a factory."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog

from ..errors import ConfigError, ConfigProblem
from ..references import load_attribute
from ..settings.agent import AgentSettings
from .base import AgentInput

log = structlog.get_logger(__name__)

ForAttempt = Callable[[AgentInput], Any]


class LazyObject:
    """An object that a function of the user's makes in the running loop, at the first attempt that needs it.

    Args:
        make: Returns an awaitable, or an asynchronous context manager, which is left when the agent is closed.
        check: Raises for what is no such object.
    """

    def __init__(self, make: Callable[[], Any], check: Callable[[Any], None]) -> None:
        self._make = make
        self._check = check
        self._task: asyncio.Task[None] | None = None
        self._made: asyncio.Future[Any] | None = None
        self._released = asyncio.Event()

    async def get(self) -> Any:
        """Return it; the first call makes it, and one that was cancelled meanwhile does not undo that.

        Raises whatever the function raises; the next call tries again.
        """
        if self._made is None or (self._made.done() and self._made.exception() is not None):
            self._made = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._hold(self._made))
        return await asyncio.shield(self._made)

    async def aclose(self) -> None:
        """Leave the context in which it was made, in the task that entered it."""
        self._released.set()
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _hold(self, made: asyncio.Future[Any]) -> None:
        try:
            found = self._make()
            if inspect.isawaitable(found):
                result = await found
                self._check(result)
                made.set_result(result)
                return
            async with found as inner:
                self._check(inner)
                made.set_result(inner)
                await self._released.wait()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the attempt that waits for it fails of it
            if made.done():
                log.warning("agent_object_not_closed", error=type(exc).__name__)
            else:
                made.set_exception(exc)
                made.exception()  # fetched, so that asyncio does not report it as forgotten if nobody waits any more


def load_own(settings: AgentSettings, key: str, reference: str, method: str, *given: Any) -> Any:
    """Load what *reference* names: an object with *method*, or a function that returns one.

    Args:
        given: What the function gets if it cannot do without an argument.
    Returns:
        The object; a `LazyObject` if the function is asynchronous.
    Raises:
        ConfigError: It cannot be loaded, or is neither.
    """
    found = load_attribute(reference, file=settings.source, key=key)

    def check(made: Any) -> None:
        if not hasattr(made, method):
            kind = type(made).__name__
            raise settings.problem(key, f"{reference!r} gives a {kind}, which has no {method!r}")

    if not hasattr(found, method) and callable(found):
        make = found

        def call() -> Any:
            return make(*given) if given and _wants_one(make) else make()

        if inspect.iscoroutinefunction(make) or inspect.isasyncgenfunction(inspect.unwrap(make)):
            return LazyObject(call, check)
        try:
            found = call()
        except (Exception, SystemExit) as exc:
            raise settings.problem(key, f"{reference!r} fails ({type(exc).__name__}: {exc})") from exc
        if inspect.iscoroutine(found):
            found.close()
            return LazyObject(call, check)
        if isinstance(found, AbstractAsyncContextManager) and not hasattr(found, method):
            return LazyObject(call, check)
    check(found)
    return found


def _wants_one(make: Callable[..., Any]) -> bool:
    """Whether a function cannot be called without an argument, but with one."""
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):  # some callables written in C have none
        return False
    try:
        signature.bind()
    except TypeError:
        return True
    return False


def load_function(settings: AgentSettings, key: str, reference: str | None) -> ForAttempt | None:
    """Load a function that is called for each attempt; None if none is named.

    Raises:
        ConfigError: It cannot be loaded, or is no function.
    """
    if reference is None:
        return None
    found: ForAttempt = load_attribute(reference, file=settings.source, key=key)
    if not callable(found):
        raise settings.problem(key, f"{reference!r} is no function")
    return found


async def made_for(request: AgentInput, function: ForAttempt) -> Any:
    """Return what *function*, synchronous or not, gives for one attempt."""
    made = function(request)
    return await made if inspect.isawaitable(made) else made


def load_library(settings: AgentSettings, module: str, extra: str) -> Any:
    """Import a module of an extra's library, so late that only agents that need it wait for it.

    Raises:
        ConfigError: It is not installed; the message says which extra brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as exc:
        library = module.partition(".")[0]
        message = (
            f"`backend: {settings.backend}` needs the library {library}; install fanin-orchestrator[{extra}]"
        )
        raise ConfigError([ConfigProblem(settings.source, None, "backend", message)]) from exc
