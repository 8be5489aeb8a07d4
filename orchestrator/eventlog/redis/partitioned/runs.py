"""Records of runs, leases, turns and conversations in several partitions: the `RunStore` half of `PartitionedLog`.

What changes a run happens in one step in its partition. Lists are merged; a run's place is that in its partition, by
the clock, and the partition's number after it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import cast

from ....errors import Fenced, Gone, NotFound
from ....events.base import AgentStatus, RunStatus
from ...run_list import SCANNED_ROWS, RunPage, RunQuery, RunRow
from ...run_store import Fence, OwnedRun, RetentionBounds, RunRecord
from .idempotency import create_with_key
from .partition import RedisPartition
from .partition_runs import Reservation
from .partition_scan import PartitionScan
from .partitions import Partitions


class PartitionedRuns(ABC):
    """A `RunStore` over the partitions. Workers and their leases are in the home alone.

    Who owns runs and how many have ended is known as a `PartitionScan` knows it: at once of this process, of others
    within as many calls as there are partitions.
    """

    def __init__(self) -> None:
        self._partitions: Partitions | None = None
        self._lived: set[str] = set()

    @abstractmethod
    async def _survey(self) -> PartitionScan:
        """Be connected; return what is known of all partitions."""

    @abstractmethod
    async def _all(self) -> Partitions:
        """Be connected; return the partitions."""

    @abstractmethod
    async def _home(self) -> RedisPartition:
        """Be connected; return where what belongs to no channel is."""

    # ── runs ─────────────────────────────────────────────────────────────────────────────────

    async def create_run(self, record: RunRecord) -> RunRecord:
        partitions = await self._all()
        runs = partitions.of(record.channel)
        partitions.remember(record.run_id, runs)
        survey = await self._survey()
        try:
            kept = await self._create(partitions, runs, record)
        except BaseException:
            survey.doubt(runs)
            raise
        if kept.run_id == record.run_id and kept.status == "running":
            survey.note_owned(runs, kept.owner, 1)
        return kept

    @staticmethod
    async def _create(partitions: Partitions, runs: RedisPartition, record: RunRecord) -> RunRecord:
        if record.key is not None and partitions.of(record.key) is not runs:
            return await create_with_key(partitions, record)
        made = await runs.try_create(record)
        return await create_with_key(partitions, record) if isinstance(made, Reservation) else made

    async def find_run(self, run_id: str) -> RunRecord | None:
        async def ask(partition: RedisPartition) -> RunRecord | Gone | None:
            try:
                return await partition.find_run(run_id)
            except Gone as gone:
                return gone

        found = await (await self._all()).search(run_id, ask)
        if found is not None and isinstance(found[1], Gone):
            raise found[1]
        return None if found is None else cast(RunRecord, found[1])

    async def list_runs(self, *, limit: int, before: str | None = None) -> list[RunRecord]:
        partitions = await self._all()
        top = None if before is None else await self.place_of(before)

        async def ask(partition: RedisPartition) -> list[tuple[int, str]]:
            found = await partition.newest(limit, self._place_in(partitions, partition, top))
            return [(self._place(partitions, partition, place), run_id) for place, run_id in found]

        newest = sorted((each for found in await partitions.all(ask) for each in found), reverse=True)
        return await self._records(partitions, newest[:limit])

    async def _records(self, partitions: Partitions, found: Sequence[tuple[int, str]]) -> list[RunRecord]:
        """Return the runs of these places that were not forgotten meanwhile."""
        members = partitions.members
        records = await asyncio.gather(
            *(members[place % len(members)].find_kept(run_id) for place, run_id in found)
        )
        return [record for record in records if record is not None]

    async def page_runs(self, query: RunQuery) -> RunPage:
        partitions = await self._all()
        asked = partitions.members if query.channel is None else [partitions.of(query.channel)]
        scanned = max(query.limit, SCANNED_ROWS // len(asked))

        async def ask(partition: RedisPartition) -> RunPage:
            local = replace(query, before=self._place_in(partitions, partition, query.before))
            page = await partition.page_runs(local, scanned=scanned)
            rows = [row._replace(place=self._place(partitions, partition, row.place)) for row in page.rows]
            following = None if page.next is None else self._place(partitions, partition, page.next)
            return RunPage(rows, following)

        return merge_pages(await asyncio.gather(*map(ask, asked)), query.limit)

    async def place_of(self, run_id: str) -> int:
        partitions = await self._all()
        await self.find_run(run_id)  # raises Gone

        async def ask(partition: RedisPartition) -> int | None:
            try:
                return await partition.place_of(run_id)
            except (NotFound, Gone):
                return None

        found = await partitions.search(run_id, ask)
        if found is None:
            raise NotFound(f"There is no run {run_id!r}.")
        return self._place(partitions, *found)

    async def run_of_key(self, key: str) -> str | None:
        return await (await self._all()).of(key).run_of_key(key)

    async def runs_in(self, channel: str) -> list[RunRecord]:
        return await (await self._all()).of(channel).runs_in(channel)

    async def running_runs(self) -> list[RunRecord]:
        found = await (await self._all()).all(lambda each: each.running_runs())
        return [record for records in found for record in records]

    async def owners(self) -> dict[str, int]:
        # While one server is unavailable, what was lost on the others is taken over all the same.
        survey = await self._survey()
        await survey.look()
        return survey.owners

    async def owned_by(self, owner: str, *, limit: int) -> list[OwnedRun]:
        partitions, survey = await self._all(), await self._survey()
        placed = []
        for member, found in await partitions.reachable(lambda each: each.placed_by(owner, limit=limit)):
            if len(found) < limit:
                survey.note_owns(member, owner, len(found))
            for place, run in found:
                partitions.remember(run.run_id, member)
                placed.append((self._place(partitions, member, place), run))
        return [run for _, run in sorted(placed)[:limit]]

    async def ended_runs(self, *, before: int, limit: int) -> list[RunRecord]:
        partitions, survey = await self._all(), await self._survey()
        await survey.look()
        asked = survey.ended_before(before)
        if not asked:
            return []
        answered = await partitions.reachable(lambda each: each.first_ended(before, limit), asked)
        ended = [(at, run_id, member) for member, found in answered for at, run_id in found]
        ended.sort(key=lambda each: each[:2])
        records = await asyncio.gather(*(member.find_kept(run_id) for _, run_id, member in ended[:limit]))
        for _, run_id, member in ended[:limit]:
            partitions.remember(run_id, member)
        return [record for record in records if record is not None]

    async def count_ended(self) -> int:
        survey = await self._survey()
        await survey.refresh()
        return survey.ended

    async def end_run(
        self,
        fence: Fence,
        status: RunStatus,
        ended_at: int,
        *,
        agents: dict[str, AgentStatus | None] | None = None,
        request: str | None = None,
    ) -> None:
        partition = await self._executing(fence.run_id) or await self._partition_of(fence.run_id)
        if partition is None:
            raise Fenced(f"Run {fence.run_id!r} has another owner now, or was forgotten.")
        survey, owner = await self._survey(), partition.owner_of_own(fence.run_id)
        if owner is None:
            survey.doubt(partition)
        await partition.end_run(fence, status, ended_at, agents=agents, request=request)
        if owner is not None:
            survey.note_owned(partition, owner, -1)
            survey.note_ended(partition, ended_at)

    async def claim_run(self, run_id: str, *, owner: str, token: int) -> RunRecord | None:
        partition = await self._partition_of(run_id)
        if partition is None:
            return None
        (await self._survey()).doubt(partition)
        return await partition.claim_run(run_id, owner=owner, token=token)

    async def forget_run(self, run_id: str, why: str) -> None:
        partitions = await self._all()
        partition = await self._partition_of(run_id)
        if partition is None:
            return
        key = await partition.key_of(run_id)
        if key is not None:
            # Before the run, which is there until it is done: after a crash in between it is forgotten again.
            await partitions.of(key).release_key(key, run_id)
        await partition.forget_run(run_id, why)
        (await self._survey()).doubt(partition)

    # ── leases ───────────────────────────────────────────────────────────────────────────────

    async def beat(self, worker: str, seconds: float) -> None:
        await (await self._home()).beat(worker, seconds)

    async def living(self) -> set[str]:
        living = await (await self._home()).living()
        if self._lived - living:
            # Whose runs are where is needed at once.
            (await self._survey()).doubt()
        self._lived = living
        return living

    async def watch(self, worker: str, added: Sequence[str], removed: Sequence[str]) -> None:
        await (await self._home()).watch(worker, added, removed)

    async def watched(self, keys: Sequence[str], *, by: Collection[str]) -> set[str]:
        return await (await self._home()).watched(keys, by=by)

    # ── conversations ────────────────────────────────────────────────────────────────────────

    async def add_turn(
        self, conversation_id: str, agent_id: str, turn: bytes, *, keep: int, keep_bytes: int | None = None
    ) -> None:
        talk = (await self._all()).of(conversation_id)
        await talk.add_turn(conversation_id, agent_id, turn, keep=keep, keep_bytes=keep_bytes)

    async def turns(self, conversation_id: str, agent_id: str) -> Sequence[bytes]:
        return await (await self._all()).of(conversation_id).turns(conversation_id, agent_id)

    async def hold_conversation(self, conversation_id: str, run_id: str) -> str:
        talk, over = (await self._all()).of(conversation_id), ""
        while True:
            holder = await talk.hold_instead(conversation_id, run_id, over)
            if holder == run_id or await self._is_running(holder):
                return holder
            over = holder  # what has ended never runs again

    async def holder_of(self, conversation_id: str) -> str | None:
        holder = await (await self._all()).of(conversation_id).last_holder(conversation_id)
        return holder if holder is not None and await self._is_running(holder) else None

    async def drop_turns(self, conversation_id: str, is_void: Callable[[bytes], bool]) -> None:
        await (await self._all()).of(conversation_id).drop_turns(conversation_id, is_void)

    async def forget_conversation(self, conversation_id: str) -> bool:
        return await (await self._all()).of(conversation_id).forget_conversation(conversation_id)

    async def release_conversation(self, conversation_id: str, run_id: str) -> None:
        await (await self._all()).of(conversation_id).release_conversation(conversation_id, run_id)

    async def tidy(self, bounds: RetentionBounds) -> None:
        answered = await (await self._all()).reachable(lambda each: each.held())
        turns = sum(held.conversation_bytes for _, held in answered)
        tombstones = sum(held.tombstones for _, held in answered)
        shares = {
            member: bounds._replace(
                conversation_bytes=_share(bounds.conversation_bytes, held.conversation_bytes, turns),
                tombstones=_share(bounds.tombstones, held.tombstones, tombstones),
            )
            for member, held in answered
        }
        for member, held in answered:
            member.note_size(held.size)
        holds = {member for member, held in answered if held.conversations or held.tombstones}
        await asyncio.gather(*(member.tidy(share) for member, share in shares.items() if member in holds))

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def state_of(self, run_id: str) -> tuple[str, int] | None:
        """Return status and token of a run; None if there is none."""
        found = await (await self._all()).search(run_id, lambda each: each.state_of(run_id))
        return None if found is None else found[1]

    async def _is_running(self, run_id: str) -> bool:
        state = await self.state_of(run_id)
        return state is not None and state[0] == "running"

    async def _executing(self, run_id: str) -> RedisPartition | None:
        return next((each for each in await self._all() if each.executes(run_id)), None)

    async def _partition_of(self, run_id: str) -> RedisPartition | None:
        found = await (await self._all()).search(run_id, lambda each: each.state_of(run_id))
        return None if found is None else found[0]

    @staticmethod
    def _place(partitions: Partitions, partition: RedisPartition, place: int) -> int:
        return place * len(partitions.members) + partitions.members.index(partition)

    @staticmethod
    def _place_in(partitions: Partitions, partition: RedisPartition, place: int | None) -> int | None:
        """Return the place in a partition so that what is before it there is before *place*."""
        if place is None:
            return None
        return -((partitions.members.index(partition) - place) // len(partitions.members))


def merge_pages(pages: Sequence[RunPage], limit: int) -> RunPage:
    """Join pages, newest first, as far as all of them reach; what is beyond comes with the next one."""
    rows: list[RunRow] = sorted((row for page in pages for row in page.rows), reverse=True)
    reached = max((page.next for page in pages if page.next is not None), default=None)
    kept = [row for row in rows if reached is None or row.place >= reached]
    if len(kept) > limit:
        return RunPage(kept[:limit], kept[limit - 1].place)
    return RunPage(kept, reached)


def _share(bound: int, own: int, total: int) -> int:
    """Return what of a bound on all partitions is one's, so that each gives away the same part of what is too much."""
    return bound if total <= bound else bound * own // total
