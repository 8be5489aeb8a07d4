"""From a cursor to the end of the log: the one way to read, for replay and live alike.

A subscription is a cursor and a wake-up; it holds no queue, so a slow reader costs the agents
nothing. Owns filtering and the detection of gaps; framing and sockets are elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress

from ..errors import GapError, LogUnavailable
from ..events.base import OPEN_STATUSES
from ..events.run import RunDone
from ..events.snapshot import Snapshot
from .base import Bounds, Cursor, Entry, EventLog, check_cursor, make_gap, parse_cursor
from .gap import PAGE_EVENTS, Gap, Snapshots, gaps
from .view import View

HEARTBEAT_SECONDS = 15.0

Sink = Callable[[list[Entry]], bool]
"""Sends entries without waiting; False if it cannot just now, and has sent nothing."""


class Idle:
    """The subscriber heard nothing for `HEARTBEAT_SECONDS`, whatever others heard meanwhile."""


IDLE = Idle()
Item = list[Entry] | Gap | Idle


def follow(
    log: EventLog,
    view: View,
    requested: str | None,
    snapshots: Snapshots,
    *,
    heartbeat_s: float | None = None,
    sink: Sink | None = None,
) -> AsyncGenerator[Item, None]:
    """Yield what *view* keeps, from the cursor on: pages of entries, gaps, idle times.

    Args:
        requested: The client's last id as it came; None starts at the first event.
        snapshots: Makes the state that is sent after a gap.
        heartbeat_s: Seconds of silence before an idle time is yielded; None takes `HEARTBEAT_SECONDS`.
        sink: Gets, in the turn in which they are appended, entries that would else be yielded, if the log can do
            that; all earlier ones have been yielded by then, and the caller waits for the next item.

    Ends after `run.done` if the view is of one run, else never. Cancelling is safe.

    Raises:
        Gone: The run was deleted while it was read (from *snapshots*).
    """
    silence_s = HEARTBEAT_SECONDS if heartbeat_s is None else heartbeat_s
    return _Reading(log, view, snapshots, silence_s, sink).items(requested)


class _Reading:
    """Where one subscriber stands: its cursor, and how long it and its run have been silent."""

    def __init__(
        self, log: EventLog, view: View, snapshots: Snapshots, silence_s: float, sink: Sink | None = None
    ) -> None:
        self._log = log
        self._view = view
        self._snapshots = snapshots
        self._silence_s = silence_s
        self._sink = sink
        self._clock = asyncio.get_running_loop().time
        self._cursor = Cursor("", 0)
        self._seen: dict[str, int] = {}
        self._replayed = view.run_id in (None, view.channel)
        """Whether the channel is read as a whole: nothing between the cursor and its end was the run's."""
        self._sent_at = self._alive_at = self._clock()

    async def items(self, requested: str | None) -> AsyncGenerator[Item, None]:
        """Yield as `follow` does."""
        stranded = await self._begin(requested)
        if await _stands_at_end(self._log, self._view, self._cursor):
            return
        while True:
            if stranded is not None:
                shown = requested or f"{self._cursor.epoch}-{self._cursor.seq}"
                telling_gaps = gaps(self._log, self._view, stranded, shown, self._snapshots)
                async with aclosing(_with_idle_times(telling_gaps, self._silence_s)) as telling:
                    async for item in telling:
                        yield item
                        if isinstance(item, Gap) and item.is_last:
                            if _ended(self._view, item.snapshots):
                                return
                            self._cursor, self._seen, self._sent_at = item.cursor, item.seen, self._clock()
                            self._replayed = self._view.run_id in (None, self._view.channel)
                        del item  # a state may be megabytes, and this waits long
                requested = stranded = None
            try:
                page = await self._read()
            except GapError as exc:
                stranded = await self._strand(exc)
                continue
            if not page:
                left_s = self._sent_at + self._silence_s - self._clock()
                take = None if self._sink is None or self._seen else self._take
                await self._log.wait(self._view.channel, self._cursor, max(0.0, left_s), take=take)
            elif kept := self._keep(page):
                yield kept
                if self._view.run_id is not None and _is_end(kept[-1]):
                    return
                del kept
                self._sent_at = self._alive_at = self._clock()
            # Others' events are silence to a subscriber who filters them out.
            if self._clock() - self._sent_at >= self._silence_s:
                if await self._has_ended_unheard():
                    return
                yield IDLE
                self._sent_at = self._clock()

    async def _read(self) -> list[Entry]:
        """Return the next page: of what was said before, in a channel that many runs share, only the run's own."""
        view = self._view
        if not self._replayed and view.run_id is not None:
            with suppress(LogUnavailable):  # then it waits below
                bounds = await self._log.open(view.channel)
                page = await self._log.read_run(view.channel, view.run_id, self._cursor, most=PAGE_EVENTS)
                if page:
                    return page
                self._replayed, self._cursor = True, Cursor(bounds.epoch, bounds.last)
        return await self._log.read(view.channel, self._cursor, most=PAGE_EVENTS)

    async def _begin(self, requested: str | None) -> GapError | None:
        """Take the client's cursor; return why it cannot be used."""
        bounds = await self._log.open(self._view.channel)
        self._cursor = Cursor(bounds.epoch, 0)
        try:
            self._cursor = await _start(self._log, self._view.channel, requested, bounds)
            if await _is_erased(self._log, self._view, self._cursor):
                raise make_gap("trimmed", bounds)
        except GapError as exc:
            self._sent_at = self._alive_at = self._clock()
            return exc
        self._sent_at = self._alive_at = self._clock()
        return None

    async def _strand(self, gap: GapError) -> GapError | None:
        """Return *gap*, or None if nothing was missed: an empty channel may go and come again while we wait."""
        if gap.reason != "epoch" or self._cursor.seq:
            return gap
        if self._view.run_id is not None:
            await self._snapshots()  # raises if the channel went because the run was deleted
        self._cursor = Cursor((await self._log.open(self._view.channel)).epoch, 0)
        return None

    def _keep(self, page: list[Entry]) -> list[Entry]:
        """Move behind *page*; return what of it the subscriber wants and has not had in a snapshot."""
        view, self._cursor = self._view, Cursor(page[-1].epoch, page[-1].seq)
        kept = view.kept(page)
        if self._seen:
            kept = [entry for entry in kept if entry.seq > self._seen.get(entry.run_id, 0)]
            self._seen = self._seen if self._cursor.seq < max(self._seen.values()) else {}
        if any(entry.run_id == view.run_id for entry in page):
            self._alive_at = self._clock()
        return kept

    def _take(self, added: list[Entry]) -> bool:
        """Hand on what was *added* behind the cursor, if nothing else is to be done about it."""
        first, last, view = added[0], added[-1], self._view
        if self._sink is None or first.seq != self._cursor.seq + 1 or first.epoch != self._cursor.epoch:
            return False
        kept = view.kept(added)
        if kept and (_is_end(kept[-1]) or not self._sink(kept)):
            return False
        self._cursor = Cursor(last.epoch, last.seq)
        if kept:
            self._sent_at = self._alive_at = self._clock()
        elif any(entry.run_id == view.run_id for entry in added):
            self._alive_at = self._clock()
        return True

    async def _states(self) -> list[Snapshot]:
        states = await self._snapshots()
        return states if isinstance(states, list) else [state async for state in states]

    async def _has_ended_unheard(self) -> bool:
        """Whether the run ended without an event that this subscriber could hear. Raises Gone if it was deleted."""
        if self._view.run_id is None or self._clock() - self._alive_at < self._silence_s:
            return False
        try:
            now = await self._states()
        except LogUnavailable:
            return False  # it is silent because the log is: its readers stay
        return _ended(self._view, now) and not any(_is_after(each, self._cursor) for each in now)


