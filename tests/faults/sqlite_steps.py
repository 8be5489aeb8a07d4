"""A process that dies in the middle of a step of SQLite: ``python -m tests.faults.sqlite_steps FOLDER``.

Each line of its input is one life: ``instructions N`` dies at the N-th instruction of SQLite's own machine,
``bytes N`` in the middle of the write that would make the write-ahead log N bytes longer, ``none`` does not die. The
answer is how many steps were acknowledged, and whether it died. Each life has the file ``N-KIND.db``.

The steps are those of a run's life; `portrait` says what must be in the log after each of them.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from orchestrator.errors import Gone
from orchestrator.eventlog import Cursor, Draft
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import parse_address

RUNS, CHANNELS = ("run_1", "run_2"), ("run_1", "room")
FIRST, SECOND = Fence("run_1", 1), Fence("run_2", 1)


def record(run_id: str, channel: str) -> RunRecord:
    return RunRecord(run_id, channel, "hi", ["a"], "talk", "continue", 1, "first", key=f"key of {run_id}")


def batch(run_id: str, first: int, count: int) -> list[Draft]:
    return [Draft(run_id, "a", "token", b'{"n":%d}' % n + b" " * 200) for n in range(first, first + count)]


STEPS: list[Callable[[SQLiteLog], Awaitable[Any]]] = [
    lambda log: log.create_run(record("run_1", "run_1")),
    lambda log: log.append("run_1", batch("run_1", 1, 1), fence=FIRST),
    lambda log: log.hold_conversation("talk", "run_1"),
    lambda log: log.append("run_1", batch("run_1", 2, 100), fence=FIRST),
    lambda log: log.create_run(record("run_2", "room")),
    lambda log: log.append("room", batch("run_2", 1, 40), fence=SECOND),
    lambda log: log.claim_run("run_2", owner="second", token=1),
    lambda log: log.append("room", batch("other", 41, 3)),
    lambda log: log.add_turn("talk", "a", b"one", keep=2),
    lambda log: log.add_turn("talk", "a", b"two", keep=2),
    lambda log: log.add_turn("talk", "a", b"three", keep=2),
    lambda log: log.end_run(FIRST, "completed", 5),
    lambda log: log.release_conversation("talk", "run_1"),
    lambda log: log.forget_run("run_1", "was deleted"),
    lambda log: log.erase("room", "run_2"),
]
"""A run begins, speaks, is taken over, ends, is forgotten; each step is one that a caller waits for."""


async def portrait(log: SQLiteLog) -> str:
    """What callers can find in the log, spelled so that two can be compared."""
    found: list[Any] = []
    for run_id in RUNS:
        try:
            found.append(await log.find_run(run_id))
        except Gone as exc:
            found.append(str(exc))
    for channel in CHANNELS:
        bounds = await log.open(channel)
        cursor, entries = Cursor(bounds.epoch, bounds.first - 1), []
        while page := await log.read(channel, cursor, most=64):
            entries += [(entry.seq, entry.run_id, entry.data) for entry in page]
            cursor = Cursor(bounds.epoch, page[-1].seq)
        found += [bounds.first, bounds.last, entries]
    found.append(await log.turns("talk", "a"))
    found.append([run.run_id for run in await log.running_runs()])
    return repr(found)


def open_at(path: Path) -> SQLiteLog:
    return SQLiteLog(parse_address(f"sqlite:///{path}"))


async def live(log: SQLiteLog, acknowledge: Callable[[], object], ready: Callable[[SQLiteLog], None]) -> None:
    await log.start()
    ready(log)
    for step in STEPS:
        await step(log)
        acknowledge()
    await log.aclose()


def die_at_instruction(count: int) -> Callable[[SQLiteLog], None]:
    """Let the writing connection die at its *count*-th instruction from now on."""

    def ready(log: SQLiteLog) -> None:
        assert log._writer is not None
        database: sqlite3.Connection = log._writer._db
        left = [count]

        def look() -> int:
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return 0

        database.set_progress_handler(look, 1)

    return ready


def die_at_byte(size: int) -> Callable[[SQLiteLog], None]:
    """Let the kernel end the process in the middle of a write, as it does where a limit is passed."""

    def ready(log: SQLiteLog) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # Beyond what making the tables took: every write of a step goes to the file beside, at its end.
        beside = log._address.path.with_name(f"{log._address.path.name}-wal")
        most = beside.stat().st_size + size
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    return ready


def one_life(folder: Path, kind: str, at: int) -> tuple[int, bool]:
    """Fork, live until death, and return how many steps were acknowledged and whether it died."""
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(readable)
            ready = {"instructions": die_at_instruction, "bytes": die_at_byte}.get(
                kind, lambda at: lambda log: None
            )
            asyncio.run(
                live(open_at(folder / f"{at}-{kind}.db"), lambda: os.write(writable, b"."), ready(at))
            )
            status = 0
        finally:
            os._exit(status)
    os.close(writable)
    with os.fdopen(readable, "rb") as pipe:
        acknowledged = len(pipe.read())
    _, status = os.waitpid(pid, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"{kind} {at} failed without being killed")
    return acknowledged, os.WIFSIGNALED(status)


def main(folder: str) -> None:
    for line in sys.stdin:
        kind, at = line.split()
        acknowledged, died = one_life(Path(folder), kind, int(at))
        os.write(1, f"{acknowledged} {int(died)}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])
