"""Makes the virtual environments of foreign servers and libraries; starts nothing.

Each lies outside the repository, below ``$XDG_CACHE_HOME``, and is made once.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

INSTALL_SECONDS = 1200


class MissingPart(Exception):
    """Something that a foreign program needs is not on this machine; the message says what."""


def lack(what: str, exc: MissingPart) -> NoReturn:
    """Skip the test without a foreign program, or fail it where `CI` is set."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is required in CI: {exc}")
    pytest.skip(f"no {what}: {exc}")


def environment(
    name: str,
    packages: Sequence[str],
    *,
    afterwards: Sequence[str] = (),
    newest: str | None = None,
    python: str = sys.executable,
    finish: Callable[[Path], None] | None = None,
) -> Path:
    """Make the environment called *name*, or find the one that is there; return its folder.

    Args:
        afterwards: What is installed once *packages* are, whatever those ask for.
        newest: A day; later uploads are not looked at, and None looks at all.
        python: An interpreter, or which versions will do. finish: Called with the folder of a new one.
    Raises:
        MissingPart: uv is missing, or the packages cannot be had.
    """
    home = _cache() / name
    home.parent.mkdir(parents=True, exist_ok=True)
    with _locked(home.parent / f"{name}.lock"):
        ready = home / "ready"
        if not ready.exists():
            if importlib.util.find_spec("uv") is None:
                raise MissingPart(
                    f"uv is not installed beside pytest, so {name}'s environment cannot be made"
                )
            shutil.rmtree(home, ignore_errors=True)
            _uv("venv", "--python", python, str(home))
            until = () if newest is None else ("--exclude-newer", newest)
            install = ("pip", "install", "--python", str(home / "bin" / "python"), *until)
            _uv(*install, *packages)
            if afterwards:
                _uv(*install, *afterwards)
            if finish is not None:
                finish(home)
            ready.touch()
    return home


def output(command: list[str], environ: dict[str, str]) -> str:
    """Return what *command* prints.

    Raises:
        MissingPart: It fails, or takes too long.
    """
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise MissingPart(f"{command[:4]} took longer than {INSTALL_SECONDS} s") from exc
    if done.returncode:
        raise MissingPart(f"{command[:4]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _uv(*arguments: str) -> None:
    output([sys.executable, "-m", "uv", *arguments], dict(os.environ))


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fanin-orchestrator"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two test runs at once make an environment once."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
