"""Decides whether this worker takes another run: how many it has, whether it drains. Owns the numbers, not the runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import LimitReached, RequestError, Unavailable
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..settings.limits import RunLimits
from ..telemetry.observer import Observer
from .executor import Executor

ADMISSION_SECONDS = 0.5
RETRY_SECONDS = 5


class Admission:
    """Lets runs in while there is room for them, until the worker drains.

    A worker alone counts its own runs. Workers that share their work count all that have not ended, those that
    wait for a worker included, against what all of them may carry.
    """

    def __init__(self, executor: Executor, limits: RunLimits) -> None:
        self._executor = executor
        self._limits = limits
        self._starting: set[str] = set()
        self._draining = False
        self._unfinished: int | None = None
        self._workers = 1
        self._let_in = 0

    async def look(self, cluster: Cluster, store: Store, observer: Observer) -> None:
        """Count what all workers have to do. Raises LogUnavailable."""
        self._unfinished = await cluster.count_work()
        self._workers = max(1, len(await store.living()))
        self._let_in = 0
        observer.work_unfinished(self._unfinished)

    @property
    def draining(self) -> bool:
        """Whether no new runs are taken any more."""
        return self._draining

    def refuse_new(self) -> None:
        """Take no new runs from here on."""
        self._draining = True

    @property
    def running(self) -> int:
        """How many runs of this worker have not ended, those included that are being started."""
        executed = {run_id for run_id, run in self._executor.items() if run.status == "running"}
        return len(executed | self._starting)

    @property
    def is_busy(self) -> bool:
        """Whether this worker can execute no further run just now."""
        return self._draining or self.running >= self._limits.max_runs

    def is_starting(self, run_id: str) -> bool:
        """Whether the run is being started here just now, so that nobody else need go on with it."""
        return run_id in self._starting

    def refusal(self) -> RequestError | None:
        """Say why no further run can be taken just now; None if one can."""
        if self._draining:
            return Unavailable("The server is shutting down; ask again.", retry_after=RETRY_SECONDS)
        under_way, most = self.running, self._limits.max_runs
        if self._unfinished is not None:
            under_way, most = self._unfinished + self._let_in, most * self._workers
        if under_way >= most:
            return LimitReached(f"{most} runs are under way already.", retry_after=RETRY_SECONDS)
        return None

    def note_let_in(self) -> None:
        """Count a run that was offered since the others' were counted."""
        self._let_in += 1

    @contextmanager
    def starting(self, run_id: str) -> Iterator[None]:
        """Count a run as one of this worker's while it is being started."""
        self._starting.add(run_id)
        try:
            yield
        finally:
            self._starting.discard(run_id)
