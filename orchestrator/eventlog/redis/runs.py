"""Records of runs, leases, turns and conversations in Redis: the `RunStore` half of `RedisLog`."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import msgspec

from ...errors import Fenced, Gone, NotFound
from ...events.base import OPEN_STATUSES, AgentStatus, RunStatus
from ..leases import Leases
from ..queued_status import shown_status, stored_status
from ..run_list import (
    SCANNED_ROWS,
    SMALL_RECORD_BYTES,
    RunPage,
    RunQuery,
    RunRow,
    RunSummary,
    decode_summary,
    encode_summary,
    end_summary,
    title_of,
)
from ..run_store import (
    GONE_SECONDS,
    WATCHED_SECONDS,
    Fence,
    OwnedRun,
    RetentionBounds,
    RunRecord,
    unreadable_record,
)
from .connection.client import RedisClient, Script
from .keys import Keys
from .record_cache import RecordCache
from .scripts import conversations as talks
from .scripts import runs as scripts

CREATED = 1
"""What `CREATE` answers if it has created the run."""

_WORD_BYTES = 8
"""Before each turn: what distinguishes a turn that arrives twice from one that was said twice."""

UNTIDIED_MS = 3600 * 1000
"""How much longer than asked Redis keeps turns by itself, so that it is the tidying that counts what goes."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(RunRecord)


