"""Creates a run once whose idempotency key lies in another partition than the run. Owns no connection.

The key is reserved first, then the run created. Who finds a key reserved for a run that does not exist waits for it a
moment; then its creator has crashed in between, or is late: the run is made impossible, and the key taken over.
"""

from __future__ import annotations

import asyncio

from ....errors import LogUnavailable
from ...run_store import RunRecord
from .partition_runs import Reservation
from .partitions import Partitions

LATE_SECONDS = 3.0
"""How long a reserved key waits for its run."""

LOOK_AGAIN_SECONDS = 0.05


async def create_with_key(partitions: Partitions, record: RunRecord) -> RunRecord:
    """Create a run, or return the one that its key started. Raises LogUnavailable."""
    keys, runs = partitions.of(record.key or ""), partitions.of(record.channel)
    stale = b""
    while True:
        held = await keys.reserve(record, stale)
        if held.run_id == record.run_id:
            made = await runs.try_create(record, reserved=True)
            if isinstance(made, RunRecord):
                return made
            held = await keys.reserve(record, stale)
            if held.run_id == record.run_id:
                # Whoever made this run impossible has not come to take its key over.
                raise LogUnavailable("The run was taken for lost before it was created; start it again.")
        found = await _run_of(partitions, held, record.key or "")
        if found is not None:
            return found
        if await _is_over(partitions, held, record.key or ""):
            stale = held.raw
        else:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


async def _run_of(partitions: Partitions, held: Reservation, key: str) -> RunRecord | None:
    return await partitions.of(key if held.channel is None else held.channel).find_kept(held.run_id)


async def _is_over(partitions: Partitions, held: Reservation, key: str) -> bool:
    """Whether the key's run is not there, and will never be."""
    if held.channel is None:
        return True  # it was created in the step that took the key, so it has been forgotten
    if held.age_ms < LATE_SECONDS * 1000:
        return False
    return await partitions.of(held.channel).void(held.run_id) is None
