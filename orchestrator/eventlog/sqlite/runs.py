"""Runs, leases, conversations in SQL: the `RunStore` half of the log in a file.

Every write is a Job of the writer's transaction, every question goes to a reader.
"""

from __future__ import annotations

import sqlite3
from abc import abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from typing import Any, TypeVar

import msgspec

from ...errors import Fenced, Gone, NotFound
from ...events.base import AgentStatus, RunStatus
from ..leases import KEPT_SECONDS, Leases
from ..queued_status import shown_status, stored_status
from ..run_list import (
    SMALL_RECORD_BYTES,
    RunPage,
    RunQuery,
    RunRow,
    decode_summary,
    encode_summary,
    end_summary,
    select_rows,
)
from ..run_store import (
    GONE_SECONDS,
    WATCHED_SECONDS,
    Fence,
    OwnedRun,
    RetentionBounds,
    RunRecord,
    unreadable_record,
)
from . import conversations
from .blocks import Dropped, erase_run
from .statements import all_rows, change, one_row
from .writer import LARGE_BYTES

T = TypeVar("T")

_FIELDS = "record, owner, token, status, ended_at, run_id, channel, created_at"
_NEWEST = 2**62
_ROW = "n, run_id, channel, conversation, status, token, created_at, ended_at, summary"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RunRecord).decode
_Row = tuple[bytes, str, int, RunStatus, int | None, str, str, int]


