"""Environments of frameworks that conflict with ours or are too large for it: made once by uv, and kept.

They are asked for by `TEST_FOREIGN=1` alone, for they bring hundreds of MiB.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.commands import ROOT

ASKED_FOR = os.environ.get("TEST_FOREIGN", "") not in ("", "0")
INSTALL_SECONDS = 900


def environment_of(*packages: str) -> Path:
    """Return the Python of an environment that has *packages* and this service."""
    mark = hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()[:16]
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fanin-orchestrator" / "foreign"
    )
    home = cache / mark
    python = home / "bin" / "python"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        _uv("venv", "--python", sys.executable, str(home))
        _uv("pip", "install", "--python", str(python), "-e", str(ROOT), *packages)
        (home / "complete").touch()
    return python


def _uv(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *arguments], check=True, timeout=INSTALL_SECONDS)
