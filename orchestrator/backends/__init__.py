"""The kinds of agents: one Protocol (`base`), one folder per kind, and the table of kinds (`registry`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import AgentInput as AgentInput
    from .base import Backend as Backend
    from .base import Emission as Emission
    from .base import Finish as Finish
    from .base import Turn as Turn

_PLACES = {"base": ("AgentInput", "Backend", "Emission", "Finish", "Turn")}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)
