"""The JavaScript client: its own tests under node, those against the real server included."""

from __future__ import annotations

import subprocess

import pytest

from tests.commands import ROOT, environment
from tests.parts import require
from tests.served import orchestrator

SECONDS = 240


@pytest.mark.timeout(SECONDS + 30)
def test_the_javascript_client_passes_its_tests() -> None:
    with orchestrator() as address:
        result = subprocess.run(
            [require("node"), "--test", "--test-reporter=spec", f"--test-timeout={SECONDS * 1000}"],
            capture_output=True, text=True, cwd=ROOT / "tests" / "web", timeout=SECONDS, check=False,
            env=environment(ORCHESTRATOR_URL=address),
        )  # fmt: skip
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
