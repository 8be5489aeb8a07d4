"""Runs, leases and conversations in this process's memory: the `RunStore` half of the log in memory."""

from __future__ import annotations

import sys
import time
from abc import abstractmethod
from bisect import bisect_left, insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

import msgspec

from ...errors import Fenced, Gone, NotFound
from ...events.base import AgentStatus, RunStatus
from ..queued_status import shown_status
from ..run_list import RunPage, RunQuery, RunRow, end_summary, select_rows
from ..run_store import GONE_SECONDS, Fence, OwnedRun, RetentionBounds, RunRecord, record_bytes

MAX_TOMBSTONES = 100_000
"""Forgotten runs that are still known as such: a memory guard."""

MAX_CONVERSATIONS = 100_000
"""The conversation unused for longest goes first beyond this: a memory guard."""


class _Conversation:
    __slots__ = ("bytes", "holder", "turns", "used")

    def __init__(self) -> None:
        self.holder: str | None = None
        self.used = 0.0
        self.bytes = 0
        self.turns: dict[str, list[bytes]] = {}


class MemoryRuns:
    """The calls of `RunStore`, for a log that can erase a run's events.

    Args:
        clock: Seconds, for how long forgotten runs are known. Leases are of this process, and go by its own clock.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._runs: dict[str, RunRecord] = {}
        self._running: dict[str, None] = {}
        self._ended: list[tuple[int, int, str]] = []
        self._order: dict[str, int] = {}
        self._places: list[int] = []
        self._at: dict[int, str] = {}
        self._created = 0
        self._keys: dict[str, str] = {}
        self._in_channel: dict[str, dict[str, None]] = {}
        self._gone: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._beats: dict[str, float] = {}
        self._watching: dict[str, set[str]] = {}
        self._conversations: OrderedDict[str, _Conversation] = OrderedDict()
        self._turn_bytes = 0
        self._most_turn_bytes = sys.maxsize
        self.record_bytes = 0
        """What the records of all runs take."""

    @abstractmethod
    async def erase(self, channel: str, run_id: str) -> None:
        """As `EventLog.erase`."""

    async def create_run(self, record: RunRecord) -> RunRecord:
        known = self._runs.get(record.run_id)
        if known is None and record.key is not None and record.key in self._keys:
            known = self._runs[self._keys[record.key]]
        if known is not None:
            return known
        run_id = record.run_id
        self._created += 1
        self._order[run_id] = self._created
        self._places.append(self._created)
        self._at[self._created] = run_id
        self._runs[run_id] = record
        self.record_bytes += record_bytes(record)
        self._in_channel.setdefault(record.channel, {})[run_id] = None
        if record.key is not None:
            self._keys[record.key] = run_id
        if record.status == "running":
            self._running[run_id] = None
        elif record.ended_at is not None:
            insort(self._ended, (record.ended_at, self._created, run_id))
        return record

    async def find_run(self, run_id: str) -> RunRecord | None:
        record = self._runs.get(run_id)
        if record is None:
            self._bury()
            if run_id in self._gone:
                raise Gone(f"Run {run_id!r} {self._gone[run_id][1]}.")
        return record

    async def list_runs(self, *, limit: int, before: str | None = None) -> list[RunRecord]:
        place = None if before is None else await self.place_of(before)
        return list(islice(self._newest_first(place), limit))

    async def page_runs(self, query: RunQuery) -> RunPage:
        return select_rows(map(self._row, self._newest_first(query.before)), query)

    async def place_of(self, run_id: str) -> int:
        if await self.find_run(run_id) is None:
            raise NotFound(f"There is no run {run_id!r}.")
        return self._order[run_id]

    def _newest_first(self, before: int | None) -> Iterator[RunRecord]:
        start = len(self._places) if before is None else bisect_left(self._places, before)
        for n in range(start - 1, -1, -1):
            yield self._runs[self._at[self._places[n]]]

    def _row(self, record: RunRecord) -> RunRow:
        return RunRow(
            self._order[record.run_id],
            record.run_id,
            record.channel,
            record.conversation_id,
            shown_status(record.status, record.token, record.created_at),
            record.created_at,
            record.ended_at,
            record.summary,
        )

    async def run_of_key(self, key: str) -> str | None:
        return self._keys.get(key)

    async def runs_in(self, channel: str) -> list[RunRecord]:
        return [self._runs[run_id] for run_id in self._in_channel.get(channel, ())]

    async def running_runs(self) -> list[RunRecord]:
        return [self._runs[run_id] for run_id in self._running]

    async def owners(self) -> dict[str, int]:
        return dict(Counter(self._runs[run_id].owner for run_id in self._running))

    async def owned_by(self, owner: str, *, limit: int) -> list[OwnedRun]:
        own = (self._runs[run_id] for run_id in self._running if self._runs[run_id].owner == owner)
        return [OwnedRun(record.run_id, record.token) for record in islice(own, limit)]

    async def ended_runs(self, *, before: int, limit: int) -> list[RunRecord]:
        old = self._ended[: min(limit, bisect_left(self._ended, (before,)))]
        return [self._runs[run_id] for _, _, run_id in old]

    async def count_ended(self) -> int:
        return len(self._ended)

    async def end_run(
        self,
        fence: Fence,
        status: RunStatus,
        ended_at: int,
        *,
        agents: dict[str, AgentStatus | None] | None = None,
        request: str | None = None,
    ) -> None:
        self.check_fence(fence)
        run_id = fence.run_id
        if run_id not in self._running:
            return
        del self._running[run_id]
        record = self._runs[run_id]
        summary = end_summary(record.summary, agents)
        self.record_bytes -= record_bytes(record)
        self._runs[run_id] = record = msgspec.structs.replace(
            record,
            status=status,
            ended_at=ended_at,
            summary=summary,
            request=record.request if request is None else request,
        )
        self.record_bytes += record_bytes(record)
        insort(self._ended, (ended_at, self._order[run_id], run_id))

    async def claim_run(self, run_id: str, *, owner: str, token: int) -> RunRecord | None:
        record = self._runs.get(run_id)
        if record is None or run_id not in self._running or record.token != token:
            return None
        self._runs[run_id] = record = msgspec.structs.replace(record, owner=owner, token=token + 1)
        return record

    async def forget_run(self, run_id: str, why: str) -> None:
        record = self._runs.pop(run_id, None)
        if record is None:
            return
        self.record_bytes -= record_bytes(record)
        order = self._order.pop(run_id)
        del self._places[bisect_left(self._places, order)], self._at[order]
        self._running.pop(run_id, None)
        if record.ended_at is not None:
            del self._ended[bisect_left(self._ended, (record.ended_at, order, run_id))]
        if record.key is not None and self._keys.get(record.key) == run_id:
            del self._keys[record.key]
        beside = self._in_channel[record.channel]
        del beside[run_id]
        if not beside:
            del self._in_channel[record.channel]
        self._gone[run_id] = (self._clock(), why)
        self._bury()
        await self.erase(record.channel, run_id)

    async def beat(self, worker: str, seconds: float) -> None:
        self._beats[worker] = time.monotonic() + seconds

    async def living(self) -> set[str]:
        now = time.monotonic()
        self._beats = {worker: until for worker, until in self._beats.items() if until > now}
        return set(self._beats)

    async def watch(self, worker: str, added: Sequence[str], removed: Sequence[str]) -> None:
        watching = self._watching.setdefault(worker, set())
        watching.update(added)
        watching.difference_update(removed)
        if not watching:
            del self._watching[worker]

    async def watched(self, keys: Sequence[str], *, by: Collection[str]) -> set[str]:
        return {key for worker in by for key in self._watching.get(worker, set()).intersection(keys)}

    async def add_turn(
        self, conversation_id: str, agent_id: str, turn: bytes, *, keep: int, keep_bytes: int | None = None
    ) -> None:
        conversation = self._use(conversation_id)
        turns = conversation.turns.setdefault(agent_id, [])
        turns.append(turn)
        kept, size = len(turns[-keep:]), sum(map(len, turns[-keep:]))
        while keep_bytes is not None and size > keep_bytes and kept > 1:
            size -= len(turns[-kept])
            kept -= 1
        void = turns[:-kept]
        del turns[: len(void)]
        self._count(conversation, len(turn) - sum(map(len, void)))
        # At once, too, not only when somebody tidies: a crowd brings more in a second than all may have.
        while self._turn_bytes > self._most_turn_bytes and len(self._conversations) > 1:
            await self.forget_conversation(next(iter(self._conversations)))

    async def turns(self, conversation_id: str, agent_id: str) -> Sequence[bytes]:
        conversation = self._conversations.get(conversation_id)
        return () if conversation is None else tuple(conversation.turns.get(agent_id, ()))

    async def hold_conversation(self, conversation_id: str, run_id: str) -> str:
        conversation = self._use(conversation_id)
        if conversation.holder is None or conversation.holder not in self._running:
            conversation.holder = run_id
        return conversation.holder

    async def holder_of(self, conversation_id: str) -> str | None:
        conversation = self._conversations.get(conversation_id)
        holder = None if conversation is None else conversation.holder
        return holder if holder in self._running else None

    async def drop_turns(self, conversation_id: str, is_void: Callable[[bytes], bool]) -> None:
        conversation = self._conversations.get(conversation_id)
        if conversation is None:
            return
        for turns in conversation.turns.values():
            void = [turn for turn in turns if is_void(turn)]
            turns[:] = [turn for turn in turns if turn not in void]
            self._count(conversation, -sum(map(len, void)))
        if not any(conversation.turns.values()) and conversation.holder is None:
            del self._conversations[conversation_id]

    async def forget_conversation(self, conversation_id: str) -> bool:
        conversation = self._conversations.pop(conversation_id, None)
        if conversation is None:
            return False
        self._turn_bytes -= conversation.bytes
        return True

    async def tidy(self, bounds: RetentionBounds) -> None:
        old = self._clock() - bounds.conversation_s
        self._most_turn_bytes = bounds.conversation_bytes
        while self._conversations:
            oldest = next(iter(self._conversations))
            if self._conversations[oldest].used > old and self._turn_bytes <= bounds.conversation_bytes:
                break
            await self.forget_conversation(oldest)
        while len(self._gone) > bounds.tombstones:
            self._gone.popitem(last=False)

    def _count(self, conversation: _Conversation, grown: int) -> None:
        conversation.bytes += grown
        self._turn_bytes += grown

    async def scrub(self) -> bool:
        """Do nothing: there is no file."""
        return True

    async def release_conversation(self, conversation_id: str, run_id: str) -> None:
        conversation = self._conversations.get(conversation_id)
        if conversation is not None and conversation.holder == run_id:
            conversation.holder = None

    def check_fence(self, fence: Fence) -> None:
        """Raise Fenced unless *fence* still stands; a run that was forgotten has none."""
        record = self._runs.get(fence.run_id)
        if record is None:
            raise Fenced(f"run {fence.run_id!r} is not in the log any more")
        if record.token != fence.token:
            raise Fenced(f"another worker owns run {fence.run_id!r} now")

    def _use(self, conversation_id: str) -> _Conversation:
        conversation = self._conversations.setdefault(conversation_id, _Conversation())
        self._conversations.move_to_end(conversation_id)
        conversation.used = self._clock()
        while len(self._conversations) > MAX_CONVERSATIONS:
            _, unused = self._conversations.popitem(last=False)
            self._turn_bytes -= unused.bytes
        return conversation

    def _bury(self) -> None:
        """Let go of tombstones that are too old, or too many."""
        old = self._clock() - GONE_SECONDS
        while self._gone and (len(self._gone) > MAX_TOMBSTONES or next(iter(self._gone.values()))[0] <= old):
            self._gone.popitem(last=False)
