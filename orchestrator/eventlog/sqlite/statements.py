"""One statement, its cursor closed whatever comes of it. Knows no table."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any


def all_rows(db: sqlite3.Connection, sql: str, *values: Any) -> list[Any]:
    with closing(db.execute(sql, values)) as rows:
        return rows.fetchall()


def one_row(db: sqlite3.Connection, sql: str, *values: Any) -> Any:
    with closing(db.execute(sql, values)) as rows:
        return rows.fetchone()


def change(db: sqlite3.Connection, sql: str, *values: Any) -> int:
    """Run a statement that changes rows; return how many."""
    with closing(db.execute(sql, values)) as done:
        return done.rowcount
