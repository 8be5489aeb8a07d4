"""Covers `orchestrator/run/blind.py`: what is hidden of a blind run's events, and where the truth is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

import msgspec
import pytest

from orchestrator.eventlog import MemoryLog
from orchestrator.events import (
    AgentInfo,
    AgentMetrics,
    Approval,
    ApprovalRequest,
    Cancelled,
    Done,
    Error,
    Handoff,
    Payload,
    Reasoning,
    Status,
    Token,
    ToolCall,
    ToolResult,
    Usage,
)
from orchestrator.events.agent import AGENT_PAYLOADS
from orchestrator.events.content import Data, File, Progress, Source
from orchestrator.events.encoding import encode_json
from orchestrator.events.snapshot import AgentSnapshot, Revealed, RevealedAgent, Snapshot
from orchestrator.run.blind import BlindNames, BlindRecords, neutral_id, reveal
from orchestrator.run.content_state import ContentState

METRICS = AgentMetrics(1, 2, 3, 4, 5.5, 0, 0.25)
SECRET = "Claudia"

SAID: list[Payload] = [
    Done("text", Usage(1, 4711), f"{SECRET}_stop", METRICS, 1), Status(SECRET, SECRET, SECRET),
    Token("x", speaker=SECRET, parent=SECRET), Reasoning("x", speaker=SECRET, parent=SECRET), Token("x", None, SECRET),
    Handoff(SECRET), Done("text", Usage(1, 4711, 4711, 4711), "stop", METRICS, 1, output={SECRET: [SECRET]}),
    ToolCall(f"{SECRET}-1", SECRET, f'{{"a":"{SECRET}"}}', SECRET),
    ToolResult(f"{SECRET}-1", SECRET, False, SECRET),
    Error("internal", SECRET, "e1", False, METRICS, 1), Cancelled("user", METRICS, 1),
    Approval(f"{SECRET}-1", True, None, SECRET), ApprovalRequest(f"{SECRET}-1", "rm", "{}"),
    Progress(SECRET, 0.5, progress_id=SECRET, speaker=SECRET, parent=SECRET),
    Data(SECRET, SECRET), Source(SECRET, document=SECRET), File(SECRET, SECRET, "a/b", "https://x"),
]  # fmt: skip


def names() -> BlindNames:
    return BlindNames("run_1", ["skeptic", "optimist"])


@pytest.mark.parametrize("payload", SAID, ids=lambda payload: type(payload).__name__)
def test_nothing_that_tells_an_agent_from_another_is_left(payload: Payload) -> None:
    covered = names().cover("agent-1", payload)
    if covered is None:
        assert isinstance(payload, Data | Source | File)
        return
    text = encode_json(covered).decode()
    assert SECRET.lower() not in text.lower()
    assert "4711" not in text
    assert getattr(covered, "metrics", None) is None


def test_every_kind_that_could_tell_is_tried_above() -> None:
    plain = {"started", "retry"}
    assert {each.TYPE for each in SAID} | plain == AGENT_PAYLOADS.keys()


class Newer(Payload, frozen=True):
    """What agents of a later release may say."""

    TYPE: ClassVar[str] = "newer"
    words: str


def test_a_kind_that_nobody_has_thought_of_is_withheld() -> None:
    assert names().cover("agent-1", Newer(SECRET)) is None


def test_a_call_and_what_it_is_the_parent_of_stay_together() -> None:
    hidden = names()
    call = hidden.cover("agent-1", ToolCall("toolu_1", "x", "{}"))
    inner = hidden.cover("agent-1", Token("x", parent="toolu_1"))
    assert isinstance(call, ToolCall)
    assert isinstance(inner, Token)
    assert inner.parent == call.call_id != "toolu_1"


def test_what_an_agent_says_stays() -> None:
    covered = names().cover("agent-1", Token("hello"))
    assert covered == Token("hello")
    done = names().cover("agent-1", Done("hello", None, "max_tokens", None, 1))
    assert done == Done("hello", None, "length", None, 1)


def test_calls_keep_their_pairs_and_differ_between_agents() -> None:
    """A result has to find its call, and two agents with the same id must not be told by it to be one."""
    blind = names()
    call, result = (
        blind.cover("agent-1", each) for each in (ToolCall("c", "x", "{}"), ToolResult("c", "y", False))
    )
    other = blind.cover("agent-2", ToolCall("c", "x", "{}"))
    assert isinstance(call, ToolCall)
    assert isinstance(result, ToolResult)
    assert isinstance(other, ToolCall)
    assert call.call_id == result.call_id != other.call_id
    assert len(call.call_id) == len(other.call_id)
    assert blind.call_of("agent-1", call.call_id) == "c"
    assert blind.call_of("agent-2", call.call_id) == call.call_id


def test_neutral_ids_lead_back_to_the_configured_agents() -> None:
    blind = names()
    assert [info.agent_id for info in blind.infos()] == [neutral_id(0), neutral_id(1)]
    assert {info.title for info in blind.infos()} == {"Agent 1", "Agent 2"}
    assert blind.configured("agent-2") == "optimist"


@pytest.fixture
async def store() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


async def test_the_truth_is_told_after_a_vote_and_not_before(store: MemoryLog) -> None:
    records = BlindRecords(store)
    content = ContentState(data=[Data("d", 1)])
    info = AgentInfo("skeptic", "Skeptic", "openai", "m")
    await records.seal("run_1", "agent-1", info, Done("x", Usage(1, 2), "stop", METRICS, 1), content)
    assert await records.revealed("run_1", ["agent-1"]) is None
    await records.vote("run_1", "agent-1")
    found = await records.revealed("run_1", ["agent-1", "agent-2"])
    assert found is not None
    assert found.vote == "agent-1"
    (agent,) = found.agents
    assert (agent.configured, agent.model, agent.usage, agent.metrics) == (
        "skeptic",
        "m",
        Usage(1, 2),
        METRICS,
    )
    assert agent.data == content.data


async def test_a_later_seal_and_a_later_vote_replace_the_first(store: MemoryLog) -> None:
    records = BlindRecords(store)
    info = AgentInfo("skeptic", "Skeptic", "openai", "m")
    await records.seal("run_1", "agent-1", info, None, ContentState())
    await records.seal(
        "run_1", "agent-1", info, Error("internal", "No.", "e1", False, None, 1), ContentState()
    )
    await records.vote("run_1", "agent-1")
    await records.vote("run_1", "agent-2")
    found = await records.revealed("run_1", ["agent-1"])
    assert found is not None
    assert (found.vote, found.agents[0].error) == (
        "agent-2",
        {"code": "internal", "message": "No.", "error_id": "e1"},
    )


async def test_a_record_of_another_release_hides_no_other(store: MemoryLog) -> None:
    records = BlindRecords(store)
    await store.add_turn("sealed run_1", "agent-1", b'{"of":"tomorrow"}', keep=1)
    await records.seal("run_1", "agent-2", AgentInfo("b", "B", "x", None), None, ContentState())
    await records.vote("run_1", "agent-2")
    found = await records.revealed("run_1", ["agent-1", "agent-2"])
    assert found is not None
    assert [each.agent_id for each in found.agents] == ["agent-2"]


async def test_a_forgotten_run_leaves_neither_names_nor_votes(store: MemoryLog) -> None:
    records = BlindRecords(store)
    await records.seal("run_1", "agent-1", AgentInfo("a", "A", "x", None), None, ContentState())
    await records.vote("run_1", "agent-1")
    await records.forget("run_1")
    assert await records.revealed("run_1", ["agent-1"]) is None
    await records.vote("run_1", "agent-1")
    found = await records.revealed("run_1", ["agent-1"])
    assert found is not None
    assert found.agents == []


def test_a_vote_completes_the_snapshot_and_says_the_content_once() -> None:
    snapshot = Snapshot(
        "run_1", "run_1", None, "hi", "completed", 1, 2, "e-1",
        {"agent-1": AgentSnapshot("done", 1, "x", None, None, None)}, blind=True,
    )  # fmt: skip
    before = msgspec.structs.replace(snapshot)
    reveal(snapshot, None)
    assert snapshot == before
    data = [Data("d", 1)]
    agents = [
        RevealedAgent("agent-1", "a", "A", "x", None, None, None, None, data=data, output={"n": 1}),
        RevealedAgent("agent-9", "b", "B", "x", None, None, None, None),
    ]
    reveal(snapshot, Revealed("agent-1", agents))
    assert snapshot.agents["agent-1"].data == data
    assert snapshot.revealed is not None
    assert snapshot.agents["agent-1"].output == {"n": 1}
    assert [each.data for each in snapshot.revealed.agents] == [[], []]
    assert [each.output for each in snapshot.revealed.agents] == [msgspec.UNSET] * 2
