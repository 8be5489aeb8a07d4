"""What of a channel a subscriber wants to see. Owns no reading."""

from __future__ import annotations

from dataclasses import dataclass

from ..events.base import PANEL
from .base import Entry


@dataclass(frozen=True, slots=True)
class View:
    """What a subscriber wants to see.

    Args:
        run_id: Only this run's entries, and the end of the run ends the subscription; None for all.
        agents: Only these agents' events, and every event of the run itself; None for all.
        runs: Only these runs' entries, without an end; None for all.
    """

    channel: str
    run_id: str | None = None
    agents: frozenset[str] | None = None
    runs: frozenset[str] | None = None

    def keeps(self, entry: Entry) -> bool:
        if self.run_id is not None and entry.run_id != self.run_id:
            return False
        if self.runs is not None and entry.run_id not in self.runs:
            return False
        if self.agents is None or entry.agent_id is None or entry.agent_id == PANEL:
            return True
        return entry.agent_id in self.agents

    def kept(self, entries: list[Entry]) -> list[Entry]:
        """Return what the subscriber wants to see of *entries*."""
        if self.agents is not None or self.runs is not None:
            return [entry for entry in entries if self.keeps(entry)]
        run_id = self.run_id
        return entries if run_id is None else [entry for entry in entries if entry.run_id == run_id]
