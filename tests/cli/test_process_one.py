"""Covers `orchestrator/cli/process_one.py`: a container that is stopped while it starts."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS

STARTING = """
import os, time
os.getpid = lambda: {pid}
from orchestrator.cli.process_one import end_on_signal
end_on_signal()
print("up", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(("pid", "code"), [(1, 128 + signal.SIGTERM), (2, -signal.SIGTERM)])
def test_process_one_ends_when_it_is_told_to_while_it_starts(pid: int, code: int) -> None:
    """The kernel ends it by no signal that it has no handler for; any other process is left as it is."""
    starting = subprocess.Popen(
        [sys.executable, "-c", STARTING.format(pid=pid)], cwd=ROOT, env=environment(), stdout=subprocess.PIPE
    )
    assert starting.stdout is not None
    with starting.stdout:
        assert starting.stdout.readline() == b"up\n"
        starting.terminate()
        assert starting.wait(PATIENCE_SECONDS) == code
