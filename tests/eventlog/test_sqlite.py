"""What is particular to the log in a file: it survives processes, full disks and other processes."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, Fenced, GapError, Gone, LogUnavailable
from orchestrator.eventlog import Cursor, Draft, open_log
from orchestrator.eventlog.base import Bounds, Entry
from orchestrator.eventlog.gap import Gap
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.eventlog.sqlite import channel_cache as sqlite_channels
from orchestrator.eventlog.sqlite import conversations as sqlite_conversations
from orchestrator.eventlog.sqlite import log as sqlite_log
from orchestrator.eventlog.sqlite import schema as sqlite_schema
from orchestrator.eventlog.sqlite.log import SQLiteLog
from orchestrator.eventlog.subscription import follow, history
from orchestrator.eventlog.view import View
from orchestrator.events import Snapshot
from tests.support.patience import eventually
from tests.support.shares import share

from ..support.sqlite_process import batch

ROOT = Path(__file__).parents[2]
KILLS = share(int(os.environ.get("SQLITE_KILLS", "30")), 12)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@asynccontextmanager
async def opened(path: Path, options: str = "") -> AsyncIterator[SQLiteLog]:
    log = open_log(f"sqlite:///{path}{options}")
    assert isinstance(log, SQLiteLog)
    await log.start()
    try:
        yield log
    finally:
        await log.aclose()


@pytest.fixture
async def log(path: Path) -> AsyncIterator[SQLiteLog]:
    async with opened(path) as ready:
        yield ready


def record(n: int = 1, **keys: object) -> RunRecord:
    run_id = f"run_{n}"
    return RunRecord(run_id, run_id, "hi", ["a"], None, "continue", n, "first", **keys)  # type: ignore[arg-type]


async def everything(log: SQLiteLog, channel: str, after: int = 0) -> list[Entry]:
    cursor, found = Cursor((await log.open(channel)).epoch, after), []
    while page := await log.read(channel, cursor, most=256):
        found += page
        cursor = Cursor(page[-1].epoch, page[-1].seq)
    return found


def is_whole(entries: list[Entry], after: int = 0) -> bool:
    """Whether seqs count on from *after* and each entry is the one that was written with that seq."""
    seqs = range(after + 1, after + len(entries) + 1)
    return [entry.seq for entry in entries] == list(seqs) and all(
        entry.data == b'{"n":%d}' % seq for entry, seq in zip(entries, seqs, strict=True)
    )


@contextmanager
def other_process(role: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.support.sqlite_process", role, str(path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


# ── across restarts ──────────────────────────────────────────────────────────────────────────


async def test_all_is_there_after_a_restart(path: Path) -> None:
    async with opened(path) as log:
        await log.create_run(record(1, key="k"))
        await log.create_run(record(2))
        await log.create_run(record(3))
        entries = await log.append("run_1", batch(1, 100, "run_1"), fence=Fence("run_1", 1))
        taken = await log.claim_run("run_1", owner="second", token=1)
        await log.end_run(Fence("run_2", 1), "partial", 5000)
        await log.forget_run("run_3", "was deleted")
        await log.add_turn("talk", "a", b"turn", keep=9)
        await log.hold_conversation("talk", "run_1")
        await log.beat("second", 600)
        size = log.size
    async with opened(path) as log:
        assert [(e.id, e.data) for e in await everything(log, "run_1")] == [(e.id, e.data) for e in entries]
        assert await log.find_run("run_1") == taken
        assert await log.create_run(record(9, key="k")) == taken
        assert [run.run_id for run in await log.ended_runs(before=9000, limit=9)] == ["run_2"]
        with pytest.raises(Gone, match="was deleted"):
            await log.find_run("run_3")
        assert list(await log.turns("talk", "a")) == [b"turn"]
        assert await log.hold_conversation("talk", "run_2") == "run_1"
        assert await log.living() == {"second"}
        assert log.size == size
        with pytest.raises(Fenced):
            await log.append("run_1", batch(101, 1, "run_1"), fence=Fence("run_1", 1))
        (more,) = await log.append("run_1", batch(101, 1, "run_1"), fence=Fence("run_1", 2))
        assert more.id == f"{entries[0].epoch}-101"


async def test_erased_and_trimmed_stay_so_after_a_restart(path: Path) -> None:
    async with opened(path) as log:
        await log.append("c", [Draft(f"run_{n % 2}", "a", "token", b"{}") for n in range(200)])
        await log.append("c", [Draft("run_1", "a", "token", b"{}")])
        await log.shrink(log.size // 2)
        before = await log.open("c")
        await log.erase("c", "run_1")
        kept = [entry.seq for entry in await log.read("c", Cursor(before.epoch, before.first - 1), most=500)]
        size = log.size
    async with opened(path) as log:
        assert await log.open("c") == before
        assert log.size == size
        assert before.last == 201
        assert [e.seq for e in await log.read("c", Cursor(before.epoch, before.first - 1), most=500)] == kept
        with pytest.raises(GapError) as caught:
            await log.read("c", Cursor(before.epoch, 1), most=1)
        assert caught.value.reason == "trimmed"


async def test_killing_the_writer_loses_nothing_that_was_acknowledged(path: Path) -> None:
    """SIGKILL at random moments, again and again on the same file."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    epochs: set[str] = set()
    seen = {"one": 0, "many": 0}
    for _ in range(KILLS):
        acknowledged = await asyncio.to_thread(
            kill_a_writer, path, chance.expovariate(20), chance.randrange(60)
        )
        async with opened(path) as log:
            for channel, last in acknowledged.items():
                entries = await everything(log, channel, seen[channel])
                assert is_whole(entries, seen[channel]), f"seed {seed}"
                seen[channel] += len(entries)
                assert seen[channel] >= last, f"seed {seed}"
                epochs.add(f"{channel} {(await log.open(channel)).epoch}")
    async with opened(path) as log:
        for channel, last in seen.items():
            entries = await everything(log, channel)
            assert is_whole(entries), f"seed {seed}"
            assert len(entries) == last, f"seed {seed}"
    assert len(epochs) == 2, f"seed {seed}: an epoch changed"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def kill_a_writer(path: Path, seconds: float, lines: int) -> dict[str, int]:
    """Kill a writing process after *lines* and *seconds*; return what it acknowledged by channel."""
    acknowledged = {"one": 0, "many": 0}
    with other_process("write", path) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(2 + lines)]
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        said += process.stdout.readlines()
    for line in said:
        channel, last = line.split()
        acknowledged[channel] = int(last)
    return acknowledged


