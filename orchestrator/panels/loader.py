"""Finds a panel method's code: one of the table, or a function of the user's own."""

from __future__ import annotations

import inspect

from ..errors import ConfigError, ConfigProblem
from ..references import load_attribute
from .methods.registry import METHODS
from .session import Method


def load_method(name: str, *, file: str = "") -> Method:
    """Return a method by its name, or a user's own by "module:function".

    Raises:
        ConfigError: There is none, or it is no `async def` that takes a session.
    """
    reference = METHODS[name].function if name in METHODS else name
    found = load_attribute(reference, file=file, key="method")
    target = found if inspect.isroutine(found) else getattr(found, "__call__", None)  # noqa: B004 - its signature is asked for
    if not inspect.iscoroutinefunction(target):
        message = (
            f"{name!r} is not an `async def` function that takes a Session; see `Method` in panels/session"
        )
        raise ConfigError([ConfigProblem(file, None, "method", message)])
    method: Method = found
    return method
