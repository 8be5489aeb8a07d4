"""The JavaScript client against the real server; `tests/run` runs its other tests with `npm test`."""

from __future__ import annotations

import subprocess

import pytest

from tests.support.commands import ROOT, environment
from tests.support.parts import require
from tests.support.served import orchestrator

SECONDS = 240


@pytest.mark.timeout(SECONDS + 30)
def test_the_javascript_client_works_with_the_real_server() -> None:
    with orchestrator() as address:
        result = subprocess.run(
            [require("node"), "--test", "--test-reporter=spec", f"--test-timeout={SECONDS * 1000}", "real-server.js"],
            capture_output=True, text=True, cwd=ROOT / "tests" / "web", timeout=SECONDS, check=False,
            env=environment(ORCHESTRATOR_SERVER=address),
        )  # fmt: skip
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
