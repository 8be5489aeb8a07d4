"""Whether the file is the one that was written last, or may have gone back: a copy, or cut by a power loss.

A cursor of before must not be taken for one of now, so the epochs of all channels change then. Owns the witness, a
small file beside the log that says what was committed last; it is written as memory, without a call to the system.
"""

from __future__ import annotations

import mmap
import os
import secrets
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import structlog

from ..base import new_epoch

log = structlog.get_logger(__name__)

_LAYOUT = struct.Struct("<16sqq")
_NOTE = struct.Struct("<qq")
_ID_BYTES = 16
SESSIONS_KEPT = 64
SUFFIXES = ("", "-wal", "-shm")
"""Of the files that are the log together, as long as a process has it open."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RollbackCheck:
    """One process's use of the file.

    Args:
        db: Open for writing, at its newest schema, and outside a transaction.
        durable: Whether what was committed survives a power loss.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, *, durable: bool) -> None:
        self._path = path
        self._files = [path.with_name(path.name + suffix) for suffix in SUFFIXES]
        self._session = secrets.token_hex(8)
        self._witness = _open_witness(path.with_name(f"{path.name}-witness"))
        db.execute("BEGIN IMMEDIATE")
        try:
            reason = self._find_loss(db, durable)
            if reason is not None:
                log.warning("sqlite_went_back", path=str(path), reason=reason)
                db.create_function("new_epoch", 0, new_epoch)
                db.execute("UPDATE channels SET epoch = new_epoch()")
            self._begin(db)
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
        # Now that something was written all of them are there, and they stay as long as this connection.
        self._places = [_place_of(each) for each in self._files]
        self._size = path.stat().st_size

    def check_place(self) -> None:
        """Look whether the path still leads to the files that are open.

        Raises:
            sqlite3.OperationalError: One was deleted or replaced, or the log was written over: what is written now
                would be lost with the process, or when another one opens the file.
        """
        for file, opened in zip(self._files, self._places, strict=True):
            if _place_of(file) != opened:
                raise _replaced(file)
        size = self._path.stat().st_size
        # Ours never gets smaller: what is deleted leaves free pages. An older copy that is put into it does.
        if size < self._size:
            raise _replaced(self._path)
        self._size = size

    def note(self, channel: int, last: int) -> None:
        """Note what was committed last."""
        _NOTE.pack_into(self._witness, _ID_BYTES, channel, last)

    def note_dropped(self, db: sqlite3.Connection) -> None:
        """Forget the channel that was noted, if it has been erased."""
        # The one that stands there: another process may have noted it.
        _, channel, _ = _LAYOUT.unpack_from(self._witness)
        if channel and _one(db, "SELECT 1 FROM channels WHERE id = ?", channel) is None:
            self.note(0, 0)

    def end(self, db: sqlite3.Connection) -> None:
        """Note that this process has closed the file, and lost nothing of it."""
        db.execute("DELETE FROM sessions WHERE session = ?", (self._session,)).close()
        self._witness.close()

    def _find_loss(self, db: sqlite3.Connection, durable: bool) -> str | None:
        """Return why the file may lack what was committed; None if it lacks nothing."""
        known = _one(db, "SELECT id FROM lineage")
        if known is None:
            return None  # a new file, or one of before there were witnesses
        witness, channel, last = _LAYOUT.unpack_from(self._witness)
        if witness != known[0]:
            return "it is a copy, or its witness is missing"
        if channel:
            found = _one(db, "SELECT last FROM channels WHERE id = ?", channel)
            if found is None or found[0] < last:
                return "it lacks events that were committed"
        if not durable and _one(db, "SELECT 1 FROM sessions WHERE boot <> ?", _boot()) is not None:
            return "the machine went down while it was open"
        return None

    def _begin(self, db: sqlite3.Connection) -> None:
        known = _one(db, "SELECT id FROM lineage")
        identity = known[0] if known is not None else secrets.token_bytes(_ID_BYTES)
        if known is None:
            db.execute("INSERT INTO lineage (id) VALUES (?)", (identity,))
        if _LAYOUT.unpack_from(self._witness)[0] != identity:
            _LAYOUT.pack_into(self._witness, 0, identity, 0, 0)
        db.execute("DELETE FROM sessions WHERE boot <> ?", (_boot(),))
        db.execute("INSERT INTO sessions (session, boot) VALUES (?, ?)", (self._session, _boot()))
        db.execute(
            "DELETE FROM sessions WHERE n <= (SELECT max(n) FROM sessions) - ?",
            (SESSIONS_KEPT,),
        )


def become_copy(db: sqlite3.Connection) -> None:
    """Let a file that was copied be known as a copy, wherever it is put."""
    db.execute("UPDATE lineage SET id = randomblob(16)").close()
    db.execute("DELETE FROM sessions").close()


def _open_witness(path: Path) -> mmap.mmap:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(fd, 0o600)  # whatever the umask
        if os.fstat(fd).st_size != _LAYOUT.size:
            os.ftruncate(fd, 0)
            os.ftruncate(fd, _LAYOUT.size)
        return mmap.mmap(fd, _LAYOUT.size)
    finally:
        os.close(fd)


def _place_of(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _replaced(file: Path) -> sqlite3.OperationalError:
    return sqlite3.OperationalError(
        f"{file} was deleted or replaced while it was in use; restart to use what is there now"
    )


def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _one(db: sqlite3.Connection, sql: str, *values: Any) -> Any:
    with closing(db.execute(sql, values)) as rows:
        return rows.fetchone()
