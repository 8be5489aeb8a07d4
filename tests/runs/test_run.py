"""Covers `orchestrator/run/run.py`: one run on the worker that owns it, from its first event to its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator.agent.attempt import Stop
from orchestrator.backends.base import AgentInput, Part
from orchestrator.errors import Conflict, NotFound
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Cursor, Draft
from orchestrator.events import (
    AgentInfo,
    Approval,
    ApprovalRequest,
    Payload,
    RunStarted,
    Started,
    Status,
    Token,
    encode_data,
)
from orchestrator.panels.settings import PanelSettings
from orchestrator.run.agents import RunAgents
from orchestrator.run.channels import RunChannels
from orchestrator.run.conversation import Conversations
from orchestrator.run.panel import TurnRequest
from orchestrator.run.run import Run
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState
from orchestrator.run.writer import Writer
from orchestrator.telemetry.observer import Observer
from tests.support.patience import eventually, soon
from tests.support.spine import Script, ScriptedRegistry


async def answers(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield f"{request.agent_id} says {request.message}"


async def silent(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield "so"
    await asyncio.Event().wait()


async def careful(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield ApprovalRequest("c1", "send", "{}")
    yield "Sent." if await request.approve("c1") else "Not sent."


class Rig:
    def __init__(self, log: MemoryLog, scripts: dict[str, Script], keys: Any = None, **spec: Any) -> None:
        self.log = log
        self.registry = ScriptedRegistry(scripts, keys)
        self.state = RunState(
            RunSpec(
                **{"run_id": "run_1", "channel": "run_1", "message": "hi", "agents": tuple(scripts), **spec}
            ),
            1,
        )
        agents = RunAgents(self.state, self.registry, Conversations(log), Observer())
        writer = Writer(self.state, RunChannels(log), Observer(), blind_names=agents.blind_names)
        self.run = Run(self.state, agents, writer, Observer())

    async def events(self) -> list[str]:
        bounds = await self.log.open("run_1")
        page = await self.log.read("run_1", Cursor(bounds.epoch, 0), most=1000)
        return [f"{entry.agent_id or 'run'}.{entry.type}" for entry in page]

    def status(self, agent_id: str) -> str:
        return self.state.participants[agent_id].status

    @asynccontextmanager
    async def executing(self, *, until: Iterable[str] = ()) -> AsyncIterator[None]:
        """Begin and execute the run while inside; it has to end by itself after that."""
        await self.registry.load()
        await self.run.begin()
        executing = asyncio.ensure_future(self.run.execute())
        try:
            for agent_id in until:
                await eventually(
                    lambda agent_id=agent_id: self.status(agent_id) == "running" or executing.done()
                )
            yield
            await soon(executing)
        finally:
            executing.cancel()
            await asyncio.wait((executing,))


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


async def test_a_run_ends_when_all_its_agents_have(log: MemoryLog) -> None:
    rig = Rig(log, {"a": answers, "b": answers})
    async with rig.executing():
        pass
    events = await rig.events()
    assert (events[0], events[-1]) == ("run.started", "run.done")
    for agent_id in "ab":
        assert [e for e in events if e.startswith(f"{agent_id}.")] == [
            f"{agent_id}.started", f"{agent_id}.token", f"{agent_id}.done"
        ]  # fmt: skip
    assert (rig.run.status, rig.run.open) == ("completed", False)
    assert rig.run.snapshot().agents["a"].text == "a says hi"


async def test_a_run_without_agents_ends_at_once(log: MemoryLog) -> None:
    rig = Rig(log, {})
    async with rig.executing():
        pass
    assert await rig.events() == ["run.started", "run.done"]


async def test_one_agent_is_cancelled_and_the_others_go_on(log: MemoryLog) -> None:
    rig = Rig(log, {"a": silent, "b": silent})
    async with rig.executing(until="ab"):
        rig.run.cancel(Stop("requested"), "a")
        assert rig.status("a") == "cancelling"
        rig.run.cancel(Stop("again"), "a")
        await eventually(lambda: rig.status("a") == "cancelled")
        assert rig.status("b") == "running"
        with pytest.raises(NotFound, match="nobody"):
            rig.run.cancel(Stop("requested"), "nobody")
        rig.run.cancel(Stop("requested"))
    assert rig.run.status == "cancelled"


async def test_an_agent_joins_once(log: MemoryLog) -> None:
    rig = Rig(log, {"a": silent, "b": answers}, agents=("a",))
    async with rig.executing(until="a"):
        await rig.run.add("b")
        with pytest.raises(Conflict, match="already"):
            await rig.run.add("b")
        await eventually(lambda: rig.status("b") == "done")
        rig.run.cancel(Stop("requested"))
    events = await rig.events()
    assert events.index("run.agent_added") < events.index("b.started")
    with pytest.raises(Conflict, match="has ended"):
        await rig.run.add("c")


async def test_only_an_agent_that_has_ended_is_retried(log: MemoryLog) -> None:
    rig = Rig(log, {"a": silent, "b": answers})
    async with rig.executing(until="a"):
        with pytest.raises(Conflict, match="running"):
            await rig.run.retry("a")
        with pytest.raises(NotFound):
            await rig.run.retry("nobody")
        await eventually(lambda: rig.run.at_rest(rig.state.participants["b"]))
        await rig.run.retry("b")
        assert (rig.status("b"), rig.state.participants["b"].text) == ("queued", "")
        await eventually(lambda: rig.status("b") == "done")
        rig.run.cancel(Stop("requested"))
    assert rig.state.participants["b"].attempt == 2
    with pytest.raises(Conflict, match="has ended"):
        await rig.run.retry("b")


async def test_an_approval_reaches_the_agent_that_waits(log: MemoryLog) -> None:
    rig = Rig(log, {"a": careful})
    async with rig.executing(until="a"):
        while "a.approval_request" not in await rig.events():
            await asyncio.sleep(0.001)
        for agent_id, call_id in (("a", "c2"), ("nobody", "c1")):
            with pytest.raises(NotFound):
                rig.run.approve(agent_id, Approval(call_id, True))
        rig.run.approve("a", Approval("c1", True))
    assert rig.state.participants["a"].text == "Sent."


async def test_a_blind_run_takes_nobody_more_and_no_panel(log: MemoryLog) -> None:
    rig = Rig(log, {"a": silent}, blind=True)
    async with rig.executing(until=["agent-1"]):
        with pytest.raises(Conflict, match="blind"):
            await rig.run.add("a")
        with pytest.raises(Conflict, match="blind"):
            rig.run.start_panel_over(PanelSettings(method="vote", members=["a", "b"]))
        rig.run.cancel(Stop("requested"))


async def test_waiting_for_a_state_ends_with_the_append_that_brings_it(log: MemoryLog) -> None:
    rig = Rig(log, {"a": answers})
    await rig.run.when(lambda: True)
    waiting = asyncio.ensure_future(
        rig.run.when(lambda: "a" in rig.state.participants and rig.status("a") == "done")
    )
    await asyncio.sleep(0)
    assert not waiting.done()
    async with rig.executing():
        pass
    await soon(waiting)


async def test_an_agent_speaks_in_turns(log: MemoryLog) -> None:
    """What it said before is kept, and its attempts are counted on."""
    rig = Rig(log, {"a": silent, "b": answers}, agents=("a",))
    async with rig.executing(until="a"):
        for turn in (1, 2):
            await rig.run.ask(
                "b", TurnRequest(f"turn {turn}", Part("hi", "round", number=turn, turn=turn), True)
            )
            await eventually(lambda: rig.run.at_rest(rig.state.participants["b"]))
        rig.run.cancel(Stop("requested"))
    agent = rig.run.snapshot().agents["b"]
    assert [(t.text, t.round, t.attempt) for t in agent.turns] == [("b says turn 1", 1, 1)]
    assert (agent.text, agent.round, agent.attempt) == ("b says turn 2", 2, 2)


async def test_a_run_whose_machinery_broke_ends_for_everybody(log: MemoryLog) -> None:
    rig = Rig(log, {"a": silent, "b": answers})
    await rig.run.begin()
    await rig.run.fail()
    assert (rig.status("a"), rig.status("b"), rig.run.status) == ("error", "error", "failed")
    assert (await rig.events())[-1] == "run.done"
    with pytest.raises(Conflict):
        await rig.run.add("b")


async def test_titles_are_known_of_those_too_that_take_no_part(log: MemoryLog) -> None:
    rig = Rig(
        log, {"a": answers, "b": answers}, {"a": {"title": "Anna"}, "b": {"title": "Bob"}}, agents=("a",)
    )
    await rig.run.begin()
    assert [rig.run.title(each) for each in ("a", "b", "c")] == ["Anna", "Bob", "c"]


# ── after another worker was lost ─────────────────────────────────────────────────────────────


async def left_behind(rig: Rig, *said: tuple[str, Payload]) -> None:
    """Let a lost worker have said this, after the run's start."""
    infos = [AgentInfo(agent_id, agent_id, "function", None) for agent_id in rig.state.spec.agents]
    for who, payload in ((None, RunStarted("run_1", "run_1", infos)), *said):
        (entry,) = await rig.log.append(
            "run_1", [Draft("run_1", who, payload.TYPE, encode_data(who, payload, 5))]
        )
        rig.state.fold(who, payload, entry.id)


