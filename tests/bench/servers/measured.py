"""``python -m tests.bench.servers.measured serve …``: `orchestrator`, which says how long its loop was busy.

For each line of its input it prints the CPU time, in milliseconds, of the longest round of its loop since the line
before: a stream stands still for as long at least, whatever else the machine does meanwhile. Without uvloop, whose
rounds nobody can look into.
"""

from __future__ import annotations

import sys
import threading
import time
from asyncio import base_events
from typing import Any


class Longest:
    """The longest round of the main thread's loop so far."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._run_once: Any = base_events.BaseEventLoop._run_once  # type: ignore[attr-defined]  # there is no other way

    def measure(self) -> None:
        """Look at every round from now on."""
        base_events.BaseEventLoop._run_once = lambda loop: self._round(loop)  # type: ignore[attr-defined]

    def _round(self, loop: Any) -> None:
        begin = time.thread_time()
        self._run_once(loop)
        if threading.current_thread() is threading.main_thread():
            self.seconds = max(self.seconds, time.thread_time() - begin)

    def answer(self) -> None:
        """Say what was seen for each line of the input."""
        for _ in sys.stdin:
            told, self.seconds = self.seconds, 0.0
            print(f"longest round {told * 1000:.1f}", flush=True)


def main() -> None:
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # as if it were not installed
    longest = Longest()
    longest.measure()
    threading.Thread(target=longest.answer, daemon=True).start()
    from orchestrator.cli import main as command

    sys.exit(command())


if __name__ == "__main__":
    main()
