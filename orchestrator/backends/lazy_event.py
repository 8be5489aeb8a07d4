"""An event that costs nothing until somebody waits for it. Knows no agent."""

from __future__ import annotations

import threading

_MAKING = threading.Lock()


class LazyEvent(threading.Event):
    """A `threading.Event` whose lock and queue are made when it is first waited for.

    Every attempt has such events, and hardly any is ever waited for; Python's own holds a kilobyte.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._waited: threading.Event | None = None

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        with _MAKING:
            self._is_set = True
            if self._waited is not None:
                self._waited.set()

    def clear(self) -> None:
        with _MAKING:
            self._is_set = False
            if self._waited is not None:
                self._waited.clear()

    def wait(self, timeout: float | None = None) -> bool:
        with _MAKING:
            if self._is_set:
                return True
            if self._waited is None:
                self._waited = threading.Event()
            waited = self._waited
        return waited.wait(timeout)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {'set' if self._is_set else 'unset'}>"
