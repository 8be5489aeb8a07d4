"""The runs there are: start, find, cancel, forget, drain.

Owns limits on runs and idempotency. Who executes them is `ownership`'s, what happens inside one is
`run`'s; who may ask is the server's.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

import msgspec
import structlog

from ..agent.attempt import Stop
from ..errors import (
    Conflict,
    FieldProblem,
    Gone,
    InvalidRequest,
    LimitReached,
    LogUnavailable,
    NotFound,
    RequestError,
    Unavailable,
)
from ..eventlog.base import Store, parse_cursor
from ..eventlog.cluster import Cluster
from ..eventlog.run_list import RunQuery
from ..eventlog.run_store import RunRecord
from ..events.snapshot import Revealed, RevealedAgent, Snapshot
from ..panels.settings import PanelSettings
from ..run.blind import BlindRecords, neutral_id
from ..run.commands import Command, encode, outcome, perform
from ..run.conversation import Conversations
from ..run.registry import AgentRegistry
from ..run.run import Run
from ..run.spec import StartRequest, spec_of
from ..run.state import Participant, RunState
from ..run.stored import StoredRun, StoredRuns
from ..run.writer import SYSTEM_CHANNEL
from ..settings.limits import RunLimits
from ..telemetry.observer import Observer
from .executor import Executor
from .failover import LEASE_SECONDS, Failover
from .panel_request import given, panel_over
from .peers import answer_commands, take_work
from .presence import Presence
from .run_list import RunList, list_of, summary_of

log = structlog.get_logger(__name__)

HOLD_TRIES, HOLD_PAUSE_SECONDS = 40, 0.05
MOVED_TRIES, MOVED_PAUSE_SECONDS = 60, 0.05
SYSTEM_SNAPSHOTS = 50
"""Of every run there is, how many of the newest are told to a dashboard whose cursor could not be used."""

DRAIN_GRACE_SECONDS = 10.0
"""After the drain time, how long ended agents may take to close their streams."""

AnyRun = Run | StoredRun


class Supervisor:
    """Starts runs and owns them until they have ended. Use as an async context manager.

    Leaving it cancels what still runs, so `drain` first.

    Args:
        worker: The name under which this process owns runs; random unless given.
        cluster: What it shares with other workers on the same store; alone where None.
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
        self.limits = limits or RunLimits()
        self.worker = worker or f"worker_{secrets.token_hex(6)}"
        self.cluster = cluster
        self._conversations = Conversations(store)
        self._stored = StoredRuns(store)
        self._blind_records = BlindRecords(store)
        self._tasks = asyncio.TaskGroup()
        self._serving: list[asyncio.Task[None]] = []
        self._starting: set[str] = set()
        self._presence = Presence(store, self.limits, shared=cluster is not None)
        observer = observer or Observer()
        self._executor = Executor(
            registry,
            store,
            self._conversations,
            self._stored,
            observer,
            limits=self.limits,
            cluster=cluster,
            tasks=self._tasks,
        )
        self._failover = Failover(
            store,
            self._executor,
            self._presence,
            observer,
            worker=self.worker,
            limits=self.limits,
            starting=self._starting,
            cluster=cluster,
            forget=self.forget,
        )

    async def __aenter__(self) -> Self:
        await self.log.start()
        await self.log.beat(self.worker, LEASE_SECONDS)
        await self._tasks.__aenter__()
        self._serving = [self._tasks.create_task(self._failover.clean(), name="janitor")]
        if self.cluster is not None:
            work = take_work(
                self.cluster, self.log, self._executor, worker=self.worker, busy=lambda: self._busy
            )
            asked = answer_commands(self.cluster, self._executor, worker=self.worker)
            self._serving.append(self._tasks.create_task(work, name="take-work"))
            self._serving.append(self._tasks.create_task(asked, name="commands"))
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
            # Whoever shares the store need not wait for our lease to run out.
            await self.log.beat(self.worker, 0.0)

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
        record, refusal = self._record(request, key, traceparent), self._refusal()
        if refusal is not None and key is None:
            raise refusal
        self._starting.add(record.run_id)
        try:
            return await self._start(record, refusal)
        finally:
            self._starting.discard(record.run_id)

    async def _start(self, record: RunRecord, refusal: RequestError | None) -> tuple[AnyRun, bool]:
        kept = await self.log.create_run(record)
        if kept.run_id != record.run_id:
            if kept.request != record.request:
                raise Conflict("This Idempotency-Key was used for another request; use a new one.")
            return await self.get(kept.run_id), False
        try:
            if refusal is not None:
                # Not before: whoever asks again, for his answer was lost, gets his run however full we are.
                raise refusal
            if record.conversation_id:
                await self._hold(record.conversation_id, record.run_id)
        except (Conflict, LimitReached, Unavailable):
            await self.log.forget_run(record.run_id, "was refused")
            raise
        run = self._executor.make(record, RunState(self._executor.spec(record), record.created_at))
        self._executor.hold(run)
        try:
            await run.begin()
        except BaseException:
            self._executor.release(record.run_id)
            run.report_left()
            raise
        log.info("run_started", run_id=record.run_id, agents=record.agents)
        if self.cluster is None:
            self._executor.execute(run, record)
            return run, True
        # Any worker may execute it; until one has claimed it, it is ours.
        self._executor.release(record.run_id)
        run.report_left()
        await self.cluster.offer_work(record.run_id)
        return StoredRun(run.state), True

    async def get(self, run_id: str) -> AnyRun:
        """Find a run.

        Raises:
            Gone: It was deleted or has expired. NotFound: There never was one. LogUnavailable.
        """
        run = self._executor.find(run_id)
        if run is not None:
            return run
        record = await self.log.find_run(run_id)
        if record is None:
            raise NotFound(f"There is no run {run_id!r}.")
        return await self._stored.read(record)

    async def perform(self, command: Command) -> Snapshot:
        """Do what *command* asks, here or on the worker that owns the run; return the run as it stands then.

        Raises:
            NotFound, Gone, Conflict: It cannot be done. Unavailable: The owner does not answer.
        """
        for _ in range(MOVED_TRIES):
            run = self._executor.find(command.run_id)
            if run is not None:
                return await perform(run, command)
            found = await self.get(command.run_id)
            if found.status != "running":
                return await _perform_on_ended(found, command)
            if self.cluster is None:
                raise Unavailable(
                    "Another process runs it, which only a Redis log lets this one ask; if that process was lost, "
                    "the run ends within seconds.",
                    retry_after=5,
                )
            record = await self.log.find_run(command.run_id)
            if record is not None and record.owner != self.worker:
                told = outcome(await self._ask(self.cluster, record.owner, command))
                if told is not None:
                    return told
            await asyncio.sleep(MOVED_PAUSE_SECONDS)
        raise Unavailable("The run is on its way to another worker; ask again.", retry_after=1)

    async def vote(self, run_id: str, agent_id: str) -> Revealed:
        """Keep a vote for an agent of a run, and say who all are. A later vote replaces it.

        Raises:
            NotFound: The agent takes no part. As `get`.
        """
        run = await self.get(run_id)
        if agent_id not in run.participants:
            raise NotFound(f"Agent {agent_id!r} takes no part in this run.")
        await self._blind_records.vote(run_id, agent_id)
        revealed = await self.revealed(run)
        if revealed is None:
            raise Unavailable("The vote was not kept; vote again.", retry_after=1)
        return revealed

    async def revealed(self, run: AnyRun) -> Revealed | None:
        """Say who the agents of a blind run are, and of any other; None before a vote. Raises LogUnavailable."""
        found = await self._blind_records.revealed(run.spec.run_id, list(run.participants))
        if found is None or run.spec.blind:
            return found
        return Revealed(found.vote, [_plain(participant) for participant in run.participants.values()])

    async def start_panel(self, run_id: str, value: object) -> AnyRun:
        """Let a panel sit over a run's answers; return the run in which it sits.

        That is this one while it is open, else a new one.

        Args:
            value: A panel's id, or an inline panel.
        Raises:
            InvalidRequest: The panel is wrong. Conflict: Another one sits, or nobody has answered. As `get`, `start`.
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
        )
        convened, _ = await self.start(request)
        return convened

    async def _closed(self, run_id: str) -> AnyRun:
        """Return a run; where nothing but its `run.done` is to come, after that. As `get`."""
        run = await self.get(run_id)
        for _ in range(HOLD_TRIES):
            if not run.state.closing:
                break
            await asyncio.sleep(HOLD_PAUSE_SECONDS)
            run = await self.get(run_id)
        return run

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

    async def page(self, query: RunQuery, *, before: str | None = None) -> RunList:
        """Return a page of a list of runs.

        Args:
            before: A run, instead of *query*'s place.
        Raises:
            NotFound, Gone: *before* is unknown, or was forgotten. LogUnavailable.
        """
        if before is not None:
            query = replace(query, before=await self.log.place_of(before))
        return list_of(await self.log.page_runs(query), self._executor)

    async def in_channel(self, channel: str) -> list[AnyRun]:
        """Return the runs of a channel, oldest first; of `system` those under way, and the newest others."""
        if channel != SYSTEM_CHANNEL:
            records = await self.log.runs_in(channel)
            here = {r.run_id: run for r in records if (run := self._executor.find(r.run_id)) is not None}
            others = [record for record in records if record.run_id not in here]
            stored = {run.spec.run_id: run for run in await self._stored.read_channel(channel, others)}
            return [here.get(r.run_id) or stored[r.run_id] for r in records]
        newest = await self.log.list_runs(limit=SYSTEM_SNAPSHOTS)
        told = {record.run_id: record for record in (*await self.log.running_runs(), *reversed(newest))}
        return await self._all(sorted(told.values(), key=lambda record: record.created_at))

    # ── watch, forget, drain ─────────────────────────────────────────────────────────────────

    def watching(self, channel: str, run_id: str | None = None) -> AbstractContextManager[None]:
        """Count a subscriber of a run, or of a whole channel, while inside.

        Raises:
            LimitReached: There are `max_subscribers` already.
        """
        return self._presence.watching(channel, run_id)

    async def forget(self, run_id: str, why: str = "was deleted") -> None:
        """Cancel a run if need be, then forget it and its events; it is `Gone` from now on."""
        run = self._executor.find(run_id)
        if run is not None:
            run.cancel(Stop(why))
        found = await self.log.find_run(run_id)
        if found is not None and spec_of(found).blind:
            await self._blind_records.forget(
                run_id, [neutral_id(place) for place in range(len(found.agents))]
            )
        await self.log.forget_run(run_id, why)
        await self.log.erase(SYSTEM_CHANNEL, run_id)
        self._executor.release(run_id)
        self._stored.drop(run_id)

    def refuse_new(self) -> None:
        """Take no new runs from here on."""
        self._executor.draining = True

    async def drain(self, seconds: float) -> None:
        """Take no new runs; let the others end within *seconds*, then end them with `shutdown`."""
        self.refuse_new()
        await self._executor.wait_idle(seconds)
        self._executor.cancel_all()
        await self._executor.wait_idle(DRAIN_GRACE_SECONDS)

    @property
    def draining(self) -> bool:
        """Whether no new runs are taken any more."""
        return self._executor.draining

    @property
    def running(self) -> int:
        """How many runs of this worker have not ended."""
        executed = {run_id for run_id, run in self._executor.items() if run.status == "running"}
        return len(executed | self._starting)

    @property
    def _busy(self) -> bool:
        return self.draining or self.running >= self.limits.max_runs

    # ── inside ───────────────────────────────────────────────────────────────────────────────

    def _refusal(self) -> RequestError | None:
        """Say why no further run can be taken just now; None where one can."""
        if self.draining:
            return Unavailable("The server is shutting down; ask again.", retry_after=5)
        if self.running >= self.limits.max_runs:
            return LimitReached(f"{self.limits.max_runs} runs are under way already.", retry_after=5)
        return None

    def _record(self, request: StartRequest, key: str | None, traceparent: str | None) -> RunRecord:
        """Check what can be checked here, and say what is to be kept of the run."""
        agents = request.agents or tuple(self.registry.default_agents())
        if request.panel is not None:
            panel = PanelSettings.model_validate(request.panel)
            # Over another run's answers nobody takes part until he is asked.
            agents = panel.opening if request.of is None else ()
        unknown = [
            FieldProblem(f"agents[{n}]", f"There is no agent {agent_id!r}.")
            for n, agent_id in enumerate(agents)
            if agent_id not in self.registry.agents
        ]
        if unknown:
            raise InvalidRequest("An agent is unknown; GET /v1/agents lists them.", unknown)
        if request.blind:
            agents = tuple(random.SystemRandom().sample(agents, len(agents)))
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
            traceparent=traceparent,
            summary=summary_of(request, tuple(agents)),
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

    async def _all(self, records: Sequence[RunRecord]) -> list[AnyRun]:
        return [self._executor.find(record.run_id) or await self._stored.read(record) for record in records]


async def _perform_on_ended(run: AnyRun, command: Command) -> Snapshot:
    """Answer what is asked of a run that nobody executes any more."""
    agent_id = command.agent_id or ""
    if command.verb == "add":
        await run.add(agent_id)
    elif command.verb == "retry":
        await run.retry(agent_id)
    elif command.verb == "approve":
        run.approve(agent_id, command.call_id, command.approve)
    elif command.verb == "convene" and command.panel is not None:
        run.start_panel_over(PanelSettings.model_validate(command.panel))
    else:
        run.cancel(Stop(command.reason), command.agent_id)
    return run.snapshot()


def _plain(participant: Participant) -> RevealedAgent:
    info = participant.info
    return RevealedAgent(
        info.agent_id,
        info.agent_id,
        info.title,
        info.backend,
        info.model,
        participant.metrics,
        participant.usage,
        participant.error,
    )
