"""One Protocol (`base`), one file per store."""

from .base import Bounds, Cursor, Draft, Entry, EventLog, check_cursor, parse_cursor
from .memory.log import MemoryLog
from .open import open_log

__all__ = [
    "Bounds",
    "Cursor",
    "Draft",
    "Entry",
    "EventLog",
    "MemoryLog",
    "check_cursor",
    "open_log",
    "parse_cursor",
]
