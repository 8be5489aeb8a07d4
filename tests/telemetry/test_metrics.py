"""Covers `orchestrator/telemetry/metrics.py`, by what a scraper would read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import Draft, Entry
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.run_store import Fence
from orchestrator.run.spec import StartRequest
from orchestrator.telemetry.metrics import LoopLag, Metrics
from orchestrator.telemetry.observer import AttemptEnd, RunFacts
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.service import Serve, endless
from ..support.spine import start, supervised

ONE, OTHER = RunFacts("run_1", None, 0), RunFacts("run_2", None, 0)


def scrape(metrics: Metrics) -> dict[str, float]:
    """Return every sample as ``name{label=value}`` → value."""
    body, _ = metrics.render()
    found = {}
    for family in parse_text(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def open_agents(metrics: Metrics) -> dict[str, float]:
    """Return what is counted of the agents of open runs, without the zeros."""
    found = scrape(metrics)
    return {name: found[name] for name in found if name.startswith("orchestrator_agents{") and found[name]}


def test_runs_are_counted_and_timed() -> None:
    metrics = Metrics()
    metrics.run_started(ONE)
    metrics.run_started(OTHER)
    metrics.run_ended(OTHER, "partial", 3.0)
    found = scrape(metrics)
    assert found["orchestrator_runs_started_total"] == 2
    assert found["orchestrator_runs_running"] == 1
    assert found["orchestrator_runs_ended_total{status=partial}"] == 1
    assert found["orchestrator_run_duration_seconds_sum"] == 3.0


def test_agents_are_counted_by_state() -> None:
    """A state is left when the next is entered, so the gauges add up to the agents of open runs."""
    metrics = Metrics()
    for agent in ("a", "b"):
        metrics.agent_state(agent, None, "queued")
        metrics.agent_state(agent, "queued", "running")
    metrics.agent_state("a", "running", "done")
    found = scrape(metrics)
    assert found["orchestrator_agents{agent=a,state=queued}"] == 0
    assert found["orchestrator_agents{agent=a,state=done}"] == 1
    assert found["orchestrator_agents{agent=b,state=running}"] == 1
    metrics.agent_state("a", "done", None)
    assert scrape(metrics)["orchestrator_agents{agent=a,state=done}"] == 0


def test_attempts_feed_the_histograms_of_their_agent() -> None:
    metrics = Metrics()
    metrics.agent_ended(AttemptEnd(ONE, "a", 1, "done", None, 0.3, 2.0, 40))
    metrics.agent_ended(AttemptEnd(ONE, "a", 2, "error", "timeout_idle", None, 9.0, None))
    found = scrape(metrics)
    assert found["orchestrator_agent_attempts_ended_total{agent=a,code=,outcome=done}"] == 1
    assert found["orchestrator_agent_attempts_ended_total{agent=a,code=timeout_idle,outcome=error}"] == 1
    assert found["orchestrator_agent_time_to_first_token_seconds_count{agent=a}"] == 1
    assert found["orchestrator_agent_time_to_first_token_seconds_bucket{agent=a,le=0.35}"] == 1
    assert found["orchestrator_agent_time_to_first_token_seconds_bucket{agent=a,le=0.2}"] == 0
    assert found["orchestrator_agent_duration_seconds_sum{agent=a}"] == 11.0
    assert found["orchestrator_output_tokens_total{agent=a}"] == 40


def test_the_rest_is_counted_where_it_happens() -> None:
    metrics = Metrics()
    metrics.tokens("a", 12, 3)
    metrics.retried("a")
    metrics.abandoned("a")
    metrics.log_bytes(500)
    metrics.log_bytes(400)
    metrics.subscriber_opened("sse")
    metrics.subscriber_opened("sse")
    metrics.subscriber_closed("sse")
    metrics.client_dropped("too_slow")
    found = scrape(metrics)
    assert found["orchestrator_output_characters_total{agent=a}"] == 12
    assert found["orchestrator_token_events_total{agent=a}"] == 3
    assert found["orchestrator_agent_retries_total{agent=a}"] == 1
    assert found["orchestrator_agents_abandoned_total{agent=a}"] == 1
    assert found["orchestrator_log_bytes"] == 400
    assert found["orchestrator_subscribers{kind=sse}"] == 1
    assert found["orchestrator_clients_dropped_total{reason=too_slow}"] == 1
    assert found["process_open_fds"] > 0


def test_a_stream_counts_as_open_until_it_ends_however_it_ends() -> None:
    metrics = Metrics()

    def follow() -> None:
        with metrics.subscribing("channel"):
            assert scrape(metrics)["orchestrator_subscribers{kind=channel}"] == 1
            raise ConnectionError

    with pytest.raises(ConnectionError):
        follow()
    assert scrape(metrics)["orchestrator_subscribers{kind=channel}"] == 0


async def test_deleted_run_is_counted_out(serve: Serve) -> None:
    """Its end can be logged no more, so the run and its agents would seem to be open for ever."""
    service = await serve({"a": endless, "b": endless})
    run_id = await service.start()
    await eventually(lambda: scrape(service.metrics)["orchestrator_runs_running"] == 1)
    await service.call("DELETE", f"/v1/runs/{run_id}")
    await eventually(lambda: scrape(service.metrics)["orchestrator_runs_running"] == 0)
    assert open_agents(service.metrics) == {}


class UnsteadyLog(MemoryLog):
    """A store that goes away when it is told to."""

    failing = ""

    async def append(
        self, channel: str, drafts: Sequence[Draft], *, fence: Fence | None = None
    ) -> list[Entry]:
        if self.failing == "append":
            raise LogUnavailable("away")
        return await super().append(channel, drafts, fence=fence)

    async def turns(self, conversation_id: str, agent_id: str) -> Sequence[bytes]:
        if self.failing == "turns":
            self.failing = ""
            raise LogUnavailable("away")
        return await super().turns(conversation_id, agent_id)


async def test_run_that_never_got_to_begin_is_counted_out() -> None:
    """The store went away after it had taken the run's record."""
    log, metrics = UnsteadyLog(), Metrics()
    async with supervised({"a": endless}, log=log, observer=metrics) as supervisor:
        log.failing = "append"
        with pytest.raises(LogUnavailable):
            await supervisor.start(StartRequest("hi"))
        assert open_agents(metrics) == {}
        log.failing = ""


