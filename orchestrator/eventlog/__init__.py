"""The log of a channel's events and the records of runs: Protocols, one folder per store, one way to read."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Bounds as Bounds
    from .base import Cursor as Cursor
    from .base import Draft as Draft
    from .base import Entry as Entry
    from .base import EventLog as EventLog
    from .base import check_cursor as check_cursor
    from .base import parse_cursor as parse_cursor
    from .memory.log import MemoryLog as MemoryLog
    from .open import open_log as open_log

_PLACES = {
    "base": ("Bounds", "Cursor", "Draft", "Entry", "EventLog", "check_cursor", "parse_cursor"),
    "memory.log": ("MemoryLog",),
    "open": ("open_log",),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}

__all__ = sorted(_PLACE_OF)


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PLACE_OF[name]}", __name__), name)
