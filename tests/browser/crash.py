"""A server that a test can kill without a word, and start again at the same address."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.commands import ROOT, environment
from tests.support.zygote import command as command_of


@contextmanager
def crashing(folder: Path, *options: str, port: int) -> Iterator[str]:
    """Run `orchestrator serve`, give its address, and kill it (SIGKILL) at the end."""
    command = command_of("serve", "--port", str(port), "--config", str(folder), *options)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment()
    ) as process:
        assert process.stdout is not None
        try:
            line = next((line for line in process.stdout if "http://" in line), "")
            found = re.search(r"http://[\w.:]+", line)
            assert found is not None, f"it never listened: {line!r}"
            yield found[0]
        finally:
            process.kill()