async def test_takeover_that_is_done_again_counts_nobody_twice() -> None:
    """The store may go away in the middle of it."""
    log, metrics = UnsteadyLog(), Metrics()
    scripts, keys = {"a": endless, "b": endless}, {"a": {"on_worker_lost": "restart"}}
    async with supervised(scripts, keys=keys, log=log) as lost:
        run = await start(lost, conversation_id="talk")
        await eventually(lambda: all(p.text for p in run.participants.values()))
        log.failing = "turns"
        lost._serving[0].cancel()
        await log.beat(lost.worker, 0.05)
        async with supervised(scripts, keys=keys, log=log, observer=metrics) as other:
            await eventually(lambda: scrape(metrics)["orchestrator_runs_running"] == 1)
            assert not log.failing
            assert sum(open_agents(metrics).values()) == 2
            other._executor.cancel_all()
            await eventually(lambda: scrape(metrics)["orchestrator_runs_running"] == 0)
            assert open_agents(metrics) == {}


def test_two_sets_of_metrics_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.run_started(ONE)
    assert scrape(other)["orchestrator_runs_started_total"] == 0


def test_openmetrics_is_given_where_it_is_asked_for() -> None:
    metrics = Metrics()
    metrics.run_started(ONE)
    body, content_type = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert {"orchestrator_runs_started"} <= {family.name for family in parse_openmetrics(body.decode())}
    assert metrics.render("text/html")[1].startswith("text/plain")


def test_names_follow_prometheus_practice() -> None:
    """Ours share a prefix, time is in seconds, and every family has a help text."""
    body, _ = Metrics().render()
    for family in parse_text(body.decode()):
        if family.name.startswith("process_"):
            continue
        assert family.name.startswith("orchestrator_")
        assert family.documentation.endswith(".")
        if family.type == "histogram":
            assert family.name.endswith("_seconds")


async def test_a_blocked_loop_shows_as_lag() -> None:
    """The sampler sees that it was woken late, and ends with the application."""
    metrics = Metrics()
    samples: list[float] = []
    late = asyncio.Event()

    def report(seconds: float) -> None:
        samples.append(seconds)
        metrics.loop_lag(seconds)
        if seconds >= 0.05:
            late.set()

    before = asyncio.all_tasks()
    async with asynccontextmanager(LoopLag(report, interval_s=0.01))(None):
        await asyncio.sleep(0)  # the sampler falls asleep, then the loop is blocked past its time
        time.sleep(0.1)
        await asyncio.wait_for(late.wait(), PATIENCE_SECONDS)
    assert asyncio.all_tasks() == before
    found = scrape(metrics)
    assert found["orchestrator_event_loop_lag_seconds_count"] == len(samples)
    assert found["orchestrator_event_loop_lag_seconds_sum"] >= 0.05


def test_counting_needs_no_web_server() -> None:
    """The spine's tests and other fronts use it without aiohttp."""
    script = (
        "import sys; from orchestrator.telemetry.metrics import Metrics; sys.exit('aiohttp' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], check=False, timeout=PATIENCE_SECONDS).returncode == 0
    )
