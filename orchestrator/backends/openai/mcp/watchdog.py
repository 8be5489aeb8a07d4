"""Runs one MCP server's program and ends it, with all that it has started, when whoever started this is gone.

A program that does not end with its standard input would outlive a service that was killed. What it writes to its
standard error may hold anything, a password in an exception's text for example, and would stand in the service's log:
it is shown only if the program does not start, or if SHOWN is 1. Stands alone, for it is run by its path:
``python -I watchdog.py PARENT SHOWN COMMAND ARGS…``. Knows nothing of MCP.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.5
"""How often the parent is looked for where the kernel does not tell of its death."""
START_SECONDS = 15
"""A program that fails within these has not started."""
SHOWN_BYTES = 4096


def main() -> int:
    parent, is_shown, command = int(sys.argv[1]), sys.argv[2] == "1", sys.argv[3:]
    signal.signal(signal.SIGUSR1, end_all)
    # Whoever ends the program sends these to the whole group; this waits for the program then.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    is_signalled = die_with_parent(signal.SIGUSR1)
    try:
        # The program must not outlive this one either, which may be killed by itself.
        program = subprocess.Popen(  # noqa: S603
            command,
            preexec_fn=lambda: die_with_parent(signal.SIGKILL),
            stderr=None if is_shown else subprocess.PIPE,
        )
    except OSError as exc:
        print(f"{command[0]}: {exc.strerror}", file=sys.stderr)
        return 127
    # These are the program's alone: it must see the end of its input, and we must not hold its output.
    for stream in (0, 1):
        os.close(stream)
    stderr = Stderr(program)
    while True:
        if os.getppid() != parent:
            end_all()
        try:
            ended = program.wait(None if is_signalled else POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        stderr.show(ended)
        return ended


class Stderr:
    """What a program writes to its standard error: read, so that it can go on, and kept as far as it may be shown."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self._began = time.monotonic()
        self._last = b""
        self._pipe = program.stderr
        self._reader = threading.Thread(target=self._read, daemon=True)
        if self._pipe is not None:
            self._reader.start()

    def _read(self) -> None:
        while self._pipe is not None and (written := os.read(self._pipe.fileno(), 65536)):
            self._last = (self._last + written)[-SHOWN_BYTES:]

    def show(self, ended: int) -> None:
        """Show the last of it if the program, which *ended* with this status, has not started."""
        if self._pipe is None or ended <= 0 or time.monotonic() - self._began > START_SECONDS:
            return
        self._reader.join(0.5)  # a child of its own may hold the pipe open
        sys.stderr.write(self._last.decode(errors="replace"))
        sys.stderr.flush()


def die_with_parent(number: int) -> bool:
    """Ask the kernel for a signal when the parent dies; False where it knows no such thing."""
    try:
        return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0) == 0)
    except (OSError, AttributeError):
        return False


def end_all(*_: object) -> None:
    """Kill the program, what it has started, and this process."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
