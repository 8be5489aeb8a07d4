"""``python -m tests.bench.peers.environment DIR``: makes the peers' environments, once; they stay there."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
PYTHONS = ("langgraph", "llamaindex")
"""Peers in Python: each has a file of requirements of its name here, and a folder of its name in DIR."""

JAVASCRIPT = "ai_sdk"


def python_of(folder: Path, name: str) -> Path:
    return folder / name / "bin" / "python"


def program_of(folder: Path) -> Path:
    """Return the AI SDK's server, which has to lie beside its packages."""
    return folder / JAVASCRIPT / "ai_sdk_server.js"


def make(folder: Path) -> None:
    """Install what each peer needs into *folder*; what is there already is brought to the versions named here."""
    for name in PYTHONS:
        if not python_of(folder, name).exists():
            venv.create(folder / name, with_pip=True)
        pip = [python_of(folder, name), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", HERE / f"{name}.txt"], check=True)
    packages = folder / JAVASCRIPT
    packages.mkdir(parents=True, exist_ok=True)
    for file in ("package.json", "ai_sdk_server.js"):
        shutil.copy(HERE / file, packages)
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], cwd=packages, check=True
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    make(parser.parse_args().folder.absolute())
    return 0


if __name__ == "__main__":
    sys.exit(main())
