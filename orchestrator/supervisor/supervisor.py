"""The runs there are: start, find, ask, forget, drain.

Composes the parts that do it, and owns their tasks. Who executes runs is `executor`'s, what happens inside
one is `run`'s; who may ask is the server's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from types import TracebackType
from typing import Literal, Self

from ..errors import Conflict, LogUnavailable, Unavailable
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.run_list import RunQuery
from ..events.snapshot import Revealed, Snapshot
from ..run.channels import MILESTONES_SECONDS
from ..run.commands import AnyRun, Command, encode, outcome, perform
from ..run.factory import RunFactory
from ..run.registry import AgentRegistry
from ..run.spec import StartRequest
from ..run.stored import StoredRuns
from ..settings.limits import RunLimits
from ..telemetry.observer import Observer
from .admission import ADMISSION_SECONDS, Admission
from .ancestry import with_branch
from .executor import Executor
from .failover import FAILOVER_SECONDS, Failover
from .heartbeat import BEAT_SECONDS, Heartbeat
from .panel_request import given, panel_over
from .peers import answer_commands, take_work
from .periodic import repeat
from .presence import PRESENCE_SECONDS, Presence, cancel_abandoned
from .retention import RETENTION_SECONDS, TIDY_SECONDS, Retention
from .run_list import RunList
from .run_lookup import RunLookup
from .scores import ScoreBoard
from .starter import RecordMaker, Starter
from .votes import Votes

__all__ = ["AnyRun", "Supervisor"]

LARGE_CHARS = 64 * 1024
CLOSING_TRIES, CLOSING_PAUSE_SECONDS = 40, 0.05
MOVED_TRIES, MOVED_PAUSE_SECONDS = 60, 0.05

DRAIN_GRACE_SECONDS = 9.0
"""After the drain time, how long ended agents may take to close their streams."""


class Supervisor:
    """Starts runs and owns them until they have ended. Use as an async context manager.

    Leaving it cancels what still runs, so `drain` first.

    Args:
        worker: The name under which this process owns runs; random unless given.
        cluster: What it shares with other workers on the same store; None means that it is alone.
    Attributes:
        following: How readers find runs, and what they are sent.
        scores: What votes and verdicts came to.
    """

    def __init__(
        self,
        registry: AgentRegistry,
        store: Store,
        *,
        limits: RunLimits | None = None,
        observer: Observer | None = None,
        worker: str | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        self.registry = registry
        self.log = store
        self.limits = limits = limits or RunLimits()
        self.worker = worker or f"worker_{secrets.token_hex(6)}"
        self.cluster = cluster
        self._observer = observer = observer or Observer()
        self._tasks = asyncio.TaskGroup()
        self._serving: list[asyncio.Task[None]] = []
        self._stored = stored = StoredRuns(store)
        factory = RunFactory(registry, store, observer, limits=limits)
        self._channels = factory.channels
        self._presence = Presence(store, limits, worker=self.worker if cluster is not None else None)
        self._executor = Executor(factory, store, stored, cluster=cluster, tasks=self._tasks)
        self._admission = Admission(self._executor, limits)
        self.following = RunLookup(store, self._executor, stored, self._presence)
        self._records = RecordMaker(registry, worker=self.worker, shared=cluster is not None)
        self._starter = Starter(
            factory, store, self._executor, self._admission, self.following, cluster=cluster
        )
        self._votes = Votes(store)
        self.scores = ScoreBoard(store)
        self._heartbeat = Heartbeat(store, observer, worker=self.worker)
        self._failover = Failover(
            store, self._executor, self._admission, self._heartbeat, observer, cluster=cluster
        )
        self._retention = Retention(store, self._executor, stored, observer, limits=limits)

    async def __aenter__(self) -> Self:
        await self.log.start()
        await self._heartbeat.beat()
        await self._tasks.__aenter__()
        abandoned = partial(cancel_abandoned, self._presence, self._executor)
        duties: list[tuple[str, Callable[[], Awaitable[object]], float]] = [
            ("heartbeat", self._heartbeat.beat, BEAT_SECONDS),
            ("failover", self._failover.look, FAILOVER_SECONDS),
            ("presence", abandoned, PRESENCE_SECONDS),
            ("milestones", self._channels.catch_up, MILESTONES_SECONDS),
            ("retention", self._retention.expire, RETENTION_SECONDS),
            ("tidying", self._retention.tidy, TIDY_SECONDS),
            ("scrubbing", self._retention.scrub, RETENTION_SECONDS),
        ]
        if self.cluster is not None:
            look = partial(self._admission.look, self.cluster, self.log, self._observer)
            duties.append(("admission", look, ADMISSION_SECONDS))
        serving = {
            name: repeat(name, once, every_s=every_s, observer=self._observer)
            for name, once, every_s in duties
        }
        if self.cluster is not None:
            serving["work"] = take_work(self.cluster, self.log, self._executor, self._admission, self.worker)
            serving["requests"] = answer_commands(self.cluster, self._executor, worker=self.worker)
        self._serving = [self._tasks.create_task(work, name=name) for name, work in serving.items()]
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        for task in self._serving:
            task.cancel()
        self._executor.abandon_all()
        if isinstance(exc, Exception):
            # No task's: it goes on as it is, for within a group nobody would know its kind.
            exc_type = exc = tb = None
        await self._tasks.__aexit__(exc_type, exc, tb)
        with suppress(LogUnavailable):
            await self._channels.catch_up()
            await self._heartbeat.farewell()

    # ── start and find ───────────────────────────────────────────────────────────────────────

    async def start(
        self, request: StartRequest, *, key: str | None = None, traceparent: str | None = None
    ) -> tuple[AnyRun, bool]:
        """Start a run whose `run.started` is in the log; return it, and whether it is new.

        Args:
            key: An idempotency key; a known one returns the run that it started.
            traceparent: The trace of whoever asks.
        Raises:
            Unavailable: Draining. LimitReached: Too many runs. Conflict: The conversation is busy, or
            *key* was used for another request. InvalidRequest: An unknown agent. LogUnavailable.
        """
        request = await with_branch(self.log, request)
        make = partial(self._records.make, request, key, traceparent)
        # Written and hashed, the images of one request would hold up every stream.
        is_large = sum(map(len, request.images)) > LARGE_CHARS
        return await self._starter.start(await asyncio.to_thread(make) if is_large else make(), request)

    async def get(self, run_id: str) -> AnyRun:
        """Find a run. Raises as `RunLookup.find`."""
        return await self.following.find(run_id)

    async def page(self, query: RunQuery, *, before: str | None = None) -> RunList:
        """Return a page of a list of runs, as `RunLookup.page`."""
        return await self.following.page(query, before=before)

    async def nothing_after(self, run: AnyRun, cursor: str) -> bool:
        """Whether *run* has ended and a reader at *cursor* has seen all of it."""
        return await self.following.nothing_after(run, cursor)

    def watching(self, channel: str, run_id: str | None = None) -> AbstractContextManager[None]:
        """Count a subscriber while inside. Raises LimitReached."""
        return self.following.watching(channel, run_id)

    # ── ask ──────────────────────────────────────────────────────────────────────────────────

    async def perform(self, command: Command) -> Snapshot:
        """Do what *command* asks, here or on the worker that owns the run; return the run as it stands then.

        Raises:
            NotFound, Gone, Conflict: It cannot be done. Unavailable: The owner does not answer.
        """
        for _ in range(MOVED_TRIES):
            run = await self.get(command.run_id)
            if self._executor.find(command.run_id) is run or run.status != "running":
                return await perform(run, command)
            if self.cluster is None:
                raise Unavailable(
                    "Another process runs it, which only a Redis log lets this one ask; if that process was lost, "
                    "the run ends within seconds.",
                    retry_after=5,
                )
            record = await self.log.find_run(command.run_id)
            if record is not None and record.owner != self.worker:
                snapshot = outcome(await self._ask(self.cluster, record.owner, command))
                if snapshot is not None:
                    return snapshot
            await asyncio.sleep(MOVED_PAUSE_SECONDS)
        raise Unavailable("The run is on its way to another worker; ask again.", retry_after=1)

    async def _ask(self, cluster: Cluster, owner: str, command: Command) -> bytes:
        try:
            return await cluster.send(owner, encode(command))
        except LogUnavailable as exc:
            raise Unavailable(
                "The worker that owns the run does not answer; ask again.", retry_after=5
            ) from exc

    async def vote(
        self, run_id: str, agent_id: str | None, verdict: Literal["tie", "both_bad"] = "tie"
    ) -> Revealed:
        """Keep a vote for an agent of a run or for nobody, and say who all are. As `Votes.vote` and `get`."""
        return await self._votes.vote(await self.get(run_id), agent_id, verdict)

    async def take_vote_back(self, run_id: str) -> None:
        """Forget the vote on a run. Raises as `Votes.take_back`, and as `get`."""
        await self._votes.take_back(await self.get(run_id))

    async def revealed(self, run: AnyRun) -> Revealed | None:
        """Say who the agents of a run are; None before a vote. Raises LogUnavailable."""
        return await self._votes.revealed(run)

    async def start_panel(self, run_id: str, value: object) -> AnyRun:
        """Start a panel over a run's answers; return the run in which it works.

        That is this one while it is open, else a new one.

        Args:
            value: A panel's id, or an inline panel.
        Raises:
            InvalidRequest: The panel is wrong. Conflict: Another one is under way, or nobody has answered.
            As `get`, `start`.
        """
        run = await self.get(run_id)
        panel, answers = panel_over(value, self.registry, run.spec, run.state)
        plain = panel.model_dump(mode="json")
        if run.status == "running":
            try:
                await self.perform(Command("convene", run_id, panel=plain))
                return await self.get(run_id)
            except Conflict:
                run = await self._closed(run_id)
                if run.status == "running":
                    raise
                panel, answers = panel_over(value, self.registry, run.spec, run.state)
        spec = run.spec
        request = StartRequest(
            message=spec.message,
            channel=None if spec.channel == run_id else spec.channel,
            panel=plain,
            given=given(answers),
            of=spec.of or run_id,
            variants=spec.variants,
        )
        started, _ = await self.start(request)
        await self._retention.note_panel(request.of or run_id, started.spec.run_id)
        return started

    async def _closed(self, run_id: str) -> AnyRun:
        """Return a run; if nothing but its `run.done` is to come, after that. As `get`."""
        run = await self.get(run_id)
        for _ in range(CLOSING_TRIES):
            if not run.state.closing:
                break
            await asyncio.sleep(CLOSING_PAUSE_SECONDS)
            run = await self.get(run_id)
        return run

    # ── forget, drain ────────────────────────────────────────────────────────────────────────

    async def forget(self, run_id: str, why: str = "was deleted") -> None:
        """Cancel a run if need be, then forget it and its events. As `Retention.forget`."""
        await self._retention.forget(run_id, why)

    async def forget_conversation(self, conversation_id: str) -> None:
        """Forget a conversation and its runs. As `Retention.forget_conversation`."""
        await self._retention.forget_conversation(conversation_id)

    def refuse_new(self) -> None:
        """Take no new runs from here on."""
        self._admission.refuse_new()

    async def drain(self, seconds: float) -> None:
        """Take no new runs; let the others end within *seconds*, then end them with `shutdown`."""
        self.refuse_new()
        await self._executor.wait_idle(seconds)
        self._executor.cancel_all()
        await self._executor.wait_idle(DRAIN_GRACE_SECONDS)

    @property
    def draining(self) -> bool:
        """Whether no new runs are taken any more."""
        return self._admission.draining

    @property
    def running(self) -> int:
        """How many runs of this worker have not ended."""
        return self._admission.running
