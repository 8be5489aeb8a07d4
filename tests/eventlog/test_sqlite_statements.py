"""Covers `orchestrator/eventlog/sqlite/statements.py`: one statement, its cursor closed whatever comes of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from orchestrator.eventlog.sqlite.statements import all_rows, change, one_row


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as made:
        change(made, "CREATE TABLE t (n INTEGER PRIMARY KEY, word TEXT)")
        for word in ("a", "b", "b"):
            change(made, "INSERT INTO t (word) VALUES (?)", word)
        yield made


def test_rows_are_read_by_what_is_bound(db: sqlite3.Connection) -> None:
    assert all_rows(db, "SELECT n FROM t WHERE word = ? ORDER BY n", "b") == [(2,), (3,)]
    assert one_row(db, "SELECT n FROM t WHERE word = ?", "a") == (1,)
    assert one_row(db, "SELECT n FROM t WHERE word = ?", "'; DROP TABLE t") is None


def test_a_change_says_how_many_rows_it_changed(db: sqlite3.Connection) -> None:
    assert change(db, "UPDATE t SET word = ? WHERE word = ?", "c", "b") == 2
    assert change(db, "DELETE FROM t WHERE word = ?", "b") == 0


def test_no_cursor_stays_open_behind_a_statement_that_fails(db: sqlite3.Connection) -> None:
    """An open one would keep its transaction, and with it every other writer waiting."""
    with pytest.raises(sqlite3.OperationalError):
        all_rows(db, "SELECT nothing FROM t")
    db.commit()
    assert not db.in_transaction
