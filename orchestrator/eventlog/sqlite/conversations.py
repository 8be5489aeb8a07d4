"""Conversations and their turns in SQL, each within the transaction of its caller. Owns no connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from ..run_store import RetentionBounds
from .statements import all_rows, change, one_row

MAX_CONVERSATIONS = 100_000
"""The conversation unused for longest goes first beyond this, so that the file does not grow for ever."""

TIDIED_AT_ONCE = 1000
TIDIED_BYTES = 1024 * 1024
"""What one transaction of the tidying frees, about: appends wait meanwhile."""


def _use(db: sqlite3.Connection, conversation: str, now: float) -> None:
    """Note that a conversation is in use; if it is a new one too many, the oldest goes."""
    if change(db, "UPDATE conversations SET used = ? WHERE conversation = ?", now, conversation):
        return
    change(db, "INSERT INTO conversations (conversation, used) VALUES (?, ?)", conversation, now)
    surplus = _total(db, "conversations") - MAX_CONVERSATIONS
    if surplus <= 0:
        return
    for (old,) in all_rows(db, "SELECT conversation FROM conversations ORDER BY used LIMIT ?", surplus):
        change(db, "DELETE FROM conversations WHERE conversation = ?", old)
        change(db, "DELETE FROM turns WHERE conversation = ?", old)


def add_turn(
    db: sqlite3.Connection,
    conversation: str,
    agent: str,
    turn: bytes,
    keep: tuple[int, int | None],
    now: float,
) -> None:
    """Add a turn; *keep*: how many stay, and how many bytes of them."""
    _use(db, conversation, now)
    change(db, "INSERT INTO turns (conversation, agent, turn) VALUES (?, ?, ?)", conversation, agent, turn)
    sql = """
        DELETE FROM turns WHERE conversation = ? AND agent = ? AND n NOT IN
        (SELECT n FROM turns WHERE conversation = ? AND agent = ? ORDER BY n DESC LIMIT ?)
        """
    change(db, sql, conversation, agent, conversation, agent, keep[0])
    if keep[1] is None:
        return
    sql = "SELECT n, length(turn) FROM turns WHERE conversation = ? AND agent = ? ORDER BY n DESC"
    size = 0
    for place, (n, length) in enumerate(all_rows(db, sql, conversation, agent)):
        size += length
        if place and size > keep[1]:
            older = "DELETE FROM turns WHERE conversation = ? AND agent = ? AND n <= ?"
            change(db, older, conversation, agent, n)
            return


def holder_of(db: sqlite3.Connection, conversation: str) -> str | None:
    sql = """
        SELECT holder FROM conversations JOIN runs ON run_id = holder
        WHERE conversations.conversation = ? AND status = 'running'
        """
    held = one_row(db, sql, conversation)
    return None if held is None else str(held[0])


def drop_turns(db: sqlite3.Connection, conversation: str, is_void: Callable[[bytes], bool]) -> None:
    for n, turn in all_rows(db, "SELECT n, turn FROM turns WHERE conversation = ?", conversation):
        if is_void(turn):
            change(db, "DELETE FROM turns WHERE n = ?", n)


def forget_conversation(db: sqlite3.Connection, conversation: str) -> bool:
    turns = change(db, "DELETE FROM turns WHERE conversation = ?", conversation)
    return bool(change(db, "DELETE FROM conversations WHERE conversation = ?", conversation) or turns)


def tidy(db: sqlite3.Connection, bounds: RetentionBounds, now: float) -> bool:
    """Let go of some of what is too old or too much; return whether there may be more."""
    freed, held = 0, _total(db, "turn bytes")
    oldest = "SELECT conversation, used FROM conversations ORDER BY used LIMIT ?"
    for conversation, used in all_rows(db, oldest, TIDIED_AT_ONCE):
        if used > now - bounds.conversation_s and held - freed <= bounds.conversation_bytes:
            break
        if freed > TIDIED_BYTES:
            return True
        sql = "SELECT coalesce(sum(length(turn)), 0) FROM turns WHERE conversation = ?"
        freed += one_row(db, sql, conversation)[0]
        forget_conversation(db, conversation)
    else:
        if _total(db, "conversations"):
            return True
    surplus = _total(db, "gone") - bounds.tombstones
    if surplus > 0:
        sql = "DELETE FROM gone WHERE run_id IN (SELECT run_id FROM gone ORDER BY at LIMIT ?)"
        change(db, sql, min(surplus, TIDIED_AT_ONCE))
    return surplus > TIDIED_AT_ONCE


def _total(db: sqlite3.Connection, what: str) -> int:
    return int(one_row(db, "SELECT total FROM totals WHERE what = ?", what)[0])


def hold(db: sqlite3.Connection, conversation: str, run_id: str, now: float) -> str:
    _use(db, conversation, now)
    held = holder_of(db, conversation)
    if held is not None:
        return held
    change(db, "UPDATE conversations SET holder = ? WHERE conversation = ?", run_id, conversation)
    return run_id
