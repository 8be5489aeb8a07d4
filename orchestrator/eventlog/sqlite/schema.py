"""The SQLite file: its address, its rights, its settings and its schema. Owns no events and no thread."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal, NamedTuple, cast
from urllib.parse import parse_qsl, unquote

from ...errors import ConfigError, LogUnavailable
from ..open import wrong_log

Synchronous = Literal["FULL", "NORMAL"]

APPLICATION_ID = 0x4F726368
"""Marks the file as an orchestrator's log, for `file` and for us."""

BUSY_SECONDS = 5.0
"""How long a write waits for another process's before it gives up."""

FILE_MODE = 0o600
SCRUB_WAIT_MS = 50
"""How long emptying the write-ahead log waits for readers, and appends wait for it, before it is given up for now."""

CHECKPOINT_PAGES = 16_000
"""From about 64 MB of write-ahead log on the writer makes a checkpoint itself, within a commit: its thread beside it
(`wal_checkpoints`) has not found a moment without a write, in which the log could begin anew."""

WAL_BYTES_KEPT = 64 * 1024 * 1024

V1 = """
CREATE TABLE channels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    first INTEGER NOT NULL DEFAULT 1,
    last INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
);
-- A block is up to 32 neighbouring events of one run, written together. `shared` says that the channel
-- is not the run's own: only then must a run's blocks be found among others'. New blocks of all channels
-- go to the table's end, whole into its pages: half the writes of a table in the order of channels.
CREATE TABLE blocks (
    n INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    run TEXT NOT NULL,
    shared INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX blocks_place ON blocks (channel, first);
CREATE INDEX blocks_shared ON blocks (run, channel) WHERE shared;
-- Triggers, because a batch is then one statement, and thus one turn of the interpreter's lock.
CREATE TRIGGER block_added AFTER INSERT ON blocks BEGIN
    UPDATE channels SET last = NEW.last, bytes = bytes + NEW.bytes WHERE id = NEW.channel;
END;
CREATE TRIGGER block_dropped AFTER DELETE ON blocks BEGIN
    UPDATE channels SET bytes = bytes - OLD.bytes WHERE id = OLD.channel;
END;
-- `record` is the run as it began; the columns beside it are what changes and what is looked for.
CREATE TABLE runs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    key TEXT UNIQUE,
    owner TEXT NOT NULL,
    token INTEGER NOT NULL,
    status TEXT NOT NULL,
    ended_at INTEGER,
    record BLOB NOT NULL
);
CREATE INDEX runs_channel ON runs (channel);
CREATE INDEX runs_running ON runs (n) WHERE status = 'running';
CREATE INDEX runs_ended ON runs (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE gone (run_id TEXT PRIMARY KEY, at REAL NOT NULL, why TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX gone_at ON gone (at);
CREATE TABLE workers (worker TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE conversations (
    conversation TEXT PRIMARY KEY, used REAL NOT NULL, holder TEXT
) WITHOUT ROWID;
CREATE INDEX conversations_used ON conversations (used);
CREATE TABLE turns (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation TEXT NOT NULL,
    agent TEXT NOT NULL,
    turn BLOB NOT NULL
);
CREATE INDEX turns_of ON turns (conversation, agent);
"""

V2 = """
-- What lists show and filter by stands beside the record, so that no list reads records.
ALTER TABLE runs ADD COLUMN conversation TEXT;
ALTER TABLE runs ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN summary BLOB;
UPDATE runs SET
    conversation = json_extract(CAST(record AS TEXT), '$.conversation_id'),
    created_at = coalesce(json_extract(CAST(record AS TEXT), '$.created_at'), 0),
    summary = json_object(
        'title', substr(json_extract(CAST(record AS TEXT), '$.message'), 1, 200),
        'agents', (
            SELECT json_group_object(value, NULL) FROM json_each(CAST(record AS TEXT), '$.agents')
        )
    )
    WHERE json_valid(CAST(record AS TEXT));
CREATE INDEX runs_conversation ON runs (conversation) WHERE conversation IS NOT NULL;
CREATE INDEX runs_status ON runs (status);
"""

