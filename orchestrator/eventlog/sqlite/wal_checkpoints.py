"""Brings the write-ahead log into the file beside the thread that writes. Owns a thread, no table.

SQLite does so within a commit, and two fsyncs with it: on a busy disk every append waited half a second for them.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

from .schema import connect

CHECKPOINT_BYTES = 8 * 1024 * 1024
"""What is written, roughly, between two checkpoints: few fsyncs, a start that stays quick."""

WRITE_BYTES = 16 * 1024
"""What a write takes beside its own bytes: about four pages, of the table and of its indexes."""


class WalCheckpoints:
    """Makes a checkpoint whenever enough was written.

    One that finds the log all copied lets the next write begin it anew. If writes never rest, the writer's own
    checkpoint does, which then finds nearly all done; see `schema.CHECKPOINT_PAGES`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = 0
        self._due = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="sqlite-checkpoints", daemon=True)
        self._thread.start()

    def note(self, size: int) -> None:
        """Note that *size* bytes were written; the thread that writes calls it."""
        self._written += size
        if self._written >= CHECKPOINT_BYTES:
            self._written = 0
            self._due.set()

    def close(self) -> None:
        """End the thread. Blocks while a checkpoint is under way."""
        self._closed = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            if self._closed:
                return
            # One that fails, for another process makes one or the file is gone, is made up for by the next.
            with suppress(sqlite3.Error), closing(connect(self._path)) as db:
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
