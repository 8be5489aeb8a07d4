"""The `RunStore` Protocol: what a store keeps of runs beside their events. Owns no storage.

It answers three questions that events alone cannot: which runs there are (also after a restart, also
for a worker that did not start them), who may append for a run, and whether that worker still lives.
Every implementation is held by `tests/contract/test_runstore.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ..events.base import AgentStatus, RunStatus
from .run_list import RunPage, RunQuery, RunSummary

GONE_SECONDS = 30 * 24 * 3600.0
"""How long a forgotten run is still known as forgotten."""


WATCHED_SECONDS = 60.0
"""How long it is believed that a worker has a subscriber, unless it says so again."""
RECORD_OVERHEAD_BYTES = 500


class RunRecord(msgspec.Struct, frozen=True, gc=False):
    """A run, without what its agents said. Times are milliseconds since 1970.

    Attributes:
        owner: The worker that runs it, or ran it last.
        token: Grows with each owner; only the newest may append (fencing).
        key, request: The idempotency key, and the request that used it first, as JSON.
        digest: Distinguishes that request from others, also when the record has it no longer as a whole.
        traceparent: The trace that the run belongs to, whichever worker executes it.
        summary: What a list shows of it; None if an older release wrote it.
        readable: Whether this release could read what was kept; else only what stands beside it is known.
    """

    run_id: str
    channel: str
    message: str
    agents: list[str]
    conversation_id: str | None
    on_disconnect: str
    created_at: int
    owner: str
    token: int = 1
    status: RunStatus = "running"
    ended_at: int | None = None
    key: str | None = None
    request: str = ""
    traceparent: str | None = None
    summary: RunSummary | None = None
    readable: bool = True
    digest: str = ""


def unreadable_record(run_id: str, channel: str, created_at: int) -> RunRecord:
    """Return what is known of a run whose record cannot be read: its events can still be read, and forgotten."""
    return RunRecord(run_id, channel, "", [], None, "continue", created_at, "", readable=False)


class Fence(NamedTuple):
    """The right to append for a run: void once another owner took a higher token."""

    run_id: str
    token: int


class OwnedRun(NamedTuple):
    """A running run as far as whoever looks after its owner needs it: without what was asked."""

    run_id: str
    token: int


def record_bytes(record: RunRecord) -> int:
    """Return what a record takes, roughly: nearly all of it is the question, its images and an inline panel."""
    return RECORD_OVERHEAD_BYTES + len(record.message) + len(record.request)


class RetentionBounds(NamedTuple):
    """Bounds on what is kept beside runs and their events.

    Args:
        conversation_s: Seconds that an unused conversation stays. conversation_bytes: Of all turns.
        tombstones: Forgotten runs that are still known as such.
    """

    conversation_s: float
    conversation_bytes: int
    tombstones: int


class RunStore(Protocol):
    """Records of runs, leases of workers, turns of conversations. Each call is atomic by itself.

    Raises everywhere:
        LogUnavailable: The store does not answer.
    """

    async def create_run(self, record: RunRecord) -> RunRecord:
        """Keep a new run; if its `key` is known already, keep nothing and return that key's run."""
        ...

    async def find_run(self, run_id: str) -> RunRecord | None:
        """Return a run; None if there never was one.

        Raises:
            Gone: It was forgotten less than `GONE_SECONDS` ago; the message says why.
        """
        ...

    async def list_runs(self, *, limit: int, before: str | None = None) -> list[RunRecord]:
        """Return up to *limit* runs, newest first, older than run *before*.

        Raises:
            NotFound, Gone: *before* is unknown, or was forgotten.
        """
        ...

    async def page_runs(self, query: RunQuery) -> RunPage:
        """Return a page of a list of runs. What it costs depends on the page, not on what is stored."""
        ...

    async def place_of(self, run_id: str) -> int:
        """Return a run's place in the order of lists.

        Raises:
            NotFound, Gone: It is unknown, or was forgotten.
        """
        ...

    async def run_of_key(self, key: str) -> str | None:
        """Return the run that an idempotency key started; None if there is none. It may have been forgotten since."""
        ...

    async def runs_in(self, channel: str) -> list[RunRecord]:
        """Return the runs of a channel, oldest first."""
        ...

    async def running_runs(self) -> list[RunRecord]:
        """Return every run that has not ended, whoever owns it."""
        ...

    async def owners(self) -> dict[str, int]:
        """Return the workers that own running runs, and how many each."""
        ...

    async def owned_by(self, owner: str, *, limit: int) -> list[OwnedRun]:
        """Return up to *limit* running runs of a worker, the oldest first."""
        ...

    async def ended_runs(self, *, before: int, limit: int) -> list[RunRecord]:
        """Return up to *limit* runs that ended before that time (ms), the oldest first."""
        ...

    async def count_ended(self) -> int:
        """Return how many runs have ended and are not forgotten."""
        ...

    async def end_run(
        self,
        fence: Fence,
        status: RunStatus,
        ended_at: int,
        *,
        agents: dict[str, AgentStatus | None] | None = None,
        request: str | None = None,
    ) -> None:
        """Note a run's end, and for lists how its agents ended; *request* takes the place of the record's.

        Raises:
            Fenced: Another owner took it.
        """
        ...

    async def claim_run(self, run_id: str, *, owner: str, token: int) -> RunRecord | None:
        """Take a run over from the owner with *token*; None if somebody else was faster, or it ended."""
        ...

    async def forget_run(self, run_id: str, why: str) -> None:
        """Forget a run and its events; it is `Gone` for `GONE_SECONDS`, because it *why* ("was deleted")."""
        ...

    async def beat(self, worker: str, seconds: float) -> None:
        """Say that *worker* lives for another *seconds*."""
        ...

    async def living(self) -> set[str]:
        """Return the workers whose last `beat` still holds."""
        ...

    async def watch(self, worker: str, added: Sequence[str], removed: Sequence[str]) -> None:
        """Note of which keys *worker* has subscribers. What is not added anew may go after `WATCHED_SECONDS`."""
        ...

    async def watched(self, keys: Sequence[str], *, by: Collection[str]) -> set[str]:
        """Return those of *keys* of which any of the workers *by* has subscribers."""
        ...

    async def add_turn(
        self, conversation_id: str, agent_id: str, turn: bytes, *, keep: int, keep_bytes: int | None = None
    ) -> None:
        """Remember a turn of a conversation; the newest *keep* stay.

        Args:
            keep_bytes: What those may have together; the newest stays in any case.
        """
        ...

    async def turns(self, conversation_id: str, agent_id: str) -> Sequence[bytes]:
        """Return an agent's turns of a conversation, oldest first."""
        ...

    async def hold_conversation(self, conversation_id: str, run_id: str) -> str:
        """Let *run_id* have the conversation if no running run has it; return who has it now."""
        ...

    async def holder_of(self, conversation_id: str) -> str | None:
        """Return the running run that has the conversation; None if it is free."""
        ...

    async def drop_turns(self, conversation_id: str, is_void: Callable[[bytes], bool]) -> None:
        """Forget those turns of a conversation, of all agents, that *is_void* says so of."""
        ...

    async def forget_conversation(self, conversation_id: str) -> bool:
        """Forget a conversation's turns and who has it; False if there was nothing."""
        ...

    async def tidy(self, bounds: RetentionBounds) -> None:
        """Let go of what is older, or more, than *bounds*: those unused for longest go first."""
        ...

    async def scrub(self) -> bool:
        """Leave nothing of what was forgotten in the store's files; False if that has to be tried again."""
        ...

    async def release_conversation(self, conversation_id: str, run_id: str) -> None:
        """Give the conversation back, if *run_id* has it."""
        ...
