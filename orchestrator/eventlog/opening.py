"""From a log's address to the log. Imports a store only where it is asked for."""

from __future__ import annotations

from ..errors import ConfigError, ConfigProblem
from .base import EventLog
from .memory import MemoryLog


def open_log(url: str) -> EventLog:
    """Make the log that *url* names.

    Raises:
        ConfigError: No store has that address.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        return MemoryLog()
    message = f"{url!r} names no store of this version; use memory:"
    raise ConfigError([ConfigProblem("orchestrator serve", None, "--log", message)])
