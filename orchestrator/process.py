"""Runs a command on a loop of its own and leaves the process whatever an agent left behind does.

Owns no signal and no agent.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

LEAVE_SECONDS = 3.0
"""How long the loop may take to close once the command's work is done."""


def end_process(code: int) -> None:
    """End the process at once, with what it wrote; no `finally` and no `atexit` runs."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def run_and_leave(
    work: Coroutine[Any, Any, int],
    *,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    leave: Callable[[int], None] = end_process,
) -> int:
    """Run *work* and return its exit code; leave with it if the loop does not close in time.

    Closing waits for every task and for every thread of the default executor: an agent that ignores its
    cancellation, or a tool that blocks its thread, would hold the process for ever.

    Args:
        leave: Called in a thread of its own if the loop does not close in time; must not return.
    """
    code, last = 1, None
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            try:
                code = runner.run(work)
            finally:
                last = threading.Timer(LEAVE_SECONDS, leave, (code,))
                last.daemon = True
                last.start()
    finally:
        if last is not None:  # else a caller that catches what *work* raised would be ended by it
            last.cancel()
    return code
