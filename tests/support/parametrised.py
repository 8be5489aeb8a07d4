"""With which parameters pytest runs a test, by its marks and those of its module: for tables that name tests."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any


def parameters_of(module: str, name: str) -> list[dict[str, Any]]:
    """Return the sets of parameters of the test *name* in *module*; one empty set if it has none.

    It must be one that is always run: neither skipped, nor marked to be left out.
    """
    loaded = importlib.import_module(module)
    test = getattr(loaded, name)
    assert name.startswith("test_")
    assert inspect.isfunction(test)
    of_module = getattr(loaded, "pytestmark", [])
    marks = [*(of_module if isinstance(of_module, list) else [of_module]), *getattr(test, "pytestmark", [])]
    assert not {mark.name for mark in marks} & {"skip", "skipif", "xfail"}, (module, name)
    each = [list(_sets(*mark.args, **mark.kwargs)) for mark in marks if mark.name == "parametrize"]
    return [{key: value for one in chosen for key, value in one.items()} for chosen in product(*each)]


def _sets(argnames: str | Sequence[str], argvalues: Any, **_: Any) -> Iterator[dict[str, Any]]:
    names = [name.strip() for name in argnames.split(",")] if isinstance(argnames, str) else list(argnames)
    for given in argvalues:
        values = given.values if hasattr(given, "marks") else given
        yield dict(zip(names, values if len(names) > 1 or hasattr(given, "marks") else [values], strict=True))