class SQLiteRuns:
    """The calls of `RunStore`, for a class that can write and ask.

    Args:
        clock: Seconds since 1970; shared by all processes on the file.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._leases = Leases()

    @abstractmethod
    async def _write(
        self,
        work: Callable[[sqlite3.Connection], T],
        *,
        apply: Callable[[T], None] | None = None,
        touches: str | None = None,
        size: int = 0,
    ) -> T: ...

    @abstractmethod
    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T: ...

    @abstractmethod
    def _grew(self, size: int) -> None: ...

    @abstractmethod
    async def _drop(
        self, channel: str, work: Callable[[sqlite3.Connection], Dropped], size: int = 0
    ) -> None: ...

    async def create_run(self, record: RunRecord) -> RunRecord:
        data = _encode(record)
        kept = await self._write(lambda db: _create(db, record, data), size=len(data))
        if kept is record:
            self._grew(len(data))
        return kept

    async def find_run(self, run_id: str) -> RunRecord | None:
        return await self._ask(lambda db: _find(db, run_id, self._clock()))

    async def list_runs(self, *, limit: int, before: str | None = None) -> list[RunRecord]:
        return await self._ask(lambda db: _list(db, limit, before, self._clock()))

    async def page_runs(self, query: RunQuery) -> RunPage:
        return await self._ask(lambda db: _page(db, query))

    async def place_of(self, run_id: str) -> int:
        return await self._ask(lambda db: _place(db, run_id, self._clock()))

    async def run_of_key(self, key: str) -> str | None:
        found = await self._ask(lambda db: one_row(db, "SELECT run_id FROM runs WHERE key = ?", key))
        return None if found is None else str(found[0])

    async def runs_in(self, channel: str) -> list[RunRecord]:
        return await self._ask(lambda db: _records(db, "WHERE channel = ? ORDER BY n", channel))

    async def running_runs(self) -> list[RunRecord]:
        return await self._ask(lambda db: _records(db, "WHERE status = 'running' ORDER BY n"))

    async def owners(self) -> dict[str, int]:
        sql = "SELECT owner, count(*) FROM runs WHERE status = 'running' GROUP BY owner"
        return dict(await self._ask(lambda db: all_rows(db, sql)))

    async def owned_by(self, owner: str, *, limit: int) -> list[OwnedRun]:
        sql = "SELECT run_id, token FROM runs WHERE status = 'running' AND owner = ? ORDER BY n LIMIT ?"
        return [OwnedRun(*row) for row in await self._ask(lambda db: all_rows(db, sql, owner, limit))]

    async def ended_runs(self, *, before: int, limit: int) -> list[RunRecord]:
        where = "WHERE ended_at < ? ORDER BY ended_at, n LIMIT ?"
        return await self._ask(lambda db: _records(db, where, before, limit))

    async def count_ended(self) -> int:
        sql = "SELECT count(*) FROM runs WHERE ended_at IS NOT NULL"
        (count,) = await self._ask(lambda db: one_row(db, sql))
        return int(count)

    async def end_run(
        self,
        fence: Fence,
        status: RunStatus,
        ended_at: int,
        *,
        agents: dict[str, AgentStatus | None] | None = None,
        request: str | None = None,
    ) -> None:
        # What is shortened had images.
        size = 0 if request is None else LARGE_BYTES + 1
        ended = await self._write(lambda db: _end(db, fence, status, ended_at, agents, request), size=size)
        self._grew(ended)

    async def claim_run(self, run_id: str, *, owner: str, token: int) -> RunRecord | None:
        return await self._write(lambda db: _claim(db, run_id, owner, token))

    async def forget_run(self, run_id: str, why: str) -> None:
        record = next(iter(await self._ask(lambda db: _records(db, "WHERE run_id = ?", run_id))), None)
        if record is None:
            return
        channel = record.channel
        await self._drop(
            channel, lambda db: _forget(db, run_id, channel, why, self._clock()), size=len(record.request)
        )

    async def beat(self, worker: str, seconds: float) -> None:
        now = self._clock()
        until = now + seconds if seconds > 0 else -now
        await self._write(lambda db: _beat(db, worker, now, until))
        self._leases.beaten(seconds)

    async def living(self) -> set[str]:
        found = await self._ask(lambda db: all_rows(db, "SELECT worker, until FROM workers"))
        return self._leases.living(dict(found), self._clock())

    async def watch(self, worker: str, added: Sequence[str], removed: Sequence[str]) -> None:
        until = self._clock() + WATCHED_SECONDS
        await self._write(lambda db: _watch(db, worker, added, removed, until))

    async def watched(self, keys: Sequence[str], *, by: Collection[str]) -> set[str]:
        now, workers = self._clock(), list(by)
        return await self._ask(lambda db: _watched(db, keys, workers, now))

    async def add_turn(
        self, conversation_id: str, agent_id: str, turn: bytes, *, keep: int, keep_bytes: int | None = None
    ) -> None:
        most = (keep, keep_bytes)
        await self._write(
            lambda db: conversations.add_turn(db, conversation_id, agent_id, turn, most, self._clock()),
            size=len(turn),
        )

    async def turns(self, conversation_id: str, agent_id: str) -> Sequence[bytes]:
        sql = "SELECT turn FROM turns WHERE conversation = ? AND agent = ? ORDER BY n"
        return [turn for (turn,) in await self._ask(lambda db: all_rows(db, sql, conversation_id, agent_id))]

    async def hold_conversation(self, conversation_id: str, run_id: str) -> str:
        return await self._write(lambda db: conversations.hold(db, conversation_id, run_id, self._clock()))

    async def holder_of(self, conversation_id: str) -> str | None:
        return await self._ask(lambda db: conversations.holder_of(db, conversation_id))

    async def drop_turns(self, conversation_id: str, is_void: Callable[[bytes], bool]) -> None:
        await self._write(lambda db: conversations.drop_turns(db, conversation_id, is_void))

    async def forget_conversation(self, conversation_id: str) -> bool:
        return await self._write(lambda db: conversations.forget_conversation(db, conversation_id))

    async def tidy(self, bounds: RetentionBounds) -> None:
        while await self._write(lambda db: conversations.tidy(db, bounds, self._clock())):
            pass

    async def release_conversation(self, conversation_id: str, run_id: str) -> None:
        sql = "UPDATE conversations SET holder = NULL WHERE conversation = ? AND holder = ?"
        await self._write(lambda db: change(db, sql, conversation_id, run_id))


def _record(row: _Row) -> RunRecord:
    data, owner, token, status, ended_at, run_id, channel, created_at = row
    try:
        record = _decode(data)
    except msgspec.MsgspecError:
        record = unreadable_record(run_id, channel, created_at)
    return msgspec.structs.replace(record, owner=owner, token=token, status=status, ended_at=ended_at)


def _records(db: sqlite3.Connection, where: str, *values: Any) -> list[RunRecord]:
    return [_record(row) for row in all_rows(db, f"SELECT {_FIELDS} FROM runs {where}", *values)]  # noqa: S608


def _create(db: sqlite3.Connection, record: RunRecord, data: bytes) -> RunRecord:
    known = _records(db, "WHERE run_id = ? OR key = ? ORDER BY n LIMIT 1", record.run_id, record.key)
    if known:
        return known[0]
    values = (record.run_id, record.channel, record.key, record.owner, record.token, record.status)
    sql = """
        INSERT INTO runs (run_id, channel, key, owner, token, status, ended_at, record,
                          conversation, created_at, summary)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    summary = None if record.summary is None else encode_summary(record.summary)
    change(db, sql, *values, record.ended_at, data, record.conversation_id, record.created_at, summary)
    return record


