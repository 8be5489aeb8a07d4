"""Work and commands between workers of a log in several partitions: all of it in the log's home.

The runs lie elsewhere, so whether work still waits is looked up after it was taken. A taker that dies in between has
the work as one that died before its claim has, and whoever looks after the dead finds it.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from ....errors import LogUnavailable
from ...queued_status import UNCLAIMED
from ..cluster import RedisCluster, SharedRedis
from ..keys import Keys
from ..scripts.work import LEFT_BEHIND, PASS_OVER, TAKE_LEFT, TAKE_NEXT


class RunStates(Protocol):
    """Where the runs are."""

    async def state_of(self, run_id: str) -> tuple[str, int] | None: ...
    def note_offered(self, run_id: str) -> None: ...


class PartitionedWork(RedisCluster):
    """A `Cluster` in a log's *home*, for the runs that *states* knows."""

    def __init__(self, home: SharedRedis, states: RunStates, *, idle_s: float = 5.0) -> None:
        super().__init__(home, idle_s=idle_s)
        self._states = states

    async def _try_take(self, worker: str, take: str, *, look_after: bool) -> str | None:
        keys = await self._keys()
        await self._subscribe(keys.work, self._note_work)
        took = keys.took(take)
        while (answer := await self._log.script(TAKE_NEXT, (keys.work, took), worker)) is not None:
            run_id = bytes(answer).decode()
            if await self._waits(keys, run_id, took):
                return run_id
        return await self._take_left(keys, worker, took) if look_after else None

    def _note_offered(self, run_id: str) -> None:
        self._states.note_offered(run_id)

    async def _take_left(self, keys: Keys, worker: str, took: str) -> str | None:
        """Take what a worker left behind that died before its claim."""
        at: str | bytes = "-"
        while at:
            left = (keys.work, keys.workers)
            at, *found = await self._log.script(LEFT_BEHIND, left, worker, self._idle_ms, at)
            entries, runs = found[::2], [bytes(run_id).decode() for run_id in found[1::2]]
            waiting = await asyncio.gather(*(self._waits(keys, run_id, took) for run_id in runs))
            for entry, run_id, waits in zip(entries, runs, waiting, strict=True):
                if not waits:
                    continue
                taken = await self._log.script(
                    TAKE_LEFT, (keys.work, took), worker, self._idle_ms, entry, run_id
                )
                if taken is not None:
                    return bytes(taken).decode()
        return None

    async def _waits(self, keys: Keys, run_id: str, took: str) -> bool:
        """Whether a run waits for its first claim; work for runs that are over goes."""
        try:
            state = await self._states.state_of(run_id)
        except LogUnavailable:
            # Its partition is unavailable, this one is not: whoever takes it waits for that one run.
            return True
        if state is not None and state == ("running", UNCLAIMED):
            return True
        is_over = state is None or state[0] != "running"
        await self._log.script(PASS_OVER, (keys.work, keys.work_ids, took), run_id, int(is_over))
        return False
