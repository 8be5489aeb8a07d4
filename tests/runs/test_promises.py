"""The six promises of PROTOCOL.md, under random agents, callers and readers.

Once on the spine in virtual time, where a stall of a minute costs nothing; once through HTTP in real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import aclosing, suppress
from typing import Any
from unittest.mock import patch

import looptime
import structlog
from hypothesis import HealthCheck, Phase, given, note, settings

from orchestrator.agent import attempt
from orchestrator.agent.attempt import Stop
from orchestrator.errors import Conflict, NotFound
from orchestrator.eventlog import subscription
from orchestrator.eventlog.subscription import follow
from orchestrator.eventlog.view import View
from orchestrator.framing.sse import SseFraming
from orchestrator.run.run import Run
from orchestrator.run.spec import StartRequest
from orchestrator.server.http.streams import render
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.patience import PATIENCE_SECONDS
from tests.support.shares import share

from ..support.promises import check_log, check_reader
from ..support.scenario import (
    CALM,
    CALM_PAUSE,
    CALM_WORDS,
    Act,
    ReaderPlan,
    Scenario,
    Stage,
    WatchingLog,
    scenarios,
)
from ..support.service import Event, Service, events_in, finished_part, serving
from ..support.spine import ScriptedRegistry

SMALL_LOG_BYTES = 6_000
REAL_UNIT = 0.05

common = settings(
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def quietly(test: Coroutine[Any, Any, None], loop_factory: Any = None) -> None:
    """Run *test* on a loop of its own; hundreds of failing agents need no line in the log each."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(test)
    finally:
        structlog.configure(**before)


def make_log(stage: Stage) -> WatchingLog:
    options = {"max_channel_bytes": SMALL_LOG_BYTES} if stage.scenario.small_log else {}
    return WatchingLog(stage, **options)


def calm_is_cancelled(scenario: Scenario) -> bool:
    return any(act.what == "cancel_run" for act in scenario.acts)


def check_all(stage: Stage, log: WatchingLog, readers: list[list[Event]], *, on_virtual_time: bool) -> None:
    events = log.events()
    check_log(stage, events)
    names = stage.scenario.names
    for plan, seen in zip(stage.scenario.readers, readers, strict=True):
        kept = None if plan.agents is None else {names[n] for n in plan.agents if n < len(names)}
        check_reader(events, seen, kept, trimmed=stage.scenario.small_log)
    if not calm_is_cancelled(stage.scenario):
        assert stage.calm_took is not None, "promise 2: its siblings' troubles did not end it"
        if on_virtual_time:
            assert stage.calm_took <= len(CALM_WORDS) * CALM_PAUSE * 1.01, "nor held it up"
        done = [e for e in events if e.type == f"{CALM}.done"]
        assert [e.data["text"] for e in done] == ["".join(CALM_WORDS)]


# ── on the spine, in virtual time ─────────────────────────────────────────────────────────────


@settings(common, max_examples=share(300, 120))
@given(scenarios())
def test_promises_hold_on_the_spine(scenario: Scenario) -> None:
    note(repr(scenario))
    with patch.object(subscription, "PAGE_EVENTS", 5):
        quietly(_on_the_spine(scenario), looptime.new_event_loop)


async def _on_the_spine(scenario: Scenario) -> None:
    stage = Stage(scenario, 1.0)
    log = make_log(stage)
    registry = ScriptedRegistry(stage.scripts(), stage.settings())
    await registry.load()
    tasks_before = asyncio.all_tasks()
    async with Supervisor(registry, log) as supervisor:
        first = [name for n, name in enumerate(scenario.names) if n not in scenario.late]
        run, _ = await supervisor.start(StartRequest("hi", (*first, CALM)))
        async with asyncio.TaskGroup() as group:
            readers = [
                group.create_task(_read(supervisor, run, plan, scenario.names)) for plan in scenario.readers
            ]
            group.create_task(_act(run, scenario))
        check_all(stage, log, [reader.result() for reader in readers], on_virtual_time=True)
        state = run.snapshot()
        assert state.last_event_id == log.history[-1].id
    assert asyncio.all_tasks() == tasks_before, "nothing runs on"


async def _act(run: Run, scenario: Scenario) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    late = [Act(1.0, "add", n) for n in scenario.late]
    for act in sorted([*scenario.acts, *late], key=lambda act: act.at):
        await asyncio.sleep(max(0.0, began + act.at - loop.time()))
        name = scenario.names[act.agent % len(scenario.names)]
        with suppress(Conflict, NotFound):
            match act.what:
                case "cancel":
                    run.cancel(Stop("requested"), name)
                    status = run.participants[name].status
                    assert status in ("cancelling", "done", "error", "cancelled"), "promise 5: at once"
                case "cancel_run":
                    run.cancel(Stop("requested"))
                case "retry":
                    await run.retry(name)
                case _:
                    await run.add(name)