class RedisRuns(ABC):
    """A `RunStore` in Redis. Each call is one script, and may be sent twice without harm.

    Args:
        ahead: Seconds by which Redis' clock is taken to be late; for tests.
    """

    def __init__(self, link: RedisClient, keys: Keys, ahead: Callable[[], float]) -> None:
        self._ahead = ahead
        self._link = link
        self.keys = keys
        self._own = RecordCache()
        self._indexed = False
        self._turns_stay_ms = 0
        """Until which time after its last turn Redis keeps a conversation; 0: nobody has said so yet."""
        self._leases = Leases()
        # While Redis was unavailable nobody could beat.
        link.on_back.append(self._leases.doubt)

    async def create_run(self, record: RunRecord) -> RunRecord:
        return self._keep(record, await self._create(record))

    def _keep(self, record: RunRecord, answer: Any) -> RunRecord:
        found = record if answer == CREATED else record_of(answer)
        if found.run_id == record.run_id:
            self._own.keep(found)
        return found

    def note_offered(self, run_id: str) -> None:
        """Note that any worker may execute a run from now on."""
        self._own.offer(run_id)

    async def find_run(self, run_id: str) -> RunRecord | None:
        return _found(run_id, await self._do(scripts.FIND, run_id))

    async def list_runs(self, *, limit: int, before: str | None = None) -> list[RunRecord]:
        answer = await self._do(scripts.LIST, limit, before or "")
        if before is not None and (answer is None or answer[0] == b""):
            _found(before, answer)
            raise NotFound(f"There is no run {before!r}.")
        return [record_of(raw) for raw in answer[0]]

    async def page_runs(self, query: RunQuery, *, scanned: int = SCANNED_ROWS) -> RunPage:
        # What is looked for here: a text, for Lua knows no case but that of ASCII, and whether a run waits.
        is_sifted = query.text is not None or query.status in OPEN_STATUSES
        most = scanned if is_sifted else query.limit
        after, *found = await self._do(
            scripts.PAGE, most, "" if query.before is None else query.before,
            stored_status(query.status) or "", query.channel or "", query.conversation_id or "", scanned,
        )  # fmt: skip
        following = int(after) if after else None
        rows = [_row(raw) for raw in found]
        kept = [row for row in rows if query.keeps(row)]
        if len(kept) > query.limit:
            kept = kept[: query.limit]
            following = kept[-1].place
        if not kept:
            return RunPage([], following)
        bodies = await self._do(scripts.BODIES, SMALL_RECORD_BYTES, *(row.run_id for row in kept))
        rows = [row if row.summary else await self._summarized(row) for row in map(_marked, kept, bodies)]
        return RunPage(rows, following)

    async def _summarized(self, row: RunRow) -> RunRow:
        """Look into the record of a run that an older release kept, without a summary."""
        found = await self._do(scripts.FIND, row.run_id)
        if found is None or found[0] == b"":
            return row
        record = record_of(found)
        if not record.readable:
            return row
        known = RunSummary(title_of(record.message), dict.fromkeys(record.agents, None))
        return row._replace(
            summary=known, conversation_id=record.conversation_id, created_at=record.created_at
        )

    async def place_of(self, run_id: str) -> int:
        await self.ready()
        place = await self._link.call("ZSCORE", self.keys.runs, run_id)
        if place is None:
            await self.find_run(run_id)
            raise NotFound(f"There is no run {run_id!r}.")
        return int(float(place))

    async def run_of_key(self, key: str) -> str | None:
        await self.ready()
        # In a log of several partitions the run's channel may stand behind it.
        found = await self._link.call("HGET", self.keys.idempotency, key)
        return None if found is None else bytes(found).split(b" ")[0].decode()

    async def runs_in(self, channel: str) -> list[RunRecord]:
        found = await self._do(scripts.IN_CHANNEL, channel)
        return [record_of(raw) for raw in sorted(found, key=_place)]

    async def running_runs(self) -> list[RunRecord]:
        return [record_of(raw) for raw in await self._do(scripts.RUNNING)]

    async def owners(self) -> dict[str, int]:
        await self._index()
        return counted(await self._do(scripts.OWNERS))

    async def _index(self) -> None:
        if not self._indexed:
            await self._do(scripts.INDEX)
            self._indexed = True

    async def owned_by(self, owner: str, *, limit: int) -> list[OwnedRun]:
        return [run for _, run in await self.placed_by(owner, limit=limit)]

    async def placed_by(self, owner: str, *, limit: int) -> list[tuple[int, OwnedRun]]:
        """Return what `owned_by` does, each with its place before it."""
        flat = await self._do(scripts.OWNED, owner, limit)
        rows = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return [(int(float(n)), OwnedRun(bytes(r).decode(), int(t))) for r, t, n in rows]

    async def ended_runs(self, *, before: int, limit: int) -> list[RunRecord]:
        found = await self._do(scripts.ENDED, before, limit)
        return [record_of(raw) for raw in sorted(found, key=lambda raw: (int(raw[4]), _place(raw)))]

    async def count_ended(self) -> int:
        await self.ready()
        return int(await self._link.call("ZCARD", self.keys.ended))

    async def end_run(
        self,
        fence: Fence,
        status: RunStatus,
        ended_at: int,
        *,
        agents: dict[str, AgentStatus | None] | None = None,
        request: str | None = None,
    ) -> None:
        own = self._own.get(fence.run_id)
        ended = end_summary(own.summary if own is not None else None, agents)
        summary = b"" if ended is None else encode_summary(ended)
        short = b""
        if own is not None and request is not None:
            short = _encoder.encode(msgspec.structs.replace(own, request=request))
        args = (fence.run_id, fence.token, status, ended_at, summary, short)
        answer = await self._do(scripts.END, *args)
        if answer == b"U" and await self._restore(fence):
            answer = await self._do(scripts.END, *args)
        self._own.drop(fence.run_id)
        if answer != 1:
            raise Fenced(f"Run {fence.run_id!r} has another owner now, or was forgotten.")

    async def claim_run(self, run_id: str, *, owner: str, token: int) -> RunRecord | None:
        known = self._own.offered(run_id)
        answer = await self._do(
            scripts.CLAIM, run_id, owner, token, secrets.token_hex(8), 0 if known is None else 1
        )
        if answer is None:
            self._own.drop(run_id)
            return None
        record = record_of(answer, known)
        self._own.keep(record)
        return record

    async def forget_run(self, run_id: str, why: str) -> None:
        self._own.drop(run_id)
        channel = await self._do(scripts.FORGET, run_id, why, int(GONE_SECONDS * 1000))
        if channel is not None:
            await self.erase(bytes(channel).decode(), run_id)

    @abstractmethod
    async def erase(self, channel: str, run_id: str) -> None:
        """Forget a run's entries: the log's part of forgetting it."""

    # ── leases ───────────────────────────────────────────────────────────────────────────────

    async def beat(self, worker: str, seconds: float) -> None:
        await self._do(scripts.BEAT, worker, int(seconds * 1000))
        self._leases.beaten(seconds)

    async def living(self) -> set[str]:
        now, *leases = await self._do(scripts.LIVING)
        until = {bytes(w).decode(): float(at) / 1000 for w, at in zip(leases[::2], leases[1::2], strict=True)}
        return self._leases.living(until, int(now) / 1000)

    async def watch(self, worker: str, added: Sequence[str], removed: Sequence[str]) -> None:
        if not added and not removed:
            return
        await self._do(scripts.WATCH, worker, int(WATCHED_SECONDS * 1000), len(added), *added, *removed)

    async def watched(self, keys: Sequence[str], *, by: Collection[str]) -> set[str]:
        if not keys or not by:
            return set()
        return {bytes(key).decode() for key in await self._do(scripts.WATCHED, len(by), *by, *keys)}

    # ── conversations ────────────────────────────────────────────────────────────────────────

    async def add_turn(
        self, conversation_id: str, agent_id: str, turn: bytes, *, keep: int, keep_bytes: int | None = None
    ) -> None:
        await self.ready()
        keys = [self.keys.turns(conversation_id, agent_id)]
        word = secrets.token_bytes(_WORD_BYTES)
        stays_ms = self._turns_stay_ms
        most = -1 if keep_bytes is None else keep_bytes
        await self._do(
            talks.ADD_TURN, word + turn, keep, conversation_id, agent_id, stays_ms, most, keys=keys
        )

    async def turns(self, conversation_id: str, agent_id: str) -> Sequence[bytes]:
        await self.ready()
        key = self.keys.turns(conversation_id, agent_id)
        found = await self._link.call("LRANGE", key, 0, -1)
        return [bytes(item)[_WORD_BYTES:] for item in found]

    async def hold_conversation(self, conversation_id: str, run_id: str) -> str:
        return bytes(await self._do(talks.HOLD, conversation_id, run_id)).decode()

    async def holder_of(self, conversation_id: str) -> str | None:
        holder = await self._do(talks.HOLDER, conversation_id)
        return None if holder is None else bytes(holder).decode()

    async def drop_turns(self, conversation_id: str, is_void: Callable[[bytes], bool]) -> None:
        for raw in await self._do(talks.SPEAKERS, conversation_id):
            agent_id = bytes(raw).decode()
            for item in await self._link.call("LRANGE", self.keys.turns(conversation_id, agent_id), 0, -1):
                if is_void(bytes(item)[_WORD_BYTES:]):
                    await self._do(talks.DROP_TURN, conversation_id, agent_id, bytes(item))

    async def forget_conversation(self, conversation_id: str) -> bool:
        return bool(await self._do(talks.FORGET_CONVERSATION, conversation_id))

    async def tidy(self, bounds: RetentionBounds) -> None:
        stays_ms = int(bounds.conversation_s * 1000)
        self._turns_stay_ms = stays_ms + UNTIDIED_MS
        await self._do(talks.TIDY, stays_ms, bounds.conversation_bytes, bounds.tombstones)

    async def scrub(self) -> bool:
        """Do nothing: what is forgotten is under no key, and Redis' files are its operator's."""
        return True

    async def release_conversation(self, conversation_id: str, run_id: str) -> None:
        await self._do(talks.RELEASE, conversation_id, run_id)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    async def _do(self, script: Script, *args: str | bytes | int, keys: Sequence[str] = ()) -> Any:
        await self.ready()
        return await self.script(script, keys, self.keys.prefix, *args, int(self._ahead() * 1000))

    async def script(self, script: Script, keys: Sequence[str], *args: str | bytes | int) -> Any:
        """Run *script* on this store's Redis; it may run twice.

        Raises:
            LogUnavailable: Redis does not answer, or with an error.
        """
        await self.ready()
        return await self._link.script(script, keys, *args)

    @abstractmethod
    async def ready(self) -> None:
        """Be connected."""

    def _manner(self, record: RunRecord) -> str:
        """Return how a run is created, as `CREATE` names it."""
        return ""

    async def _create(self, record: RunRecord, manner: str = "") -> Any:
        ended = "" if record.ended_at is None else record.ended_at
        return await self._do(
            scripts.CREATE, record.run_id, record.channel, record.key or "",
            _encoder.encode(record), record.owner, record.token, record.status, ended,
            record.conversation_id or "", record.created_at, encode_summary(record.summary) if record.summary else b"",
            manner or self._manner(record),
        )  # fmt: skip

    async def _restore(self, fence: Fence) -> bool:
        """Keep a run's record again that Redis lost with its memory; False if it was forgotten on purpose."""
        record = self._own.get(fence.run_id)
        if record is None or record.token != fence.token:
            return False
        answer = await self._do(scripts.FIND, fence.run_id)
        if answer is None:
            answer = await self._create(record)
            if answer == CREATED:
                return True
        return answer[0] != b"" and record_of(answer).token == fence.token


