"""A command's process ends with its exit code, also where an agent or a tool does not."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from orchestrator import process
from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS

SCRIPT = """
import asyncio, threading, time
from orchestrator import process

process.LEAVE_SECONDS = 0.3
kept = []

async def ignores_cancel():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def work():
    {left_behind}
    await asyncio.sleep(0)
    print("done", end="")
    return 3

raise SystemExit(process.run_and_leave(work()))
"""


@pytest.mark.parametrize(
    "left_behind",
    [
        "kept.append(asyncio.create_task(ignores_cancel()))",
        "kept.append(asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600))",
        "pass",
    ],
)
def test_exit_code_comes_whatever_is_left_behind(left_behind: str) -> None:
    """Closing the loop would wait for it for ever, and a service that is told to stop would not."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(left_behind=left_behind)],
        capture_output=True, text=True, cwd=ROOT, env=environment(), timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (3, "done"), ran.stderr


def test_a_caller_that_catches_what_the_work_raised_lives_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer that ends a process that does not close is for nothing once it has closed."""
    monkeypatch.setattr(process, "LEAVE_SECONDS", 0.05)
    left: list[int] = []
    ends = threading.Event()

    def leave(code: int) -> None:
        left.append(code)
        ends.set()

    async def work() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        process.run_and_leave(work(), leave=leave)
    assert not ends.wait(0.3)
    assert left == []
