"""Starts runs: each is checked, kept in the store, begun, and executed here or offered to all workers.

Owns idempotency and the hold on a conversation. How many runs there may be is `admission`'s.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from contextlib import suppress

import msgspec
import structlog

from ..errors import (
    Conflict,
    FieldProblem,
    Gone,
    InvalidRequest,
    LimitReached,
    NotFound,
    RequestError,
    Unavailable,
)
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.queued_status import CLAIMED, UNCLAIMED
from ..eventlog.run_store import RunRecord
from ..panels.settings import PanelSettings
from ..run.commands import AnyRun
from ..run.conversation import Conversations
from ..run.factory import RunFactory
from ..run.registry import AgentRegistry
from ..run.spec import StartRequest, digest
from ..run.stored import StoredRun
from .admission import Admission
from .executor import Executor
from .run_list import summary_of
from .run_lookup import RunLookup

log = structlog.get_logger(__name__)

HOLD_TRIES, HOLD_PAUSE_SECONDS = 40, 0.05


class RecordMaker:
    """Says what is to be kept of a run that is asked for.

    Args:
        worker: The name under which this process owns runs.
        shared: Whether a run waits until some worker claims it, instead of being executed by the one that starts it.
    """

    def __init__(self, registry: AgentRegistry, *, worker: str, shared: bool = True) -> None:
        self._registry = registry
        self._worker = worker
        self._token = UNCLAIMED if shared else CLAIMED

    def make(self, request: StartRequest, key: str | None, traceparent: str | None) -> RunRecord:
        """Return the record of a new run.

        Raises:
            InvalidRequest: An agent is unknown.
        """
        agents = self._opening(request)
        run_id = f"run_{secrets.token_urlsafe(18)}"
        plain = msgspec.json.encode(request).decode()
        return RunRecord(
            run_id=run_id,
            channel=request.channel or run_id,
            message=request.message,
            agents=list(agents),
            conversation_id=request.conversation_id,
            on_disconnect=request.on_disconnect,
            created_at=int(time.time() * 1000),
            owner=self._worker,
            token=self._token,
            key=key,
            request=plain,
            digest=digest(plain),
            traceparent=traceparent,
            summary=summary_of(request, tuple(agents)),
        )

    def _opening(self, request: StartRequest) -> tuple[str, ...]:
        agents = request.agents or tuple(self._registry.default_agents())
        if request.panel is not None:
            panel = PanelSettings.model_validate(request.panel)
            # Over another run's answers nobody takes part until he is asked.
            agents = panel.opening if request.of is None else ()
        unknown = [
            FieldProblem(f"agents[{n}]", self._registry.why_not(agent_id))
            for n, agent_id in enumerate(agents)
            if agent_id not in self._registry.agents and agent_id not in request.variants
        ]
        if unknown:
            raise InvalidRequest("An agent is unknown; GET /v1/agents lists them.", unknown)
        if request.blind:
            return tuple(random.SystemRandom().sample(agents, len(agents)))
        return agents


class Starter:
    """Starts runs.

    Args:
        cluster: Where a run is offered to all workers; None if it is executed here.
    """

    def __init__(
        self,
        factory: RunFactory,
        store: Store,
        executor: Executor,
        admission: Admission,
        following: RunLookup,
        *,
        cluster: Cluster | None,
    ) -> None:
        self._factory = factory
        self._store = store
        self._executor = executor
        self._admission = admission
        self._following = following
        self._cluster = cluster
        self._conversations = Conversations(store)

    async def start(self, record: RunRecord, request: StartRequest) -> tuple[AnyRun, bool]:
        """Start the run of *record*, made of *request*; return it with `run.started` in the log, and whether it is new.

        Raises:
            Unavailable: Draining. LimitReached: Too many runs. Conflict: The conversation is busy, or the
            key was used for another request. LogUnavailable.
        """
        refusal = self._admission.refusal()
        if refusal is not None and record.key is None:
            raise refusal
        with self._admission.starting(record.run_id):
            kept = await self._store.create_run(record)
            if kept.run_id != record.run_id:
                if (kept.digest or digest(kept.request)) != record.digest:
                    raise Conflict("This Idempotency-Key was used for another request; use a new one.")
                return await self._following.find(kept.run_id), False
            await self._let_in(record, refusal)
            return await self._begin(record, request), True

    async def _let_in(self, record: RunRecord, refusal: RequestError | None) -> None:
        """Refuse a run that was kept, or give it its conversation; a refused one is forgotten."""
        try:
            if refusal is not None:
                # Not before: whoever asks again, for his answer was lost, gets his run however full we are.
                raise refusal
            if record.conversation_id:
                await self._hold(record.conversation_id, record.run_id)
        except (Conflict, LimitReached, Unavailable):
            await self._store.forget_run(record.run_id, "was refused")
            raise

    async def _begin(self, record: RunRecord, request: StartRequest) -> AnyRun:
        run = self._factory.make_new(record, request)
        self._executor.hold(run)
        try:
            await run.begin()
        except BaseException:
            self._executor.release(record.run_id)
            run.report_left()
            raise
        log.info("run_started", run_id=record.run_id, agents=record.agents)
        if self._cluster is None:
            self._executor.execute(run, record)
            return run
        # Any worker may execute it; until one has claimed it, it is ours.
        self._executor.release(record.run_id)
        run.report_left()
        await self._cluster.offer_work(record.run_id)
        self._admission.note_let_in()
        return StoredRun(run.state)

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
                if (await self._following.find(holder)).status == "running":
                    break
            # Its `run.done` is out, so a client may follow up; that it gave the conversation back is being noted.
            await asyncio.sleep(HOLD_PAUSE_SECONDS)
        raise Conflict(
            f"Conversation {conversation_id!r} is busy with {holder}; wait for its end or cancel it."
        )