def record_of(raw: Any, known: RunRecord | None = None) -> RunRecord:
    """Read a record as the scripts answer it.

    Args:
        known: What the body says, which was not read again.
    """
    body, owner, token, status, ended, _, channel, run_id = raw
    try:
        record = _decoder.decode(body) if known is None else known
    except msgspec.MsgspecError:
        record = unreadable_record(bytes(run_id).decode(), bytes(channel or b"").decode(), 0)
    return msgspec.structs.replace(
        record,
        owner=bytes(owner).decode(),
        token=int(token),
        status=cast(RunStatus, bytes(status).decode()),
        ended_at=None if ended is None else int(ended),
    )


def counted(flat: Sequence[Any]) -> dict[str, int]:
    """Read names and numbers as the scripts answer them: name, number, name, number."""
    return {bytes(name).decode(): int(n) for name, n in zip(flat[::2], flat[1::2], strict=True)}


def _found(run_id: str, raw: Any) -> RunRecord | None:
    if raw is None:
        return None
    if raw[0] == b"":
        raise Gone(f"Run {run_id!r} {bytes(raw[1]).decode()}.")
    return record_of(raw)


def _place(raw: Any) -> int:
    return int(raw[5])


def _marked(row: RunRow, body: Any) -> RunRow:
    """Return *row*, without its summary if its record's *body* cannot be read; None is one that nobody looked at."""
    try:
        if body is not None:
            _decoder.decode(body)
    except msgspec.MsgspecError:
        return row._replace(summary=None)
    return row


def _row(raw: Any) -> RunRow:
    place, channel, conversation, status, created, ended, summary, token, run_id = raw
    return RunRow(
        int(place),
        bytes(run_id).decode(),
        bytes(channel).decode(),
        bytes(conversation).decode() if conversation else None,
        shown_status(cast(RunStatus, bytes(status).decode()), int(token or 0), int(created or 0)),
        int(created or 0),
        None if ended is None else int(ended),
        decode_summary(summary),
    )
