"""The runs there are and who owns their tasks: start, find, cancel, forget, drain.

Owns limits on runs, idempotency, retention and the watch over abandoned runs. What happens
inside a run is `run`'s; who may ask is the server's.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog

from .attempt import Stop
from .conversation import Conversations
from .errors import Conflict, FieldProblem, Gone, InvalidRequest, LimitReached, NotFound, Unavailable
from .eventlog.base import EventLog, parse_cursor
from .observer import Observer
from .roster import Roster
from .run import Run, RunSpec

log = structlog.get_logger(__name__)

JANITOR_SECONDS = 0.5
TOMBSTONES = 100_000
"""Forgotten runs that are still answered with 410: a memory guard."""

GONE_SECONDS = 30 * 24 * 3600.0
"""How long a forgotten run is answered with 410."""

DRAIN_GRACE_SECONDS = 10.0
"""After the drain time, how long ended agents may take to close their streams."""


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Bounds on what one process carries.

    Args:
        max_runs: Runs at once. retention_s: How long an ended run stays.
        abandon_after_s: With `on_disconnect: cancel`, seconds without any subscriber.
        max_subscribers: Streams at once on one run or channel.
        max_log_bytes: Of all runs; beyond it ended runs go, the oldest first.
        max_run_tokens, max_run_cost: What the agents of one run may spend together.
    """

    max_runs: int = 1000
    retention_s: float = 3600.0
    abandon_after_s: float = 10.0
    max_subscribers: int = 1000
    max_log_bytes: int = 512 * 1024 * 1024
    max_run_tokens: int | None = None
    max_run_cost: float | None = None


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A checked `POST /v1/runs`. `agents` None means the default ones."""

    message: str
    agents: tuple[str, ...] | None = None
    conversation_id: str | None = None
    channel: str | None = None
    on_disconnect: str = "continue"
    images: tuple[str, ...] = ()


class Supervisor:
    """Starts runs and owns them until they are forgotten. Use as an async context manager.

    Leaving it cancels what still runs, so `drain` first.
    """

    def __init__(
        self,
        roster: Roster,
        event_log: EventLog,
        *,
        limits: RunLimits | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.roster = roster
        self.log = event_log
        self.limits = limits or RunLimits()
        self._observer = observer or Observer()
        self._conversations = Conversations()
        self._runs: dict[str, Run] = {}
        self._running: set[str] = set()
        self._gone: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._keys: dict[str, tuple[str, StartRequest]] = {}
        self._watchers: Counter[str] = Counter()
        self._absent_since: dict[str, float] = {}
        self._tasks = asyncio.TaskGroup()
        self._janitor: asyncio.Task[None] | None = None
        self._owners: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._janitor = self._tasks.create_task(self._clean(), name="janitor")
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        if self._janitor is not None:
            self._janitor.cancel()
        for task in self._owners:
            task.cancel()
        await self._tasks.__aexit__(exc_type, exc, tb)

    # ── start and find ───────────────────────────────────────────────────────────────────────

    async def start(self, request: StartRequest, *, key: str | None = None) -> tuple[Run, bool]:
        """Start a run whose `run.started` is in the log; return it, and whether it is new.

        Args:
            key: An idempotency key; a known one returns the run that it started.
        Raises:
            Unavailable: Draining. LimitReached: Too many runs. Conflict: The conversation is busy, or
            *key* was used for another request. InvalidRequest: An unknown agent.
        """
        if key is not None and (known := self._known(key, request)) is not None:
            return known, False
        spec = self._spec(request)
        if request.conversation_id:
            self._conversations.hold(request.conversation_id, spec.run_id)
        run = Run(spec, self.roster, self.log, self._conversations, self._observer)
        self._runs[spec.run_id] = run
        self._running.add(spec.run_id)
        self._idle.clear()
        if key is not None:
            self._keys[key] = (spec.run_id, request)
        try:
            await run.begin()
        except BaseException:
            self._unstart(spec, key)
            raise
        owner = self._tasks.create_task(self._own(run), name=spec.run_id)
        self._owners.add(owner)
        owner.add_done_callback(self._owners.discard)
        log.info("run_started", run_id=spec.run_id, agents=list(spec.agents))
        return run, True

    def get(self, run_id: str) -> Run:
        """Find a run.

        Raises:
            Gone: It was deleted or has expired. NotFound: There never was one.
        """
        run = self._runs.get(run_id)
        if run is not None:
            return run
        if run_id in self._gone:
            raise Gone(f"Run {run_id!r} {self._gone[run_id][1]}.")
        raise NotFound(f"There is no run {run_id!r}.")

    async def nothing_after(self, run: Run, cursor: str) -> bool:
        """Whether *run* has ended and a reader at *cursor* has seen all of it."""
        at, end = parse_cursor(cursor), parse_cursor(run.last_event_id or "")
        if run.status == "running" or at is None or end is None or at.epoch != end.epoch or at.seq < end.seq:
            return False
        return at.seq <= (await self.log.open(run.spec.channel)).last

    def page(self, *, limit: int, before: str | None = None) -> list[Run]:
        """Return up to *limit* runs, newest first, older than run *before*."""
        newest_first = list(reversed(self._runs.values()))
        if before is not None:
            ids = [run.spec.run_id for run in newest_first]
            start = ids.index(self.get(before).spec.run_id) + 1
            newest_first = newest_first[start:]
        return newest_first[:limit]

    def in_channel(self, channel: str) -> list[Run]:
        """Return the runs of a channel, oldest first."""
        return [run for run in self._runs.values() if run.spec.channel == channel]

    # ── watch, forget, drain ─────────────────────────────────────────────────────────────────

    @contextmanager
    def watching(self, channel: str, run_id: str | None = None) -> Iterator[None]:
        """Count a subscriber of a run, or of a whole channel, while inside.

        Raises:
            LimitReached: There are `max_subscribers` already.
        """
        key = run_id or f"channel {channel}"
        if self._watchers[key] >= self.limits.max_subscribers:
            raise LimitReached(f"There are {self.limits.max_subscribers} subscribers already.", retry_after=5)
        self._watchers[key] += 1
        try:
            yield
        finally:
            self._watchers[key] -= 1
            if not self._watchers[key]:
                del self._watchers[key]

    async def forget(self, run_id: str, why: str = "was deleted") -> None:
        """Cancel a run if need be, then forget it and its events; it is `Gone` from now on."""
        run = self.get(run_id)
        run.cancel(Stop(why))
        del self._runs[run_id]
        self._absent_since.pop(run_id, None)
        self._gone[run_id] = (time.monotonic(), why)
        if len(self._gone) > TOMBSTONES:
            self._gone.popitem(last=False)
        self._keys = {key: known for key, known in self._keys.items() if known[0] != run_id}
        await self.log.erase(run.spec.channel, run_id)

    async def drain(self, seconds: float) -> None:
        """Take no new runs; let the others end within *seconds*, then end them with `shutdown`."""
        self.draining = True
        await self._wait_for_runs(seconds)
        for run_id in list(self._running):
            if run_id in self._runs:
                self._runs[run_id].cancel(Stop("The server is shutting down; ask again.", "shutdown"))
        await self._wait_for_runs(DRAIN_GRACE_SECONDS)

    @property
    def running(self) -> int:
        """How many runs have not ended."""
        return len(self._running)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _known(self, key: str, request: StartRequest) -> Run | None:
        known = self._keys.get(key)
        if known is None:
            return None
        run_id, first = known
        if first != request:
            raise Conflict("This Idempotency-Key was used for another request; use a new one.")
        return self.get(run_id)

    def _spec(self, request: StartRequest) -> RunSpec:
        if self.draining:
            raise Unavailable("The server is shutting down; ask again.", retry_after=5)
        if len(self._running) >= self.limits.max_runs:
            raise LimitReached(f"{self.limits.max_runs} runs are under way already.", retry_after=5)
        agents = request.agents or tuple(self.roster.default_agents())
        unknown = [
            FieldProblem(f"agents[{n}]", f"There is no agent {agent_id!r}.")
            for n, agent_id in enumerate(agents)
            if agent_id not in self.roster.agents
        ]
        if unknown:
            raise InvalidRequest("An agent is unknown; GET /v1/agents lists them.", unknown)
        run_id = f"run_{secrets.token_urlsafe(18)}"
        return RunSpec(
            run_id=run_id,
            channel=request.channel or run_id,
            message=request.message,
            agents=agents,
            conversation_id=request.conversation_id,
            on_disconnect=request.on_disconnect,
            images=request.images,
            max_output_tokens=self.limits.max_run_tokens,
            max_cost=self.limits.max_run_cost,
        )

    def _unstart(self, spec: RunSpec, key: str | None) -> None:
        """Take back a run whose beginning could not be logged, or whose client left meanwhile."""
        self._runs.pop(spec.run_id, None)
        if key is not None:
            self._keys.pop(key, None)
        self._release(spec)

    def _release(self, spec: RunSpec) -> None:
        self._running.discard(spec.run_id)
        if not self._running:
            self._idle.set()
        if spec.conversation_id:
            self._conversations.release(spec.conversation_id, spec.run_id)

    async def _own(self, run: Run) -> None:
        run_id = run.spec.run_id
        try:
            await run.execute()
        except Exception:
            log.exception("run_failed", run_id=run_id)
            await run.fail()
        finally:
            self._release(run.spec)
            if run_id not in self._runs:
                # Deleted while it ran: what its agents still said goes too.
                await self.log.erase(run.spec.channel, run_id)

    async def _wait_for_runs(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    async def _clean(self) -> None:
        while True:
            await asyncio.sleep(JANITOR_SECONDS)
            try:
                self._cancel_abandoned()
                await self._expire()
            except Exception:
                log.exception("janitor_failed")

    def _cancel_abandoned(self) -> None:
        now = time.monotonic()
        for run_id in list(self._running):
            run = self._runs.get(run_id)
            if run is None or run.spec.on_disconnect != "cancel":
                continue
            if self._watchers[run_id] or self._watchers[f"channel {run.spec.channel}"]:
                self._absent_since.pop(run_id, None)
            elif now - self._absent_since.setdefault(run_id, now) >= self.limits.abandon_after_s:
                run.cancel(Stop("abandoned"))

    async def _expire(self) -> None:
        old = int((time.time() - self.limits.retention_s) * 1000)
        ended = [run for run in self._runs.values() if run.ended_at is not None]
        for run in ended:
            too_much = self.log.size > self.limits.max_log_bytes
            if too_much or (run.ended_at is not None and run.ended_at < old):
                await self.forget(run.spec.run_id, "has expired")
        if self.log.size > self.limits.max_log_bytes:
            await self.log.shrink(self.limits.max_log_bytes)
        while self._gone and next(iter(self._gone.values()))[0] < time.monotonic() - GONE_SECONDS:
            self._gone.popitem(last=False)