V3 = """
-- Who owns what, and who is watched where, at a cost that does not grow with what is kept.
CREATE INDEX runs_owned ON runs (owner, n) WHERE status = 'running';
CREATE TABLE watched (
    worker TEXT NOT NULL, key TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (worker, key)
) WITHOUT ROWID;
"""

V4 = """
-- Which file this is, and who has it open: see `lineage`.
CREATE TABLE lineage (id BLOB NOT NULL);
CREATE TABLE sessions (n INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL UNIQUE, boot TEXT NOT NULL);
"""

V5 = """
-- Runs that wait for a worker, and who took them: see `cluster`. `take` tells a call that is made again.
CREATE TABLE work (
    n INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL UNIQUE, taker TEXT, take TEXT, taken_at REAL
);
CREATE INDEX work_waiting ON work (n) WHERE taker IS NULL;
CREATE INDEX work_take ON work (take) WHERE take IS NOT NULL;
"""

V6 = """
-- Sums and counts that tidying asks for again and again, at a cost that does not grow with what is kept.
CREATE TABLE totals (what TEXT PRIMARY KEY, total INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO totals SELECT 'turn bytes', coalesce(sum(length(turn)), 0) FROM turns;
INSERT INTO totals SELECT 'conversations', count(*) FROM conversations;
INSERT INTO totals SELECT 'gone', count(*) FROM gone;
CREATE TRIGGER turn_added AFTER INSERT ON turns BEGIN
    UPDATE totals SET total = total + length(NEW.turn) WHERE what = 'turn bytes';
END;
CREATE TRIGGER turn_dropped AFTER DELETE ON turns BEGIN
    UPDATE totals SET total = total - length(OLD.turn) WHERE what = 'turn bytes';
END;
CREATE TRIGGER conversation_added AFTER INSERT ON conversations BEGIN
    UPDATE totals SET total = total + 1 WHERE what = 'conversations';
END;
CREATE TRIGGER conversation_dropped AFTER DELETE ON conversations BEGIN
    UPDATE totals SET total = total - 1 WHERE what = 'conversations';
END;
CREATE TRIGGER gone_added AFTER INSERT ON gone BEGIN
    UPDATE totals SET total = total + 1 WHERE what = 'gone';
END;
CREATE TRIGGER gone_dropped AFTER DELETE ON gone BEGIN
    UPDATE totals SET total = total - 1 WHERE what = 'gone';
END;
"""

MIGRATIONS: tuple[str, ...] = (V1, V2, V3, V4, V5, V6)
"""Statement n brings a file from version n to n + 1; a new file begins at 0."""


class Address(NamedTuple):
    """The place of the file, and how surely a commit is on the disk."""

    path: Path
    synchronous: Synchronous


def parse_address(url: str) -> Address:
    """Read ``sqlite:///relative.db`` or ``sqlite:////absolute.db``, with ``?synchronous=FULL`` or ``NORMAL``.

    Raises:
        ConfigError: It is not of that form, or names an option that there is not.
    """
    head, _, query = url.partition("?")
    path = unquote(head.removeprefix("sqlite:///"))
    if not head.startswith("sqlite:///") or not path or "\0" in path:
        raise wrong_log(
            f"{url!r} names no file; write sqlite:///relative.db or, with four slashes, sqlite:////absolute.db"
        )
    synchronous = "NORMAL"
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name != "synchronous":
            raise wrong_log(f"{url!r} has an unknown option {name!r}; there is synchronous=FULL or NORMAL")
        synchronous = value.upper()
        if synchronous not in ("FULL", "NORMAL"):
            raise wrong_log(f"{url!r}: synchronous is FULL or NORMAL, not {value!r}")
    # Absolute, so that a later change of folder means nothing, nor does a name like `:memory:`.
    return Address(Path(os.path.abspath(path)), cast(Synchronous, synchronous))


