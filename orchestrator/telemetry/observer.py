"""The reports of the spine to whoever counts or traces. Owns no counter: `metrics` and `tracing` do."""

from __future__ import annotations

from dataclasses import dataclass

from ..events.base import AgentStatus, RunStatus


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run as an observer knows it: nothing that anybody said.

    Attributes:
        channel: None if the run has one of its own.
        created_at: Milliseconds since 1970.
        traceparent: Whose trace it belongs to. Source: W3C Trace Context, 3.2.
    """

    run_id: str
    channel: str | None
    created_at: int
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """The end of an attempt of an agent: *outcome* is done, error or cancelled; *code* is an error's."""

    run: RunFacts
    agent_id: str
    attempt: int
    outcome: str
    code: str | None
    ttft_s: float | None
    duration_s: float
    output_tokens: int | None
    backend: str = ""
    model: str | None = None


class Observer:
    """Hears what happens to runs and agents. Every method may be overridden and must not block."""

    def run_started(self, run: RunFacts) -> None:
        """The task that executes a run began; this is called in it."""

    def traceparent(self, run: RunFacts) -> str | None:
        """Return to which span of its own what a run asks elsewhere belongs, in W3C's form; None if there is none."""
        return None

    def run_ended(self, run: RunFacts, status: RunStatus, seconds: float) -> None:
        """A run ended after *seconds*."""

    def run_left(self, run: RunFacts) -> None:
        """A run does not go on here, begun or not: another worker has it, or it was forgotten."""

    def run_taken_over(self) -> None:
        """A run of a lost worker goes on, or ends, here."""

    def beaten(self, seconds: float) -> None:
        """This worker has renewed its lease, *seconds* after the time before."""

    def work_unfinished(self, runs: int) -> None:
        """So many runs of all workers were offered and have not ended."""

    def duty_done(self, duty: str, seconds: float) -> None:
        """A round of *duty*, one of a closed set, took *seconds*."""

    def agent_state(self, agent_id: str, old: AgentStatus | None, new: AgentStatus | None) -> None:
        """An agent of a run went from one state to another; None is before it joined or after it left."""

    def tokens(self, agent_id: str, chars: int, events: int) -> None:
        """*events* token events with *chars* characters were logged."""

    def agent_ended(self, end: AttemptEnd) -> None:
        """An attempt ended; one of a lost worker may, before the run is started here."""

    def retried(self, agent_id: str) -> None:
        """An attempt failed and another one will follow by itself."""

    def abandoned(self, agent_id: str) -> None:
        """An agent ignored its cancellation and was left behind."""

    def log_bytes(self, size: int) -> None:
        """The log holds *size* bytes now."""

    def live_bytes(self, size: int) -> None:
        """Running runs keep *size* bytes of what they have said in memory."""


class Observers(Observer):
    """Lets each of several hear everything, in order."""

    def __init__(self, *observers: Observer) -> None:
        self._all = observers

    def run_started(self, run: RunFacts) -> None:
        for each in self._all:
            each.run_started(run)

    def traceparent(self, run: RunFacts) -> str | None:
        parents = [each.traceparent(run) for each in self._all]
        return next((found for found in parents if found is not None), None)

    def run_ended(self, run: RunFacts, status: RunStatus, seconds: float) -> None:
        for each in self._all:
            each.run_ended(run, status, seconds)

    def run_left(self, run: RunFacts) -> None:
        for each in self._all:
            each.run_left(run)

    def run_taken_over(self) -> None:
        for each in self._all:
            each.run_taken_over()

    def beaten(self, seconds: float) -> None:
        for each in self._all:
            each.beaten(seconds)

    def work_unfinished(self, runs: int) -> None:
        for each in self._all:
            each.work_unfinished(runs)

    def duty_done(self, duty: str, seconds: float) -> None:
        for each in self._all:
            each.duty_done(duty, seconds)

    def agent_state(self, agent_id: str, old: AgentStatus | None, new: AgentStatus | None) -> None:
        for each in self._all:
            each.agent_state(agent_id, old, new)

    def tokens(self, agent_id: str, chars: int, events: int) -> None:
        for each in self._all:
            each.tokens(agent_id, chars, events)

    def agent_ended(self, end: AttemptEnd) -> None:
        for each in self._all:
            each.agent_ended(end)

    def retried(self, agent_id: str) -> None:
        for each in self._all:
            each.retried(agent_id)

    def abandoned(self, agent_id: str) -> None:
        for each in self._all:
            each.abandoned(agent_id)

    def log_bytes(self, size: int) -> None:
        for each in self._all:
            each.log_bytes(size)

    def live_bytes(self, size: int) -> None:
        for each in self._all:
            each.live_bytes(size)
