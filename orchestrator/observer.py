"""What the spine tells whoever counts. Owns no counter; `server.metrics` does the counting."""

from __future__ import annotations

from .events import AgentStatus, RunStatus


class Observer:
    """Hears what happens to runs and agents. Every method may be overridden and must not block."""

    def run_started(self) -> None:
        """A run began."""

    def run_ended(self, status: RunStatus, seconds: float) -> None:
        """A run ended after *seconds*."""

    def run_taken_over(self) -> None:
        """A run of a lost worker goes on, or ends, here."""

    def agent_state(self, agent_id: str, old: AgentStatus | None, new: AgentStatus | None) -> None:
        """An agent of a run went from one state to another; None is before it joined or after it left."""

    def tokens(self, agent_id: str, chars: int, events: int) -> None:
        """*events* token events with *chars* characters were logged."""

    def agent_ended(
        self,
        agent_id: str,
        outcome: str,
        code: str | None,
        ttft_s: float | None,
        duration_s: float,
        output_tokens: int | None,
    ) -> None:
        """An attempt ended: *outcome* is done, error or cancelled."""

    def retried(self, agent_id: str) -> None:
        """An attempt failed and another one will follow by itself."""

    def abandoned(self, agent_id: str) -> None:
        """An agent ignored its cancellation and was left behind."""

    def log_bytes(self, size: int) -> None:
        """The log holds *size* bytes now."""
