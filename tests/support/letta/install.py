"""Makes the virtual environment in which Letta's server runs; starts nothing.

About 800 MB, a minute or more with a cold cache. Python 3.11 to 3.13 can run it; where the tests run on another, uv
looks for one.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.environments import environment, output

VERSION = "0.16.8"
"""The last release that is the API server."""
NEWEST = "2026-05-15"
"""Letta pins few of its requirements."""
PACKAGES = (f"letta[server,redis]=={VERSION}", "asyncpg", "pg8000", "pgvector", "pgserver")
SCRIPTS = Path(__file__).parent


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
    base = sys.executable if (3, 11) <= sys.version_info < (3, 14) else ">=3.11,<3.14"
    home = environment(f"letta-{VERSION}", PACKAGES, newest=NEWEST, python=base, finish=_write_schema)
    site = next((home / "lib").glob("python3.*/site-packages"))
    return Installed(letta=home / "bin" / "letta", packages=site, schema=home / "schema.sql")


def _write_schema(home: Path) -> None:
    scratch = home / "scratch"
    scratch.mkdir()
    # The URI only tells Letta's models that the database will be PostgreSQL; nothing connects to it.
    unused = "postgresql://letta@127.0.0.1:9/letta"
    environ = {**os.environ, "HOME": str(scratch), "LETTA_DIR": str(scratch), "LETTA_PG_URI": unused}
    command = [str(home / "bin" / "python"), "-P", str(SCRIPTS / "print_schema.py")]
    (home / "schema.sql").write_text(output(command, environ))
