"""Shows a run on what the command writes to: JSON lines, prefixed lines, or columns on a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractAsyncContextManager
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..client.run_view import RunHandle
    from ..terminal.screen import Screen

DISTRIBUTION = "fanin-orchestrator"
"""The package's name, whose extras are installed by it."""


def watch(
    opening: AbstractAsyncContextManager[RunHandle], as_json: bool, *, interrupt_cancels: bool = True
) -> int:
    """Show a run to its end, as JSON lines if *as_json*, else as the output allows; return the exit code."""
    from ..process import run_and_leave
    from ..terminal.session import watch as show

    return run_and_leave(show(opening, _screen(as_json), interrupt_cancels=interrupt_cancels))


def _screen(as_json: bool) -> Screen:
    from ..terminal.screen import JsonLines, PrefixedLines

    if as_json:
        return JsonLines(sys.stdout, sys.stderr)
    if isinstance(sys.stdout, TextIOWrapper):
        # What this terminal's encoding lacks must not end the command.
        sys.stdout.reconfigure(errors="replace")
    if sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown"):
        try:
            from ..terminal.columns import columns_on
        except ImportError:
            print(f"side by side needs rich: pip install '{DISTRIBUTION}[cli]'", file=sys.stderr)
        else:
            return columns_on(sys.stdout)
    return PrefixedLines(sys.stdout, sys.stderr)
