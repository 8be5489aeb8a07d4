"""Puts the files that a page shows into a folder, beside the agents that ship, and runs programs there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS
from tests.support.zygote import program_command

from .pages import blocks


def agents_that_ship(folder: Path) -> Path:
    """Copy the agents and panels that ship into *folder*, speaking faster."""
    copied = shutil.copytree(ROOT / "agents_config", folder / "agents_config")
    for path in copied.rglob("*.yaml"):
        path.write_text(re.sub(r"(?m)^tokens_per_s: \d+$", "tokens_per_s: 400", path.read_text()))
    return folder


def lay_out(page: str, folder: Path) -> Path:
    """Write the files of a page into a folder beside the agents that ship."""
    agents_that_ship(folder)
    for block in blocks(page):
        if block.language in ("yaml", "python"):
            assert re.fullmatch(r"[\w/]+\.(yaml|py)", block.about), f"{block} names no file"
            (folder / block.about).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.about).write_text(block.text)
    return folder


def run_python(folder: Path, code: str, *, fresh: bool = False, **env: str) -> str:
    """Run *code* in a folder whose modules it can import; return what it printed.

    Args:
        fresh: Run it in an interpreter of its own, as pytest needs, which rewrites what nobody has imported.
    """
    program = folder / "what_the_test_runs.py"
    program.write_text(code)
    ran = subprocess.run(
        [sys.executable, str(program)] if fresh else program_command(program),
        cwd=folder, env=environment(PYTHONPATH=f"{ROOT}{os.pathsep}{folder}", **env),
        capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
