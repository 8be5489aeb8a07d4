"""The processes among which tests are divided: each test is reported once, whatever becomes of its process."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from tests.support.commands import ROOT
from tests.support.patience import PATIENCE_SECONDS

CONFTEST = """
    import os
    import pytest
    from tests.support.forks import Forks

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(session):
        Forks(session, 3).run()
        return True

    @pytest.fixture(scope="session")
    def shared(tmp_path_factory):
        yield os.getpid()
        (tmp_path_factory.getbasetemp().parent / f"left-{os.getpid()}").touch()
"""
TESTS = """
    import os, signal, warnings
    import pytest

    def test_passes(shared):
        assert shared == os.getpid()

    def test_kills_its_process():
        os.kill(os.getpid(), signal.{signal})

    def test_fails(shared, tmp_path):
        print("said", "before")
        (tmp_path / "own").touch()
        assert tmp_path.parent.name.startswith("fork"), tmp_path
        assert shared != os.getpid()

    def test_warns():
        warnings.warn("odd")

    def test_is_skipped():
        pytest.skip("because")
"""


def ran(folder: Path, *options: str, **files: str) -> tuple[str, dict[str, str]]:
    """Run pytest on files of tests; return what it printed, and how each test ended."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in {"conftest": CONFTEST, **files}.items():
        (folder / f"{name}.py").write_text(dedent(text))
    command = [sys.executable, "-m", "pytest", "-v", "-rA", "-c", "pytest.ini", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--basetemp", "base", *options],
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}, cwd=folder,
        capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    said = done.stdout + done.stderr
    return said, {
        name: how for how, name in re.findall(r"^(PASSED|FAILED|ERROR) (?:\S+/)?(\S+)", said, re.MULTILINE)
    }


def test_each_test_is_reported_once_and_a_killed_process_costs_one(tmp_path: Path) -> None:
    files = {f"test_{name}": TESTS.format(signal="SIGKILL" if name == "a" else "SIGCONT") for name in "abcd"}
    said, ends = ran(tmp_path, **files)
    assert ends == {
        f"{file}.py::test_{name}": how
        for file in files
        for name, how in (
            ("passes", "PASSED"),
            ("kills_its_process", "FAILED" if file == "test_a" else "PASSED"),
            ("fails", "FAILED"),
            ("warns", "PASSED"),
        )
    }, said
    assert "the process of this test ended with -9" in said
    assert said.count("said before") == 4, said
    assert said.count("UserWarning: odd") == 4, said
    kept = list((tmp_path / "base").glob("left-*"))
    assert 2 <= len(kept) <= 3, "a session's fixture ends with each process that was not killed, once"
    assert re.search(r"5 failed, 11 passed, 4 skipped, 4 warnings in", said), said


def test_a_session_that_may_fail_no_more_ends(tmp_path: Path) -> None:
    """Whatever the other processes are at."""
    waits = "import time\ndef test_waits():\n    time.sleep(3600)\n"
    said, ends = ran(tmp_path, "--maxfail", "2", test_a=waits, test_b=TESTS.format(signal="SIGKILL"))
    assert list(ends.values()).count("FAILED") == 2, said
    assert "stopping after 2 failures" in said