async def _is_erased(log: EventLog, view: View, cursor: Cursor) -> bool:
    """Whether the event at *cursor* went with its run: what its reader has not seen of that run is gone, too."""
    if view.run_id is not None or not cursor.seq:
        return False
    page = await log.read(view.channel, Cursor(cursor.epoch, cursor.seq - 1), most=1)
    return bool(page) and page[0].seq != cursor.seq


async def _start(log: EventLog, channel: str, requested: str | None, bounds: Bounds) -> Cursor:
    """Turn what the client sent into a cursor, or raise the GapError that says why not."""
    cursor = parse_cursor(requested) if requested else Cursor(bounds.epoch, 0)
    if cursor is None:
        raise make_gap("malformed", bounds)
    try:
        check_cursor(cursor, bounds)
    except GapError as exc:
        if exc.reason == "trimmed":
            raise
        # The bounds may be older than what another process has appended and sent to the client: whoever reads
        # asks the store itself, and raises the same if it is so.
        await log.read(channel, cursor, most=1)
    return cursor


async def _with_idle_times(
    gaps: AsyncGenerator[Gap, None], silence_s: float
) -> AsyncGenerator[Gap | Idle, None]:
    """Yield *gaps*, and idle times while the next takes long: a proxy would take the silence for an end."""

    async def following() -> Gap | None:
        return await anext(gaps, None)

    async with aclosing(gaps):
        while True:
            making = asyncio.ensure_future(following())
            try:
                while not (await asyncio.wait((making,), timeout=silence_s))[0]:
                    yield IDLE
            finally:
                if not making.done():
                    making.cancel()
                    await asyncio.wait((making,))
            gap = making.result()
            if gap is None:
                return
            yield gap