# ── two processes ────────────────────────────────────────────────────────────────────────────


async def test_process_whose_run_was_taken_over_cannot_append(log: SQLiteLog, path: Path) -> None:
    with other_process("owner", path) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "ready\n"
        assert await asyncio.to_thread(tell, process, "again") == "appended"
        assert await log.claim_run("run_1", owner="second", token=1) is not None
        assert await asyncio.to_thread(tell, process, "again") == "Fenced"
        await log.append("run_1", batch(7, 1, "run_1"), fence=Fence("run_1", 2))
        assert await asyncio.to_thread(tell, process, "again") == "Fenced"
    assert [entry.data for entry in await everything(log, "run_1")] == [
        b'{"n":%d}' % n for n in (1, 2, 3, 4, 5, 6, 7)
    ]


async def test_two_logs_on_one_file_share_its_channels(log: SQLiteLog, path: Path) -> None:
    """Each goes on behind what the other wrote, erased or trimmed, though it remembers less."""
    async with opened(path) as other:
        for turn in range(0, 40, 2):
            await log.append("c", batch(turn + 1, 1, "run_1"))
            await other.append("c", batch(turn + 2, 1, "run_1"))
        assert is_whole(await everything(log, "c"))
        assert is_whole(await everything(other, "c"))
        await log.erase("c", "run_1")
        (entry,) = await other.append("c", batch(1, 1, "run_1"))
        assert entry.seq == 1
        assert is_whole(await everything(other, "c"))
        await log.append("d", batch(1, 96, "run_1"))
        await other.append("d", batch(97, 1, "run_2"))
        await other.erase("d", "run_2")
        (entry,) = await log.append("d", batch(98, 1, "run_1"))
        assert entry.seq == 98


