"""Lets signals end process 1 of a container until a command takes them. Owns no command's signals."""

from __future__ import annotations

import os
from types import FrameType


def end_on_signal() -> None:
    """Let signals end process 1, as they end any other.

    The kernel passes over what process 1 has no handler for: a container that is stopped while it starts would go on
    until it is killed.
    """
    if os.getpid() == 1:
        import signal  # late, as `--help` takes longer by it

        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, _end)


def _end(number: int, _: FrameType | None) -> None:
    os._exit(128 + number)
