"""The log in a Redis Cluster: its channels spread over partitions, each of them one slot. Owns no script.

What belongs to a channel is in its partition, so that creating, claiming, appending, ending and forgetting are each
one step there. What belongs to none (workers, work, inboxes) is in the home, whose slot is that of the log's prefix.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...base import Bounds, Cursor, Draft, Entry, Take
from ...cluster import Cluster
from ...run_store import Fence
from ..connection.address import parse_address
from ..connection.client import PATIENCE_SECONDS, RedisClient
from ..keys import Keys
from ..layout import PARTITIONS, Layout, partition_tags
from ..log import MAX_CHANNEL_BYTES, RedisLog
from .partition import RedisPartition
from .partition_scan import PartitionScan
from .partitions import Partitions
from .runs import PartitionedRuns
from .work import PartitionedWork

LARGEST = 100
"""Channels that are looked at at once when the log is to shrink."""


class PartitionedLog(PartitionedRuns):
    """An `EventLog` and `RunStore` in a Redis Cluster of 7.0 or later.

    While a shard is unavailable, the channels of its partitions are as those of a `RedisLog` are then; the others go
    on. A log of one partition, as the release before made it, stays in one.

    Args:
        partitions: Of a log that is new; one that exists keeps its own. The rest is as of `RedisLog`.

    Raises:
        ConfigError: *url* is wrong; from `start`, the server cannot be used, or a later release made the log.
    """

    def __init__(
        self,
        url: str,
        *,
        partitions: int = PARTITIONS,
        max_channel_bytes: int = MAX_CHANNEL_BYTES,
        patience_s: float = PATIENCE_SECONDS,
        ahead: Callable[[], float] = float,
    ) -> None:
        super().__init__()
        self._address = parse_address(url)
        self._max_channel_bytes = max_channel_bytes
        self._ahead = ahead
        self.home = RedisLog(
            url,
            new=Layout(2, partitions),
            max_channel_bytes=max_channel_bytes,
            patience_s=patience_s,
            ahead=ahead,
        )
        self._surveyed: PartitionScan | None = None
        self._starting = asyncio.Lock()
        self._cluster: Cluster | None = None

    # ── open and close ───────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        async with self._starting:
            await self.home.start()
            if self._partitions is None:
                self._partitions = Partitions(self._members(self.home.layout))

    def _members(self, layout: Layout) -> list[RedisPartition]:
        if layout.partitions == 1:
            return [self.home]
        members = []
        for n, tag in enumerate(partition_tags(self._address.prefix, layout)):
            link = RedisClient(replace(self._address, slot_key=tag), patience_s=self.home.patience_s)
            member = RedisPartition(
                link, Keys(tag), max_channel_bytes=self._max_channel_bytes, ahead=self._ahead
            )
            member.become_one_of(layout.partitions, n)
            members.append(member)
        return members

    async def aclose(self) -> None:
        members = [] if self._partitions is None else self._partitions.members
        await asyncio.gather(*(each.aclose() for each in {self.home, *members}))

    async def _all(self) -> Partitions:
        if self._partitions is None:
            await self.start()
        await self.home.ready()
        if self._partitions is None:
            raise RuntimeError("started without partitions")
        return self._partitions

    async def _survey(self) -> PartitionScan:
        partitions = await self._all()
        if self._surveyed is None:
            self._surveyed = PartitionScan(partitions)
        return self._surveyed

    async def _home(self) -> RedisPartition:
        await self._all()
        return self.home

    @property
    def available(self) -> bool:
        """Whether the home answers and takes writes; a partition whose shard does not may be unavailable alone."""
        return self.home.available

    @property
    def size(self) -> int:
        """Bytes held by all channels and records, of all workers; what others wrote, some seconds late."""
        return sum(each.size for each in self._partitions or ())

    def note_offered(self, run_id: str) -> None:
        """Note that any worker may execute a run from now on."""
        for each in self._partitions or ():
            each.note_offered(run_id)

    def cluster(self) -> Cluster:
        if self._cluster is None:
            self._cluster = PartitionedWork(self.home, self)
        return self._cluster

    # ── channels ─────────────────────────────────────────────────────────────────────────────

    async def append(
        self, channel: str, drafts: Sequence[Draft], *, fence: Fence | None = None
    ) -> list[Entry]:
        return await (await self._all()).of(channel).append(channel, drafts, fence=fence)

    async def open(self, channel: str) -> Bounds:
        return await (await self._all()).of(channel).open(channel)

    async def read(self, channel: str, after: Cursor, *, most: int) -> list[Entry]:
        return await (await self._all()).of(channel).read(channel, after, most=most)

    async def read_run(self, channel: str, run_id: str, after: Cursor | None, *, most: int) -> list[Entry]:
        return await (await self._all()).of(channel).read_run(channel, run_id, after, most=most)

    async def wait(self, channel: str, after: Cursor, seconds: float, *, take: Take | None = None) -> bool:
        try:
            async with asyncio.timeout(seconds):
                partition = (await self._all()).of(channel)
                return await partition.wait(channel, after, seconds, take=take)
        except TimeoutError:
            return False

    async def erase(self, channel: str, run_id: str) -> None:
        await (await self._all()).of(channel).erase(channel, run_id)

    async def shrink(self, size: int) -> None:
        partitions = await self._all()
        for partition, held in await partitions.reachable(lambda each: each.held()):
            partition.note_size(held.size)
        while self.size > size:
            answered = await partitions.reachable(lambda each: each.largest(LARGEST))
            channels = [(held, channel, member) for member, found in answered for held, channel in found]
            channels.sort(key=lambda each: each[:2], reverse=True)
            before = self.size
            for _, channel, member in channels[:LARGEST]:
                while self.size > size and await member.trim(channel, self.size - size):
                    pass
                if self.size <= size:
                    return
            if self.size == before:
                return  # nothing more can go
