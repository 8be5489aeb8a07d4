"""A copy of the file while the service goes on. Owns no thread and no schedule."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ..open import wrong_log
from .rollback_check import become_copy
from .schema import FILE_MODE, connect, parse_address

PAGES_AT_ONCE = 1024
"""Copied in one step; writers go between two steps."""


def backup_store(url: str, target: Path) -> int:
    """Copy the file that *url* names to the new file *target*; return its bytes. Blocks.

    The copy is whole as of its last moment, readable by its owner only, and known as a copy: clients of before
    get a gap from it instead of events that they never saw.

    Raises:
        ConfigError: There is no such file, or *target* exists or cannot be written.
    """
    address = parse_address(url)
    if not address.path.is_file():
        raise wrong_log(f"there is no file {address.path} to copy")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))
    except OSError as exc:
        raise wrong_log(f"{target} cannot be made: {exc.strerror}") from exc
    try:
        with closing(connect(address.path, read_only=True)) as source, closing(connect(target)) as copy:
            source.backup(copy, pages=PAGES_AT_ONCE)
            become_copy(copy)
            copy.execute("PRAGMA journal_mode = DELETE").close()
    except sqlite3.Error as exc:
        target.unlink(missing_ok=True)
        raise wrong_log(f"{address.path} cannot be copied: {exc}") from exc
    return target.stat().st_size
