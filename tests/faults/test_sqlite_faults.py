"""The log in a file under faults: killed in the middle of each step, a full disk, a lock that another one holds."""

from __future__ import annotations

import asyncio
import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.support.commands import ROOT, environment
from tests.workers.agents import held
from tests.workers.process import until_ready, worker

from .oracle import begin, judge, whole_run
from .sqlite_steps import STEPS, live, open_at, portrait

LIVES = 40
INSTRUCTIONS, BYTES = 2_800, 330_000
"""More than all steps take; later deaths do not come, and are drawn again."""


class Mortal:
    """The process that dies for us, again and again."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def die(self, kind: str, at: int) -> tuple[Path, int, bool]:
        """Return the file that is left, how many steps were acknowledged, and whether it died at all."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{kind} {at}\n")
        self._process.stdin.flush()
        acknowledged, died = self._process.stdout.readline().split()
        return self._folder / f"{at}-{kind}.db", int(acknowledged), died == "1"


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Mortal]:
    command = [sys.executable, "-m", "tests.faults.sqlite_steps", str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, text=True
    ) as process:
        try:
            yield Mortal(process, tmp_path)
        finally:
            process.kill()


async def portrait_of(path: Path) -> str:
    log = open_at(path)
    await log.start()
    try:
        return await portrait(log)
    finally:
        await log.aclose()


async def portraits(folder: Path) -> list[str]:
    """What the log is to hold after no step, after the first, and so on, where nobody dies."""
    path = folder / "calm.db"
    found = [await portrait_of(path)]
    log = open_at(path)
    await log.start()
    for step in STEPS:
        await step(log)
        found.append(await portrait(log))
    await log.aclose()
    return found


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["instructions", "bytes"])
async def test_death_in_the_middle_of_any_step_leaves_it_whole_or_undone(
    mortal: Mortal, tmp_path: Path, chance: random.Random, rounds: int | None, kind: str
) -> None:
    """SQLite's machine stops at any instruction, or the kernel in any write: what was acknowledged is there."""
    expected = await portraits(tmp_path)
    assert len(set(expected)) > 10, "the steps can be told apart"
    most = INSTRUCTIONS if kind == "instructions" else BYTES
    died_in: set[int] = set()
    lives = rounds or LIVES
    while lives:
        at = chance.randrange(1, most)
        path, acknowledged, died = await asyncio.to_thread(mortal.die, kind, at)
        lives -= died
        left = await portrait_of(path)
        following = expected[acknowledged : acknowledged + 2]
        assert left in following, f"died at {kind} {at} after {acknowledged} steps: {left[:300]}"
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        if died:
            died_in.add(acknowledged)
        else:
            assert acknowledged == len(STEPS)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
    assert len(died_in) > len(STEPS) // 2, died_in


async def test_steps_are_what_they_say(tmp_path: Path) -> None:
    """Without a death every step is acknowledged: else the test above would prove nothing."""
    said = []
    await live(open_at(tmp_path / "log.db"), lambda: said.append("."), lambda log: None)
    assert len(said) == len(STEPS)


# ── a full disk, and a lock ──────────────────────────────────────────────────────────────────


def limit_files(pid: int, size: int) -> None:
    """Let no file of that process grow beyond *size*: to it the disk is full."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


async def test_full_disk_stops_runs_and_loses_nothing(http: ClientSession, tmp_path: Path) -> None:
    """What is said waits; new runs are refused with 503; readers stay; with room again all goes on."""
    path = tmp_path / "log.db"
    async with worker(f"sqlite:///{path}") as one:
        ended = await begin(http, one.url, "20", agents=["one"])
        await ended.follow(http, one.url)
        gate = tmp_path / "gate"
        accounts = [await begin(http, one.url, held(200, gate)) for _ in range(3)]
        reading = [asyncio.create_task(account.follow(http, one.url)) for account in accounts]
        await asyncio.sleep(0.4)
        limit_files(one.pid, path.with_name("log.db-wal").stat().st_size // 4096 * 4096)
        gate.touch()
        await asyncio.sleep(0.3)
        async with http.post(f"{one.url}/v1/runs", json={"message": "5"}) as answer:
            assert answer.status == 503, await answer.text()
        assert await whole_run(http, one.url, ended.run_id) == ended.seen, "what is there can be read"
        await asyncio.sleep(1.0)
        assert not any(task.done() for task in reading), "nobody was told an end that is in no log"
        limit_files(one.pid, resource.RLIM_INFINITY)
        await asyncio.gather(*reading)
        for account in accounts:
            judge(account.seen, links=200)
            assert len(account.connections) == 1
        last = await begin(http, one.url, "5")
        await last.follow(http, one.url)
        judge(last.seen, links=5)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's write lock, as another process does that is in the middle of a transaction."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("COMMIT")


async def test_lock_held_for_seconds_delays_and_loses_nothing(http: ClientSession, tmp_path: Path) -> None:
    """Longer than a write waits, and than a lease: of two workers none takes the other for dead."""
    path = tmp_path / "log.db"
    log = f"sqlite:///{path}"
    async with worker(log) as one, worker(log) as two:
        accounts = [await begin(http, url, "200") for url in (one.url, two.url)]
        reading = [asyncio.create_task(account.follow(http, one.url)) for account in accounts]
        await asyncio.sleep(0.3)
        with locked(path):
            held_at = time.monotonic()
            async with http.post(f"{one.url}/v1/runs", json={"message": "5"}) as answer:
                assert answer.status == 503, await answer.text()
            await asyncio.sleep(max(0.0, held_at + 5.7 - time.monotonic()))
        await asyncio.gather(*reading)
        for account in accounts:
            judge(account.seen, links=200)
        await until_ready(http, one.url)