async def test_reader_does_not_spin_on_what_another_process_erased(
    log: SQLiteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told at its next read, before anybody has looked for other processes."""
    monkeypatch.setattr(sqlite_log, "LOOK_SECONDS", 600)
    async with opened(path) as other:
        await other.append("c", batch(1, 9, "run_1"))
        start = Cursor((await log.open("c")).epoch, 0)
        await other.erase("c", "run_1")
    with pytest.raises(GapError):
        await log.read("c", start, most=5)


@pytest.mark.parametrize("is_new", [False, True])
async def test_a_client_of_another_process_is_not_ahead(
    log: SQLiteLog, path: Path, monkeypatch: pytest.MonkeyPatch, is_new: bool
) -> None:
    """It saw there what this process has not heard of yet, be it a channel that was made anew: that is no gap."""
    monkeypatch.setattr(sqlite_log, "LOOK_SECONDS", 600)
    async with opened(path) as other:
        await other.append("c", batch(1, 2, "run_1"))
        await log.open("c")
        if is_new:
            await other.erase("c", "run_1")
        seen = await other.append("c", batch(3, 5, "run_1"))
        view = View("c", "run_1")
        async with aclosing(follow(log, view, seen[2].id, no_states)) as items:
            page = await anext(items)
        assert isinstance(page, list)
        assert [entry.id for entry in page] == [entry.id for entry in seen[3:]]
        known = [entry.id async for page in history(log, view, seen[2].id) for entry in page]
        assert known[-3:] == [entry.id for entry in seen[:3]]
        ahead = f"{seen[0].epoch}-{seen[-1].seq + 1}"
        async with aclosing(follow(log, view, ahead, no_states)) as items:
            gap = await anext(items)
        assert isinstance(gap, Gap)
        assert gap.notice.reason == "ahead"


async def no_states() -> list[Snapshot]:
    return []


async def test_page_that_is_newer_than_what_is_known_is_gone_on_from(
    log: SQLiteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader can be ahead of what its process has heard: that is no gap."""
    monkeypatch.setattr(sqlite_log, "LOOK_SECONDS", 600)
    async with opened(path) as other:
        await other.append("c", batch(1, 2, "run_1"))
        start = Cursor((await log.open("c")).epoch, 0)
        await other.append("c", batch(3, 2, "run_1"))
        slow = asyncio.ensure_future(log.wait("c", start._replace(seq=2), 20))
        await asyncio.sleep(0)
        assert is_whole(await everything(log, "c"))
        assert await slow
        await other.append("c", batch(5, 1, "run_1"))
        (entry,) = await log.append("c", batch(6, 1, "run_1"))
        assert [e.seq for e in await log.read("c", start._replace(seq=4), most=9)] == [5, 6]
        with pytest.raises(GapError) as caught:
            await log.read("c", start._replace(seq=7), most=9)
        assert (caught.value.reason, caught.value.latest) == ("ahead", entry.id)


async def test_trimming_by_another_process_is_noticed(
    log: SQLiteLog, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_log, "LOOK_SECONDS", 0.05)
    await log.append("c", batch(1, 320, "run_1"))
    at_end = Cursor((await log.open("c")).epoch, 320)
    waiting = asyncio.ensure_future(log.wait("c", at_end, 20))
    async with opened(path) as other:
        await other.shrink(log.size // 2)
        trimmed = await other.open("c")
    await waiting
    await log.append("c", batch(321, 1, "run_1"))
    assert (await log.open("c")).first == trimmed.first > 1


async def test_append_while_the_channel_is_looked_up_is_not_forgotten(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before the append says less than the append itself."""
    async with opened(path) as log:
        await log.append("c", batch(1, 1, "run_1"))
    async with opened(path) as log:
        ask = log._ask

        async def ask_and_append(question: object) -> object:
            monkeypatch.undo()
            answer = await ask(question)  # type: ignore[arg-type]
            await log.append("c", batch(2, 1, "run_1"))
            return answer

        monkeypatch.setattr(log, "_ask", ask_and_append)
        assert (await log.open("c")).last == 2


async def test_incarnations_differ_also_for_appends_that_are_under_way(log: SQLiteLog) -> None:
    proposed = (await log.open("c")).epoch
    first, _, second = await asyncio.gather(
        log.append("c", batch(1, 2, "run_1")), log.erase("c", "run_1"), log.append("c", batch(1, 1, "run_1"))
    )
    assert first[0].epoch == proposed != second[0].epoch
    assert second[0].seq == 1
    assert (await log.open("c")).epoch == second[0].epoch


async def test_newest_block_outlives_any_shrinking(log: SQLiteLog) -> None:
    """A channel without entries would begin again, and its readers would hear of a new epoch."""
    await log.append("c", batch(1, 100, "run_1"))
    await log.shrink(0)
    bounds = await log.open("c")
    assert 1 < bounds.first <= bounds.last == 100


async def test_two_processes_write_one_channel_at_once(log: SQLiteLog, path: Path) -> None:
    async with opened(path) as other:

        async def write(to: SQLiteLog, name: str) -> list[int]:
            return [e.seq for _ in range(60) for e in await to.append("c", batch(1, 3, name))]

        first, second = await asyncio.gather(write(log, "run_1"), write(other, "run_2"))
    assert sorted(first + second) == list(range(1, 361))
    async with opened(path) as third:
        entries = await everything(third, "c")
    assert [entry.seq for entry in entries if entry.run_id == "run_1"] == first
    assert [entry.seq for entry in entries if entry.run_id == "run_2"] == second


async def test_reader_hears_of_another_process(log: SQLiteLog, path: Path) -> None:
    await log.append("c", batch(1, 1, "run_1"))
    at_one = Cursor((await log.open("c")).epoch, 1)
    waiting = asyncio.ensure_future(log.wait("c", at_one, 20))
    async with opened(path) as other:
        await other.append("c", batch(2, 1, "run_1"))
        assert await waiting
        assert [entry.seq for entry in await log.read("c", at_one, most=9)] == [2]
        waiting = asyncio.ensure_future(log.wait("c", Cursor(at_one.epoch, 2), 20))
        await other.erase("c", "run_1")
        assert await waiting
    with pytest.raises(GapError):
        await log.read("c", at_one, most=9)


async def test_opening_at_once_makes_one_schema(path: Path) -> None:
    logs = [SQLiteLog(sqlite_schema.parse_address(f"sqlite:///{path}")) for _ in range(4)]
    try:
        await asyncio.gather(*(log.start() for log in logs))
        for n, log in enumerate(logs, 1):
            (entry,) = await log.append("c", batch(n, 1, "run_1"))
            assert entry.seq == n
    finally:
        for log in logs:
            await log.aclose()


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────


async def test_full_disk_refuses_whole_appends_and_leaves_no_hole(log: SQLiteLog) -> None:
    """`max_page_count` makes the same SQLITE_FULL as a disk."""
    await log.append("c", batch(1, 50, "run_1"))

    def fill(db: sqlite3.Connection) -> None:
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages + 4}").fetchall()

    await log._write(fill)
    large = [Draft("run_1", "a", "token", b"x" * 4000) for _ in range(20)]
    refused = await asyncio.gather(
        *(log.append(channel, large) for channel in "cccde"), return_exceptions=True
    )
    assert [type(one) for one in refused] == [LogUnavailable] * 5
    assert is_whole(await everything(log, "c"))
    assert [(await log.open(channel)).last for channel in "de"] == [0, 0]
    size = log.size
    await log._write(lambda db: db.execute("PRAGMA max_page_count = 1000000").fetchall())
    assert [e.seq for e in await log.append("c", batch(51, 2, "run_1"))] == [51, 52]
    assert is_whole(await everything(log, "c"))
    assert log.size > size


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 600 KiB."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", folder]
        if os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


async def test_really_full_disk_is_survived(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(150_000))
    async with opened(small_disk / "log.db") as log:
        written, full = 0, False
        while not full:
            try:
                written = (await log.append("c", batch(written + 1, 32, "run_1")))[-1].seq
            except LogUnavailable:
                full = True
        with pytest.raises(LogUnavailable):
            await log.append("c", batch(written + 1, 500, "run_1"))
        assert not log.available
        assert len(await everything(log, "c")) == written > 0
        assert (await log.open("c")).last == written
        ballast.unlink()
        (entry,) = await log.append("c", batch(written + 1, 1, "run_1"))
        assert entry.seq == written + 1
        assert log.available
        assert is_whole(await everything(log, "c"))


async def test_busy_file_refuses_and_goes_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_schema, "BUSY_SECONDS", 0.05)
    async with opened(path) as log:
        await log.append("c", batch(1, 1, "run_1"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(LogUnavailable, match="locked"):
                await log.append("c", batch(2, 1, "run_1"))
            with pytest.raises(LogUnavailable, match="locked"):
                await log.create_run(record())
            assert is_whole(await everything(log, "c")), "who only reads is not held up"
            assert not log.available, "or a load balancer would go on sending runs here"
            other.execute("COMMIT")
        assert [e.seq for e in await log.append("c", batch(2, 1, "run_1"))] == [2]
        assert log.available


async def test_failed_commit_is_looked_at_anew(log: SQLiteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error came after the data: the next append stands behind what is really there."""
    await log.append("c", batch(1, 2, "run_1"))
    writer = log._writer
    assert writer is not None
    commit = writer._at_once

    def commit_and_fail(group: list[object]) -> list[object]:
        commit(group)  # type: ignore[arg-type]
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(writer, "_at_once", commit_and_fail)
    waiting = asyncio.ensure_future(log.wait("c", Cursor((await log.open("c")).epoch, 2), 20))
    await asyncio.sleep(0)
    with pytest.raises(LogUnavailable, match="I/O"):
        await log.append("c", batch(3, 2, "run_1"))
    assert await waiting, "a reader looks again"
    assert len(await everything(log, "c")) == 4
    assert [e.seq for e in await log.append("c", batch(5, 2, "run_1"))] == [5, 6]
    assert is_whole(await everything(log, "c"))


async def test_job_that_fails_undoes_itself_alone(log: SQLiteLog) -> None:
    def work(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO workers VALUES ('half', 9e99)")
        raise Gone("no")

    ended = await asyncio.gather(
        log.append("c", batch(1, 1, "run_1")),
        log._write(work),
        log.beat("whole", 600),
        return_exceptions=True,
    )
    assert [type(one) for one in ended] == [list, Gone, type(None)]
    assert await log.living() == {"whole"}


async def test_damaged_file_is_said_to_be_so(path: Path) -> None:
    async with opened(path) as log:
        await log.append("c", [Draft("run_1", "a", "token", b"x" * 900) for _ in range(400)])
    with path.open("r+b") as file:
        file.seek(48 * 4096)  # behind what is read at the start
        file.write(os.urandom(path.stat().st_size - 48 * 4096))
    async with opened(path) as log:
        with pytest.raises(LogUnavailable):
            await everything(log, "c")


async def test_closed_log_is_unavailable(path: Path) -> None:
    async with opened(path) as log:
        await log.append("c", batch(1, 1, "run_1"))
        at_end = Cursor((await log.open("c")).epoch, 1)
        waiting = asyncio.ensure_future(log.wait("c", at_end, 20))
        await asyncio.sleep(0)
        begun = threading.Event()
        slow = asyncio.ensure_future(log._write(lambda db: begun.set() or time.sleep(0.2)))
        await asyncio.to_thread(begun.wait, 20)
        late = asyncio.ensure_future(log.append("c", batch(2, 1, "run_1")))
        await asyncio.sleep(0)
    assert await waiting
    await slow
    assert [entry.seq for entry in await late] == [2], "what was under way is finished"
    await log.aclose()
    await log.start()
    for call in (log.append("c", batch(1, 1, "run_1")), log.open("c"), log.find_run("run_1")):
        with pytest.raises(LogUnavailable):
            await call


# ── the file ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("umask", [0o000, 0o277])
async def test_files_are_their_owners_only(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        async with opened(path) as log:
            await log.append("c", batch(1, 1, "run_1"))
            files = sorted(path.parent.iterdir())
            assert [file.name for file in files] == ["log.db", "log.db-shm", "log.db-wal", "log.db-witness"]
            assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * 4
    finally:
        os.umask(before)


async def test_wide_rights_are_narrowed(path: Path) -> None:
    async with opened(path):
        pass
    path.chmod(0o644)
    async with opened(path) as log:
        await log.append("c", batch(1, 1, "run_1"))
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


async def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        async with opened(path):
            pass
    return str(caught.value)


async def test_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    async with opened(path):
        pass
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    assert "schema 99" in await refusal(path)
    assert path.read_bytes() == before


async def test_older_schema_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(path) as log:
        await log.append("c", batch(1, 3, "run_1"))
    step = "ALTER TABLE channels ADD COLUMN note TEXT DEFAULT 'new';\n"
    monkeypatch.setattr(sqlite_schema, "MIGRATIONS", (*sqlite_schema.MIGRATIONS, step))
    for _ in range(2):
        async with opened(path) as log:
            assert is_whole(await everything(log, "c"))
            assert await log._ask(lambda db: db.execute("SELECT note FROM channels").fetchall()) == [("new",)]
    monkeypatch.undo()
    assert f"schema {len(sqlite_schema.MIGRATIONS) + 1}" in await refusal(path)


async def test_migration_that_fails_leaves_the_old_schema(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(path) as log:
        await log.append("c", batch(1, 3, "run_1"))
    step = "ALTER TABLE channels ADD COLUMN note TEXT;\nALTER TABLE nowhere ADD COLUMN note TEXT;\n"
    with monkeypatch.context() as patch:
        patch.setattr(sqlite_schema, "MIGRATIONS", (*sqlite_schema.MIGRATIONS, step))
        assert "nowhere" in await refusal(path)
    async with opened(path) as log:
        assert is_whole(await everything(log, "c"))


async def test_file_of_something_else_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    assert "something else" in await refusal(path)
    path.write_bytes(b"not a database at all" * 400)
    assert "not a database" in await refusal(path)
    assert "is not a file" in await refusal(path.parent)
    assert "does not exist; make it first" in await refusal(path.parent / "missing" / "log.db")


@pytest.mark.parametrize(
    "url", ["sqlite:", "sqlite://", "sqlite:///", "sqlite://host/log.db", "sqlite:log.db", "sqlite:///a%00b",
            "sqlite:///log.db?synchronous=OFF", "sqlite:///log.db?cache=shared", "sqlite:///log.db?synchronous",
            "file:///log.db"],
)  # fmt: skip
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        open_log(url)


@pytest.mark.parametrize(
    ("url", "place", "level"),
    [
        ("sqlite:///log.db", "{cwd}/log.db", 1),
        ("sqlite:///:memory:?synchronous=full", "{cwd}/:memory:", 2),
        ("sqlite:///{cwd}/my%20log.db?synchronous=NORMAL", "{cwd}/my log.db", 1),
    ],
)
async def test_address_names_a_file_and_a_level(
    url: str, place: str, level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = open_log(url.format(cwd=tmp_path))
    assert isinstance(log, SQLiteLog)
    try:
        found = await log._write(lambda db: db.execute("PRAGMA synchronous").fetchone())
        assert found == (level,)
        assert Path(place.format(cwd=tmp_path)).is_file()
    finally:
        await log.aclose()


# ── what it costs ────────────────────────────────────────────────────────────────────────────


async def test_long_backlog_is_read_in_bounded_memory(path: Path) -> None:
    """100,000 events, 100 MB of them, by a process that has none in its tail."""
    async with opened(path) as log:
        for _ in range(100):
            await log.append("c", [Draft("run_1", "a", "token", b'{"x":"%b"}' % (b"x" * 1000))] * 1000)
    with other_process("replay", path) as process:
        assert process.stdout is not None
        count, grown_kib = map(int, (await asyncio.to_thread(process.stdout.readline)).split())
    assert count == 100_000
    assert grown_kib < 24 * 1024


async def test_who_follows_live_does_not_read_the_file(
    log: SQLiteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.append("c", batch(1, 1, "run_1"))
    cursor = Cursor((await log.open("c")).epoch, 1)

    async def refuse(question: object) -> None:
        raise AssertionError("the file was read")

    monkeypatch.setattr(log, "_ask", refuse)
    for n in range(2, 3000, 7):
        added = await log.append("c", batch(n, 7, "run_1"))
        page = await log.read("c", cursor, most=256)
        assert page == added, "the same objects, so that their bytes are made once"
        cursor = Cursor(page[-1].epoch, page[-1].seq)


async def test_tails_are_bounded(log: SQLiteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_channels, "ALL_TAILS_BYTES", 100_000)
    for n in range(60):
        await log.append(f"c{n}", [Draft("run_1", "a", "token", b"x" * 1000)] * 10)
    books = log._shelf.books.values()
    assert sum(len(entry.data) for book in books for entry in book.tail) <= 110_000
    assert log._shelf.find("c59").tail
    for _ in range(5):
        await log.append("long", batch(1, 1000, "run_1"))
    assert len(log._shelf.find("long").tail) <= sqlite_channels.TAIL_EVENTS
    for n in range(60):
        assert len(await everything(log, f"c{n}")) == 10
    assert len(await everything(log, "long")) == 5000


async def test_channels_that_nobody_uses_are_not_kept(
    log: SQLiteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that clients make up must not fill the memory, nor the file."""
    monkeypatch.setattr(sqlite_channels, "IDLE_BOOKS", 20)
    for n in range(200):
        bounds = await log.open(f"c{n}")
        if n % 2:
            await log.wait(f"c{n}", Cursor(bounds.epoch, 0), 0.001)
    assert len(log._shelf.books) <= 20
    assert await log._ask(lambda db: db.execute("SELECT count(*) FROM channels").fetchone()) == (0,)
    for n in range(200):
        await log.wait(f"c{n}", Cursor((await log.open(f"c{n}")).epoch, 0), 0.001)
    assert not log._shelf.books


async def test_more_readers_than_books_all_come_to_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands who come back after a restart must not close each other's books again and again."""
    monkeypatch.setattr(sqlite_channels, "IDLE_BOOKS", 20)
    count = 200
    async with opened(path) as log:
        for n in range(count):
            await log.append(f"c{n}", batch(1, 1, "run_1"))
    async with opened(path) as log:
        loads = 0
        load = log._load

        async def counted(book: sqlite_channels.Book) -> Bounds:
            nonlocal loads
            loads += 1
            return await load(book)

        log._load = counted  # type: ignore[method-assign]

        async def follow(channel: str) -> None:
            cursor = Cursor((await log.open(channel)).epoch, 1)
            while not await log.read(channel, cursor, most=9):
                await log.wait(channel, cursor, 20)

        followers = [asyncio.ensure_future(follow(f"c{n}")) for n in range(count)]
        await eventually(lambda: log._waiters >= count)
        assert loads <= 2 * count
        for n in range(count):
            await log.append(f"c{n}", batch(2, 1, "run_1"))
        await asyncio.gather(*followers)


async def test_waiting_asks_the_file_nothing_but_for_others(
    log: SQLiteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look per second for all who wait together, and none when nobody does."""
    monkeypatch.setattr(sqlite_log, "LOOK_SECONDS", 0.05)
    writer = log._writer
    assert writer is not None
    looks = 0
    put = writer.put

    def count(write: object) -> None:
        nonlocal looks
        looks += 1
        put(write)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "put", count)
    cursors = [(f"c{n}", Cursor((await log.open(f"c{n}")).epoch, 0)) for n in range(100)]
    await asyncio.gather(*(log.wait(channel, cursor, 0.5) for channel, cursor in cursors))
    assert 1 <= looks <= 11
    await asyncio.sleep(0.1)
    looks = 0
    await asyncio.sleep(0.3)
    assert looks == 0


async def test_conversations_are_bounded(log: SQLiteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_conversations, "MAX_CONVERSATIONS", 10)
    for n in range(30):
        await log.add_turn(f"talk_{n}", "a", b"turn", keep=9)
        await log.add_turn("talk_0", "a", b"turn", keep=3)
    kept = [n for n in range(30) if await log.turns(f"talk_{n}", "a")]
    assert kept == [0, *range(21, 30)]


async def test_trimming_lets_appends_between(log: SQLiteLog) -> None:
    """A large channel is trimmed in small transactions."""
    for _ in range(40):
        await log.append("c", [Draft(f"run_{n % 2}", "a", "token", b"{}") for n in range(64)])
    before = log.size
    shrinking = asyncio.ensure_future(log.shrink(before // 4))
    waits = 0
    while not shrinking.done():
        await log.append("d", batch(1, 1, "run_9"))
        waits += 1
    await shrinking
    assert waits >= 2
    assert log.size <= before // 4 + waits * 200
