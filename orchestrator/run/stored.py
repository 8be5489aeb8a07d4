"""Runs that this worker does not run: read from the log, and answered as far as that goes."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import msgspec

from ..agent.attempt import Stop
from ..errors import Conflict, GapError, LogUnavailable, NotFound
from ..eventlog.base import Cursor, Entry, EventLog
from ..eventlog.run_store import RunRecord
from ..events.base import RunStatus
from ..events.encoding import decode_payload, decode_time
from ..events.snapshot import Snapshot
from ..panels.settings import PanelSettings
from .spec import known_spec_of
from .state import Participant, RunState

PAGE_EVENTS = 256
FOLD_TRIES = 8
ROUND_ITEMS = 32
_T = TypeVar("_T")
KEPT_RUNS = 256
"""Ended runs whose state is kept, because lists and reconnecting clients ask for the same ones again."""


async def in_rounds(items: Iterable[_T]) -> AsyncIterator[_T]:
    """Yield *items*, a few in each round of the loop, which is everybody's."""
    for n, item in enumerate(items):
        if n and n % ROUND_ITEMS == 0:
            await asyncio.sleep(0)
        yield item


class StoredRun:
    """A run as the log has it. It has ended, or another worker runs it."""

    def __init__(self, state: RunState) -> None:
        self.state = state
        self.spec = state.spec

    @property
    def status(self) -> RunStatus:
        return self.state.status

    @property
    def participants(self) -> dict[str, Participant]:
        return self.state.participants

    @property
    def t(self) -> int:
        """Milliseconds from the run's start to now, or to its end."""
        elapsed = (self.state.ended_at or int(time.time() * 1000)) - self.state.created_at
        return max(self.state.t, elapsed)  # the clock may have been set back

    def snapshot(self) -> Snapshot:
        return self.state.snapshot()

    def cancel(self, stop: Stop, agent_id: str | None = None) -> None:
        """Do nothing: what has ended stays as it is.

        Raises:
            NotFound: The agent does not take part.
        """
        self._require(agent_id)

    async def add(self, agent_id: str) -> None:
        """Raise Conflict: the run has ended."""
        raise Conflict("The run has ended; start a new one.")

    async def retry(self, agent_id: str) -> None:
        """Raise Conflict: the run has ended."""
        self._require(agent_id)
        raise Conflict("The run has ended; start a new one.")

    def approve(self, agent_id: str, call_id: str, approve: bool, reason: str | None = None) -> None:
        """Raise NotFound: nothing waits any more."""
        self._require(agent_id)
        raise NotFound(f"Agent {agent_id!r} waits for no approval of call {call_id!r}.")

    def start_panel_over(self, panel: PanelSettings) -> None:
        """Raise Conflict: the run has ended."""
        raise Conflict("The run has ended; start a new one.")

    def _require(self, agent_id: str | None) -> None:
        if agent_id is not None and agent_id not in self.state.participants:
            raise NotFound(f"Agent {agent_id!r} takes no part in this run.")


class _Fold:
    """One run's events on their way into its state."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._state = RunState(known_spec_of(record), record.created_at)
        self._newest: Entry | None = None

    def take(self, entry: Entry) -> None:
        """Fold one event; one that this release cannot read is left out, so that the others are still read."""
        try:
            payload = decode_payload(entry.agent_id, entry.type, entry.data)
        except msgspec.MsgspecError:
            return
        self._newest = entry
        if payload is not None:
            self._state.fold(entry.agent_id, payload, entry.id)

    def finish(self) -> RunState:
        state, record = self._state, self._record
        if self._newest is not None:
            state.t = decode_time(self._newest.data)
        if record.ended_at is not None:
            state.status, state.ended_at = record.status, record.ended_at
        return state


class StoredRuns:
    """Reads runs back from the log; the states of ended ones are kept for a while."""

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._kept: OrderedDict[str, StoredRun] = OrderedDict()
        self._passing = asyncio.Lock()

    async def read(self, record: RunRecord) -> StoredRun:
        """Fold a run's events into its state.

        Raises:
            LogUnavailable: The store does not answer.
        """
        kept = self._kept.get(record.run_id)
        if kept is not None:
            self._kept.move_to_end(record.run_id)
            return kept
        state = await self.fold(record)
        return StoredRun(state) if record.ended_at is None else self.keep(state)

    def keep(self, state: RunState) -> StoredRun:
        """Keep an ended run's state. The log may lose what it was folded from: a long run's first events."""
        if state.spec.images:
            # Nobody needs them any more, and those of all the runs kept here would fill memory.
            state.spec = replace(state.spec, images=())
        run = self._kept[state.spec.run_id] = StoredRun(state)
        if len(self._kept) > KEPT_RUNS:
            self._kept.popitem(last=False)
        return run

    async def fold(self, record: RunRecord) -> RunState:
        """Fold a run's events into a state of the caller's own; anew if some are trimmed meanwhile.

        Raises:
            LogUnavailable: The store does not answer.
        """
        for _ in range(FOLD_TRIES):
            with suppress(GapError):
                return await self._fold(record)
        raise LogUnavailable(f"The events of run {record.run_id!r} are trimmed faster than they can be read.")

    async def _fold(self, record: RunRecord) -> RunState:
        fold, after = _Fold(record), None
        while page := await self._log.read_run(record.channel, record.run_id, after, most=PAGE_EVENTS):
            for entry in page:
                fold.take(entry)
            after = Cursor(page[-1].epoch, page[-1].seq)
            await asyncio.sleep(0)
        return fold.finish()

    async def read_channel(self, channel: str, records: Sequence[RunRecord]) -> list[StoredRun]:
        """Return runs of one channel in the order of *records*, in one pass over its events.

        Raises:
            LogUnavailable: The store does not answer.
        """
        unknown = [record for record in records if record.run_id not in self._kept]
        found = {each.run_id: self._kept[each.run_id] for each in records if each.run_id in self._kept}
        # One at a time: each holds the states of a whole channel.
        async with self._passing:
            for _ in range(FOLD_TRIES):
                folds = {record.run_id: _Fold(record) async for record in in_rounds(unknown)}
                with suppress(GapError):
                    await self._pass_over(channel, folds)
                    ended = {
                        run_id: StoredRun(fold.finish()) async for run_id, fold in in_rounds(folds.items())
                    }
                    return [found.get(record.run_id) or ended[record.run_id] for record in records]
        raise LogUnavailable(f"The events of channel {channel!r} are trimmed faster than they can be read.")

    async def _pass_over(self, channel: str, folds: Mapping[str, _Fold]) -> None:
        """Fold every event of *channel* that is one of *folds*' runs'. Raises GapError."""
        if not folds:
            return
        bounds = await self._log.open(channel)
        cursor = Cursor(bounds.epoch, bounds.first - 1)
        while page := await self._log.read(channel, cursor, most=PAGE_EVENTS):
            for entry in page:
                fold = folds.get(entry.run_id)
                if fold is not None:
                    fold.take(entry)
            cursor = Cursor(page[-1].epoch, page[-1].seq)
            # A log in memory never waits, and the loop is everybody's.
            await asyncio.sleep(0)

    def drop(self, run_id: str) -> None:
        """Forget what is kept of a run."""
        self._kept.pop(run_id, None)
