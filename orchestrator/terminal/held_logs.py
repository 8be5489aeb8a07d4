"""Log lines held back while columns are drawn. Owns the log handlers' streams meanwhile."""

from __future__ import annotations

import io
import logging
from collections import deque
from typing import Any

HELD_LINES = 1000


class HeldLogs:
    """Keeps the process's log lines back from now on: on the alternate screen they break the drawing and are lost.

    Of very many lines the oldest are written all the same.
    """

    def __init__(self) -> None:
        # Their streams, not the handlers: our own lines go past the root logger.
        self._handlers: list[tuple[logging.StreamHandler[Any], _HeldLines]] = []
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.StreamHandler):
                held = _HeldLines(handler.stream)
                handler.setStream(held)
                self._handlers.append((handler, held))

    def release(self) -> None:
        """Write what was kept, and keep no more."""
        for handler, held in self._handlers:
            handler.setStream(held.stream)
            held.let_go()
        self._handlers = []


class _HeldLines(io.TextIOBase):
    """A stream in the place of *stream* that keeps what is written, up to `HELD_LINES` of it."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._kept: deque[str] = deque()

    def write(self, text: str) -> int:
        self._kept.append(text)
        if len(self._kept) > HELD_LINES:
            self.stream.write(self._kept.popleft())
        return len(text)

    def let_go(self) -> None:
        """Write what was kept to where it was to go."""
        self.stream.write("".join(self._kept))
        self.stream.flush()
        self._kept.clear()
