"""Log lines held back while columns are drawn. Owns the log handlers' streams meanwhile."""

from __future__ import annotations

import io
import logging
from collections import deque
from logging.handlers import MemoryHandler
from typing import Any

HELD_LINES = 1000


class DeferredLogs:
    """Keeps the process's log lines back from now on: on the alternate screen they break the drawing and are lost.

    Of very many lines the oldest are written all the same.
    """

    def __init__(self) -> None:
        self._root = logging.getLogger()
        self._handlers = self._root.handlers[:]
        self._streams: list[tuple[logging.StreamHandler[Any], _HeldLines]] = []
        for place, handler in enumerate(self._handlers):
            if type(handler) is logging.StreamHandler:
                # Its stream, not the handler: our own lines go past the root logger.
                held = _HeldLines(handler.stream)
                handler.setStream(held)
                self._streams.append((handler, held))
            else:
                never = logging.CRITICAL + 1
                self._root.handlers[place] = MemoryHandler(HELD_LINES, flushLevel=never, target=handler)

    def release(self) -> None:
        """Write what was kept, and keep no more."""
        for stream_handler, held in self._streams:
            stream_handler.setStream(held.stream)
            held.let_go()
        keepers, self._root.handlers[:] = self._root.handlers[:], self._handlers
        for keeper in keepers:
            if isinstance(keeper, MemoryHandler):
                keeper.close()
        self._streams = []


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
