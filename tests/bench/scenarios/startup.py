"""(i) how long `orchestrator serve` takes to listen and `--help` to answer, and what they hold."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from ...support.commands import ROOT, environment
from ..contenders import Contender
from ..options import Options
from ..result import Column, Promise, Result, Rows, Sample, take_turns

SDK_AGENT = """\
backend: openai-agents
model: bench
base_url: http://127.0.0.1:9/v1
api_key: none
instructions: Say little.
"""
SDK_AGENTS = 3
READY_SECONDS = 60.0

BARE, HELP = "python -c pass", "orchestrator --help"
IDLE_SERVE, SDK_SERVE = "serve, no agent of an SDK", f"serve, {SDK_AGENTS} SDK agents"
RIVAL, RIVAL_SDK = "tutorial listens", "tutorial listens, SDK imported first"
COLUMNS = (
    Column("seconds", "s until it listens (or ends)", 3),
    Column("ready_s", "s until all agents are loaded", 2),
    Column("mib", "MiB then", 1),
    Column("ready_mib", "MiB when loaded", 1),
)


def startup(options: Options) -> Result:
    """Start each from nothing, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        configured = _folders(Path(folder))

        def once(name: str) -> Sample:
            if name in configured:
                serve = ["-m", "orchestrator", "serve", "--port", "0", "--config", str(configured[name])]
                return _listens(serve, ready=True)
            if name in (RIVAL, RIVAL_SDK):
                return _listens(["-c", ("import agents; " if name == RIVAL_SDK else "") + TUTORIAL])
            return _ends(["-c", "pass"] if name == BARE else ["-m", "orchestrator", "--help"])

        rows = take_turns((BARE, HELP, *configured, RIVAL, RIVAL_SDK), options.rounds, once)
    promises = [
        Promise("`serve` with SDK agents listens, s", _column(rows, SDK_SERVE), at_most=1.0),
        Promise("`--help` less bare Python, s", _beyond(rows, HELP, BARE), at_most=0.15),
    ]
    return Result("(i) start-up", COLUMNS, rows, promises, first="command")


TUTORIAL = "import runpy; runpy.run_module('tests.bench.servers.tutorial', run_name='__main__')"


async def quiet(request: object) -> AsyncGenerator[str, None]:
    """An agent that needs no library."""
    yield "here"


def _folders(folder: Path) -> dict[str, Path]:
    """Make the folders of agents; return them by the row that uses them."""
    idle, sdk = folder / "idle", folder / "sdk"
    idle.mkdir()
    sdk.mkdir()
    (idle / "quiet.yaml").write_text("backend: function\nstream: tests.bench.scenarios.startup:quiet\n")
    for n in range(SDK_AGENTS):
        (sdk / f"m{n}.yaml").write_text(SDK_AGENT)
    return {IDLE_SERVE: idle, SDK_SERVE: sdk}


def _ends(arguments: Sequence[str]) -> Sample:
    begin = time.monotonic()
    subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment(), check=True, stdout=subprocess.DEVNULL
    )
    return {"seconds": time.monotonic() - begin}


def _listens(arguments: Sequence[str], *, ready: bool = False) -> Sample:
    begin = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        try:
            line = process.stdout.readline() if process.stdout else ""
            address = re.search(r"http://\S+", line)
            if address is None:
                raise RuntimeError(f"{arguments} said {line!r}")
            server = Contender("started", address[0], process)
            sample = {"seconds": time.monotonic() - begin, "mib": server.memory()["now"] / 2**20}
            if ready:
                _until_ready(address[0])
                sample |= {"ready_s": time.monotonic() - begin, "ready_mib": server.memory()["now"] / 2**20}
            return sample
        finally:
            process.kill()


def _until_ready(address: str) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            urlopen(f"{address}/readyz", timeout=READY_SECONDS).close()
        except HTTPError as refusal:
            refusal.close()
            time.sleep(0.02)
        else:
            return
    raise RuntimeError("the agents did not load")


def _column(rows: Rows, name: str) -> tuple[float, ...]:
    return tuple(sample["seconds"] for sample in rows[name])


def _beyond(rows: Rows, above: str, below: str) -> tuple[float, ...]:
    base = statistics.median(_column(rows, below))
    return tuple(seconds - base for seconds in _column(rows, above))
