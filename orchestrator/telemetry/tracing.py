"""Passes on to OpenTelemetry what the spine reports: a span per run, one per attempt. Where spans go is the provider's.

Needs only the API package. Spans hold ids, numbers and closed sets, and nothing that anybody said.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from opentelemetry import context, trace
from opentelemetry.trace import Span, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..events.base import RunStatus
from .observer import AttemptEnd, Observer, RunFacts

FLUSH_SECONDS = 5.0


def find_tracing() -> Tracing | None:
    """Return an observer if a provider is set by now that records; None if nobody would see a span."""
    tracer = trace.get_tracer("orchestrator")
    return None if isinstance(tracer, trace.NoOpTracer | trace.ProxyTracer) else Tracing(tracer)


class Tracing(Observer):
    """Makes a span `run` for each run and, beneath it, `agent <agent_id>` for each attempt.

    A run that was taken over has a span on each worker. Call it as one of an application's `cleanup_ctx`: a
    worker process ends at once after its application, and would take its last spans with it.
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._open: dict[str, Span] = {}

    async def __call__(self, app: object) -> AsyncIterator[None]:
        yield
        # The API knows no flush.
        flush = getattr(trace.get_tracer_provider(), "force_flush", None)
        if flush is not None:
            await asyncio.to_thread(flush, int(FLUSH_SECONDS * 1000))

    def run_started(self, run: RunFacts) -> None:
        # For what the agents' own libraries trace. Never detached: it is the context of the run's task.
        context.attach(trace.set_span_in_context(self._span(run)))

    def traceparent(self, run: RunFacts) -> str | None:
        span = self._open.get(run.run_id)
        if span is None:
            return None
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
        return carrier.get("traceparent")

    def run_ended(self, run: RunFacts, status: RunStatus, seconds: float) -> None:
        self._end(run, status)

    def run_left(self, run: RunFacts) -> None:
        self._end(run, "left")

    def agent_ended(self, end: AttemptEnd) -> None:
        ended = time.time_ns()
        started = ended - _nanoseconds(end.duration_s)
        known: dict[str, str | int | float | None] = {
            "run.id": end.run.run_id,
            "agent.id": end.agent_id,
            "agent.attempt": end.attempt,
            "agent.backend": end.backend or None,
            "agent.outcome": end.outcome,
            "agent.time_to_first_token_s": end.ttft_s,
            "gen_ai.request.model": end.model,
            "gen_ai.usage.output_tokens": end.output_tokens,
            "error.type": end.code,
        }
        span = self._tracer.start_span(
            f"agent {end.agent_id}",
            trace.set_span_in_context(self._span(end.run)),
            attributes={name: value for name, value in known.items() if value is not None},
            start_time=started,
        )
        if end.ttft_s is not None:
            span.add_event("first_token", timestamp=started + _nanoseconds(end.ttft_s))
        if end.code is not None:
            span.set_status(Status(StatusCode.ERROR, end.code))
        span.end(ended)

    def _span(self, run: RunFacts) -> Span:
        """Return the run's span, which begins with the run, also if another worker began it."""
        span = self._open.get(run.run_id)
        if span is None:
            known = {"run.id": run.run_id}
            if run.channel is not None:
                known["run.channel"] = run.channel
            started = run.created_at * 1_000_000
            span = self._tracer.start_span("run", _parent(run), attributes=known, start_time=started)
            self._open[run.run_id] = span
        return span

    def _end(self, run: RunFacts, status: str) -> None:
        span = self._open.pop(run.run_id, None)
        if span is not None:
            span.set_attribute("run.status", status)
            if status == "failed":
                span.set_status(Status(StatusCode.ERROR, status))
            span.end()


def _parent(run: RunFacts) -> context.Context:
    """Return the caller's trace; what is under way here already, if that is a part of it."""
    here = context.get_current()
    asked = TraceContextTextMapPropagator().extract({"traceparent": run.traceparent or ""}, here)
    return here if _trace_id(here) == _trace_id(asked) else asked


def _trace_id(found: context.Context) -> int:
    return trace.get_current_span(found).get_span_context().trace_id


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
