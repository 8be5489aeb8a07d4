"""Objects of the user's own that a backend runs: loaded by their reference, or made by a factory."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from ..errors import ConfigError, ConfigProblem
from ..references import load_attribute
from ..settings.agent import AgentSettings
from .base import AgentInput

ForAttempt = Callable[[AgentInput], Any]


def load_own(settings: AgentSettings, key: str, reference: str, method: str) -> Any:
    """Load what *reference* names: an object with *method*, or a function without arguments that returns one.

    Raises:
        ConfigError: It cannot be loaded, or is neither.
    """
    found = load_attribute(reference, file=settings.source, key=key)
    if not hasattr(found, method) and callable(found):
        try:
            found = found()
        except (Exception, SystemExit) as exc:
            raise settings.problem(key, f"{reference!r} fails ({type(exc).__name__}: {exc})") from exc
        if inspect.iscoroutine(found):
            found.close()
            raise settings.problem(key, f"{reference!r} is asynchronous; it must return the object itself")
    if not hasattr(found, method):
        kind = type(found).__name__
        raise settings.problem(key, f"{reference!r} gives a {kind}, which has no {method!r}")
    return found


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
