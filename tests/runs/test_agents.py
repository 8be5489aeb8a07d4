"""Covers `orchestrator/run/agents.py`: the agents of one run, made ready and not yet started."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec
import pytest

from orchestrator.backends.base import AgentInput, Finish, Part, Turn
from orchestrator.eventlog import MemoryLog
from orchestrator.events import AgentAdded, AgentInfo, Done, Error, Status, Token, Usage
from orchestrator.run.agents import RunAgents
from orchestrator.run.blind import BlindRecords
from orchestrator.run.conversation import Conversations
from orchestrator.run.merge import Batch
from orchestrator.run.panel import TurnRequest
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState
from orchestrator.telemetry.observer import Observer
from tests.support.spine import ScriptedRegistry

asked: list[AgentInput] = []


async def answers(request: AgentInput) -> AsyncGenerator[Any, None]:
    asked.append(request)
    yield "Yes."
    yield Finish("stop", Usage(10, 60), {"id": 7})


class Rig:
    def __init__(self, store: MemoryLog, **keys: Any) -> None:
        self.store = store
        self.spec = RunSpec(
            **{"run_id": "run_1", "channel": "run_1", "message": "hi", "agents": ("a", "b"), **keys}
        )
        self.state = RunState(self.spec, 1)
        self.conversations = Conversations(store)
        self.blind_records = BlindRecords(store)
        registry = ScriptedRegistry(
            {"a": answers, "b": answers},
            {
                "a": {"title": "Anna", "limits": {"max_output_tokens": 100}},
                "b": {"on_worker_lost": "restart"},
            },
        )
        self.registry = registry
        self.agents = RunAgents(
            self.state, registry, self.conversations, Observer(), blind_records=self.blind_records
        )

    async def answered(self, agent_id: str = "a", **keys: Any) -> list[Any]:
        """Have an agent answer once; return what is in its mailbox."""
        if not self.registry.ready:
            await self.registry.load()
        agent = self.agents.join(AgentInfo(agent_id, agent_id, "function", None))
        self.state.participants[agent_id].attempt = keys.pop("attempt", 1)
        agent.asked = keys.pop("asked", None)
        task = self.agents.prepare(agent, **keys)
        await task.pump.run()
        return task.mailbox.take(100)


@pytest.fixture(autouse=True)
def _nobody_asked() -> None:
    asked.clear()


@pytest.fixture
async def store() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


async def test_an_agent_is_asked_what_the_run_was(store: MemoryLog) -> None:
    rig = Rig(store, images=("https://x/y.png",), conversation_id="c")
    events = await rig.answered(attempt=3, anchor="up-1")
    assert isinstance(events[-1], Done)
    (request,) = asked
    assert (request.message, request.run_id, request.agent_id, request.attempt) == ("hi", "run_1", "a", 3)
    assert (request.images, request.conversation_id, request.anchor) == (("https://x/y.png",), "c", "up-1")


async def test_what_announces_an_agent_comes_before_all_it_says(store: MemoryLog) -> None:
    added = AgentAdded(AgentInfo("a", "Anna", "function", None))
    assert (await Rig(store).answered(announce=added))[0] == added


async def test_a_conversation_is_recalled_once_and_a_good_answer_remembered(store: MemoryLog) -> None:
    rig = Rig(store, conversation_id="c")
    before = Turn("earlier?", "Earlier.", None, "run_0")
    await rig.conversations.add("c", "a", before)
    await rig.agents.recall("a")
    await rig.conversations.add("c", "a", Turn("of somebody else meanwhile", "x", None, "run_9"))
    await rig.agents.recall("a")
    await rig.answered()
    assert asked[0].history == (before,)
    kept = (await rig.conversations.history("c", "a"))[-1]
    assert (kept.message, kept.text, kept.memory, kept.run_id) == ("hi", "Yes.", {"id": 7}, "run_1")


async def test_without_a_conversation_nothing_is_remembered(store: MemoryLog) -> None:
    rig = Rig(store)
    await rig.agents.recall("a")
    await rig.answered()
    assert asked[0].history == ()


@pytest.mark.parametrize("remember", [True, False])
async def test_a_turn_of_a_panel_is_remembered_as_an_answer_to_the_users_question(
    store: MemoryLog, remember: bool
) -> None:
    """Not to what the panel made of it; the backend's own memory holds that, so it is left out."""
    rig = Rig(store, conversation_id="c")
    part = Part("hi", "round", number=1)
    await rig.answered(asked=TurnRequest("hi, and the others said …", part, remember))
    assert (asked[0].message, asked[0].part) == ("hi, and the others said …", part)
    kept = await rig.conversations.history("c", "a")
    assert [(turn.message, turn.text, turn.memory) for turn in kept] == (
        [("hi", "Yes.", None)] if remember else []
    )


