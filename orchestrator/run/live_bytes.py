"""What the runs that this process executes have said and keep in memory, counted and bounded over all of them.

A run's state holds its texts and all that its agents said beside them until it has ended, whatever the log forgets
meanwhile. Owns the sum and who has to give way, not the states.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from ..events.agent import Retry, Token
from ..events.base import Payload
from ..events.content import CONTENT

log = structlog.get_logger(__name__)


class LiveBytes:
    """The sum of all runs.

    Args:
        most: Beyond it the run that holds most is ended, and the next one, until the others fit.
        on_change: Hears the sum.
    """

    def __init__(self, most: int, on_change: Callable[[int], None]) -> None:
        self._most = most
        self._on_change = on_change
        self._held = self._leaving = 0
        self._runs: set[RunBytes] = set()

    def of_run(self, run_id: str) -> RunBytes:
        """Begin to count a run."""
        return RunBytes(self, run_id)

    def note(self, run: RunBytes, grown: int) -> None:
        """Note that a run holds so much more, and end those that hold most if it is too much for all."""
        self._runs.add(run)
        self._held += grown
        if run.is_leaving:
            self._leaving += grown
        self._on_change(self._held)
        while self._held - self._leaving > self._most:
            largest = max((each for each in self._runs if not each.is_leaving), key=lambda each: each.held)
            log.warning("limit_reached", what="live_bytes", most=self._most)
            self._leaving += largest.held
            largest.end()

    def forget(self, run: RunBytes) -> None:
        """Note that a run holds nothing any more."""
        if run in self._runs:
            self._runs.discard(run)
            self._held -= run.held
            if run.is_leaving:
                self._leaving -= run.held
            self._on_change(self._held)


class RunBytes:
    """What one run holds, by agent."""

    def __init__(self, total: LiveBytes, run_id: str) -> None:
        self.run_id = run_id
        self.held = 0
        self.is_leaving = False
        """Whether it was asked to end."""
        self.on_full: Callable[[], None] | None = None
        """Ends the run."""
        self._total = total
        self._agents: dict[str, int] = {}

    def take(self, agent_id: str, payload: Payload, size: int) -> int:
        """Return by how much the run grows with an event of *size* bytes; what a failed attempt has said goes."""
        if isinstance(payload, Retry):
            return -self._agents.pop(agent_id, 0)
        return self.add(agent_id, size) if isinstance(payload, _KEPT) else 0

    def add(self, agent_id: str, size: int) -> int:
        """Return *size*, by which what an agent has said grows."""
        self._agents[agent_id] = self._agents.get(agent_id, 0) + size
        return size

    def grow(self, size: int) -> None:
        """Note that the run holds so much more."""
        if size:
            self.held += size
            self._total.note(self, size)

    def end(self) -> None:
        """Ask the run to end."""
        self.is_leaving = True
        if self.on_full is not None:
            self.on_full()

    def release(self) -> None:
        """Note that the run's state is not kept here any more, or under another bound."""
        self._total.forget(self)
        self.held = 0


_KEPT = (Token, *CONTENT)
