"""Covers `eventlog/sqlite/rollback_check.py` and `backup.py`: files that went back, went away, or are copies."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from orchestrator.errors import ConfigError, GapError, LogUnavailable
from orchestrator.eventlog import Cursor, Draft, open_log
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.sqlite import rollback_check
from orchestrator.eventlog.sqlite.backup import backup_store
from orchestrator.eventlog.sqlite.schema import empty_wal
from tests.support.patience import eventually

from ..support.commands import orchestrate
from ..support.service import serving, words


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@asynccontextmanager
async def opened(path: Path, options: str = "") -> AsyncIterator[Store]:
    log = open_log(f"sqlite:///{path}{options}")
    await log.start()
    yield log
    await log.aclose()


async def say(log: Store, count: int, channel: str = "c") -> Cursor:
    """Append *count* events, each by itself; return the place of the last."""
    for _ in range(count):
        (entry,) = await log.append(channel, [Draft("run_1", None, "token", b"{}")])
    return Cursor(entry.epoch, entry.seq)


def copy(path: Path, folder: Path) -> None:
    """Copy the file as it is, with its write-ahead log, as a snapshot of the disk does."""
    folder.mkdir(exist_ok=True)
    for each in (path, path.with_name(f"{path.name}-wal")):
        if each.exists():
            shutil.copyfile(each, folder / each.name)


def put_back(path: Path, folder: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    for each in folder.iterdir():
        shutil.copyfile(each, path.with_name(each.name))  # into the same inode


async def test_a_restart_changes_no_epoch(path: Path) -> None:
    async with opened(path) as log:
        at = await say(log, 3)
    async with opened(path) as log:
        assert await log.read("c", at, most=9) == []
        assert (await say(log, 1)).epoch == at.epoch


async def test_a_file_that_was_killed_with_its_process_changes_no_epoch(path: Path, tmp_path: Path) -> None:
    async with opened(path) as log:
        at = await say(log, 3)
        copy(path, tmp_path / "kill")  # what a SIGKILL leaves
    put_back(path, tmp_path / "kill")
    async with opened(path) as log:
        assert await log.read("c", at, most=9) == []


async def test_an_older_copy_is_a_gap_for_every_client_of_before(path: Path, tmp_path: Path) -> None:
    """Else a client at -6 would be given a -7 that is another event than the one it saw."""
    async with opened(path) as log:
        await say(log, 3)
        copy(path, tmp_path / "copy")
        at = await say(log, 3)
    put_back(path, tmp_path / "copy")
    async with opened(path) as log:
        await say(log, 5)
        with pytest.raises(GapError) as gap:
            await log.read("c", at, most=9)
        assert gap.value.reason == "epoch"


async def test_a_copy_at_another_place_is_known_as_one(path: Path, tmp_path: Path) -> None:
    async with opened(path) as log:
        at = await say(log, 3)
    shutil.copyfile(path, tmp_path / "other.db")
    async with opened(tmp_path / "other.db") as log:
        with pytest.raises(GapError):
            await log.read("c", at, most=9)


async def test_what_was_forgotten_is_no_loss(path: Path) -> None:
    async with opened(path) as log:
        at = await say(log, 3)
        await say(log, 3, "gone")
        await log.erase("gone", "run_1")
    async with opened(path) as log:
        assert await log.read("c", at, most=9) == []


@pytest.mark.parametrize(("options", "changes"), [("", True), ("?synchronous=FULL", False)])
async def test_a_machine_that_went_down_may_have_lost_what_was_not_synced(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: str, changes: bool
) -> None:
    async with opened(path, options) as log:
        at = await say(log, 3)
        copy(path, tmp_path / "power")
    put_back(path, tmp_path / "power")
    (tmp_path / "boot").write_text("another")
    monkeypatch.setattr(rollback_check, "BOOT_ID", tmp_path / "boot")
    async with opened(path, options) as log:
        now = await say(log, 1)
    assert (now.epoch != at.epoch) is changes
    async with opened(path, options) as log:
        assert (await say(log, 1)).epoch == now.epoch, "once is enough"


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
async def test_a_file_that_is_deleted_while_serving_is_noticed(path: Path, suffix: str) -> None:
    """Runs would be answered 200 and written where nobody ever reads."""
    log = open_log(f"sqlite:///{path}")
    file = path.with_name(path.name + suffix)
    async with serving({"a": words("hi")}, log=log) as service:
        await service.start()
        file.unlink()
        await eventually(lambda: not log.available)
        assert (await service.call("GET", "/readyz")).status == 503
        answer = await service.call("POST", "/v1/runs", json={"message": "hi"})
        assert answer.status == 503
        with pytest.raises(LogUnavailable, match="deleted or replaced"):
            await log.append("c", [Draft("run_1", None, "token", b"{}")])
    assert not file.exists(), "no reader makes a new one"


async def test_an_older_copy_that_is_written_into_the_file_is_noticed(path: Path) -> None:
    """As `cp` does: it is the same file, with other content."""
    async with opened(path) as log:
        await say(log, 1)
    older = path.read_bytes()
    async with opened(path) as log:
        for _ in range(4):
            await log.append("c", [Draft("run_1", None, "token", b'"%s"' % (b"x" * 100_000))])
        while not await asyncio.to_thread(empty_wal, path):  # until what was said is in the file
            pass
        await say(log, 1)
        path.write_bytes(older)
        with pytest.raises(LogUnavailable, match="deleted or replaced"):
            await say(log, 1)


async def test_a_backup_is_whole_private_and_known_as_a_copy(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    async with opened(path) as log:
        at = await say(log, 5)
        assert backup_store(f"sqlite:///{path}", target) == target.stat().st_size
        await say(log, 1)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(sqlite3.connect(target)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with pytest.raises(ConfigError, match="cannot be made"):
        backup_store(f"sqlite:///{path}", target)
    # Restored as the handbook says: in the place of the file.
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    os.replace(target, path)
    async with opened(path) as log:
        bounds = await log.open("c")
        assert bounds.last == 5
        with pytest.raises(GapError):
            await log.read("c", at, most=9)


def test_the_command_copies_a_file_and_says_what_it_cannot(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)):
        pass
    refused = orchestrate("backup", str(tmp_path / "b.db"), "--log", f"sqlite:///{tmp_path}/none.db")
    assert refused.returncode == 1
    assert "there is no file" in refused.stderr
    for log in ("memory:", "redis://127.0.0.1:1/0"):
        refused = orchestrate("backup", str(tmp_path / "b.db"), "--log", log)
        assert refused.returncode == 2
        assert "cannot be copied" in refused.stderr
