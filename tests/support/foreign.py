"""Environments of frameworks that conflict with ours or are too large for it.

They are asked for by `TEST_FOREIGN=1` alone, for they bring hundreds of MiB.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

from tests.support.commands import ROOT
from tests.support.environments import environment

ASKED_FOR = os.environ.get("TEST_FOREIGN", "") not in ("", "0")


def environment_alone(*packages: str) -> Path:
    """Return the Python of an environment that has *packages* alone: a server's. Raises as `environment`."""
    mark = hashlib.sha256("\n".join((sys.version, *packages)).encode()).hexdigest()[:16]
    return environment(f"foreign-{mark}", packages) / "bin" / "python"


def environment_of(*packages: str) -> Path:
    """Return the Python of an environment that has *packages* and this service. Raises as `environment`."""
    # Of each checkout its own: the service is there as it stands in it. It is installed last, for some frameworks
    # pin an older `openai` than it needs, and work with this one all the same.
    mark = hashlib.sha256("\n".join((sys.version, str(ROOT), *packages)).encode()).hexdigest()[:16]
    return environment(f"foreign-{mark}", packages, afterwards=("-e", str(ROOT))) / "bin" / "python"