async def _stands_at_end(log: EventLog, view: View, cursor: Cursor) -> bool:
    """Whether *cursor* is that of the run's last event: its reader was faster than whoever wrote it."""
    if view.run_id is None or not cursor.seq:
        return False
    try:
        page = await log.read(view.channel, Cursor(cursor.epoch, cursor.seq - 1), most=1)
    except GapError:
        return False  # trimmed: no telling
    return any(entry.seq == cursor.seq and view.keeps(entry) and _is_end(entry) for entry in page)


def _is_after(snapshot: Snapshot, cursor: Cursor) -> bool:
    """Whether *snapshot* holds more than a reader at *cursor* has seen."""
    at = parse_cursor(snapshot.last_event_id or "")
    return at is not None and (at.epoch != cursor.epoch or at.seq > cursor.seq)


def _ended(view: View, snapshots: list[Snapshot]) -> bool:
    return view.run_id is not None and all(snapshot.status not in OPEN_STATUSES for snapshot in snapshots)


def _is_end(entry: Entry) -> bool:
    return entry.agent_id is None and entry.type == RunDone.TYPE


async def history(
    log: EventLog, view: View, requested: str, *, after: int = 0
) -> AsyncGenerator[list[Entry], None]:
    """Yield what *view* keeps later than the seq *after* up to the cursor *requested*, and with it, in pages.

    That is what its reader has seen.

    Events that were trimmed are missing; a cursor that cannot be used has no history. Cancelling is safe.
    """
    bounds = await log.open(view.channel)
    try:
        end = await _start(log, view.channel, requested, bounds)
        cursor = Cursor(bounds.epoch, max(after, bounds.first - 1))
        while cursor.seq < end.seq:
            if view.run_id is None:
                page = await log.read(view.channel, cursor, most=PAGE_EVENTS)
            else:
                page = await log.read_run(view.channel, view.run_id, cursor, most=PAGE_EVENTS)
            if not page:
                return
            cursor = Cursor(page[-1].epoch, page[-1].seq)
            kept = [entry for entry in page if entry.seq <= end.seq and view.keeps(entry)]
            if kept:
                yield kept
    except GapError:
        return  # `follow` says what stands instead


def parse_names(text: str | None) -> frozenset[str] | None:
    """Read `?agents=a,b` and the like; None keeps all."""
    return None if text is None else frozenset(part.strip() for part in text.split(",") if part.strip())
