"""The commands that install, run as the README and the handbook have them, in a copy of the tree.

What the lock file pins is linked from this environment, which pip has filled: unpacking it once more takes most of the
time. What the lock file lacks is lacking all the same. With `FAULT_ROUNDS` pip brings everything.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.shares import ALL

from .linked import link_pinned
from .pages import Block, blocks
from .test_examples import of

pytestmark = pytest.mark.timeout(900)


def run(command: str, place: Path, **more: str) -> str:
    """Run a command of a shell's as a newcomer would: without what this process's environment set for Python."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    ran = subprocess.run(
        command, shell=True, cwd=place, env=kept | more, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what a clone would have, as it lies here now, and set it up by the README's first command, which asks.

    Modules are compiled when they are imported: compiling all of every package takes longer than the rest.
    """
    place = tmp_path_factory.mktemp("clone") / "clone"
    listed = run("git ls-files -z --cached --others --exclude-standard", ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    (first,) = [block for block in blocks("the README") if "python3 -m venv" in block.text]
    if not ALL:
        prefill(place)
    said = run(first.text, place, PIP_NO_COMPILE="1")
    assert "391" in said
    return place


def prefill(place: Path) -> None:
    """Let the environment that is made in *place* find what is pinned, if its Python is this one's."""
    version = "python{}.{}".format(*sys.version_info)
    if (
        run("python3 -c 'import sys; print(\"python{}.{}\".format(*sys.version_info))'", place).strip()
        != version
    ):
        return
    linked = place.parent / "linked"  # not below it: it is no part of what is packed
    assert link_pinned((place / "requirements.lock").read_text(), linked) > 30
    packages = place / ".venv" / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packages / "linked.pth").write_text(f"{linked}\n")


@pytest.fixture(scope="module")
def built(copy: Path) -> Path:
    """Build the sdist, and from it the wheel; return their folder."""
    run(".venv/bin/pip install -q build hatchling", copy, PIP_NO_COMPILE="1")
    run(".venv/bin/python -m build -q --no-isolation --outdir dist .", copy)
    return copy / "dist"


def test_the_first_command_sets_everything_up(copy: Path) -> None:
    assert "analyst" in run(".venv/bin/orchestrator check --no-load", copy)


@pytest.mark.parametrize("block", of("sh", "install", "operations"))
def test_extras_are_installed(block: Block, copy: Path, built: Path) -> None:
    words = block.text.split()
    assert words[:2] == ["pip", "install"]
    # Of this tree, not of an index; what is there already at its version stays.
    run(
        f".venv/bin/{block.text}",
        copy,
        PIP_FIND_LINKS=str(built),
        PIP_QUIET="1",
        PIP_NO_COMPILE="1",
    )
    assert run(".venv/bin/python -c 'import redis, uvloop; print(redis.__name__, uvloop.__name__)'", copy)


@pytest.mark.parametrize("block", of("sh", "install"))
def test_every_other_install_command_is_the_tests_own(block: Block) -> None:
    """`tests/run` is what runs this; any further command needs a test above."""
    known = "python3 -m venv" in block.text or block.page == "operations"
    assert known or (block.text.strip() == "tests/run" and os.access(ROOT / "tests/run", os.X_OK))


def test_the_packed_files_are_whole_and_run(copy: Path, built: Path) -> None:
    """The wheel is built from the sdist, so what either lacks is missing; it runs outside the checkout."""
    run(f".venv/bin/pip install -q --no-deps --no-compile --target packed {built}/*.whl", copy)
    packed, tree = copy / "packed" / "orchestrator", copy / "orchestrator"
    wanted = {each.relative_to(tree) for each in tree.rglob("*") if each.is_file() and each.suffix != ".pyc"}
    assert wanted - {each.relative_to(packed) for each in packed.rglob("*")} == set()
    (copy / "elsewhere").mkdir()
    asked = run(
        f"{copy}/.venv/bin/python -m orchestrator run --json 'What is 17 * 23?' --config {copy}/agents_config",
        copy / "elsewhere",
        PYTHONPATH=str(copy / "packed"),
    )
    assert "391" in asked
