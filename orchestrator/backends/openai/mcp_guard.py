"""Runs one MCP server's program and ends it, with all that it has started, when whoever started this is gone.

A program that does not end with its standard input would outlive a service that was killed. Stands alone, for it is
run by its path: ``python -I mcp_guard.py PARENT COMMAND ARGS…``. Knows nothing of MCP.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.5
"""How often the parent is looked for where the kernel does not tell of its death."""


def main() -> int:
    parent, command = int(sys.argv[1]), sys.argv[2:]
    signal.signal(signal.SIGUSR1, end_all)
    # Whoever ends the program sends these to the whole group; this waits for the program then.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    is_told = hears_of_death(signal.SIGUSR1)
    try:
        # The program must not outlive this one either, which may be killed by itself.
        program = subprocess.Popen(command, preexec_fn=lambda: hears_of_death(signal.SIGKILL))  # noqa: S603
    except OSError as exc:
        print(f"{command[0]}: {exc.strerror}", file=sys.stderr)
        return 127
    for stream in (0, 1):
        os.close(
            stream
        )  # the program's alone: it must see the end of its input, and we must not hold its output
    while True:
        if os.getppid() != parent:
            end_all()
        if is_told:
            return program.wait()
        try:
            return program.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue


def hears_of_death(number: int) -> bool:
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
