"""Runs a program of tests/dialects/js with the real clients from npm, installed once per lock file."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.patience import PATIENCE_SECONDS

FOLDER = Path(__file__).parent / "js"
PROGRAM = FOLDER / "node_modules" / ".bin" / "node"


def install() -> None:
    """Bring what the lock file names, unless it is there; one process at a time."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not here")
    wanted = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    mark = FOLDER / "node_modules" / ".installed"
    with (FOLDER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            subprocess.run(
                ["npm", "ci", "--loglevel=error", "--no-audit", "--no-fund"],
                cwd=FOLDER,
                check=True,
                timeout=600,
            )
            mark.write_text(wanted)


async def run_node(program: str, *arguments: str) -> Any:
    """Run *program* to its end; return what it prints, as JSON."""
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), program, *arguments,
        cwd=FOLDER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            out, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return json.loads(out)
