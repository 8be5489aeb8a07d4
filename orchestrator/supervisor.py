"""The runs there are and who owns their tasks: start, find, cancel, forget, drain.

Owns limits on runs, idempotency, retention and the watch over abandoned runs. What happens
inside a run is `run`'s; who may ask is the server's.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import msgspec
import structlog

from .archive import Archive, ArchivedRun, spec_of
from .attempt import Stop
from .commands import Command, answer, decode, encode, outcome, perform
from .conversation import Conversations
from .errors import (
    Conflict,
    Fenced,
    FieldProblem,
    Gone,
    InvalidRequest,
    LimitReached,
    LogUnavailable,
    NotFound,
    RequestError,
    Unavailable,
)
from .eventlog.base import Store, parse_cursor
from .eventlog.cluster import Cluster
from .eventlog.runstore import Fence, RunRecord
from .events import Snapshot
from .observer import Observer
from .roster import Roster
from .run import SYSTEM_CHANNEL, Run
from .runstate import RunSpec, RunState

log = structlog.get_logger(__name__)

JANITOR_SECONDS = 0.5
LEASE_SECONDS = 5.0
"""A worker that was not heard of for so long has lost its runs."""

HOLD_TRIES, HOLD_PAUSE_SECONDS = 40, 0.05
WATCHED, WATCHED_SECONDS = "watched ", 2.0
"""How a worker says that it has subscribers of a run that another one owns."""

MOVED_TRIES, MOVED_PAUSE_SECONDS = 60, 0.05
EXPIRED_AT_ONCE = 100
"""Ended runs that one round of cleaning forgets at most."""

DRAIN_GRACE_SECONDS = 10.0
"""After the drain time, how long ended agents may take to close their streams."""

SHUTDOWN = Stop("The server is shutting down; ask again.", "shutdown")


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


AnyRun = Run | ArchivedRun


class Supervisor:
    """Starts runs and owns them until they have ended. Use as an async context manager.

    Leaving it cancels what still runs, so `drain` first.

    Args:
        worker: The name under which this process owns runs; random unless given.
        cluster: What it shares with other workers on the same store; alone where None.
    """

    def __init__(
        self,
        roster: Roster,
        store: Store,
        *,
        limits: RunLimits | None = None,
        observer: Observer | None = None,
        worker: str | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self.roster = roster
        self.log = store
        self.limits = limits or RunLimits()
        self.worker = worker or f"worker_{secrets.token_hex(6)}"
        self.cluster = cluster
        self._observer = observer or Observer()
        self._conversations = Conversations(store)
        self._archive = Archive(store)
        self._runs: dict[str, Run] = {}
        self._watchers: Counter[str] = Counter()
        self._absent_since: dict[str, float] = {}
        self._tasks = asyncio.TaskGroup()
        self._janitor: asyncio.Task[None] | None = None
        self._serving: list[asyncio.Task[None]] = []
        self._owners: set[asyncio.Task[None]] = set()
        self._starting: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.draining = False

    async def __aenter__(self) -> Self:
        await self.log.start()
        await self.log.beat(self.worker, LEASE_SECONDS)
        await self._tasks.__aenter__()
        self._janitor = self._tasks.create_task(self._clean(), name="janitor")
        if self.cluster is not None:
            self._serving = [
                self._tasks.create_task(self._take_work(self.cluster), name="take-work"),
                self._tasks.create_task(self._answer_commands(self.cluster), name="commands"),
            ]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for task in (self._janitor, *self._serving, *self._owners):
            if task is not None:
                task.cancel()
        await self._tasks.__aexit__(exc_type, exc, tb)
        with suppress(LogUnavailable):
            # Whoever shares the store need not wait for our lease to run out.
            await self.log.beat(self.worker, 0.0)

    # ── start and find ───────────────────────────────────────────────────────────────────────

    async def start(self, request: StartRequest, *, key: str | None = None) -> tuple[AnyRun, bool]:
        """Start a run whose `run.started` is in the log; return it, and whether it is new.

        Args:
            key: An idempotency key; a known one returns the run that it started.
        Raises:
            Unavailable: Draining. LimitReached: Too many runs. Conflict: The conversation is busy, or
            *key* was used for another request. InvalidRequest: An unknown agent. LogUnavailable.
        """
        record = self._record(request, key)
        self._starting.add(record.run_id)
        try:
            return await self._start(record)
        finally:
            self._starting.discard(record.run_id)

    async def _start(self, record: RunRecord) -> tuple[AnyRun, bool]:
        kept = await self.log.create_run(record)
        if kept.run_id != record.run_id:
            if kept.request != record.request:
                raise Conflict("This Idempotency-Key was used for another request; use a new one.")
            return await self.get(kept.run_id), False
        try:
            if record.conversation_id:
                await self._hold(record.conversation_id, record.run_id)
        except Conflict:
            await self.log.forget_run(record.run_id, "was refused")
            raise
        run = self._make(record, RunState(self._spec(record), record.created_at))
        self._runs[record.run_id] = run
        try:
            await run.begin()
        except BaseException:
            del self._runs[record.run_id]
            raise
        log.info("run_started", run_id=record.run_id, agents=record.agents)
        if self.cluster is None:
            self._adopt(run, record)
            return run, True
        # Any worker may execute it; until one has claimed it, it is ours.
        del self._runs[record.run_id]
        run.hand_over()
        await self.cluster.offer_work(record.run_id)
        return ArchivedRun(run.state), True

    async def get(self, run_id: str) -> AnyRun:
        """Find a run.

        Raises:
            Gone: It was deleted or has expired. NotFound: There never was one. LogUnavailable.
        """
        run = self._runs.get(run_id)
        if run is not None:
            return run
        record = await self.log.find_run(run_id)
        if record is None:
            raise NotFound(f"There is no run {run_id!r}.")
        return await self._archive.read(record)

    async def perform(self, command: Command) -> Snapshot:
        """Do what *command* asks, here or on the worker that owns the run; return the run as it stands then.

        Raises:
            NotFound, Gone, Conflict: It cannot be done. Unavailable: The owner does not answer.
        """
        for _ in range(MOVED_TRIES):
            run = self._runs.get(command.run_id)
            if run is not None:
                return await perform(run, command)
            found = await self.get(command.run_id)
            if found.status != "running":
                return await _perform_on_ended(found, command)
            if self.cluster is None:
                raise Unavailable("The run's worker was lost; it ends within seconds.", retry_after=5)
            record = await self.log.find_run(command.run_id)
            if record is not None and record.owner != self.worker:
                told = outcome(await self._ask(self.cluster, record.owner, command))
                if told is not None:
                    return told
            await asyncio.sleep(MOVED_PAUSE_SECONDS)
        raise Unavailable("The run is on its way to another worker; ask again.", retry_after=1)

    async def _ask(self, cluster: Cluster, owner: str, command: Command) -> bytes:
        try:
            return await cluster.send(owner, encode(command))
        except LogUnavailable as exc:
            raise Unavailable(
                "The worker that owns the run does not answer; ask again.", retry_after=5
            ) from exc

    async def nothing_after(self, run: AnyRun, cursor: str) -> bool:
        """Whether *run* has ended and a reader at *cursor* has seen all of it."""
        at, end = parse_cursor(cursor), parse_cursor(run.state.last_event_id or "")
        if run.status == "running" or at is None or end is None or at.epoch != end.epoch or at.seq < end.seq:
            return False
        return at.seq <= (await self.log.open(run.spec.channel)).last

    async def page(self, *, limit: int, before: str | None = None) -> list[AnyRun]:
        """Return up to *limit* runs, newest first, older than run *before*. Raises as `get`."""
        return await self._all(await self.log.list_runs(limit=limit, before=before))

    async def in_channel(self, channel: str) -> list[AnyRun]:
        """Return the runs of a channel, oldest first."""
        return await self._all(await self.log.runs_in(channel))

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
        run = self._runs.get(run_id)
        if run is not None:
            run.cancel(Stop(why))
        await self.log.forget_run(run_id, why)
        await self.log.erase(SYSTEM_CHANNEL, run_id)
        self._runs.pop(run_id, None)
        self._archive.drop(run_id)
        self._absent_since.pop(run_id, None)

    async def drain(self, seconds: float) -> None:
        """Take no new runs; let the others end within *seconds*, then end them with `shutdown`."""
        self.draining = True
        await self._wait_for_runs(seconds)
        for run in list(self._runs.values()):
            run.cancel(SHUTDOWN)
        await self._wait_for_runs(DRAIN_GRACE_SECONDS)

    @property
    def running(self) -> int:
        """How many runs of this worker have not ended."""
        return len({run_id for run_id, run in self._runs.items() if run.status == "running"} | self._starting)

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _record(self, request: StartRequest, key: str | None) -> RunRecord:
        """Check what can be checked here, and say what is to be kept of the run."""
        if self.draining:
            raise Unavailable("The server is shutting down; ask again.", retry_after=5)
        if self.running >= self.limits.max_runs:
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
        return RunRecord(
            run_id=run_id,
            channel=request.channel or run_id,
            message=request.message,
            agents=list(agents),
            conversation_id=request.conversation_id,
            on_disconnect=request.on_disconnect,
            created_at=int(time.time() * 1000),
            owner=self.worker,
            key=key,
            request=msgspec.json.encode(request).decode(),
        )

    async def _hold(self, conversation_id: str, run_id: str) -> None:
        """Take the conversation for a run.

        Raises:
            Conflict: Another run has it; the message names that run.
        """
        for _ in range(HOLD_TRIES):
            holder = await self._conversations.hold(conversation_id, run_id)
            if holder == run_id:
                return
            with suppress(NotFound, Gone):
                if (await self.get(holder)).status == "running":
                    break
            # Its `run.done` is out, so a client may follow up; that it gave the conversation back is being noted.
            await asyncio.sleep(HOLD_PAUSE_SECONDS)
        raise Conflict(
            f"Conversation {conversation_id!r} is busy with {holder}; wait for its end or cancel it."
        )

    def _spec(self, record: RunRecord) -> RunSpec:
        limits = self.limits
        return replace(spec_of(record), max_output_tokens=limits.max_run_tokens, max_cost=limits.max_run_cost)

    def _make(self, record: RunRecord, state: RunState) -> Run:
        fence = Fence(record.run_id, record.token)
        return Run(state, self.roster, self.log, self._conversations, self._observer, fence=fence)

    def _adopt(self, run: Run, record: RunRecord) -> None:
        """Own *run* from here on."""
        self._runs[record.run_id] = run
        self._idle.clear()
        owner = self._tasks.create_task(self._own(run, record), name=record.run_id)
        self._owners.add(owner)
        if self.draining:
            run.cancel(SHUTDOWN)
        owner.add_done_callback(self._disown)

    def _disown(self, owner: asyncio.Task[None]) -> None:
        self._owners.discard(owner)
        if not self._owners:
            self._idle.set()

    async def _own(self, run: Run, record: RunRecord) -> None:
        try:
            await self._execute(run)
            await self._note_end(run, record)
            if record.run_id in self._runs:
                self._archive.keep(run.state)
        except Fenced:
            log.warning(
                "run_lost", run_id=record.run_id, reason="another worker owns it, or it was forgotten"
            )
        finally:
            self._runs.pop(record.run_id, None)
            self._absent_since.pop(record.run_id, None)

    async def _execute(self, run: Run) -> None:
        """Run to the end, also where the run's own machinery breaks.

        Raises:
            Fenced: The run is not ours any more.
        """
        try:
            try:
                await run.execute()
            except BaseExceptionGroup as group:
                fenced = group.subgroup(Fenced)
                if fenced is not None:
                    raise Fenced("the run has another owner") from fenced
                raise
        except (Fenced, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("run_failed", run_id=run.spec.run_id)
            await run.fail()

    async def _note_end(self, run: Run, record: RunRecord) -> None:
        state = run.state
        await self._until_available(
            lambda: self.log.end_run(
                Fence(record.run_id, record.token), state.status, state.ended_at or int(time.time() * 1000)
            )
        )
        if self.cluster is not None:
            cluster = self.cluster
            await self._until_available(lambda: cluster.finish_work(record.run_id))
        if record.conversation_id is not None:
            conversation_id = record.conversation_id
            await self._until_available(lambda: self._conversations.release(conversation_id, record.run_id))

    async def _until_available(self, call: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await call()
            except LogUnavailable as exc:
                log.warning("store_away", reason=str(exc))
                await asyncio.sleep(1.0)

    async def _all(self, records: Sequence[RunRecord]) -> list[AnyRun]:
        return [self._runs.get(record.run_id) or await self._archive.read(record) for record in records]

    # ── other workers ────────────────────────────────────────────────────────────────────────

    async def _take_work(self, cluster: Cluster) -> None:
        while True:
            # Several things end this.
            while self.draining or self.running >= self.limits.max_runs:  # noqa: ASYNC110
                await asyncio.sleep(JANITOR_SECONDS)
            run_id = await cluster.take_work(self.worker)
            try:
                await self._execute_work(cluster, run_id)
            except RequestError:
                await cluster.finish_work(run_id)
            except LogUnavailable as exc:
                log.warning("work_not_taken", run_id=run_id, reason=str(exc))

    async def _execute_work(self, cluster: Cluster, run_id: str) -> None:
        record = await self.log.find_run(run_id)
        if record is None or record.status != "running":
            await cluster.finish_work(run_id)
            return
        claimed = await self.log.claim_run(run_id, owner=self.worker, token=record.token)
        if claimed is not None:
            await self._go_on(claimed)

    async def _answer_commands(self, cluster: Cluster) -> None:
        async with aclosing(cluster.commands(self.worker)) as commands:
            async for command in commands:
                try:
                    run = self._runs.get(decode(command.body).run_id)
                    await command.reply(await answer(run, command.body))
                except LogUnavailable as exc:
                    log.warning("command_not_answered", reason=str(exc))
                except Exception:
                    log.exception("command_failed")

    async def _wait_for_runs(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    # ── the janitor ──────────────────────────────────────────────────────────────────────────

    async def _clean(self) -> None:
        while True:
            try:
                await self.log.beat(self.worker, LEASE_SECONDS)
                await self._cancel_abandoned()
                await self._take_over_lost()
                await self._expire()
            except LogUnavailable as exc:
                log.warning("store_away", reason=str(exc))
            except Exception:
                log.exception("janitor_failed")
            await asyncio.sleep(JANITOR_SECONDS)

    async def _cancel_abandoned(self) -> None:
        now = time.monotonic()
        if self.cluster is not None:
            # Whoever owns a run that is watched here must hear of it.
            for key in list(self._watchers):
                await self.log.beat(f"{WATCHED}{key}", WATCHED_SECONDS)
        mortal = {run_id: run for run_id, run in self._runs.items() if run.spec.on_disconnect == "cancel"}
        living = await self.log.living() if mortal and self.cluster is not None else set()
        for run_id, run in mortal.items():
            keys = (run_id, f"channel {run.spec.channel}")
            if any(self._watchers[key] or f"{WATCHED}{key}" in living for key in keys):
                self._absent_since.pop(run_id, None)
            elif now - self._absent_since.setdefault(run_id, now) >= self.limits.abandon_after_s:
                run.cancel(Stop("abandoned"))

    async def _take_over_lost(self) -> None:
        """End, or go on with, what workers left behind that are no more. One of those that notice is the first."""
        running = [r for r in await self.log.running_runs() if r.owner != self.worker]
        if not running or self.draining:
            return
        living = await self.log.living()
        for lost in running:
            if lost.owner not in living:
                record = await self.log.claim_run(lost.run_id, owner=self.worker, token=lost.token)
                if record is not None:
                    log.warning("run_taken_over", run_id=record.run_id, owner=lost.owner)
                    self._observer.run_taken_over()
                    await self._go_on(record)

    async def _go_on(self, record: RunRecord) -> None:
        """Execute a run that was claimed: one that has only begun, or one whose worker was lost."""
        state = await self._archive.fold(record)
        if state.status != "running":
            # Its worker died between `run.done` and the note that it ended.
            await self.log.end_run(Fence(record.run_id, record.token), state.status, int(time.time() * 1000))
            return
        state.spec = self._spec(record)
        run = self._make(record, state)
        await run.resume()
        self._adopt(run, record)

    async def _expire(self) -> None:
        now_ms = int(time.time() * 1000)
        old = int(now_ms - self.limits.retention_s * 1000)
        for record in await self.log.ended_runs(before=old, limit=EXPIRED_AT_ONCE):
            await self.forget(record.run_id, "has expired")
        while self.log.size > self.limits.max_log_bytes:
            ended = await self.log.ended_runs(before=now_ms + 1, limit=1)
            if not ended:
                await self.log.shrink(self.limits.max_log_bytes)
                return
            await self.forget(ended[0].run_id, "has expired")


async def _perform_on_ended(run: AnyRun, command: Command) -> Snapshot:
    """Answer what is asked of a run that nobody executes any more."""
    agent_id = command.agent_id or ""
    if command.verb == "add":
        await run.add(agent_id)
    elif command.verb == "retry":
        await run.retry(agent_id)
    elif command.verb == "approve":
        run.approve(agent_id, command.call_id, command.approve)
    else:
        run.cancel(Stop(command.reason), command.agent_id)
    return run.snapshot()
