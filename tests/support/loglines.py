"""The process's logging, for tests that change it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from orchestrator.telemetry.logs import TALKATIVE_LOGGERS


@contextmanager
def own_logging() -> Iterator[None]:
    """Let a test configure structlog and the standard library, and put both back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.reset_defaults()
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name in TALKATIVE_LOGGERS:
            logging.getLogger(name).setLevel(logging.NOTSET)
        logging.captureWarnings(False)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    """Return what was logged as JSON."""
    return [json.loads(line) for line in out.getvalue().splitlines()]
