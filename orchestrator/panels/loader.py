"""Finds a panel method's code: one of the table, or a function of the user's own."""

from __future__ import annotations

import inspect

from ..errors import ConfigError, ConfigProblem
from ..references import load_attribute
from .methods.registry import METHODS, method_kind
from .session import Method
from .settings import PanelSettings

_TABLE = f"METHODS of {method_kind.__module__}"
"""What a problem with a row names as its place."""


def load_method(name: str, *, file: str = "", key: str = "method") -> Method:
    """Return a method by its name, or a user's own by "module:function".

    Raises:
        ConfigError: There is none, or it is no `async def` that takes a session.
    """
    found = load_attribute(method_kind(name).function, file=file, key=key)
    target = found if inspect.isroutine(found) else getattr(found, "__call__", None)  # noqa: B004 - its signature is asked for
    if not inspect.iscoroutinefunction(target):
        message = (
            f"{name!r} is not an `async def` function that takes a Session; see `Method` in panels/session"
        )
        raise ConfigError([ConfigProblem(file, None, key, message)])
    method: Method = found
    return method


def check_methods() -> list[ConfigProblem]:
    """Return what is wrong with the rows of the table: a list of methods is asked for them all."""
    problems: list[ConfigProblem] = []
    for name, kind in METHODS.items():
        unknown = [key for key in kind.keys if key not in PanelSettings.model_fields]
        if unknown:
            known = ", ".join(PanelSettings.model_fields)
            problems.append(
                ConfigProblem(_TABLE, None, name, f"`keys` has {unknown[0]!r}; panels have {known}")
            )
        try:
            load_method(name, file=_TABLE, key=name)
            prompt = load_attribute(kind.prompt, file=_TABLE, key=name) if kind.prompt else ""
        except ConfigError as exc:
            problems += exc.problems
        else:
            if not isinstance(prompt, str):
                problems.append(ConfigProblem(_TABLE, None, name, f"{kind.prompt!r} is no text"))
    return problems
