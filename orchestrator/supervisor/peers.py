"""Serves the other workers on the same store: takes runs that any may execute, and answers
what they were asked about runs that are its own. Owns neither the runs nor the connection."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import structlog

from ..errors import LogUnavailable, RequestError
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.queued_status import UNCLAIMED
from ..eventlog.retry import until_available
from ..run.commands import answer, decode
from ..telemetry.logs import exception_words, failure
from .admission import Admission
from .executor import Executor

log = structlog.get_logger(__name__)

BEGINNING_AT_ONCE = 16
"""Runs that one worker begins at the same time."""

BUSY_SECONDS = 0.5
"""How long a worker that is full, or draining, waits before it looks again."""


async def take_work(
    cluster: Cluster, store: Store, executor: Executor, admission: Admission, worker: str
) -> None:
    """Execute what was offered while there is room for it; until cancelled.

    Several runs begin at the same time: each waits for the store a dozen times before its agents are asked.
    """
    room = asyncio.Semaphore(BEGINNING_AT_ONCE)
    async with asyncio.TaskGroup() as beginning:
        while True:
            await room.acquire()
            # Several things end this.
            while admission.is_busy:  # noqa: ASYNC110
                await asyncio.sleep(BUSY_SECONDS)
            run_id = await cluster.take_work(worker)
            task = beginning.create_task(_begin(run_id, cluster, store, executor, admission, worker))
            task.add_done_callback(lambda _: room.release())


async def _begin(
    run_id: str, cluster: Cluster, store: Store, executor: Executor, admission: Admission, worker: str
) -> None:
    try:
        with admission.starting(run_id):
            if admission.draining:
                # It began to wait before that: whoever stays executes what comes.
                await cluster.finish_work(run_id)
                await cluster.offer_work(run_id)
            else:
                await _execute(run_id, cluster, store, executor, worker)
    except LogUnavailable as exc:
        log.warning("work_not_taken", run_id=run_id, reason=exception_words(exc))
    except Exception as exc:  # noqa: BLE001
        # One run must not end them all: this task is the worker's.
        log.error("work_failed", run_id=run_id, **failure(exc))


async def _execute(run_id: str, cluster: Cluster, store: Store, executor: Executor, worker: str) -> None:
    """Claim work that was taken, and execute its run."""
    # The work is nobody else's while this worker lives, so an unavailable store must not make it forget the run.
    claimed = await until_available(lambda: store.claim_run(run_id, owner=worker, token=UNCLAIMED))
    if claimed is None:
        # If it runs, it is another's, which is executing it: a worker that stood still for its lease comes too late.
        record = await until_available(lambda: store.find_run(run_id))
        return None if record and record.status == "running" else await cluster.finish_work(run_id)
    try:
        return await executor.resume(claimed)
    except RequestError:
        return await until_available(lambda: cluster.finish_work(run_id))


async def answer_commands(cluster: Cluster, executor: Executor, *, worker: str) -> None:
    """Answer what other workers ask of our runs; until cancelled."""
    async with aclosing(cluster.commands(worker)) as commands:
        async for command in commands:
            try:
                run = executor.find(decode(command.body).run_id)
                await command.reply(await answer(run, command.body))
            except LogUnavailable as exc:
                log.warning("command_not_answered", reason=exception_words(exc))
            except Exception as exc:  # noqa: BLE001 - one command must not end them all
                log.error("command_failed", **failure(exc))
