"""Covers `orchestrator/run/resume.py`: what becomes of the attempts of a worker that was lost."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from orchestrator.backends.base import AgentInput
from orchestrator.errors import LogUnavailable
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Cursor
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.events import Payload, Started, Status, Token
from orchestrator.events.run import AgentInfo, RunStarted
from orchestrator.run.agents import RunAgents
from orchestrator.run.channels import RunChannels
from orchestrator.run.conversation import Conversations
from orchestrator.run.resume import Resume, loss_of
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import Participant, RunState
from orchestrator.run.writer import Writer
from orchestrator.telemetry.observer import Observer
from tests.support.spine import ScriptedRegistry

INFOS = [AgentInfo(name, name, "function", None) for name in ("a", "b")]


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


class Rig:
    """A run that another worker has left behind, after the events that a test names."""

    def __init__(self, store: MemoryLog, *events: tuple[str | None, Payload], known: str = "ab") -> None:
        self.store = store
        self.state = RunState(RunSpec("run_1", "run_1", "hi", ("a", "b")), 1)
        for number, (agent_id, payload) in enumerate(events, 1):
            self.state.fold(agent_id, payload, f"e-{number}")
        registry = ScriptedRegistry(dict.fromkeys(known, answers), {"b": {"on_worker_lost": "restart"}})
        self.registry = registry
        observer = Observer()
        self.agents = RunAgents(self.state, registry, Conversations(store), observer)
        self.writer = Writer(self.state, RunChannels(store), observer, fence=Fence("run_1", 1))
        self.resume = Resume(self.state, self.agents, self.writer, observer)

    async def go(self) -> list[str]:
        """Resume; return what was logged for it."""
        if not self.registry.ready:
            await self.registry.load()
        record = RunRecord("run_1", "run_1", "hi", ["a", "b"], None, "continue", 1, "w")
        await self.store.create_run(record)
        await self.resume.go()
        bounds = await self.store.open("run_1")
        page = await self.store.read("run_1", Cursor(bounds.epoch, 0), most=100)
        return [f"{e.agent_id or 'run'}.{json.loads(e.data).get('code') or e.type}" for e in page]

    @property
    def prepared(self) -> list[str]:
        return [agent.agent_id for agent in self.agents if agent.task is not None]


@pytest.fixture
async def store() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


STARTED = (None, RunStarted("run_1", "run_1", INFOS))


async def test_a_run_whose_worker_died_before_its_first_event_begins(store: MemoryLog) -> None:
    rig = Rig(store)
    assert await rig.go() == ["run.started"]
    assert rig.prepared == ["a", "b"]


async def test_what_had_not_begun_begins_and_nothing_was_lost(store: MemoryLog) -> None:
    rig = Rig(store, STARTED)
    assert await rig.go() == []
    assert rig.prepared == ["a", "b"]


async def test_what_was_under_way_is_lost_unless_it_may_begin_again(store: MemoryLog) -> None:
    rig = Rig(store, STARTED, ("a", Started(1)), ("a", Token("half")), ("b", Started(1)))
    assert await rig.go() == ["a.worker_lost", "b.worker_lost", "b.worker_lost"]
    assert rig.prepared == ["b"]
    lost, again = rig.state.participants["a"], rig.state.participants["b"]
    assert (lost.status, again.status, again.attempt) == ("error", "queued", 2)
    assert lost.error is not None
    assert lost.error["retryable"] is False


async def test_what_can_be_found_again_upstream_is_gone_on_with(store: MemoryLog) -> None:
    """Whatever `on_worker_lost` says: the same upstream work goes on, so nothing is done twice."""
    rig = Rig(store, STARTED, ("a", Started(1)), ("a", Status("thinking", anchor="up-1")), ("b", Started(1)))
    await rig.go()
    assert rig.prepared == ["a", "b"]
    assert (rig.state.participants["a"].status, rig.state.participants["a"].attempt) == ("queued", 2)


async def test_an_agent_that_this_worker_does_not_know_is_lost(store: MemoryLog) -> None:
    """Another configuration runs here: nobody could execute it, and a reader must not wait for ever."""
    rig = Rig(store, STARTED, ("b", Started(1)), ("b", Status("x", anchor="up-1")), known="a")
    assert await rig.go() == ["b.worker_lost"]
    assert rig.prepared == ["a"]


async def test_all_of_it_may_be_done_again_when_the_store_was_unavailable(
    store: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an agent remembers is read before its loss is logged: else the second try would take it for ended."""
    rig = Rig(store, STARTED, ("b", Started(1)))
    recall, refusals = rig.agents.recall, ["b"]

    async def refuses_once(agent_id: str) -> None:
        if agent_id in refusals:
            refusals.remove(agent_id)
            raise LogUnavailable("unavailable")
        await recall(agent_id)

    monkeypatch.setattr(rig.agents, "recall", refuses_once)
    with pytest.raises(LogUnavailable):
        await rig.go()
    assert await rig.go() == ["b.worker_lost", "b.worker_lost"]
    assert rig.prepared == ["a", "b"]


def test_a_loss_counts_what_had_been_said() -> None:
    participant = Participant(INFOS[0], "running", attempt=2, pieces=["ab", "c"], retries=1)
    loss = loss_of(participant, 50, "worker_lost", "Its worker was lost.", again=True)
    assert loss.metrics is not None
    assert (loss.attempt, loss.retryable, loss.metrics.output_chars, loss.metrics.duration_ms) == (
        2,
        True,
        3,
        50,
    )
    assert loss.error_id