async def resume(rig: Rig) -> list[str]:
    before = len(await rig.events())
    await rig.registry.load()
    await rig.run.resume()
    await soon(rig.run.execute())
    return (await rig.events())[before:]


async def test_a_run_that_had_not_begun_begins(log: MemoryLog) -> None:
    rig = Rig(log, {"a": answers})
    assert await resume(rig) == ["run.started", "a.started", "a.token", "a.done", "run.done"]


async def test_agents_that_were_queued_begin_and_those_that_spoke_are_lost(log: MemoryLog) -> None:
    rig = Rig(log, {"a": answers, "b": answers})
    await left_behind(rig, ("a", Started(1)), ("a", Token("half")))
    assert await resume(rig) == ["a.error", "b.started", "b.token", "b.done", "run.done"]
    error = rig.state.participants["a"].error
    assert error is not None
    assert (error["code"], error["retryable"]) == ("worker_lost", False)
    assert rig.run.status == "partial"


async def test_an_agent_that_may_begins_anew(log: MemoryLog) -> None:
    rig = Rig(log, {"a": answers}, {"a": {"on_worker_lost": "restart"}})
    await left_behind(rig, ("a", Started(1)), ("a", Token("half")))
    assert await resume(rig) == ["a.error", "a.retry", "a.started", "a.token", "a.done", "run.done"]
    assert (rig.state.participants["a"].attempt, rig.run.status) == (2, "completed")


async def test_what_goes_on_upstream_is_gone_on_with(log: MemoryLog) -> None:
    seen: list[str | None] = []

    async def anchored(request: AgentInput) -> AsyncGenerator[Any, None]:
        seen.append(request.anchor)
        yield "all of it"

    rig = Rig(log, {"a": anchored})
    await left_behind(rig, ("a", Started(1)), ("a", Status("begun", anchor="up-7")))
    await resume(rig)
    assert seen == ["up-7"]
    assert rig.state.participants["a"].text == "all of it"


async def test_an_agent_that_is_not_configured_here_is_lost(log: MemoryLog) -> None:
    rig = Rig(log, {"a": answers}, agents=("a", "elsewhere"))
    await left_behind(rig)
    assert "elsewhere.error" in await resume(rig)
    assert rig.run.status == "partial"
