"""Workers that are started and ended at random moments: none hangs, no process stays, the port is free again.

`FAULT_ROUNDS=30` makes it 30 rounds of eight workers; a usual run has two of three. Each round draws the signal and its
moment, from before the process listens to long after; SIGKILL and half of the others go to the parent alone, a
terminal's SIGINT to all of them.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT, environment
from tests.support.listening import free_port
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.redis_server import RedisServer
from tests.workers.process import CONFIG

from ..server.test_serve import is_free

ROUNDS, WORKERS, ALL_WORKERS = 2, 3, 8
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)
MOMENTS = {
    "before it listens": (0.0, 1.0),
    "as it listens": (0.0, 0.02),
    "while workers are forked": (0.02, 0.5),
    "when they serve": (0.5, 3.0),
}
"""Seconds after the start, or after `Listening`."""

GIVEN = {0, 128 + signal.SIGQUIT, 128 + signal.SIGTERM, 128 + signal.SIGINT}
"""Exit codes of a service that ended itself; before it takes signals, they end it as any process."""


def of_session(leader: int) -> dict[int, str]:
    """Return the processes that belong to a session and run; what only waits to be reaped does not."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                _, _, rest = (place / "stat").read_text().rpartition(")")
            except (FileNotFoundError, ProcessLookupError):
                continue
            state, _, _, session = rest.split()[:4]
            if int(session) == leader and state != "Z":
                found[int(place.name)] = state
    return found


async def one_round(redis: RedisServer, chance: random.Random, workers: int) -> str:
    """Start workers, end them, and look what is left; return what was done."""
    port, moment = free_port(), chance.choice(list(MOMENTS))
    number = chance.choice(SIGNALS)
    whole_group = number != signal.SIGKILL and chance.random() < 0.5
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "serve", "--workers", str(workers), "--port", str(port),
        "--config", CONFIG, "--log", redis.url, "--drain", "0",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment(), start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    done = f"{number.name} to {'all' if whole_group else 'the parent'}, {moment}"
    try:
        if moment != "before it listens":
            line = await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)
            assert b"Listening" in line, line
        await asyncio.sleep(chance.uniform(*MOMENTS[moment]))
        if whole_group:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        if number == signal.SIGHUP:
            # It reloads; the end has to find those that come and those that go.
            await asyncio.sleep(chance.uniform(0.0, 2.0))
            if process.returncode is None:
                process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            _, errors = await process.communicate()
        assert b"Traceback" not in errors or moment == "before it listens", (done, errors.decode())
        code = process.returncode or 0
        assert code < 0 or code in GIVEN, (done, code, errors.decode())
        await eventually(lambda: not of_session(process.pid))
        assert is_free(port), done
    finally:
        for left in of_session(process.pid):
            os.kill(left, signal.SIGKILL)
        if process.returncode is None:
            await process.wait()
    return f"{done}: exit code {code}"


@pytest.mark.timeout(3600)
async def test_workers_end_whenever_they_are_told_to(
    redis: RedisServer, chance: random.Random, rounds: int | None
) -> None:
    for _ in range(rounds or ROUNDS):
        print(await one_round(redis, chance, ALL_WORKERS if rounds else WORKERS))
