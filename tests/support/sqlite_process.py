"""Another process on the same file, for `test_sqlite_log`: ``python -m tests.support.sqlite_process ROLE PATH``.

`write` appends for ever to two channels and prints each batch's last seq once it is acknowledged.
`owner` makes a run, appends, and tries once more whenever it is told to by a line.
`replay` reads a channel page by page and prints how many entries, and how far its memory grew in KiB.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys

from orchestrator.errors import LogError
from orchestrator.eventlog import Cursor, Draft
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.sqlite.schema import parse_address


def say(*words: object) -> None:
    """Print a line as one write: a kill leaves whole lines."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def batch(first: int, count: int, run_id: str) -> list[Draft]:
    """Entries that tell their own seq."""
    return [Draft(run_id, "a", "token", b'{"n":%d}' % n) for n in range(first, first + count)]


async def write(log: SQLiteLog) -> None:
    async def fill(channel: str, count: int) -> None:
        last = (await log.open(channel)).last
        while True:
            added = await log.append(channel, batch(last + 1, count, channel))
            last = added[-1].seq
            say(channel, last)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(fill("one", 1))
        tasks.create_task(fill("many", 40))


async def owner(log: SQLiteLog) -> None:
    run = RunRecord("run_1", "run_1", "hi", ["a"], None, "continue", 1, "first")
    await log.create_run(run)
    await log.append("run_1", batch(1, 3, "run_1"), fence=Fence("run_1", 1))
    say("ready")
    while await asyncio.to_thread(sys.stdin.readline):
        try:
            await log.append("run_1", batch(4, 3, "run_1"), fence=Fence("run_1", 1))
            say("appended")
        except LogError as exc:
            say(type(exc).__name__)


async def replay(log: SQLiteLog) -> None:
    cursor = Cursor((await log.open("c")).epoch, 0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while page := await log.read("c", cursor, most=256):
        if [entry.seq for entry in page] != list(range(cursor.seq + 1, cursor.seq + 1 + len(page))):
            raise RuntimeError(f"a hole after {cursor.seq}")
        cursor = Cursor(page[-1].epoch, page[-1].seq)
    say(cursor.seq, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


async def main(role: str, path: str) -> None:
    log = SQLiteLog(parse_address(f"sqlite:///{path}"))
    await log.start()
    try:
        await {"write": write, "owner": owner, "replay": replay}[role](log)
    finally:
        await log.aclose()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
