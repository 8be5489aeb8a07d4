"""Covers `orchestrator/server/metrics.py`, by what a scraper would read."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import asynccontextmanager

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from orchestrator.server.metrics import LoopLag, Metrics


def scrape(metrics: Metrics) -> dict[str, float]:
    """Return every sample as ``name{label=value}`` → value."""
    body, _ = metrics.render()
    found = {}
    for family in parse_text(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_runs_are_counted_and_timed() -> None:
    metrics = Metrics()
    metrics.run_started()
    metrics.run_started()
    metrics.run_ended("partial", 3.0)
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
    metrics.agent_ended("a", "done", None, 0.3, 2.0, 40)
    metrics.agent_ended("a", "error", "timeout_idle", None, 9.0, None)
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


def test_two_sets_of_metrics_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.run_started()
    assert scrape(other)["orchestrator_runs_started_total"] == 0


def test_openmetrics_is_given_where_it_is_asked_for() -> None:
    metrics = Metrics()
    metrics.run_started()
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
        await asyncio.wait_for(late.wait(), 20)
    assert asyncio.all_tasks() == before
    found = scrape(metrics)
    assert found["orchestrator_event_loop_lag_seconds_count"] == len(samples)
    assert found["orchestrator_event_loop_lag_seconds_sum"] >= 0.05


def test_counting_needs_no_web_server() -> None:
    """The spine's tests and other fronts use it without aiohttp."""
    script = "import sys; from orchestrator.server.metrics import Metrics; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