def open_database(address: Address) -> sqlite3.Connection:
    """Open the file for writing; make it, or bring it to this version's schema, if need be.

    Raises:
        ConfigError: It cannot be opened, is of a newer version, or is something else.
    """
    path = address.path
    try:
        _claim_file(path)
        db = connect(path)
    except (OSError, sqlite3.Error) as exc:
        raise wrong_log(f"{path} cannot be opened: {exc}") from exc
    try:
        _check_schema(db, path)
        _enter_wal(db, path)
        db.execute(f"PRAGMA synchronous = {address.synchronous}")
        db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        _migrate(db, path)
    except sqlite3.Error as exc:
        db.close()
        raise wrong_log(f"{path} cannot be used: {exc}") from exc
    except ConfigError:
        db.close()
        raise
    return db


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a connection whose transactions are written out by its user."""
    # Never made here: a reader of a file that was deleted must not leave an empty one in its place.
    place = f"{path.absolute().as_uri()}?mode=rw"
    db = sqlite3.connect(place, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # What was deleted is not left to be read in the file's free pages. FAST would leave whole ones as they are,
        # also those of a run's record, which each change of its row moves to others.
        db.execute("PRAGMA secure_delete = ON").close()
        if read_only:
            db.execute("PRAGMA query_only = 1").close()
    except sqlite3.Error:
        db.close()
        raise
    return db


def empty_wal(path: Path) -> bool:
    """Bring what the write-ahead log has into the file, and cut it; False if somebody reads or writes just now.

    Raises:
        LogUnavailable: The file cannot be used.
    """
    try:
        with closing(connect(path)) as db:
            db.execute(f"PRAGMA busy_timeout = {SCRUB_WAIT_MS}").close()
            # Most of the work first, beside whoever writes; only what is left then keeps appends waiting.
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            ((is_busy, _, _),) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as exc:
        raise LogUnavailable(f"the log's file cannot be used: {exc}") from exc
    return not is_busy


def _claim_file(path: Path) -> None:
    """Make the file with rights for its owner only, whatever the umask; narrow those of one that is there."""
    if not path.parent.is_dir():
        raise wrong_log(f"the folder {path.parent} does not exist; make it first")
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))
    if not path.is_file():
        raise wrong_log(f"{path} is not a file")
    for suffix in ("", "-wal", "-shm"):
        # Files that are made beside it take its rights. Another user's file is that user's affair.
        with suppress(FileNotFoundError, PermissionError):
            beside = path.with_name(path.name + suffix)
            if stat.S_IMODE(beside.stat().st_mode) != FILE_MODE:
                beside.chmod(FILE_MODE)


def _check_schema(db: sqlite3.Connection, path: Path) -> int:
    """Return the schema's version, 0 for an empty file.

    Raises:
        ConfigError: The file is not ours, or of a later version than we know.
    """
    with closing(db.execute("SELECT count(*) FROM sqlite_schema")) as rows:
        (tables,) = rows.fetchone()
    application, version = _pragma(db, "application_id"), _pragma(db, "user_version")
    if tables and application != APPLICATION_ID:
        raise wrong_log(f"{path} is a database of something else; name another file")
    if version > len(MIGRATIONS):
        raise wrong_log(
            f"{path} has schema {version}, and this version knows up to {len(MIGRATIONS)}; "
            "use the newer orchestrator that wrote it, or name another file"
        )
    return version


def _enter_wal(db: sqlite3.Connection, path: Path) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as exc:
            # SQLite does not wait here for a process that is doing the same.
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            if mode != "wal":
                raise wrong_log(f"{path}: its file system has no write-ahead log ({mode} only)")
            return


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Once more, now that nobody else can change it.
        for version in range(_check_schema(db, path), len(MIGRATIONS)):
            for statement in _statements(MIGRATIONS[version]):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {version + 1}")
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _statements(script: str) -> list[str]:
    """Cut a script at its statements' ends: `executescript` would commit on its own."""
    statements, text = [], ""
    for line in script.splitlines():
        text += line + "\n"
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements


def _pragma(db: sqlite3.Connection, name: str) -> int:
    with closing(db.execute(f"PRAGMA {name}")) as rows:
        (value,) = rows.fetchone()
    return int(value)
