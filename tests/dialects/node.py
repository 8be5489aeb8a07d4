"""Runs the programs of tests/dialects/js with the real clients from npm: installed once, loaded once."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from tests.support.patience import PATIENCE_SECONDS

FOLDER = Path(__file__).parent / "js"
PROGRAM = FOLDER / "node_modules" / ".bin" / "node"


def install() -> None:
    """Bring what the lock file names, unless `tests/run` has; one process at a time."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here")
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    mark = FOLDER / "node_modules" / ".installed"
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text().strip() != wanted:
            subprocess.run(
                ["npm", "ci", "--loglevel=error", "--no-audit", "--no-fund"],
                cwd=FOLDER,
                check=True,
                timeout=5 * PATIENCE_SECONDS,
            )
            mark.write_text(wanted)


class NodeHost:
    """One node process that runs one program after the other; a new one follows one that was ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, program: str, given: tuple[Any, ...]) -> Any:
        """Run *program*'s function to its end; return what it returns.

        Raises:
            RuntimeError: It failed, or took longer than a test waits.
        """
        process = self._process
        if process is None or process.poll() is not None:
            self.close()
            process = self._process = subprocess.Popen(
                [str(PROGRAM), "host.mjs"], cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        assert process.stdin is not None
        assert process.stdout is not None
        watch = Timer(PATIENCE_SECONDS, process.kill)
        watch.start()
        try:
            process.stdin.write(json.dumps({"program": program, "given": given}).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        finally:
            watch.cancel()
        if not line:
            raise RuntimeError(f"{program} did not end")
        answer = json.loads(line)
        if "failed" in answer:
            raise RuntimeError(answer["failed"])
        return answer["told"]

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


HOST = NodeHost()
"""Of this worker; `tests/dialects/conftest.py` ends it."""


async def run_node(program: str, *given: Any) -> Any:
    """Run *program* in the worker's node process; a test that is cancelled meanwhile takes the process with it."""
    try:
        return await asyncio.to_thread(HOST.ask, program, given)
    except asyncio.CancelledError:
        HOST.close()
        raise
