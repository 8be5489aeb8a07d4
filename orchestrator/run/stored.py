"""Runs that this worker does not run: read from the log, and answered as far as that goes."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace

import msgspec

from ..agent.attempt import Stop
from ..errors import Conflict, GapError, LogUnavailable, NotFound
from ..eventlog.base import Cursor, Entry, EventLog
from ..eventlog.queued_status import shown_status
from ..eventlog.run_store import RunRecord
from ..events.agent import Approval
from ..events.base import RunStatus
from ..events.encoding import decode_time, decode_to_pass_on
from ..events.json_chunks import PIECE_BYTES
from ..events.snapshot import Snapshot
from ..panels.settings import PanelSettings
from .spec import known_spec_of
from .state import Participant, RunState

PAGE_EVENTS = 256
FOLDED_BYTES = 256 * 1024
"""Of events, decoded in one round of the event loop: a page may have four times as much."""

FOLD_TRIES = 8
KEPT_RUNS = 256
"""Ended runs whose state is kept, because lists and reconnecting clients ask for the same ones again."""

KEPT_CHARS = 32 * 1024 * 1024
"""Of all states that are kept: those of 256 runs with long answers would fill memory, and no option bounds it."""


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

    def approve(self, agent_id: str, answer: Approval) -> None:
        """Raise NotFound: nothing waits any more."""
        self._require(agent_id)
        raise NotFound(f"Agent {agent_id!r} waits for no approval of call {answer.call_id!r}.")

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
            payload = decode_to_pass_on(entry.agent_id, entry.type, entry.data)
        except msgspec.MsgspecError:
            return
        self._newest = entry
        if payload is not None:
            self._state.fold(entry.agent_id, payload, entry.id)
            self._state.digest.take(entry, payload)

    def finish(self) -> RunState:
        state, record = self._state, self._record
        state.is_queued = shown_status(record.status, record.token, record.created_at) == "queued"
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
        self._sizes: dict[str, int] = {}
        self._size = 0
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
        return StoredRun(state) if record.ended_at is None else self.keep(state, await size_of(state))

    def keep(self, state: RunState, size: int) -> StoredRun:
        """Keep an ended run's state. The log may lose what it was folded from: a long run's first events.

        Args:
            size: As `size_of` says.
        """
        if state.spec.images:
            # Nobody needs them any more, and those of all the runs kept here would fill memory.
            state.spec = replace(state.spec, images=())
        run = StoredRun(state)
        self.drop(state.spec.run_id)
        self._kept[state.spec.run_id], self._sizes[state.spec.run_id] = run, size
        self._size += size
        while self._kept and (len(self._kept) > KEPT_RUNS or self._size > KEPT_CHARS):
            self.drop(next(iter(self._kept)))
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
        fold, after, size = _Fold(record), None, 0
        while page := await self._log.read_run(record.channel, record.run_id, after, most=PAGE_EVENTS):
            for entry in page:
                fold.take(entry)
                size += len(entry.data)
                if size > FOLDED_BYTES:
                    size = 0
                    await asyncio.sleep(0)
            after = Cursor(page[-1].epoch, page[-1].seq)
            await asyncio.sleep(0)
        return fold.finish()

    async def glance(self, record: RunRecord) -> StoredRun:
        """Return a run's state without keeping it, and make one at a time: a reader may ask for each of a channel's.

        Raises:
            LogUnavailable: The store does not answer.
        """
        kept = self._kept.get(record.run_id)
        if kept is not None:
            return kept
        async with self._passing:
            return StoredRun(await self.fold(record))

    def drop(self, run_id: str) -> None:
        """Forget what is kept of a run."""
        if self._kept.pop(run_id, None) is not None:
            self._size -= self._sizes.pop(run_id)


async def size_of(state: RunState) -> int:
    """Return about how many characters a state holds; what it holds beside texts is encoded piece by piece."""
    size = len(state.spec.message) + state.digest.size
    measured = 0
    for each in list(state.participants.values()):
        size += len(each.text) + sum(len(turn.text) for turn in each.turns)
        content = each.content
        for item in () if content is None else (*content.data, *content.sources, *content.files):
            measured += len(msgspec.json.encode(item))
            if measured > PIECE_BYTES:
                size, measured = size + measured, 0
                await asyncio.sleep(0)
    return size + measured
