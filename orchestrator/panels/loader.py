"""Which methods there are, and how one of the user's own is found."""

from __future__ import annotations

import inspect

from ..errors import ConfigError, ConfigProblem
from ..references import load_attribute
from .base import Method
from .methods.debate import debate
from .methods.judge import judge
from .methods.layers import layers
from .methods.moderator import moderate
from .methods.race import race
from .methods.rank import rank
from .methods.vote import vote

METHODS: dict[str, Method] = {
    "moderator": moderate,
    "judge": judge,
    "rank": rank,
    "vote": vote,
    "race": race,
    "layers": layers,
    "debate": debate,
}


def load_method(name: str, *, file: str = "") -> Method:
    """Return a method by its name, or a user's own by "module:function".

    Raises:
        ConfigError: There is none, or it is no `async def` that takes a session.
    """
    if name in METHODS:
        return METHODS[name]
    found = load_attribute(name, file=file, key="method")
    target = found if inspect.isroutine(found) else getattr(found, "__call__", None)  # noqa: B004 - its signature is asked for
    if not inspect.iscoroutinefunction(target):
        message = (
            f"{name!r} is not an `async def` function that takes a Session; see orchestrator/panels/base.py"
        )
        raise ConfigError([ConfigProblem(file, None, "method", message)])
    method: Method = found
    return method
