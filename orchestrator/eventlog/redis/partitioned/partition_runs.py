"""What a log of several partitions asks of one about its runs, beside the `RunStore`. Chooses no partition."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ....errors import Gone
from ...run_store import RunRecord
from ..runs import CREATED, RedisRuns, counted, record_of
from ..scripts import partitions as scripts
from ..scripts import runs as run_scripts


def number_of(name: str, count: int) -> int:
    """Return which of *count* partitions a name is in: for ever the same."""
    # Not by the checksum that Redis' slots come from: names that differ in their last digits would share partitions.
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % count


def scored(flat: Sequence[bytes]) -> list[tuple[int, str]]:
    """Return score and name of each member, as a sorted set's command answers with scores: name, score, name, score."""
    return [(int(float(n)), bytes(name).decode()) for name, n in zip(flat[::2], flat[1::2], strict=True)]


class Reservation(NamedTuple):
    """Who has an idempotency key. `raw` is how it is kept; `channel` None: the run is in the key's own partition."""

    raw: bytes
    age_ms: int = 0

    @property
    def run_id(self) -> str:
        return self.raw.split(b" ")[0].decode()

    @property
    def channel(self) -> str | None:
        words = self.raw.split(b" ", 2)
        return words[2].decode() if len(words) == 3 else None


class PartitionContent(NamedTuple):
    """What a partition holds."""

    size: int
    conversation_bytes: int
    tombstones: int
    conversations: int


class ScannedPartition(NamedTuple):
    """Who owns running runs in a partition, and what has ended there. `first_ended` is a time in ms."""

    owners: dict[str, int]
    ended: int
    first_ended: int | None


class PartitionRuns(RedisRuns):
    """A `RunStore` that may be one of several."""

    keeps: Callable[[str], bool] | None = None
    """Whether an idempotency key is this partition's; None if it is the only one."""

    def become_one_of(self, count: int, number: int) -> None:
        """Be the partition of that *number*."""
        self.keeps = lambda name: number_of(name, count) == number

    def _manner(self, record: RunRecord) -> str:
        if self.keeps is None:
            return ""
        return "clock" if record.key is None or self.keeps(record.key) else "reserved"

    # ── runs ─────────────────────────────────────────────────────────────────────────────────

    def executes(self, run_id: str) -> bool:
        """Whether this process plays the owner's part of a run in here."""
        return run_id in self._own

    async def try_create(self, record: RunRecord, *, reserved: bool = False) -> RunRecord | Reservation:
        """Create a run, or return who has its key; one without a name: this run can never be created.

        Args:
            reserved: The key was reserved for it.
        """
        raw = await self._create(record, "reserved" if reserved else "")
        if raw != CREATED and raw[0] == b"":
            return Reservation(bytes(raw[1]))
        return self._keep(record, raw)

    async def find_kept(self, run_id: str) -> RunRecord | None:
        """Return a run that was not forgotten."""
        try:
            return await self.find_run(run_id)
        except Gone:
            return None

    async def state_of(self, run_id: str) -> tuple[str, int] | None:
        """Return status and token of a run, if it is here."""
        found = await self._do(scripts.STATE, run_id)
        return None if found is None else (bytes(found[0]).decode(), int(found[1]))

    async def knows(self, run_id: str) -> bool | None:
        """Return True if a run is here, or was until it was forgotten."""
        return (await self._do(run_scripts.FIND, run_id)) is not None or None

    async def newest(self, limit: int, before: int | None) -> list[tuple[int, str]]:
        """Return place and name of up to *limit* runs of a smaller place, the newest first."""
        await self.ready()
        top = "+inf" if before is None else f"({before}"
        return scored(
            await self._link.call(
                "ZREVRANGEBYSCORE", self.keys.runs, top, "-inf", "WITHSCORES", "LIMIT", 0, limit
            )
        )

    async def first_ended(self, before: int, limit: int) -> list[tuple[int, str]]:
        """Return when up to *limit* runs ended before that time, and their names, the oldest first."""
        await self.ready()
        return scored(
            await self._link.call(
                "ZRANGEBYSCORE", self.keys.ended, "-inf", f"({before}", "WITHSCORES", "LIMIT", 0, limit
            )
        )

    async def key_of(self, run_id: str) -> str | None:
        """Return the idempotency key that started a run."""
        await self.ready()
        key = await self._link.call("HGET", self.keys.run(run_id), "key")
        return bytes(key).decode() if key else None

    # ── keys ─────────────────────────────────────────────────────────────────────────────────

    async def reserve(self, record: RunRecord, instead_of: bytes) -> Reservation:
        """Reserve the key of *record*, which lies elsewhere, if nobody or *instead_of* has it; return who has it."""
        key = record.key or ""
        now, raw = await self._do(scripts.RESERVE, key, record.run_id, record.channel, instead_of)
        words = bytes(raw).split(b" ", 2)
        return Reservation(bytes(raw), int(now) - int(words[1]) if len(words) == 3 else 0)

    async def release_key(self, key: str, run_id: str) -> None:
        """Free a key, if that run has it."""
        await self._do(scripts.RELEASE_KEY, key, run_id)

    async def void(self, run_id: str) -> RunRecord | None:
        """Return a run; if it does not exist, see that it never will."""
        found = await self._do(scripts.VOID, run_id)
        return None if found is None else record_of(found)

    # ── conversations ────────────────────────────────────────────────────────────────────────

    async def hold_instead(self, conversation_id: str, run_id: str, over: str) -> str:
        """Let *run_id* have a conversation that nobody has, or *over*, which has ended; return who has it."""
        return bytes(await self._do(scripts.HOLD_INSTEAD, conversation_id, run_id, over)).decode()

    async def last_holder(self, conversation_id: str) -> str | None:
        """Return who has a conversation, also if it has ended."""
        await self.ready()
        holder = await self._link.call("GET", self.keys.holder(conversation_id))
        return None if holder is None else bytes(holder).decode()

    async def survey(self) -> ScannedPartition:
        """Return who owns running runs here, and what has ended."""
        await self._index()
        ended, first, *owners = await self._do(scripts.SURVEY)
        return ScannedPartition(counted(owners), int(ended), int(float(first)) if first else None)

    def owner_of_own(self, run_id: str) -> str | None:
        """Return who owns a running run whose owner's part this process plays, or played last."""
        own = self._own.get(run_id)
        return None if own is None else own.owner

    async def held(self) -> PartitionContent:
        """Return what is held here."""
        return PartitionContent(*map(int, await self._do(scripts.HELD)))
