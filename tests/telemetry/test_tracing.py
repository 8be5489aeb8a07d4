"""Covers `orchestrator/telemetry/tracing.py`: the real SDK collects what the real service tells it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, TCPConnector
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from orchestrator.backends.base import AgentInput, Emission, Finish
from orchestrator.errors import AgentError
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.events import Reasoning, Status, ToolCall, ToolResult, Usage
from orchestrator.run.spec import StartRequest
from orchestrator.server.http.guards.security import SecuritySettings
from orchestrator.supervisor.supervisor import Supervisor
from orchestrator.telemetry.observer import Observer
from orchestrator.telemetry.tracing import Tracing, find_tracing
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.commands import ROOT
from ..support.parts import require
from ..support.redis_server import redis_server
from ..support.service import Puppet, Serve, endless, serving, silent, words
from ..support.spine import ScriptedRegistry
from ..workers.process import worker

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
SAID = "xyzzy"


class Spans:
    """The spans that have ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def all(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.all(name)
        return span

    async def until(self, name: str) -> ReadableSpan:
        """Wait for the end of a span, which comes after what a client sees of it."""
        await eventually(lambda: self.all(name))
        return self.one(name)


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    """Set a provider for one test: the API lets a process do so only once."""
    collected = Spans()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", collected.provider)
    yield collected
    collected.provider.shutdown()


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    assert span.parent is not None
    return span.parent.span_id == parent.context.span_id and span.context.trace_id == parent.context.trace_id


def seconds(earlier: int | None, later: int | None) -> float:
    assert earlier is not None
    assert later is not None
    return (later - earlier) / 1e9


async def counted(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield Status("thinking")
    await asyncio.sleep(0.05)
    yield SAID
    await asyncio.sleep(0.05)
    yield Finish(usage=Usage(7, 11))


async def test_run_is_a_tree_of_its_attempts(spans: Spans) -> None:
    async with serving({"a": counted, "b": words("one")}) as service:
        run_id = await service.start(channel="room")
        run = await spans.until("run")
    a, b = spans.one("agent a"), spans.one("agent b")
    assert len(spans.exporter.get_finished_spans()) == 3
    assert run.parent is None
    assert run.kind is SpanKind.INTERNAL
    assert is_child(a, run)
    assert is_child(b, run)
    assert run.attributes == {"run.id": run_id, "run.channel": "room", "run.status": "completed"}
    told = dict(a.attributes or {})
    first = told.pop("agent.time_to_first_token_s")
    assert told == {
        "run.id": run_id,
        "agent.id": "a",
        "agent.attempt": 1,
        "agent.backend": "function",
        "agent.outcome": "done",
        "gen_ai.usage.output_tokens": 11,
    }
    assert "gen_ai.usage.output_tokens" not in (b.attributes or {})
    assert {span.status.status_code for span in (run, a, b)} == {StatusCode.UNSET}
    # It lasted as long as the agent took, and lies within the run: the clocks agree to a few milliseconds.
    assert isinstance(first, float)
    assert 0.05 <= first < seconds(a.start_time, a.end_time)
    (event,) = a.events
    assert event.name == "first_token"
    assert not event.attributes
    assert seconds(a.start_time, event.timestamp) == pytest.approx(first, abs=1e-6)
    assert seconds(a.start_time, a.end_time) >= 0.1
    assert seconds(run.start_time, a.start_time) > -0.005
    assert seconds(a.end_time, run.end_time) >= 0


async def test_failed_attempt_is_an_error_with_its_code(spans: Spans) -> None:
    """The message is the upstream's, and may quote what was said."""
    puppet = Puppet()
    puppet.fail(AgentError("upstream_auth", f"It said {SAID}.", retryable=False))
    async with serving({"a": puppet}) as service:
        run_id = await service.start()
        run = await spans.until("run")
    failed = spans.one("agent a")
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "upstream_auth"
    assert (failed.attributes or {})["agent.outcome"] == "error"
    assert (failed.attributes or {})["error.type"] == "upstream_auth"
    assert not failed.events
    assert run.attributes == {"run.id": run_id, "run.status": "failed"}
    assert run.status.status_code is StatusCode.ERROR


async def test_every_attempt_has_its_span(spans: Spans) -> None:
    """Those that follow by themselves, and those that somebody asked for."""

    async def third_time(request: AgentInput) -> AsyncGenerator[Emission, None]:
        if request.attempt < 3:
            raise AgentError("upstream_rate_limited", "Slow down.", retryable=True)
        yield "well"

    keys = {"a": {"retry": {"attempts": 2, "backoff_s": 0.01}}}
    async with serving({"a": third_time, "mute": silent}, keys=keys) as service:
        run_id = await service.start()
        await eventually(lambda: len(spans.all("agent a")) == 2)
        path = f"/v1/runs/{run_id}"
        answer = await service.call("POST", f"{path}/agents/a/retry")
        assert answer.status == 202, answer
        await eventually(lambda: len(spans.all("agent a")) == 3)
        await service.call("POST", f"{path}/agents/mute/cancel")
        run = await spans.until("run")
    attempts = spans.all("agent a")
    told = [(span.attributes or {}) for span in attempts]
    assert [each["agent.attempt"] for each in told] == [1, 2, 3]
    assert [each.get("error.type") for each in told] == [
        "upstream_rate_limited",
        "upstream_rate_limited",
        None,
    ]
    assert all(is_child(span, run) for span in attempts)
    assert (run.attributes or {})["run.status"] == "partial"
    assert run.status.status_code is StatusCode.UNSET


async def test_cancel_is_no_error(spans: Spans) -> None:
    async with serving({"a": endless, "b": silent}) as service:
        run_id = await service.start()
        await service.call("POST", f"/v1/runs/{run_id}/cancel")
        run = await spans.until("run")
    for span in (spans.one("agent a"), spans.one("agent b")):
        assert (span.attributes or {})["agent.outcome"] == "cancelled"
        assert "error.type" not in (span.attributes or {})
        assert span.status.status_code is StatusCode.UNSET
    assert (run.attributes or {})["run.status"] == "cancelled"
    assert run.status.status_code is StatusCode.UNSET


async def test_deleted_run_ends_its_span(spans: Spans) -> None:
    """Nothing of it can be logged any more, so no end of it is ever seen."""
    async with serving({"a": endless}) as service:
        run_id = await service.start()
        await service.call("DELETE", f"/v1/runs/{run_id}")
        run = await spans.until("run")
    assert run.attributes == {"run.id": run_id, "run.status": "left"}


async def test_callers_trace_goes_on(spans: Spans) -> None:
    async with serving({"a": words("one")}) as service:
        headers = {"traceparent": TRACEPARENT, "Accept": "text/event-stream"}
        answer = await service.call("POST", "/v1/runs", json={"message": "hi"}, headers=headers)
        assert answer.status == 200, answer
        run = await spans.until("run")
    assert f"{run.context.trace_id:032x}" == TRACE
    assert run.parent is not None
    assert f"{run.parent.span_id:016x}" == CALLER
    assert run.parent.is_remote
    assert is_child(spans.one("agent a"), run)


@pytest.mark.parametrize(
    "wrong", ["", "00", "x" * 55, f"00-{'0' * 32}-{CALLER}-01", TRACEPARENT + "x" * 5000, TRACEPARENT.upper()]
)
async def test_wrong_traceparent_refuses_nothing(spans: Spans, wrong: str, serve: Serve) -> None:
    service = await serve({"a": words("one")})
    headers = {"traceparent": wrong}
    answer = await service.call("POST", "/v1/runs", json={"message": "hi"}, headers=headers)
    assert answer.status == 201, answer
    assert (await spans.until("run")).parent is None


async def test_agents_pass_the_runs_span_on(spans: Spans) -> None:
    """What an agent asks elsewhere belongs to the run's span; without a provider, to the caller's."""
    heard: list[str | None] = []

    async def hearing(request: AgentInput) -> AsyncGenerator[Emission, None]:
        heard.append(request.traceparent)
        yield "ok"

    async with serving({"a": hearing}) as service:
        await service.ended(await service.start())
        run = await spans.until("run")
    context = run.context
    assert str(heard[0]).startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")


async def test_same_key_from_another_trace_is_the_same_request(spans: Spans, serve: Serve) -> None:
    """A client that asks again does so in a new span of its own."""
    service = await serve({"a": words("one")})
    found = set()
    for traceparent in (TRACEPARENT, TRACEPARENT.replace(CALLER, "1" * 16)):
        headers = {"traceparent": traceparent, "Idempotency-Key": "k"}
        answer = await service.call("POST", "/v1/runs", json={"message": "hi"}, headers=headers)
        assert answer.status == 201, answer
        found.add(answer.json["run_id"])
    assert len(found) == 1
    await spans.until("run")


async def test_what_an_agents_library_traces_is_part_of_its_run(spans: Spans) -> None:
    async def traced(request: AgentInput) -> AsyncGenerator[Emission, None]:
        with trace.get_tracer("library").start_as_current_span(f"call {request.message}"):
            await asyncio.sleep(0)
        yield "one"

    async with serving({"a": traced}) as service:
        for message in ("1", "2"):
            await service.start(message)
        await eventually(lambda: len(spans.all("run")) == 2)
    parents = {run.context.span_id: run for run in spans.all("run")}
    calls = [spans.one("call 1"), spans.one("call 2")]
    assert {call.parent.span_id for call in calls if call.parent} == set(parents)
    assert len({call.context.trace_id for call in calls}) == 2


async def test_nothing_that_was_said_is_in_a_span(spans: Spans) -> None:
    """Nor what a client is known by."""

    async def talking(request: AgentInput) -> AsyncGenerator[Emission, None]:
        yield Status("thinking", SAID)
        yield Reasoning(SAID)
        yield ToolCall("c", SAID, json.dumps({"about": SAID}))
        yield ToolResult("c", SAID, is_error=False)
        yield f"{request.message} {SAID}"
        if request.agent_id == "b":
            raise AgentError("upstream_auth", f"It said {SAID}.", retryable=False)
        if request.agent_id == "c":
            raise ValueError(SAID)
        yield Finish(SAID, Usage(1, 2), memory=SAID)

    security = SecuritySettings(token=SAID * 8)
    async with serving({"a": talking, "b": talking, "c": talking}, security=security) as service:
        bearer = {"Authorization": f"Bearer {SAID * 8}", "Idempotency-Key": SAID, "traceparent": TRACEPARENT}
        body = {"message": f"about {SAID}", "conversation_id": SAID}
        answer = await service.call("POST", "/v1/runs", json=body, headers=bearer)
        assert answer.status == 201, answer
        await spans.until("run")
    finished = spans.exporter.get_finished_spans()
    assert len(finished) == 4
    for span in finished:
        assert SAID not in span.to_json()


async def test_no_span_tells_of_a_blind_runs_agents(spans: Spans) -> None:
    """How long each took, under its own name or in its place, would say before the vote who it is."""
    async with serving({"ada": words("one"), "bob": words("two")}) as service:
        await service.start(blind=True)
        run = await spans.until("run")
    assert [span.name for span in spans.exporter.get_finished_spans()] == [run.name]


async def test_metrics_hear_what_traces_hear(spans: Spans, serve: Serve) -> None:
    service = await serve({"a": words("one")})
    await service.start()
    await spans.until("run")
    read = service.metrics.registry.get_sample_value
    assert read("orchestrator_runs_ended_total", {"status": "completed"}) == 1
    assert read("orchestrator_runs_running") == 0
    assert read("orchestrator_output_characters_total", {"agent": "a"}) == 3


# ── where nobody collects ────────────────────────────────────────────────────────────────────


async def test_without_a_provider_nobody_else_hears_of_runs(serve: Serve) -> None:
    service = await serve({"a": words("one")})
    assert service.supervisor._heartbeat._observer is service.metrics


def test_provider_that_is_switched_off_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As OTEL_SDK_DISABLED does it."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())
    assert find_tracing() is None
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
    assert find_tracing() is None


def test_package_may_be_missing() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from orchestrator.server.app import create_app\n"
        "from orchestrator.server.app_keys import METRICS, SUPERVISOR\n"
        "app = create_app()\n"
        "sys.exit(app[SUPERVISOR]._observer is not app[METRICS])"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=PATIENCE_SECONDS)


# ── several workers ──────────────────────────────────────────────────────────────────────────


async def test_run_of_a_lost_worker_goes_on_in_its_trace(spans: Spans) -> None:
    """Also the attempt that died with the worker is told, by the one that noticed."""
    log = MemoryLog()

    def another() -> Supervisor:
        observer: Observer = Tracing(trace.get_tracer("orchestrator"))
        registry = ScriptedRegistry({"a": endless, "b": silent}, {"b": {"on_worker_lost": "restart"}})
        return Supervisor(registry, log, observer=observer)

    lost, other = another(), another()
    async with lost:
        await lost.registry.load()
        run, _ = await lost.start(StartRequest("hi"), traceparent=TRACEPARENT)
        await eventually(lambda: run.participants["a"].text and run.participants["b"].status == "running")
        lost._serving[0].cancel()
        await log.beat(lost.worker, 0.05)
        async with other:
            await other.registry.load()
            await eventually(lambda: len(spans.all("run")) == 1)
            left = spans.one("run")
            await eventually(lambda: len(spans.all("agent b")) == 1)
            await other.forget(run.spec.run_id)
            await eventually(lambda: len(spans.all("run")) == 2)
    _, went_on = spans.all("run")
    assert (left.attributes or {})["run.status"] == "left"
    assert {f"{span.context.trace_id:032x}" for span in spans.exporter.get_finished_spans()} == {TRACE}
    assert left.start_time == went_on.start_time
    for agent_id in ("a", "b"):
        span = spans.one(f"agent {agent_id}")
        assert (span.attributes or {})["error.type"] == "worker_lost"
        assert is_child(span, went_on)


async def test_trace_crosses_worker_processes_and_survives_their_end(tmp_path: Path) -> None:
    """Any of them may execute a run, and each hands its last spans over before it goes."""
    require("redis-server")
    file = tmp_path / "spans"
    async with (
        redis_server(tmp_path / "redis") as redis,
        worker(redis.url, "--workers", "2", module="tests.workers.traced", SPANS_FILE=str(file)) as parent,
        ClientSession(connector=TCPConnector(force_close=True)) as http,
    ):
        headers = {"traceparent": TRACEPARENT, "Accept": "text/event-stream"}
        for _ in range(6):
            async with http.post(
                f"{parent.url}/v1/runs", json={"message": "3", "agents": ["one"]}, headers=headers
            ) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()
        assert not file.read_text()
        assert await parent.end() == 0
        told = [json.loads(line) for line in file.read_text().splitlines()]
    runs = {span["context"]["span_id"]: span for span in told if span["name"] == "run"}
    attempts = [span for span in told if span["name"] == "agent one"]
    assert len(runs) == len(attempts) == 6
    assert {span["context"]["trace_id"] for span in told} == {f"0x{TRACE}"}
    assert {span["parent_id"] for span in runs.values()} == {f"0x{CALLER}"}
    assert {span["parent_id"] for span in attempts} == set(runs)
    assert {span["attributes"]["run.status"] for span in runs.values()} == {"completed"}
