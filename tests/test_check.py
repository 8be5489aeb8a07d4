"""`orchestrator check` names every mistake, in files and in what they refer to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.commands import environment, orchestrate


def agents_folder(folder: Path, **files: str) -> Path:
    config = folder / "agents_config"
    config.mkdir()
    for name, text in files.items():
        (config / f"{name}.yaml").write_text(text)
    return config


def test_check_passes_the_agents_that_are_shipped() -> None:
    ran = orchestrate("check")
    assert (ran.returncode, ran.stderr) == (0, "")
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert ["skeptic", "offline", "offline", "(default)"] in rows
    assert any(row[1] == "skipped" and "not set" in " ".join(row) for row in rows)


def test_check_says_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    agents_folder(
        tmp_path,
        one="backend: offline\ntypo: 1\nanother: 2\n",
        two="backend: nothing\n",
        three="backend: offline\nlimits: {timeout_s: soon}\n",
    )
    ran = orchestrate("check", cwd=tmp_path)
    assert ran.returncode == 1
    for part in ("one.yaml:2: typo", "one.yaml:3: another", "two.yaml:1: backend", "three.yaml:2: limits"):
        assert part in ran.stderr
    assert ran.stderr.splitlines()[-1] == "4 problems"


def test_check_finds_references_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("async def good(request):\n    yield 'x'\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('at import')\n")
    agents_folder(
        tmp_path,
        good="backend: function\nstream: mine:good\n",
        bad="backend: function\nstream: mine:bad\n",
        gone="backend: function\nstream: nowhere:good\n",
        ill="backend: function\nstream: broken:good\n",
    )
    ran = orchestrate("check", cwd=tmp_path)
    assert ran.returncode == 1
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["good"]
    for name, why in (("bad", "has no 'bad'"), ("gone", "cannot import 'nowhere'"), ("ill", "at import")):
        [line] = [line for line in ran.stderr.splitlines() if f"{name}.yaml" in line]
        assert why in line
    unloaded = orchestrate("check", "--no-load", cwd=tmp_path)
    assert unloaded.returncode == 0
    assert len(unloaded.stdout.splitlines()) == 4


def test_check_of_no_folder_is_an_error(tmp_path: Path) -> None:
    ran = orchestrate("check", "--config", "nowhere", cwd=tmp_path)
    assert ran.returncode == 1
    assert "nowhere" in ran.stderr


def test_a_module_beside_the_config_is_found_by_the_installed_command(tmp_path: Path) -> None:
    """`python -m` looks into the present folder, a console script does not; both must find `mine:good`."""
    (tmp_path / "mine.py").write_text("async def good(request):\n    yield 'x'\n")
    agents_folder(tmp_path, good="backend: function\nstream: mine:good\n")
    script = "import sys; assert '' not in sys.path; from orchestrator.cli import main; main(['check'])"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
