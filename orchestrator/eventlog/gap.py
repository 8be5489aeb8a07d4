"""What stands instead of events that a reader cannot have: a notice, and the states of the runs. Owns no reading on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from ..errors import GapError
from ..events.base import OPEN_STATUSES
from ..events.encoding import clean_text
from ..events.run import RunGap
from ..events.snapshot import Snapshot
from .base import Bounds, Cursor, EventLog, parse_cursor
from .view import View

PAGE_EVENTS = 256
"""Most entries read at once, so that a replay of any length needs bounded memory."""

UNSEEN_EVENTS = 4096
"""How far back a gap looks for what a snapshot lacks: some appends that are under way."""

REQUESTED_CHARS = 200
"""How much of a strange cursor is said back."""

Snapshots = Callable[[], Awaitable[list[Snapshot] | AsyncGenerator[Snapshot, None]]]
"""Makes the states that stand for what was missed: a list, or one after the other if all of them may fill memory."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The cursor could not be used: the notice, then what stands instead, at `cursor`.

    States that come one after the other are sent in as many gaps: the first has the notice, the last where to go on.
    `seen` is, by run, the seq up to which the snapshots hold its events; some may lie behind `cursor`.
    """

    notice: RunGap
    snapshots: list[Snapshot]
    cursor: Cursor
    seen: dict[str, int]
    is_first: bool = True
    is_last: bool = True


async def gaps(
    log: EventLog, view: View, exc: GapError, requested: str, snapshots: Snapshots
) -> AsyncGenerator[Gap, None]:
    """Yield what stands for what was missed: at once if its states are a list, else state by state."""
    bounds = await log.open(view.channel)
    found = await snapshots()
    if isinstance(found, list):
        wanted = [each for each in found if view.runs is None or each.run_id in view.runs]
        # Asked after the states, which may hold what was appended meanwhile: it names no older end than theirs.
        yield await _whole_gap(log, view, bounds, wanted, await _notice(log, view, exc, requested))
        return
    seen: dict[str, int] = {}
    running: dict[str, int] = {}
    held, notice, is_first = None, None, True
    async with aclosing(found):
        async for state in found:
            if view.runs is not None and state.run_id not in view.runs:
                continue
            seen[state.run_id] = _seen(state, bounds)
            if state.status in OPEN_STATUSES:
                running[state.run_id] = seen[state.run_id]
            if notice is None:
                notice = await _notice(log, view, exc, requested)
            if held is not None:
                yield Gap(notice, [held], Cursor(bounds.epoch, 0), {}, is_first, is_last=False)
                is_first = False
            held = state
    if held is None or notice is None:
        yield await _whole_gap(log, view, bounds, [], await _notice(log, view, exc, requested))
        return
    after = await _before_unseen(log, view.channel, bounds, running)
    yield Gap(notice, [held], Cursor(bounds.epoch, after), seen, is_first)


async def _notice(log: EventLog, view: View, exc: GapError, requested: str) -> RunGap:
    now = await log.open(view.channel)
    # A header may hold any bytes, and aiohttp hands those that are no UTF-8 on as lone surrogates.
    shown = clean_text(requested[:REQUESTED_CHARS])
    return RunGap(exc.reason, shown, now.id(now.first), now.id(now.last))


async def _whole_gap(
    log: EventLog, view: View, bounds: Bounds, states: list[Snapshot], notice: RunGap
) -> Gap:
    seen = {each.run_id: _seen(each, bounds) for each in states}
    if view.run_id is not None:
        # Others of the channel may have pushed out what followed the run's own last event.
        after = max(bounds.first - 1, *seen.values()) if seen else bounds.last
    else:
        running = {each.run_id: seen[each.run_id] for each in states if each.status in OPEN_STATUSES}
        after = await _before_unseen(log, view.channel, bounds, running)
    return Gap(notice, states, Cursor(bounds.epoch, after), seen)


def _seen(snapshot: Snapshot, bounds: Bounds) -> int:
    """Return the seq up to which *snapshot* holds its run's events."""
    at = parse_cursor(snapshot.last_event_id or "")
    return at.seq if at is not None and at.epoch == bounds.epoch else bounds.last


async def _before_unseen(log: EventLog, channel: str, bounds: Bounds, running: dict[str, int]) -> int:
    """Return the seq after which to go on so that each event is in a snapshot or comes: mostly the newest.

    A log that takes its time holds events of a run's last append before the run's snapshot does.
    """
    start = max(bounds.first - 1, bounds.last - UNSEEN_EVENTS, min(running.values(), default=bounds.last))
    cursor = Cursor(bounds.epoch, start)
    try:
        while cursor.seq < bounds.last and (page := await log.read(channel, cursor, most=PAGE_EVENTS)):
            for entry in page:
                if entry.seq > running.get(entry.run_id, entry.seq):
                    return entry.seq - 1
            cursor = Cursor(bounds.epoch, page[-1].seq)
    except GapError:
        pass  # trimmed meanwhile: whoever reads on from the newest hears of it
    return bounds.last
