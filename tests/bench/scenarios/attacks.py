"""(l, s) what one caller can do to another: a canary of 10 tokens/s beside each attack, and the memory it takes.

Each server has bounds that an attack reaches; their sum is what its memory may grow by.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from ...support.commands import ROOT, environment
from ..options import Options
from ..result import Column, Promise, Result, Rows, Sample
from ..stores import SERVER, redis_running
from . import attacks_by_asking as asking
from . import attacks_by_crowding as crowding
from . import attacks_by_reading as reading
from .attack_target import Target, write_agents

PAUSE_MS = 250.0
"""The longest pause that a canary may have: promise 2 of the protocol."""

ROUND_MS = 50.0
"""What one round of the loop may take in CPU time: this one holds on a busy machine, too."""

COLUMNS = (
    Column("pause_ms", "longest pause of the canary, ms"),
    Column("round_ms", "longest round of the server's loop, ms of CPU", 1),
    Column("idle_ms", "the same of an idle server beside it, ms"),
    Column("seconds", "s that the attack took", 1),
    Column("mib", "MiB before"),
    Column("after_mib", "MiB after"),
    Column("most_mib", "MiB at most"),
    Column("sum_mib", "MiB that the options allow more"),
)
SETTLE_SECONDS = 1.0
MIB = 2**20
BOUNDS = {
    "--max-log-bytes": 64 * MIB,
    "--max-conversation-bytes": 32 * MIB,
    "--max-answer-bytes": 32 * MIB,
    "--max-request-bytes": 32 * MIB,
    "--max-live-bytes": 32 * MIB,
}
"""Smaller than the defaults, so that attacks reach them."""


ATTACKS = (
    asking.nothing, asking.patterns, asking.members, asking.quotes, asking.deep, asking.lists, asking.gaps, asking.deaf,
    asking.images, asking.conversations, asking.dialects, reading.folds, reading.snapshots, reading.talk,
    reading.searches, reading.scores, reading.deletions, crowding.headers, crowding.chunks, crowding.dribbling,
    crowding.packed, crowding.pings,
)  # fmt: skip


FILLING = (asking.deaf, asking.images, asking.conversations, reading.talk)
"""What fills memory, and is tried on each store."""


def attacks(options: Options) -> Result:
    """Each attack meets a server of its own."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as folder:
        write_agents(Path(folder))
        for attack in ATTACKS:
            rows[_title(attack)] = [asyncio.run(_under(attack, Path(folder), options))]
            print(f"  {_title(attack)} {rows[_title(attack)][0]}", file=sys.stderr, flush=True)
    return Result("(l) attacks", COLUMNS, rows, [*_paused(rows), *_grown(rows)], first="attack")


def filling(options: Options) -> Result:
    """Those that fill memory, with the log in memory, in SQLite and in Redis."""
    rows: Rows = {}
    with tempfile.TemporaryDirectory() as name, redis_running():
        folder = Path(name)
        write_agents(folder)
        for attack in FILLING:
            for store in ("memory", "sqlite", "redis"):
                url = {"memory": "memory:", "redis": f"{SERVER.url}?prefix={attack.__name__}:"}.get(store)
                log = url or f"sqlite:///{folder}/{attack.__name__}.db"
                row = f"{_title(attack)} ({store})"
                rows[row] = [asyncio.run(_under(attack, folder, options, log=log))]
                print(f"  {row} {rows[row][0]}", file=sys.stderr, flush=True)
    return Result("(s) memory", COLUMNS, rows, _grown(rows), first="attack")


def _grown(rows: Rows) -> list[Promise]:
    allowed = sum(BOUNDS.values()) / MIB
    return [
        Promise(f"MiB more after: {name}", (sample["after_mib"] - sample["mib"],), at_most=allowed)
        for name, (sample, *_) in rows.items()
    ]


def _paused(rows: Rows) -> list[Promise]:
    promises = [
        Promise(f"longest pause beside: {name}, ms", (sample["pause_ms"],), at_most=PAUSE_MS)
        for name, (sample, *_) in rows.items()
    ]
    return promises + [
        Promise(f"longest round beside: {name}, ms of CPU", (sample["round_ms"],), at_most=ROUND_MS)
        for name, (sample, *_) in rows.items()
    ]


def _title(attack: Callable[[Target], object]) -> str:
    return (attack.__doc__ or attack.__name__).rstrip(".").splitlines()[0]


async def _under(
    attack: Callable[[Target], object], folder: Path, options: Options, *, log: str = "memory:"
) -> Sample:
    with (
        _server(folder, "--log", log) as (server, url),
        _server(folder) as (_, idle),
        _Canary(url) as sung,
        _Canary(idle) as apart,
    ):
        _longest_round(server)
        before, begin = _mib(server.pid), time.monotonic()
        async with ClientSession(timeout=ClientTimeout(total=120)) as session:
            await attack(Target(url, session, options))  # type: ignore[misc]  # a coroutine
        seconds = time.monotonic() - begin
        await asyncio.sleep(3 * SETTLE_SECONDS)
        return {
            "pause_ms": sung.longest(),
            "round_ms": _longest_round(server),
            "idle_ms": apart.longest(),
            "seconds": seconds,
            "mib": before,
            "after_mib": _mib(server.pid),
            "most_mib": _most_mib(server.pid),
            "sum_mib": sum(BOUNDS.values()) / MIB,
        }


@contextmanager
def _server(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    program = [sys.executable, "-m", "tests.bench.servers.measured"]
    bounds = [word for name, value in BOUNDS.items() for word in (name, str(value))]
    server = subprocess.Popen(
        [*program, "serve", "--port", "0", "--config", str(folder), *bounds, *more],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        env=environment(),
    )  # fmt: skip
    try:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        time.sleep(SETTLE_SECONDS)
        yield server, url
    finally:
        server.kill()
        server.communicate()


def _longest_round(server: subprocess.Popen[str]) -> float:
    """Return what the longest round of its loop took since this was last asked, in milliseconds of CPU time."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write("\n")
    server.stdin.flush()
    return float(server.stdout.readline().split()[-1])


class _Canary:
    """One reader of a canary, as a process of its own."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.canary", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def __enter__(self) -> _Canary:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def longest(self) -> float:
        """End it; return its longest pause in milliseconds."""
        told, _ = self._process.communicate(timeout=60)
        return float(told)


def _mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _most_mib(pid: int) -> float:
    """Return what a process has taken at most since it began."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise LookupError("VmHWM")
