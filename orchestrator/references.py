"""Turns ``"module:attribute"``, as people write it into files, into the object that it names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .errors import ConfigError, ConfigProblem

T = TypeVar("T")


def load_attribute(reference: str, *, file: str = "", key: str = "") -> Any:
    """Import what ``"module:attribute"`` names; the attribute may be dotted.

    Raises:
        ConfigError: The module or the attribute is not there, or importing the module fails.
    """
    module_name, _, path = reference.partition(":")
    if not module_name or not path:
        raise ConfigError(
            [ConfigProblem(file, None, key, f"{reference!r} is not of the form module:attribute")]
        )
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as exc:
        message = f"cannot import {module_name!r} ({exc}); is it on the Python path?"
        raise ConfigError([ConfigProblem(file, None, key, message)]) from exc
    except (Exception, SystemExit) as exc:  # a script without a guard ends the process where it is imported
        message = f"{module_name!r} fails while it is imported ({type(exc).__name__}: {exc})"
        raise ConfigError([ConfigProblem(file, None, key, message)]) from exc
    names = path.split(".")
    for at, name in enumerate(names):
        try:
            found = getattr(found, name)
        except AttributeError as exc:
            message = f"module {module_name!r} has no {path!r}{_hint(found, names, at)}"
            raise ConfigError([ConfigProblem(file, None, key, message)]) from exc
    return found


def _hint(owner: Any, names: Sequence[str], at: int) -> str:
    """Ask "did you mean …?" if *owner* has almost what the name at *at* names."""
    import difflib  # needed for a mistake alone

    try:
        near = difflib.get_close_matches(names[at], dir(owner), n=1)
    except Exception:  # noqa: BLE001 - whatever an object of the user's own does when it is looked at
        return ""
    return f"; did you mean {'.'.join((*names[:at], near[0], *names[at + 1 :]))!r}?" if near else ""


def load_each(references: Sequence[str], load: Callable[[str, str], T], *, key: str) -> list[T]:
    """Load all of a list's references with *load*, which takes one and the key it stands at.

    Raises:
        ConfigError: With every problem of every reference.
    """
    loaded: list[T] = []
    problems: list[ConfigProblem] = []
    for at, reference in enumerate(references):
        try:
            loaded.append(load(reference, f"{key}[{at}]"))
        except ConfigError as exc:
            problems += exc.problems
    if problems:
        raise ConfigError(problems)
    return loaded
