"""Programs that some tests need beside Python: found, or the test is skipped; under CI a missing one fails."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

DEBIAN = {
    "nginx": ("/usr/sbin/nginx", "nginx-light"),
    "firefox-esr": ("/usr/bin/firefox-esr", "firefox-esr"),
    "chromium": ("/usr/bin/chromium", "chromium"),
    "node": ("/usr/bin/node", "nodejs"),
    "curl": ("/usr/bin/curl", "curl"),
    "openssl": ("/usr/bin/openssl", "openssl"),
    "redis-server": ("/usr/bin/redis-server", "redis-server"),
}
"""Program → where Debian puts it (not every PATH has /usr/sbin), and the package that brings it."""


def require(name: str) -> str:
    """Return the program's path; without it skip the test, or fail it where `CI` is set."""
    usual, package = DEBIAN[name]
    found = shutil.which(name) or (usual if Path(usual).exists() else None)
    if found is None:
        _lack(f"{name} is not installed; apt-get install {package} brings it")
    return found


def require_library(name: str) -> None:
    """Skip the test without a library that an extra brings, or fail it where `CI` is set."""
    if importlib.util.find_spec(name) is None:
        _lack(f"{name} is not installed; tests/requirements.lock has it")


def _lack(message: str) -> NoReturn:
    if os.environ.get("CI", "").lower() in ("", "0", "false"):
        pytest.skip(message)
    pytest.fail(message)


def chromium_options() -> dict[str, Any]:
    """Return what Playwright's `chromium.launch` takes here: Debian's browser, quiet on the network."""
    # --no-sandbox: CI runs as root, where Chromium's sandbox does not start. The pages are our own.
    switches = (
        "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update",
        "disable-sync", "no-first-run",
    )  # fmt: skip
    # The same engine without the frame of a window, which is drawn as a second page: two thirds of the CPU.
    shell = shutil.which("chromium-headless-shell")
    return {"executable_path": shell or require("chromium"), "args": [f"--{switch}" for switch in switches]}


def firefox_options(folder: Path) -> dict[str, Any]:
    """Return what Playwright's `firefox.launch` takes here; *folder* will hold the program that starts it."""
    require("firefox-esr")
    program = folder / "firefox"
    relay = Path(__file__).with_name("firefox.py")
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(relay))} "$@"\n')
    program.chmod(0o755)
    return {"executable_path": str(program), "channel": "moz-firefox"}
