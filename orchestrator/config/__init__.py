"""From the files of agents_config to checked settings, or to all that is wrong with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .load import Config as Config
    from .load import SkippedAgent as SkippedAgent
    from .load import load_config as load_config
    from .load import read_config as read_config

_PLACES = {"load": ("Config", "SkippedAgent", "load_config", "read_config")}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)