async def test_the_budget_is_one_for_all_attempts_of_an_agent_and_for_the_whole_run(store: MemoryLog) -> None:
    rig = Rig(store, max_output_tokens=150)
    assert isinstance((await rig.answered())[-1], Done)
    assert isinstance((await rig.answered(attempt=2))[-1], Error), "120 of the agent's 100"
    run_over = (await rig.answered("b"))[-1]
    assert isinstance(run_over, Error)
    assert (run_over.code, "run" in run_over.message) == ("budget", True), "180 of the run's 150"


async def test_who_is_known_here(store: MemoryLog) -> None:
    agents = Rig(store, agents=("a", "gone")).agents
    assert [info.agent_id for info in agents.infos()] == ["a"]
    assert (agents.knows("a"), agents.knows("gone")) == (True, False)
    assert (agents.may_restart("a"), agents.may_restart("b"), agents.may_restart("gone")) == (
        False,
        True,
        False,
    )
    assert (agents.title("a"), agents.title("gone")) == ("Anna", "gone")


async def test_blind_agents_take_part_under_neutral_names(store: MemoryLog) -> None:
    rig = Rig(store, blind=True, agents=("b", "a"), conversation_id="c")
    assert [(i.agent_id, i.title, i.backend) for i in rig.agents.infos()] == [
        ("agent-1", "Agent 1", "hidden"), ("agent-2", "Agent 2", "hidden")
    ]  # fmt: skip
    assert rig.agents.may_restart("agent-1")
    await rig.answered("agent-2")
    assert asked[0].agent_id == "a"
    assert len(await rig.conversations.history("c", "a")) == 1


async def test_what_a_blind_run_hides_is_kept_until_the_vote(store: MemoryLog) -> None:
    rig = Rig(store, blind=True)
    done = Done("Yes.", Usage(1, 2), "stop", None, 1)
    await rig.agents.seal("agent-2")
    await rig.agents.seal_ended([Batch("agent-1", [Status("x"), Token("y"), done])])
    assert await rig.blind_records.revealed("run_1", ["agent-1", "agent-2"]) is None
    await rig.blind_records.vote("run_1", "agent-1")
    revealed = await rig.blind_records.revealed("run_1", ["agent-1", "agent-2"])
    assert revealed is not None
    assert [(r.agent_id, r.configured, r.usage) for r in revealed.agents] == [
        ("agent-1", "a", Usage(1, 2)), ("agent-2", "b", None)
    ]  # fmt: skip
    assert revealed.agents[0].title == "Anna"


async def test_an_open_run_hides_nothing(store: MemoryLog) -> None:
    rig = Rig(store)
    await rig.agents.seal("a")
    await rig.blind_records.vote("run_1", "a")
    revealed = await rig.blind_records.revealed("run_1", ["a"])
    assert revealed is not None
    assert revealed.agents == []
    assert msgspec.json.encode(rig.agents.info("b"))


async def test_all_that_is_known_of_an_agent_is_one_object(store: MemoryLog) -> None:
    """One that may be asked, one that takes part, one that has ended and whose mailbox is read."""
    rig = Rig(store)
    await rig.registry.load()
    agent = rig.agents["a"]
    assert (agent.participant, agent.task, agent.is_at_rest) == (None, None, False)
    assert rig.agents.join(rig.agents.info("a")) is agent
    assert list(rig.agents) == [agent]
    participant = rig.state.participants["a"]
    assert agent.participant is participant
    task = rig.agents.prepare(agent)
    await task.pump.run()
    participant.status = "done"
    assert not agent.is_at_rest, "the log has not all that it said"
    assert not rig.agents.all_at_rest
    task.mailbox.take(100)
    assert rig.agents.all_at_rest
