"""Makes our own plain log lines in one step, and writes lines to the stream of the standard library's handler.

Decides nothing: what a line holds, and what of it is blanked, is `logs`'.

A record of the standard library for each line, with the frame that it is looked for in and a formatter that takes it
apart again, costs several times what the line does; and a run has half a dozen of them. So do nine processors that
look for what most lines do not have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as text_as_json
from typing import Any, TextIO

from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

_LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
_FOR_CHAIN = frozenset({"exc_info", "stack_info", "stack", "exception", "_record"})
"""Fields of which a processor of the chain makes another one."""


class PlainLine:
    """Renders a line as JSON as *chain* does; it asks the chain itself for those with an exception.

    Args:
        chain: Merges the context, puts level, logger and time into a line, blanks secrets and renders it.
        redact: The step of the chain that blanks secrets.
        encode: Makes JSON of a value that is neither text nor a whole number.
    """

    def __init__(self, chain: Sequence[Processor], redact: Processor, encode: Callable[[Any], str]) -> None:
        self._chain = chain
        self._redact = redact
        self._encode = encode

    def __call__(self, logger: WrappedLogger, method_name: str, event_dict: EventDict) -> Any:
        line = merge_contextvars(logger, method_name, event_dict)
        if method_name not in _LEVELS or not _FOR_CHAIN.isdisjoint(line):
            rendered: Any = line
            for step in self._chain:
                rendered = step(logger, method_name, rendered)
            return rendered
        line["level"] = method_name
        line["logger"] = logger.name
        line["timestamp"] = f"{datetime.now(UTC).isoformat()[:-6]}Z"
        blanked: Any = self._redact(logger, method_name, line)
        fields = ", ".join([f"{text_as_json(key)}: {self._value(each)}" for key, each in blanked.items()])
        return f"{{{fields}}}"

    def _value(self, value: Any) -> str:
        if type(value) is str:
            return text_as_json(value)
        return str(value) if type(value) is int else self._encode(value)


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
