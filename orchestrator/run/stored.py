"""Runs that this worker does not run: read from the log, and answered as far as that goes."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import suppress

from ..agent.attempt import Stop
from ..errors import Conflict, GapError, LogUnavailable, NotFound
from ..eventlog.base import Cursor, EventLog
from ..eventlog.run_store import RunRecord
from ..events.base import RunStatus
from ..events.encoding import decode_payload, decode_time
from ..events.snapshot import Snapshot
from ..panels.settings import PanelSettings
from .spec import spec_of
from .state import Participant, RunState

PAGE_EVENTS = 1024
FOLD_TRIES = 8
KEPT_RUNS = 256
"""Ended runs whose state is kept, because lists and reconnecting clients ask for the same ones again."""


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

    def approve(self, agent_id: str, call_id: str, approve: bool) -> None:
        """Raise NotFound: nothing waits any more."""
        self._require(agent_id)
        raise NotFound(f"Agent {agent_id!r} waits for no approval of call {call_id!r}.")

    def start_panel_over(self, panel: PanelSettings) -> None:
        """Raise Conflict: the run has ended."""
        raise Conflict("The run has ended; start a new one.")

    def _require(self, agent_id: str | None) -> None:
        if agent_id is not None and agent_id not in self.state.participants:
            raise NotFound(f"Agent {agent_id!r} takes no part in this run.")


class StoredRuns:
    """Reads runs back from the log; the states of ended ones are kept for a while."""

    def __init__(self, event_log: EventLog) -> None:
        self._log = event_log
        self._kept: OrderedDict[str, StoredRun] = OrderedDict()

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
        run = self._kept[state.spec.run_id] = StoredRun(state)
        if len(self._kept) > KEPT_RUNS:
            self._kept.popitem(last=False)
        return run

    async def fold(self, record: RunRecord) -> RunState:
        """Fold a run's events into a state of the caller's own; anew where some are trimmed meanwhile.

        Raises:
            LogUnavailable: The store does not answer.
        """
        for _ in range(FOLD_TRIES):
            with suppress(GapError):
                return await self._fold(record)
        raise LogUnavailable(f"The events of run {record.run_id!r} are trimmed faster than they can be read.")

    async def _fold(self, record: RunRecord) -> RunState:
        state, newest = RunState(spec_of(record), record.created_at), None
        bounds = await self._log.open(record.channel)
        cursor = Cursor(bounds.epoch, bounds.first - 1)
        while page := await self._log.read(record.channel, cursor, most=PAGE_EVENTS):
            for entry in page:
                if entry.run_id == record.run_id:
                    newest = entry
                    payload = decode_payload(entry.agent_id, entry.type, entry.data)
                    if payload is not None:
                        state.fold(entry.agent_id, payload, entry.id)
            cursor = Cursor(page[-1].epoch, page[-1].seq)
        if newest is not None:
            state.t = decode_time(newest.data)
        if record.ended_at is not None:
            state.status, state.ended_at = record.status, record.ended_at
        return state

    def drop(self, run_id: str) -> None:
        """Forget what is kept of a run."""
        self._kept.pop(run_id, None)
