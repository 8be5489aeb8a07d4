"""Work and requests between workers on one SQLite file: a `Cluster` beside an `SQLiteLog`.

Work is a table of the file. Requests, and who shall look for work, go over the Unix sockets of `sockets`.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Protocol, TypeVar

from ...errors import LogUnavailable
from ..cluster import SEND_SECONDS, PeerRequest
from ..work_taker import WorkTaker
from .sockets import EVERYTHING, WorkerSockets
from .statements import all_rows, one_row

REQUESTS_WAITING = 1000
WORK = b"!"
"""What is sent beside channels' names, which never begin so: there is work."""

T = TypeVar("T")


class SharedFile(Protocol):
    """What the workers' part needs of the log whose file it shares."""

    @property
    def path(self) -> Path: ...
    @property
    def closed(self) -> bool: ...
    def now(self) -> float: ...
    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T: ...
    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T: ...
    def changed_elsewhere(self, channel: str | None) -> None: ...


class SQLiteCluster(WorkTaker):
    """A `Cluster` in the file of *log*, which is started and closed by whoever made it.

    Args:
        idle_s: How long work stays with a taker that died before it claimed it.
    """

    def __init__(self, log: SharedFile, *, idle_s: float = 5.0) -> None:
        super().__init__()
        self._log = log
        self._idle_s = idle_s
        self._sockets: WorkerSockets | None = None

    def close(self) -> None:
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None

    def tell(self, channels: set[str]) -> None:
        """Let the other processes know that channels have changed."""
        if self._sockets is not None and channels:
            self._sockets.tell(channel.encode() for channel in channels)

    # ── work ─────────────────────────────────────────────────────────────────────────────────

    async def offer_work(self, run_id: str) -> None:
        await self._log.write(lambda db: _offer(db, run_id))
        self._offered.set()
        self._open().tell([WORK])

    async def finish_work(self, run_id: str) -> None:
        await self._log.write(lambda db: db.execute("DELETE FROM work WHERE run = ?", (run_id,)).close())

    async def count_work(self) -> int:
        sql = "SELECT count(*) FROM work JOIN runs ON run_id = run WHERE status = 'running'"
        (count,) = await self._log.ask(lambda db: all_rows(db, sql)[0])
        return int(count)

    async def _try_take(self, worker: str, take: str, *, look_after: bool) -> str | None:
        self._open()
        now = self._log.now()
        idle_since = now - self._idle_s if look_after else None
        # An idle worker asks, and writes nothing.
        if not await self._log.ask(lambda db: _may_take(db, worker, take, idle_since)):
            return None
        return await self._log.write(lambda db: _take_one(db, worker, take, now, idle_since))

    def _is_closed(self) -> bool:
        return self._log.closed

    # ── requests ─────────────────────────────────────────────────────────────────────────────

    async def send(self, worker: str, request: bytes) -> bytes:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                return await self._open().ask(worker, request)
        except (TimeoutError, OSError, asyncio.IncompleteReadError) as exc:
            raise LogUnavailable(f"Worker {worker!r} does not answer.") from exc

    async def commands(self, worker: str) -> AsyncGenerator[PeerRequest, None]:
        # Bounded; who comes when it is full waits, and gives up.
        queue: asyncio.Queue[PeerRequest] = asyncio.Queue(REQUESTS_WAITING)

        async def answer(body: bytes) -> bytes:
            reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

            async def give(answered: bytes) -> None:
                if not reply.done():
                    reply.set_result(answered)

            await queue.put(PeerRequest(body, give))
            async with asyncio.timeout(SEND_SECONDS):
                return await reply

        server = await self._open().serve(worker, answer)
        try:
            while True:
                yield await queue.get()
        finally:
            server.close()
            if self._sockets is not None:
                self._sockets.silence(worker)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _open(self) -> WorkerSockets:
        if self._log.closed:
            raise LogUnavailable("The log is closed.")
        if self._sockets is None:
            path = self._log.path
            try:
                self._sockets = WorkerSockets(path.with_name(f"{path.name}-workers"), self._hear)
            except OSError as exc:
                raise LogUnavailable(f"no socket can be made beside {path}: {exc}") from exc
        return self._sockets

    def _hear(self, news: bytes) -> None:
        if news == WORK:
            self._offered.set()
        else:
            self._log.changed_elsewhere(None if news == EVERYTHING else news.decode(errors="replace"))


def _offer(db: sqlite3.Connection, run_id: str) -> None:
    db.execute("INSERT OR IGNORE INTO work (run) VALUES (?)", (run_id,)).close()


_LOST = """
    SELECT work.n FROM work JOIN runs ON run_id = run LEFT JOIN workers ON worker = taker
    WHERE taker IS NOT NULL AND taker <> ? AND taken_at < ? AND status = 'running' AND token = 1
    AND coalesce(until, 0) <= ? ORDER BY work.n LIMIT 1
"""


def _may_take(db: sqlite3.Connection, worker: str, take: str, idle_since: float | None) -> bool:
    """Whether it is worth a transaction to look for work."""
    if one_row(db, "SELECT 1 FROM work WHERE taker IS NULL OR take = ? LIMIT 1", take) is not None:
        return True
    # Whose taker lives, the transaction finds out.
    return idle_since is not None and (
        one_row(db, "SELECT 1 FROM work WHERE taker <> ? AND taken_at < ? LIMIT 1", worker, idle_since)
        is not None
    )


def _take_one(
    db: sqlite3.Connection, worker: str, take: str, now: float, idle_since: float | None
) -> str | None:
    """Give a run to *worker*; None if there is none. The same *take* gets the same run."""
    if (found := one_row(db, "SELECT run FROM work WHERE take = ?", take)) is not None:
        return str(found[0])
    while True:
        sql = (
            "SELECT work.n, status, token FROM work LEFT JOIN runs ON run_id = run"
            " WHERE taker IS NULL ORDER BY work.n LIMIT 1"
        )
        waiting = one_row(db, sql)
        if waiting is None:
            break
        number, status, token = waiting
        if status != "running":
            db.execute("DELETE FROM work WHERE n = ?", (number,)).close()
        elif token != 1:
            # Its owner died while it waited, and another worker has it.
            db.execute("UPDATE work SET taker = '' WHERE n = ?", (number,)).close()
        else:
            return _give(db, number, worker, take, now)
    lost = None if idle_since is None else one_row(db, _LOST, worker, idle_since, now)
    return None if lost is None else _give(db, lost[0], worker, take, now)


def _give(db: sqlite3.Connection, number: int, worker: str, take: str, now: float) -> str:
    sql = "UPDATE work SET taker = ?, take = ?, taken_at = ? WHERE n = ? RETURNING run"
    row = one_row(db, sql, worker, take, now, number)
    return str(row[0])
