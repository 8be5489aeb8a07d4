"""The runs that this worker executes, each from its first event, or from where another worker was lost, to its end.

Owns their tasks. Which runs may begin is the supervisor's; what happens inside one is `run`'s.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import ItemsView
from contextlib import suppress

import structlog

from ..agent.attempt import Stop
from ..errors import Fenced, Gone, UnreadableRequest
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.queued_status import UNCLAIMED
from ..eventlog.retry import until_available
from ..eventlog.run_store import Fence, OwnedRun, RunRecord
from ..run.ballots import Ballots, ballot_of_verdict
from ..run.conversation import Conversations
from ..run.factory import RunFactory
from ..run.run import Run
from ..run.spec import without_images
from ..run.state import RunState
from ..run.stored import StoredRuns, size_of
from ..telemetry.logs import failure

log = structlog.get_logger(__name__)

SHUTDOWN = Stop("The server is shutting down; ask again.", "shutdown")


class Executor:
    """Runs by id, and the tasks that execute them.

    Args:
        factory: Makes those that are gone on with.
        tasks: Owns the tasks.
    """

    def __init__(
        self,
        factory: RunFactory,
        store: Store,
        stored: StoredRuns,
        *,
        cluster: Cluster | None,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._factory = factory
        self._store = store
        self._stored = stored
        self._conversations = Conversations(store)
        self._ballots = Ballots(store)
        self._cluster = cluster
        self._tasks = tasks
        self._runs: dict[str, Run] = {}
        self._owners: set[asyncio.Task[None]] = set()
        self._coming: set[str] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopped = False

    def find(self, run_id: str) -> Run | None:
        return self._runs.get(run_id)

    def __contains__(self, run_id: object) -> bool:
        """Whether the run is executed here, or about to be."""
        return run_id in self._runs or run_id in self._coming

    def items(self) -> ItemsView[str, Run]:
        """Return the runs by id; iterate over a copy if anything is awaited."""
        return self._runs.items()

    @property
    def running(self) -> int:
        """How many runs are executed here."""
        return len(self._owners)

    def hold(self, run: Run) -> None:
        """Let *run* be found before it is executed."""
        self._runs[run.spec.run_id] = run

    def release(self, run_id: str) -> None:
        """Let a run be found no more; its task, if any, goes on."""
        self._runs.pop(run_id, None)

    def execute(self, run: Run, record: RunRecord) -> None:
        """Execute *run* from here on."""
        self._runs[record.run_id] = run
        self._idle.clear()
        owner = self._tasks.create_task(self._execute_to_end(run, record), name=record.run_id)
        self._owners.add(owner)
        if self._stopped:
            run.cancel(SHUTDOWN)
        owner.add_done_callback(self._disown)

    async def resume(self, record: RunRecord) -> None:
        """Execute a run that was claimed: one that has only begun, or one whose worker was lost.

        Waits while the store is unavailable: who has claimed a run must go on with it, for nobody else will. Does
        nothing if the run was forgotten meanwhile, or has another owner.
        """
        self._coming.add(record.run_id)
        try:
            await until_available(lambda: self._resume(record))
        except Fenced:
            _log_loss(record)
        finally:
            self._coming.discard(record.run_id)

    async def report_queued(self, waiting: OwnedRun) -> None:
        """Let a run's readers know that it waits for a worker, unless one has taken it. Raises LogUnavailable."""
        with suppress(Fenced, Gone, UnreadableRequest):
            record = await self._store.find_run(waiting.run_id)
            if record is None or record.token != waiting.token or record.token != UNCLAIMED:
                return
            state = await self._stored.fold(record)
            state.spec = self._factory.spec(record)
            await self._factory.make(record, state).report_queued()

    async def _resume(self, record: RunRecord) -> None:
        state = await self._stored.fold(record)
        if state.status != "running":
            # Its worker died between `run.done` and the note that it ended.
            await self._note_verdict(state)
            fence = Fence(record.run_id, record.token)
            await self._store.end_run(
                fence,
                state.status,
                int(time.time() * 1000),
                agents=state.outcomes(),
                request=without_images(record),
            )
            return
        try:
            state.spec = self._factory.spec(record)
        except UnreadableRequest as exc:
            log.error("run_unreadable", run_id=record.run_id, reason=str(exc))
            await self._end_unreadable(record, state)
            return
        run = self._factory.make(record, state)
        try:
            await run.resume()
        except BaseException:
            run.report_left()
            raise
        self.execute(run, record)

    async def _end_unreadable(self, record: RunRecord, state: RunState) -> None:
        """End a run of which nobody knows what was asked: its readers must not wait for ever."""
        run = self._factory.make(record, state)
        await run.fail()
        await self._note_end(run, record)
        run.report_left()

    async def wait_idle(self, seconds: float) -> None:
        """Return when no run is executed, or after *seconds*."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            pass

    def cancel_all(self) -> None:
        """Ask every run to end with `shutdown`, also those that are on their way here."""
        self._stopped = True
        for run in list(self._runs.values()):
            run.cancel(SHUTDOWN)

    def abandon_all(self) -> None:
        """Stop executing, without any further event."""
        for owner in self._owners:
            owner.cancel()

    def _disown(self, owner: asyncio.Task[None]) -> None:
        self._owners.discard(owner)
        if not self._owners:
            self._idle.set()

    async def _execute_to_end(self, run: Run, record: RunRecord) -> None:
        try:
            await self._execute(run)
            await self._note_end(run, record)
            size = await size_of(run.state)
            if record.run_id in self._runs:
                self._stored.keep(run.state, size)
        except Fenced:
            _log_loss(record)
        finally:
            self._runs.pop(record.run_id, None)
            if run.status == "running":
                run.report_left()
            run.release()

    async def _execute(self, run: Run) -> None:
        """Run to the end, also if the run's own machinery breaks.

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
        except Exception as exc:  # noqa: BLE001 - whatever broke, its clients are to be sent the end
            log.error("run_failed", run_id=run.spec.run_id, **failure(exc, (run.spec.message,)))
            await run.fail()

    async def _note_verdict(self, state: RunState) -> None:
        """Keep what the run's panel found of the answers, if it did."""
        ballot = ballot_of_verdict(state, int(time.time() * 1000))
        if ballot is not None:
            await self._ballots.keep(ballot)

    async def _note_end(self, run: Run, record: RunRecord) -> None:
        await until_available(lambda: self._note_verdict(run.state))
        ended = self._note_ended(run.state, record)
        if self._cluster is None:
            await ended
        else:
            # At once: whoever takes over what a dead worker left has a thousand ends to note.
            finished = self._finish_work(self._cluster, record.run_id)
            for failed in await asyncio.gather(ended, finished, return_exceptions=True):
                if failed is not None:
                    raise failed
        if record.conversation_id is not None:
            conversation_id = record.conversation_id
            await until_available(lambda: self._conversations.release(conversation_id, record.run_id))

    async def _note_ended(self, state: RunState, record: RunRecord) -> None:
        fence, ended_at = Fence(record.run_id, record.token), state.ended_at or int(time.time() * 1000)
        request = without_images(record) if state.spec.images else None
        await until_available(
            lambda: self._store.end_run(
                fence, state.status, ended_at, agents=state.outcomes(), request=request
            )
        )

    @staticmethod
    async def _finish_work(cluster: Cluster, run_id: str) -> None:
        await until_available(lambda: cluster.finish_work(run_id))


def _log_loss(record: RunRecord) -> None:
    log.warning("run_lost", run_id=record.run_id, reason="another worker owns it, or it was forgotten")
