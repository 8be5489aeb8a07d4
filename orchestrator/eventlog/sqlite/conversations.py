"""Conversations and their turns in SQL, each within the transaction of its caller. Owns no connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from ..run_store import KeptBounds
from .queries import all_rows, change, one_row

MAX_CONVERSATIONS = 100_000
"""The conversation unused for longest goes first beyond this, so that the file does not grow for ever."""

TIDIED_AT_ONCE = 1000


def _use(db: sqlite3.Connection, conversation: str, now: float) -> None:
    """Note that a conversation is in use; if it is a new one too many, the oldest goes."""
    if change(db, "UPDATE conversations SET used = ? WHERE conversation = ?", now, conversation):
        return
    change(db, "INSERT INTO conversations (conversation, used) VALUES (?, ?)", conversation, now)
    (count,) = one_row(db, "SELECT count(*) FROM conversations")
    oldest = "SELECT conversation FROM conversations ORDER BY used LIMIT ?"
    for (old,) in all_rows(db, oldest, max(0, count - MAX_CONVERSATIONS)):
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
        DELETE FROM turns WHERE conversation = ?1 AND agent = ?2 AND n NOT IN
        (SELECT n FROM turns WHERE conversation = ?1 AND agent = ?2 ORDER BY n DESC LIMIT ?3)
        """
    change(db, sql, conversation, agent, keep[0])
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


def tidy(db: sqlite3.Connection, bounds: KeptBounds, now: float) -> None:
    """In small portions, so that appends go between them: what is left is the next round's."""
    (held,) = one_row(db, "SELECT coalesce(sum(length(turn)), 0) FROM turns")
    oldest = "SELECT conversation, used FROM conversations ORDER BY used LIMIT ?"
    for conversation, used in all_rows(db, oldest, TIDIED_AT_ONCE):
        if used > now - bounds.conversation_s and held <= bounds.conversation_bytes:
            break
        sql = "SELECT coalesce(sum(length(turn)), 0) FROM turns WHERE conversation = ?"
        held -= one_row(db, sql, conversation)[0]
        forget_conversation(db, conversation)
    too_many = "SELECT run_id FROM gone ORDER BY at DESC LIMIT ? OFFSET ?"
    for (run_id,) in all_rows(db, too_many, TIDIED_AT_ONCE, bounds.tombstones):
        change(db, "DELETE FROM gone WHERE run_id = ?", run_id)


def hold(db: sqlite3.Connection, conversation: str, run_id: str, now: float) -> str:
    _use(db, conversation, now)
    held = holder_of(db, conversation)
    if held is not None:
        return held
    change(db, "UPDATE conversations SET holder = ? WHERE conversation = ?", run_id, conversation)
    return run_id