async def _read(supervisor: Supervisor, run: Run, plan: ReaderPlan, names: list[str]) -> list[Event]:
    """Read as a client with a bad line does: cut after so many bytes, back with the id seen last."""

    async def snapshots() -> list[Any]:
        return [run.snapshot()]

    agents = None if plan.agents is None else frozenset(names[n] for n in plan.agents if n < len(names))
    await asyncio.sleep(plan.at)
    seen: list[Event] = []
    last: str | None = None
    for cut in (*plan.cuts, None):
        if last is not None and await supervisor.nothing_after(run, last):
            break
        body = b""
        view = View(run.spec.channel, run.spec.run_id, agents)
        async with aclosing(follow(supervisor.log, view, last, snapshots)) as items:
            async for item in items:
                body += _render(item)
                if cut is not None and len(body) >= cut:
                    break
                await asyncio.sleep(0)
        seen, last = _received(seen, last, finished_part(body[:cut]))
        await asyncio.sleep(plan.away)
    return seen


def _received(seen: list[Event], last: str | None, body: bytes) -> tuple[list[Event], str | None]:
    """Add what one connection brought. A gap that came without its snapshot comes again."""
    events = events_in(body)
    last = next((event.id for event in reversed(events) if event.id is not None), last)
    if events and events[-1].type == "run.gap":
        events.pop()
    return seen + events, last


def _render(item: Any) -> bytes:
    return b"".join(render(item, SseFraming(), lambda: 0))


# ── through HTTP, in real time ────────────────────────────────────────────────────────────────


@settings(common, max_examples=20, phases=[Phase.explicit, Phase.generate])
@given(scenarios())
def test_promises_hold_through_http(scenario: Scenario) -> None:
    note(repr(scenario))
    with patch.multiple(attempt, STOP_SECONDS=1.0, ABANDON_SECONDS=1.0):
        quietly(_through_http(scenario))


async def _through_http(scenario: Scenario) -> None:
    stage = Stage(scenario, REAL_UNIT)
    log = make_log(stage)
    async with serving(stage.scripts(), keys=stage.settings(), log=log) as service:
        first = [name for n, name in enumerate(scenario.names) if n not in scenario.late]
        run_id = await service.start(agents=[*first, CALM])
        async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            readers = [
                group.create_task(_read_http(service, run_id, plan, scenario.names))
                for plan in scenario.readers
            ]
            group.create_task(_act_http(service, run_id, scenario))
        check_all(stage, log, [reader.result() for reader in readers], on_virtual_time=False)


async def _act_http(service: Service, run_id: str, scenario: Scenario) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    late = [Act(1.0, "add", n) for n in scenario.late]
    path = f"/v1/runs/{run_id}"
    for act in sorted([*scenario.acts, *late], key=lambda act: act.at):
        await asyncio.sleep(max(0.0, began + act.at * REAL_UNIT - loop.time()))
        name = scenario.names[act.agent % len(scenario.names)]
        match act.what:
            case "cancel_run":
                answer = await service.call("POST", f"{path}/cancel")
                assert answer.status == 202
            case "add":
                answer = await service.call("POST", f"{path}/agents", json={"agent_id": name})
                assert answer.status in (202, 409)
            case what:
                answer = await service.call("POST", f"{path}/agents/{name}/{what}")
                assert answer.status in (202, 404, 409)
                if what == "cancel" and answer.status == 202:
                    status = answer.json["agents"][name]["status"]
                    assert status in ("cancelling", "done", "error", "cancelled")


async def _read_http(service: Service, run_id: str, plan: ReaderPlan, names: list[str]) -> list[Event]:
    query = ""
    if plan.agents is not None:
        query = "?agents=" + ",".join(names[n] for n in plan.agents if n < len(names))
    await asyncio.sleep(plan.at * REAL_UNIT)
    seen: list[Event] = []
    last: str | None = None
    for cut in (*plan.cuts, None):
        headers = {"Last-Event-ID": last} if last else {}
        url = f"{service.url}/v1/runs/{run_id}/events{query}"
        body = b""
        async with service.session.get(url, headers=headers) as response:
            if response.status == 204:
                break
            async for chunk in response.content.iter_any():
                body += chunk
                if cut is not None and len(body) >= cut:
                    break
        seen, last = _received(seen, last, finished_part(body[:cut]))
        await asyncio.sleep(plan.away * REAL_UNIT)
    return seen
