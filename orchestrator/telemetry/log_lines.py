"""Writes our own finished log lines to the stream that the standard library's handler writes to. Decides nothing.

A record of the standard library for each line, with the frame that it is looked for in and a formatter that takes it
apart again, costs several times what the line does; and a run has half a dozen of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TextIO


class LineLogger:
    """What structlog hands a rendered line to; like a handler of the standard library's, it never raises.

    Args:
        handler: Owns the stream and the lock that keeps lines apart.
        name: What `add_logger_name` puts into each line.
    """

    __slots__ = ("_handler", "name")

    def __init__(self, handler: logging.StreamHandler[TextIO], name: str) -> None:
        self._handler = handler
        self.name = name

    def info(self, line: str) -> None:
        """Write *line*, of whatever level: what is below the threshold does not come here."""
        handler = self._handler
        handler.acquire()
        try:
            handler.stream.write(line + handler.terminator)
            handler.flush()
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a full disk or a closed pipe must not end what wanted to be logged
            handler.handleError(logging.LogRecord(self.name, logging.INFO, "", 0, line, (), None))
        finally:
            handler.release()

    debug = warning = error = critical = info


def lines_to(handler: logging.StreamHandler[TextIO]) -> Callable[..., LineLogger]:
    """Return what makes structlog's loggers, by their names."""

    def logger_of(name: str = "orchestrator", *_: object) -> LineLogger:
        return LineLogger(handler, name)

    return logger_of
