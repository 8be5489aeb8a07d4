"""Programs that serve, run as a user runs them: started, awaited until they listen, ended in good order."""

from __future__ import annotations

import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import IO

from tests.support.commands import ROOT, environment
from tests.support.patience import PATIENCE_SECONDS, wait_until
from tests.support.zygote import command

ADDRESS = re.compile(r"https?://127[\d.]+:\d+")


@contextmanager
def serving(program: Sequence[str], *, cwd: Path = ROOT, **env: str) -> Iterator[str]:
    """Run *program*, give the first address in its output, and end it with SIGTERM."""
    with TemporaryFile("w+") as errors, subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=cwd, env=environment(**env)
    ) as process:  # fmt: skip
        assert process.stdout is not None
        rest = Thread(target=process.stdout.read)  # a full pipe would hold the program up
        try:
            address = next((found[0] for line in process.stdout if (found := ADDRESS.search(line))), None)
            assert address is not None, _text(errors)
            rest.start()
            yield address
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_SECONDS)
            finally:
                process.kill()
                if rest.ident is not None:
                    rest.join()


@contextmanager
def orchestrator(*options: str, cwd: Path = ROOT, **env: str) -> Iterator[str]:
    """Run `orchestrator serve` on a free port and give its address once its agents are loaded."""
    serve = command("serve", "--port", "0", "--drain", "0", *options)
    with serving(serve, cwd=cwd, **env) as address:
        wait_until(lambda: _is_ready(address), f"{address} does not get ready")
        yield address


def _is_ready(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/readyz", timeout=PATIENCE_SECONDS).close()
    except urllib.error.HTTPError as refusal:
        refusal.close()
        if refusal.status != 503:
            raise
        return False
    return True


def paced_agents(folder: Path, **tokens_per_s: int) -> Path:
    """Copy the agents that ship into *folder*, each at the pace given for it; return the folder."""
    for agent_id, pace in tokens_per_s.items():
        text = (ROOT / "agents_config" / f"{agent_id}.yaml").read_text()
        text, changed = re.subn(r"(?m)^tokens_per_s: \d+$", f"tokens_per_s: {pace}", text)
        assert changed == 1, agent_id
        (folder / f"{agent_id}.yaml").write_text(text)
    return folder


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
