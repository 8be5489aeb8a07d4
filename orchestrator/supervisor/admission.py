"""How many runs this worker takes, and whether it takes any. Owns the numbers, not the runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import LimitReached, RequestError, Unavailable
from ..settings.limits import RunLimits
from .executor import Executor

RETRY_SECONDS = 5


class Admission:
    """Lets runs in while there is room for them, until the worker drains."""

    def __init__(self, executor: Executor, limits: RunLimits) -> None:
        self._executor = executor
        self._limits = limits
        self._starting: set[str] = set()
        self._draining = False

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
        if self.running >= self._limits.max_runs:
            text = f"{self._limits.max_runs} runs are under way already."
            return LimitReached(text, retry_after=RETRY_SECONDS)
        return None

    @contextmanager
    def starting(self, run_id: str) -> Iterator[None]:
        """Count a run as one of this worker's while it is being started."""
        self._starting.add(run_id)
        try:
            yield
        finally:
            self._starting.discard(run_id)
