"""Counts what the spine reports and renders it for Prometheus; decides nothing and knows no HTTP.

One registry per `Metrics`, so that two applications in a process do not mix. Label values are agents' ids,
which the configuration bounds, and closed sets.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from ..events.base import AgentStatus, RunStatus
from .observer import AttemptEnd, Observer, RunFacts

FIRST_TOKEN_BUCKETS_SECONDS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)
DURATION_BUCKETS_SECONDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0)
LAG_BUCKETS_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
LAG_INTERVAL_SECONDS = 0.5
DUTY_BUCKETS_SECONDS = (0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_COMBINE: dict[str, Callable[[float, float], float]] = {
    # All see the same log, and the newest or the worst of these is what one wants to know.
    "orchestrator_log_bytes": max,
    "orchestrator_work_unfinished": max,
    "orchestrator_event_loop_lag_last_seconds": max,
    "orchestrator_heartbeat_age_seconds": max,
    "process_start_time_seconds": min,
    "process_max_fds": min,
}


class _Before(Collector):
    """Collects nothing itself, but does something before others are asked."""

    def __init__(self, do: Callable[[], None]) -> None:
        self._do = do

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterable[Metric]:
        self._do()
        return ()


_M = TypeVar("_M", Counter, Gauge, Histogram)


class Metrics(Observer):
    """All that `/metrics` shows. Every method is cheap, and safe to call from any thread."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._said: dict[
            str, list[int]
        ] = {}  # characters and events of each agent, and what of them is counted
        self._states: dict[tuple[str, AgentStatus], int] = {}  # agents of open runs
        self._counting = threading.Lock()
        self.registry.register(_Before(self._count_late))  # first, as they are read in this order
        ProcessCollector(registry=self.registry)
        self._define_runs()
        self._define_agents()
        self._define_server()

    def _define_runs(self) -> None:
        registry = self.registry
        self._runs_started = Counter("orchestrator_runs_started", "Runs that began.", registry=registry)
        self._runs_ended = Counter(
            "orchestrator_runs_ended", "Runs that ended, by status.", ["status"], registry=registry
        )
        self._running: set[str] = set()
        self._runs_running = Gauge(
            "orchestrator_runs_running", "Runs that have not ended.", registry=registry
        )
        self._run_duration = Histogram(
            "orchestrator_run_duration_seconds",
            "From a run's start to its end.",
            buckets=DURATION_BUCKETS_SECONDS,
            registry=registry,
        )

    def _define_agents(self) -> None:
        registry, agent = self.registry, ["agent"]
        self._agents = Gauge(
            "orchestrator_agents", "Agents of open runs, by state.", ["agent", "state"], registry=registry
        )
        self._attempts = Counter(
            "orchestrator_agent_attempts_ended",
            "Attempts that ended; code is empty but for errors.",
            ["agent", "outcome", "code"],
            registry=registry,
        )
        self._token_events = Counter(
            "orchestrator_token_events", "Token events logged, after merging.", agent, registry=registry
        )
        self._characters = Counter(
            "orchestrator_output_characters", "Characters in token events.", agent, registry=registry
        )
        self._output_tokens = Counter(
            "orchestrator_output_tokens", "Output tokens that providers reported.", agent, registry=registry
        )
        self._first_token = Histogram(
            "orchestrator_agent_time_to_first_token_seconds",
            "From an attempt's start to its first token.",
            agent,
            buckets=FIRST_TOKEN_BUCKETS_SECONDS,
            registry=registry,
        )
        self._agent_duration = Histogram(
            "orchestrator_agent_duration_seconds",
            "From an attempt's start to its end.",
            agent,
            buckets=DURATION_BUCKETS_SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            "orchestrator_agent_retries", "Attempts that follow a failed one.", agent, registry=registry
        )
        self._abandoned = Counter(
            "orchestrator_agents_abandoned",
            "Agents that ignored their cancellation and were left behind.",
            agent,
            registry=registry,
        )

    def _define_server(self) -> None:
        registry = self.registry
        self._subscribers = Gauge("orchestrator_subscribers", "Open streams.", ["kind"], registry=registry)
        self._dropped = Counter(
            "orchestrator_clients_dropped", "Clients cut off by the server.", ["reason"], registry=registry
        )
        self._beaten_at = time.monotonic()
        age = Gauge(
            "orchestrator_heartbeat_age_seconds", "Since the lease was renewed last.", registry=registry
        )
        age.set_function(lambda: time.monotonic() - self._beaten_at)
        self._taken_over = Counter(
            "orchestrator_runs_taken_over", "Runs of lost workers that went on here.", registry=registry
        )
        self._unfinished = Gauge(
            "orchestrator_work_unfinished",
            "Runs of all workers that have not ended, those included that wait for a worker.",
            registry=registry,
        )
        self._duties = Histogram(
            "orchestrator_duty_seconds",
            "One round of what is done again and again, by duty.",
            ["duty"],
            buckets=DUTY_BUCKETS_SECONDS,
            registry=registry,
        )
        self._children: dict[tuple[object, ...], object] = {}
        self._log_size = self._live_size = 0
        held = Gauge("orchestrator_log_bytes", "Bytes that the log holds.", registry=registry)
        # Reported at each append, and asked for once in a while.
        held.set_function(lambda: self._log_size)
        about = "Bytes of what running runs have said and keep in memory."
        live = Gauge("orchestrator_live_bytes", about, registry=registry)
        live.set_function(lambda: self._live_size)
        self._lag = Histogram(
            "orchestrator_event_loop_lag_seconds",
            "How much later than asked the event loop woke a sleeper.",
            buckets=LAG_BUCKETS_SECONDS,
            registry=registry,
        )
        self._lag_now = Gauge(
            "orchestrator_event_loop_lag_last_seconds", "The newest sample of the lag.", registry=registry
        )

    # ── what the spine reports ────────────────────────────────────────────────────────────────

    def run_started(self, run: RunFacts) -> None:
        self._runs_started.inc()
        self._running.add(run.run_id)
        self._runs_running.set(len(self._running))

    def run_ended(self, run: RunFacts, status: RunStatus, seconds: float) -> None:
        self._of(self._runs_ended, status).inc()
        self._run_duration.observe(seconds)
        self.run_left(run)

    def run_left(self, run: RunFacts) -> None:
        self._running.discard(run.run_id)
        self._runs_running.set(len(self._running))

    def run_taken_over(self) -> None:
        self._taken_over.inc()

    def beaten(self, seconds: float) -> None:
        self._beaten_at = time.monotonic()

    def work_unfinished(self, runs: int) -> None:
        self._unfinished.set(runs)

    def duty_done(self, duty: str, seconds: float) -> None:
        self._duties.labels(duty).observe(seconds)

    def agent_state(self, agent_id: str, old: AgentStatus | None, new: AgentStatus | None) -> None:
        # Nine times in a run of three agents, so it is added up here and set when somebody asks.
        states = self._states
        if old is not None:
            states[agent_id, old] = states.get((agent_id, old), 0) - 1
        if new is not None:
            states[agent_id, new] = states.get((agent_id, new), 0) + 1

    def tokens(self, agent_id: str, chars: int, events: int) -> None:
        # At every batch, so it is added up here and counted when somebody asks.
        said = self._said.get(agent_id)
        if said is None:
            said = self._said[agent_id] = [0, 0, 0, 0]
        said[0] += chars
        said[1] += events

    def _count_late(self) -> None:
        """Count what was said since the last time, and say in which states agents are now."""
        with self._counting:
            for (agent_id, state), number in list(self._states.items()):
                self._of(self._agents, agent_id, state).set(number)
            for agent_id, said in list(self._said.items()):
                chars, events, known_chars, known_events = said
                said[2:] = chars, events
                self._of(self._characters, agent_id).inc(chars - known_chars)
                self._of(self._token_events, agent_id).inc(events - known_events)

    def agent_ended(self, end: AttemptEnd) -> None:
        self._of(self._attempts, end.agent_id, end.outcome, end.code or "").inc()
        self._of(self._agent_duration, end.agent_id).observe(end.duration_s)
        if end.ttft_s is not None:
            self._of(self._first_token, end.agent_id).observe(end.ttft_s)
        if end.output_tokens is not None:
            self._of(self._output_tokens, end.agent_id).inc(end.output_tokens)

    def _of(self, metric: _M, *labels: str) -> _M:
        """Return the *metric* that has these *labels*: to ask the library for it costs more than to count."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return cast(_M, child)

    def retried(self, agent_id: str) -> None:
        self._retries.labels(agent_id).inc()

    def abandoned(self, agent_id: str) -> None:
        self._abandoned.labels(agent_id).inc()

    def log_bytes(self, size: int) -> None:
        self._log_size = size

    def live_bytes(self, size: int) -> None:
        self._live_size = size

    # ── what the server reports ───────────────────────────────────────────────────────────────

    def subscriber_opened(self, kind: str) -> None:
        """A stream opened: *kind* is `sse`, `channel`, `websocket`, or another of a closed set."""
        self._of(self._subscribers, kind).inc()

    def subscriber_closed(self, kind: str) -> None:
        self._of(self._subscribers, kind).dec()

    @contextmanager
    def subscribing(self, kind: str) -> Iterator[None]:
        """Count a stream of *kind* as open for as long as the context lasts."""
        self.subscriber_opened(kind)
        try:
            yield
        finally:
            self.subscriber_closed(kind)

    def client_dropped(self, reason: str) -> None:
        """The server cut a client off: *reason* is `too_slow`, or another of a closed set."""
        self._dropped.labels(reason).inc()

    def loop_lag(self, seconds: float) -> None:
        self._lag.observe(seconds)
        self._lag_now.set(seconds)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the exposition and its content type: OpenMetrics if *accept* asks for it, else text."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


def add_up(expositions: Sequence[bytes]) -> bytes:
    """Return several processes' expositions as that of one service, in Prometheus' text format.

    Samples are summed; of what describes a state, such as a lag or an age, the worst counts.
    """
    families: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for exposition in expositions:
        for family in text_string_to_metric_families(exposition.decode()):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            combine = _COMBINE.get(known.name, _sum)
            samples = values.setdefault(known.name, {})
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                samples[key] = combine(samples[key], sample.value) if key in samples else sample.value
    for name, family in families.items():
        for (sample_name, labels), value in values[name].items():
            family.add_sample(sample_name, dict(labels), value)
    return generate_latest(_Collected(list(families.values())))


def _sum(one: float, other: float) -> float:
    return one + other


class _Collected(CollectorRegistry):
    """Families that are there already."""

    def __init__(self, families: Sequence[Metric]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class LoopLag:
    """Samples how late the event loop wakes a sleeper.

    Call it as one of an application's `cleanup_ctx`; its task ends with the application.
    """

    def __init__(self, report: Callable[[float], None], *, interval_s: float = LAG_INTERVAL_SECONDS) -> None:
        self._report = report
        self._interval_s = interval_s

    async def __call__(self, app: object) -> AsyncIterator[None]:
        task = asyncio.create_task(self._sample(), name="loop-lag")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _sample(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval_s
            await asyncio.sleep(self._interval_s)
            self._report(max(0.0, loop.time() - due))