def _find(db: sqlite3.Connection, run_id: str, now: float) -> RunRecord | None:
    found = _records(db, "WHERE run_id = ?", run_id)
    if found:
        return found[0]
    gone = one_row(db, "SELECT why FROM gone WHERE run_id = ? AND at > ?", run_id, now - GONE_SECONDS)
    if gone is not None:
        raise Gone(f"Run {run_id!r} {gone[0]}.")
    return None


def _list(db: sqlite3.Connection, limit: int, before: str | None, now: float) -> list[RunRecord]:
    if before is None:
        return _records(db, "ORDER BY n DESC LIMIT ?", limit)
    return _records(db, "WHERE n < ? ORDER BY n DESC LIMIT ?", _place(db, before, now), limit)


def _place(db: sqlite3.Connection, run_id: str, now: float) -> int:
    place = one_row(db, "SELECT n FROM runs WHERE run_id = ?", run_id)
    if place is None:
        _find(db, run_id, now)
        raise NotFound(f"There is no run {run_id!r}.")
    return int(place[0])


_PAGES: tuple[tuple[str, Callable[[RunQuery], str | None]], ...] = (
    ("WHERE conversation = ? AND n < ?", lambda query: query.conversation_id),
    ("WHERE channel = ? AND n < ?", lambda query: query.channel),
    ("WHERE status = ? AND n < ?", lambda query: stored_status(query.status)),
)
"""What an index can be asked for; by what else is filtered is looked at row by row, so that the rows are counted."""


def _page(db: sqlite3.Connection, query: RunQuery) -> RunPage:
    before = _NEWEST if query.before is None else query.before
    where: str = "WHERE n < ?"
    values: tuple[str | int, ...] = (before,)
    for each, value_of in _PAGES:
        if (value := value_of(query)) is not None:
            where, values = each, (value, before)
            break
    sql = f"SELECT {_ROW} FROM runs {where} ORDER BY n DESC"  # noqa: S608
    with closing(db.execute(sql, values)) as found:
        page = select_rows(map(_row, found), query)
    unreadable = _unreadable(db, page)
    rows = [row._replace(summary=None) if row.place in unreadable else row for row in page.rows]
    return RunPage(rows, page.next)


def _unreadable(db: sqlite3.Connection, page: RunPage) -> set[int]:
    """Return the places of those runs of a page whose record cannot be read. Large ones are not looked at."""
    places = ",".join(str(row.place) for row in page.rows)
    sql = f"SELECT n, record FROM runs WHERE n IN ({places}) AND length(record) <= {SMALL_RECORD_BYTES}"  # noqa: S608
    found = set()
    for place, data in all_rows(db, sql):
        try:
            _decode(data)
        except msgspec.MsgspecError:
            found.add(int(place))
    return found


def _row(row: tuple[int, str, str, str | None, RunStatus, int, int, int | None, bytes | None]) -> RunRow:
    place, run_id, channel, conversation, status, token, created_at, ended_at, summary = row
    shown = shown_status(status, token, created_at)
    return RunRow(place, run_id, channel, conversation, shown, created_at, ended_at, decode_summary(summary))


