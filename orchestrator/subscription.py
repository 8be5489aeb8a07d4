"""From a cursor to the end of the log: the one way to read, for replay and live alike.

A subscription is a cursor and a wake-up; it holds no queue, so a slow reader costs the agents
nothing. Owns filtering and the detection of gaps; framing and sockets are elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass

from .errors import GapError
from .eventlog.base import Bounds, Cursor, Entry, EventLog, check_cursor, make_gap, parse_cursor
from .events import RunDone, RunGap, Snapshot, clean_text

PAGE_EVENTS = 256
"""Most entries read at once, so that a replay of any length needs bounded memory."""

HEARTBEAT_SECONDS = 15.0
REQUESTED_CHARS = 200
"""How much of a strange cursor is said back."""

Snapshots = Callable[[], Awaitable[list[Snapshot]]]


@dataclass(frozen=True, slots=True)
class View:
    """What a subscriber wants to see.

    Args:
        run_id: Only this run's entries, and the end of the run ends the subscription; None for all.
        agents: Only these agents' events, and every event of the run itself; None for all.
        runs: Only these runs' entries, without an end; None for all.
    """

    channel: str
    run_id: str | None = None
    agents: frozenset[str] | None = None
    runs: frozenset[str] | None = None

    def keeps(self, entry: Entry) -> bool:
        if self.run_id is not None and entry.run_id != self.run_id:
            return False
        if self.runs is not None and entry.run_id not in self.runs:
            return False
        return self.agents is None or entry.agent_id is None or entry.agent_id in self.agents

    @property
    def everything(self) -> bool:
        return self.run_id is None and self.agents is None and self.runs is None


@dataclass(frozen=True, slots=True)
class Gap:
    """The cursor could not be used: the notice, then what stands instead, at `cursor`."""

    notice: RunGap
    snapshots: list[Snapshot]
    cursor: Cursor


class Idle:
    """The subscriber heard nothing for `HEARTBEAT_SECONDS`, whatever others heard meanwhile."""


IDLE = Idle()
Item = list[Entry] | Gap | Idle


async def follow(
    log: EventLog,
    view: View,
    requested: str | None,
    snapshots: Snapshots,
    *,
    heartbeat_s: float | None = None,
) -> AsyncGenerator[Item, None]:
    """Yield what *view* keeps, from the cursor on: pages of entries, gaps, idle times.

    Args:
        requested: The client's last id as it came; None starts at the first event.
        snapshots: Makes the state that is told after a gap.
        heartbeat_s: Seconds of silence before an idle time is told; None takes `HEARTBEAT_SECONDS`.

    Ends after `run.done` where the view is of one run, else never. Cancelling is safe.

    Raises:
        Gone: The run was deleted while it was read (from *snapshots*).
    """
    clock = asyncio.get_running_loop().time
    silence_s = HEARTBEAT_SECONDS if heartbeat_s is None else heartbeat_s
    bounds = await log.open(view.channel)
    cursor = Cursor(bounds.epoch, 0)
    stranded: GapError | None = None
    try:
        cursor = _start(requested, bounds)
    except GapError as exc:
        stranded = exc
    told_at = clock()
    while True:
        if stranded is not None:
            gap = await _gap(log, view, stranded, requested or f"{cursor.epoch}-{cursor.seq}", snapshots)
            yield gap
            if _ended(view, gap.snapshots):
                return
            cursor, requested, stranded, told_at = gap.cursor, None, None, clock()
        try:
            page = await log.read(view.channel, cursor, most=PAGE_EVENTS)
        except GapError as exc:
            if exc.reason == "epoch" and not cursor.seq and view.run_id is None:
                # An empty channel may go and come again while we wait: nothing was seen, nothing is missed.
                cursor = Cursor((await log.open(view.channel)).epoch, 0)
            else:
                stranded = exc
            continue
        if page:
            cursor = Cursor(page[-1].epoch, page[-1].seq)
            kept = page if view.everything else [entry for entry in page if view.keeps(entry)]
            if kept:
                yield kept
                if view.run_id is not None and _is_end(kept[-1]):
                    return
                told_at = clock()
        else:
            woken = await log.wait(view.channel, cursor, max(0.0, told_at + silence_s - clock()))
            if not woken and view.run_id is not None:
                await snapshots()  # raises where the run was deleted: nothing would ever come
        # Others' events are silence to a subscriber who filters them out.
        if clock() - told_at >= silence_s:
            yield IDLE
            told_at = clock()


def _start(requested: str | None, bounds: Bounds) -> Cursor:
    """Turn what the client sent into a cursor, or raise the GapError that says why not."""
    cursor = parse_cursor(requested) if requested else Cursor(bounds.epoch, 0)
    if cursor is None:
        raise make_gap("malformed", bounds)
    check_cursor(cursor, bounds)
    return cursor


async def _gap(log: EventLog, view: View, exc: GapError, requested: str, snapshots: Snapshots) -> Gap:
    bounds = await log.open(view.channel)
    told = await snapshots()
    # A header may hold any bytes, and aiohttp hands those that are no UTF-8 on as lone surrogates.
    shown = clean_text(requested[:REQUESTED_CHARS])
    notice = RunGap(exc.reason, shown, exc.earliest, exc.latest)
    return Gap(notice, told, _resume_at(view, bounds, told))


def _resume_at(view: View, bounds: Bounds, told: list[Snapshot]) -> Cursor:
    """Tell where to go on after a gap: behind the log's newest entry, or what the run's snapshot has seen.

    A log that takes its time may hold events that the snapshot lacks, and have lacked some that it has.
    """
    seen = parse_cursor(told[0].last_event_id or "") if view.run_id is not None and told else None
    if seen is None or seen.epoch != bounds.epoch:
        return Cursor(bounds.epoch, bounds.last)
    # Others of the channel may have pushed out what followed the run's own last event.
    return Cursor(bounds.epoch, max(seen.seq, bounds.first - 1))


def _ended(view: View, snapshots: list[Snapshot]) -> bool:
    return view.run_id is not None and all(snapshot.status != "running" for snapshot in snapshots)


def _is_end(entry: Entry) -> bool:
    return entry.agent_id is None and entry.type == RunDone.TYPE


def parse_names(text: str | None) -> frozenset[str] | None:
    """Read `?agents=a,b` and the like; None keeps all."""
    return None if text is None else frozenset(part.strip() for part in text.split(",") if part.strip())
