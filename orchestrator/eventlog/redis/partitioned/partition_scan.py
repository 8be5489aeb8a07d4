"""Who owns running runs in all partitions, and what has ended there, without asking each of them each time.

An idle worker looks twice a second for runs of dead workers and for what has expired. Of sixteen partitions it asks
one in its turn; what this process changed itself is counted at once, what another one changed is known when the turn
comes. Nothing is decided by what is kept here: runs are claimed and forgotten in their partition.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from ....errors import LogUnavailable
from .partition import RedisPartition
from .partitions import Partitions


@dataclass(slots=True)
class _Seen:
    """A partition as it was when it was asked, and as this process has changed it since."""

    owners: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    first_ended: int | None = None
    """When the run ended that ended first (ms)."""


class PartitionScan:
    """What is known of the partitions."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._seen = {member: _Seen() for member in partitions}
        self._stale = set(partitions)
        self._turn = 0

    async def look(self) -> None:
        """Ask the partition whose turn it is, and those of which it is not known how they stand."""
        self._turn = (self._turn + 1) % len(self._partitions.members)
        await self._ask({self._partitions.members[self._turn], *self._stale})

    async def refresh(self) -> None:
        """Ask those partitions of which it is not known how they stand."""
        await self._ask(self._stale.copy())

    def doubt(self, member: RedisPartition | None = None) -> None:
        """Let a partition be asked, or all, before its turn."""
        self._stale.update(self._partitions if member is None else (member,))

    async def _ask(self, members: set[RedisPartition]) -> None:
        self._stale -= members
        asked = list(members)
        answers = await asyncio.gather(*(each.survey() for each in asked), return_exceptions=True)
        failures = []
        for member, answer in zip(asked, answers, strict=True):
            if isinstance(answer, BaseException):
                self._stale.add(member)
                failures.append(answer)
            else:
                self._seen[member] = _Seen(Counter(answer.owners), answer.ended, answer.first_ended)
        # One shard's failure leaves the others' runs to be looked after.
        is_alone = any(isinstance(each, LogUnavailable) for each in failures) and len(self._stale) < len(
            self._partitions.members
        )
        for failure in failures:
            if not (is_alone and isinstance(failure, LogUnavailable)):
                raise failure

    # ── what is known ────────────────────────────────────────────────────────────────────────

    @property
    def owners(self) -> dict[str, int]:
        """Return the workers that own running runs, and how many each."""
        total = Counter[str]()
        for seen in self._seen.values():
            total.update(seen.owners)
        return {owner: count for owner, count in total.items() if count > 0}

    @property
    def ended(self) -> int:
        """Return how many runs have ended and are not forgotten."""
        return sum(seen.ended for seen in self._seen.values())

    def ended_before(self, time_ms: int) -> list[RedisPartition]:
        """Return the partitions in which a run ended before that time; what they hold is asked anew after this."""
        found = [
            member
            for member, seen in self._seen.items()
            if seen.first_ended is not None and seen.first_ended < time_ms
        ]
        self._stale.update(found)
        return found

    # ── what this process changes ────────────────────────────────────────────────────────────

    def note_owned(self, member: RedisPartition, owner: str, runs: int) -> None:
        """Note by how many *owner* has more runs now."""
        self._seen[member].owners[owner] += runs

    def note_owns(self, member: RedisPartition, owner: str, runs: int) -> None:
        """Note how many runs *owner* has, as the partition has just said."""
        self._seen[member].owners[owner] = runs

    def note_ended(self, member: RedisPartition, ended_at: int) -> None:
        """Note that a run has ended."""
        seen = self._seen[member]
        seen.ended += 1
        seen.first_ended = ended_at if seen.first_ended is None else min(seen.first_ended, ended_at)