def _end(
    db: sqlite3.Connection,
    fence: Fence,
    status: RunStatus,
    ended_at: int,
    agents: dict[str, AgentStatus | None] | None,
    request: str | None,
) -> int:
    """Note an end; return by how much the record grew."""
    row = one_row(db, "SELECT token FROM runs WHERE run_id = ?", fence.run_id)
    if row is None or row[0] != fence.token:
        raise Fenced(f"run {fence.run_id!r} has another owner now, or was forgotten")
    sql = "UPDATE runs SET status = ?, ended_at = ? WHERE run_id = ? AND status = 'running'"
    if not change(db, sql, status, ended_at, fence.run_id):
        return 0
    grown = 0 if request is None else _shorten(db, fence.run_id, request)
    (kept,) = one_row(db, "SELECT summary FROM runs WHERE run_id = ?", fence.run_id)
    summary = end_summary(decode_summary(kept), agents)
    if summary is not None:
        change(db, "UPDATE runs SET summary = ? WHERE run_id = ?", encode_summary(summary), fence.run_id)
    return grown


def _shorten(db: sqlite3.Connection, run_id: str, request: str) -> int:
    (data,) = one_row(db, "SELECT record FROM runs WHERE run_id = ?", run_id)
    try:
        short = _encode(msgspec.structs.replace(_decode(data), request=request))
    except msgspec.MsgspecError:
        return 0
    change(db, "UPDATE runs SET record = ? WHERE run_id = ?", short, run_id)
    return len(short) - len(data)


def _claim(db: sqlite3.Connection, run_id: str, owner: str, token: int) -> RunRecord | None:
    sql = """
        UPDATE runs SET owner = ?, token = token + 1
        WHERE run_id = ? AND token = ? AND status = 'running'
        """
    if not change(db, sql, owner, run_id, token):
        return None
    return _records(db, "WHERE run_id = ?", run_id)[0]


def _forget(db: sqlite3.Connection, run_id: str, channel: str, why: str, now: float) -> Dropped:
    held = one_row(db, "SELECT length(record) FROM runs WHERE run_id = ?", run_id)
    dropped = erase_run(db, channel, run_id)
    if held is None or dropped.is_part:
        # Another process was faster; or it is found again, should this one end before the rest has gone.
        return dropped
    change(db, "DELETE FROM runs WHERE run_id = ?", run_id)
    change(db, "DELETE FROM gone WHERE run_id = ?", run_id)
    change(db, "INSERT INTO gone (run_id, at, why) VALUES (?, ?, ?)", run_id, now, why)
    change(db, "DELETE FROM gone WHERE at <= ?", now - GONE_SECONDS)
    return dropped._replace(size=dropped.size + held[0])


def _beat(db: sqlite3.Connection, worker: str, now: float, until: float) -> None:
    # Those that are over stay for a while: others must see that the number changed, or was a farewell.
    if change(db, "DELETE FROM workers WHERE abs(until) <= ?", now - KEPT_SECONDS):
        change(db, "DELETE FROM watched WHERE until <= ?", now)
    change(db, "INSERT OR REPLACE INTO workers (worker, until) VALUES (?, ?)", worker, until)


def _watch(
    db: sqlite3.Connection, worker: str, added: Sequence[str], removed: Sequence[str], until: float
) -> None:
    for key in added:
        change(db, "INSERT OR REPLACE INTO watched (worker, key, until) VALUES (?, ?, ?)", worker, key, until)
    for key in removed:
        change(db, "DELETE FROM watched WHERE worker = ? AND key = ?", worker, key)


def _watched(db: sqlite3.Connection, keys: Sequence[str], workers: Sequence[str], now: float) -> set[str]:
    found: set[str] = set()
    sql = "SELECT 1 FROM watched WHERE worker = ? AND key = ? AND until > ?"
    for worker in workers:
        found.update(
            key for key in keys if key not in found and one_row(db, sql, worker, key, now) is not None
        )
    return found
