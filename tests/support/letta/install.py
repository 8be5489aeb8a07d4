"""Makes the virtual environment in which Letta's server runs; starts nothing.

It lies outside the repository, below ``$XDG_CACHE_HOME``, and is made once: about 800 MB, a minute or more
with a cold cache. Python 3.11 to 3.13 can run it; where the tests run on another, uv looks for one.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VERSION = "0.16.8"
"""The last release that is the API server."""
NEWEST = "2026-05-15"
"""Later uploads are not looked at: Letta pins few of its requirements."""
PACKAGES = (f"letta[server,redis]=={VERSION}", "asyncpg", "pg8000", "pgvector", "pgserver")
INSTALL_SECONDS = 1200
SCRIPTS = Path(__file__).parent


class MissingPart(Exception):
    """Something that the server needs is not on this machine; the message says what."""


@dataclass(frozen=True)
class Installed:
    """A ready environment. `packages` holds `pgserver` (PostgreSQL) and, beside it, `pgserver.libs`."""

    letta: Path
    packages: Path
    schema: Path


def install() -> Installed:
    """Make the environment, or find the one that is there.

    Raises:
        MissingPart: uv is missing, or the packages cannot be had.
    """
    home = _cache() / f"letta-{VERSION}"
    home.parent.mkdir(parents=True, exist_ok=True)
    with _locked(home.with_suffix(".lock")):
        ready = home / "ready"
        if not ready.exists():
            _make(home)
            ready.touch()
    site = next((home / "lib").glob("python3.*/site-packages"))
    return Installed(
        letta=home / "bin" / "letta",
        packages=site,
        schema=home / "schema.sql",
    )


def _make(home: Path) -> None:
    if importlib.util.find_spec("uv") is None:
        raise MissingPart("uv is not installed beside pytest, so Letta's environment cannot be made")
    shutil.rmtree(home, ignore_errors=True)
    base = sys.executable if (3, 11) <= sys.version_info < (3, 14) else ">=3.11,<3.14"
    _uv("venv", "--python", base, str(home))
    python = home / "bin" / "python"
    _uv("pip", "install", "--python", str(python), "--exclude-newer", NEWEST, *PACKAGES)
    scratch = home / "scratch"
    scratch.mkdir()
    # The URI only tells Letta's models that the database will be PostgreSQL; nothing connects to it.
    unused = "postgresql://letta@127.0.0.1:9/letta"
    environment = {**os.environ, "HOME": str(scratch), "LETTA_DIR": str(scratch), "LETTA_PG_URI": unused}
    command = [str(python), "-P", str(SCRIPTS / "print_schema.py")]
    (home / "schema.sql").write_text(_output(command, environment))


def _uv(*arguments: str) -> None:
    _output([sys.executable, "-m", "uv", *arguments], dict(os.environ))


def _output(command: list[str], environment: dict[str, str]) -> str:
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise MissingPart(f"{command[:4]} took longer than {INSTALL_SECONDS} s") from exc
    if done.returncode:
        raise MissingPart(f"{command[:4]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fanin-orchestrator"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two test runs at once make the environment once."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
