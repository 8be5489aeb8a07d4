"""Covers `orchestrator/run/conversation.py`: what agents remember between the runs of a conversation."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from orchestrator.backends.base import Turn
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.run import conversation as module
from orchestrator.run.conversation import MAX_TURNS, Conversations


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


@pytest.fixture
def conversations(log: MemoryLog) -> Conversations:
    return Conversations(log)


async def texts(conversations: Conversations, conversation_id: str = "c", agent_id: str = "a") -> list[str]:
    return [turn.text for turn in await conversations.history(conversation_id, agent_id)]


async def messages(conversations: Conversations) -> list[str]:
    return [turn.message for turn in await conversations.history("c", "a")]


async def test_turns_come_back_whole_and_in_order(conversations: Conversations) -> None:
    first = Turn("one?", "1", {"id": ["x", None]}, "run_1")
    second = Turn("two?", "2", None, "run_2")
    for turn in (first, second):
        await conversations.add("c", "a", turn)
    found = await conversations.history("c", "a")
    assert found == (first, second)
    assert [turn.run_id for turn in found] == ["run_1", "run_2"]


async def test_each_agent_of_each_conversation_remembers_its_own(conversations: Conversations) -> None:
    await conversations.add("c", "a", Turn("q", "mine"))
    await conversations.add("c", "b", Turn("q", "yours"))
    await conversations.add("d", "a", Turn("q", "elsewhere"))
    assert await texts(conversations) == ["mine"]
    assert await texts(conversations, "c", "nobody") == []


async def test_an_answer_to_the_same_question_of_the_same_run_makes_the_one_before_void(
    conversations: Conversations,
) -> None:
    """It was retried: what was said before is not what the user saw in the end."""
    for turn in (
        Turn("q", "first", None, "run_1"),
        Turn("q", "again", None, "run_1"),
        Turn("q", "later", None, "run_2"),
        Turn("other", "more", None, "run_1"),
        Turn("q", "of no run"),
        Turn("q", "of no run either"),
    ):
        await conversations.add("c", "a", turn)
    assert await texts(conversations) == ["again", "later", "more", "of no run", "of no run either"]


async def test_the_oldest_turns_go(conversations: Conversations) -> None:
    for n in range(MAX_TURNS + 3):
        await conversations.add("c", "a", Turn(f"q{n}", str(n)))
    kept = await texts(conversations)
    assert (len(kept), kept[0], kept[-1]) == (MAX_TURNS, "3", str(MAX_TURNS + 2))


async def test_of_long_turns_fewer_are_kept_and_the_newest_always(
    log: MemoryLog, conversations: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are read for each question; more than a model reads would hold up every other stream meanwhile."""
    monkeypatch.setattr(module, "MAX_TURN_BYTES", 1100)
    monkeypatch.setattr(module, "DECODED_BYTES", 300)
    for n in range(9):
        await conversations.add("c", "a", Turn(str(n) * 200, ""))
    assert sum(map(len, await log.turns("c", "a"))) <= 1100
    assert [text[:1] for text in await messages(conversations)] == ["5", "6", "7", "8"]
    for n in range(9):
        await log.add_turn("c", "a", msgspec.json.encode(Turn(str(n) * 200, "")), keep=99)
    assert [text[:1] for text in await messages(conversations)] == ["5", "6", "7", "8"], "of a release before"
    await conversations.add("c", "a", Turn("x" * 5000, ""))
    assert await messages(conversations) == ["x" * 5000]


async def test_one_run_at_a_time_holds_a_conversation(log: MemoryLog, conversations: Conversations) -> None:
    """Until it lets it go, or has ended without doing so."""
    for run_id in ("run_1", "run_2", "run_3"):
        await log.create_run(
            RunRecord(
                run_id=run_id, channel=run_id, message="?", agents=["a"], conversation_id="c",
                on_disconnect="continue", created_at=1, owner="w",
            )
        )  # fmt: skip
    assert await conversations.hold("c", "run_1") == "run_1"
    assert await conversations.hold("c", "run_2") == "run_1"
    assert await conversations.hold("c", "run_1") == "run_1"
    await conversations.release("c", "run_2")
    assert await conversations.hold("c", "run_2") == "run_1", "only its holder lets it go"
    await conversations.release("c", "run_1")
    assert await conversations.hold("c", "run_2") == "run_2"
    await log.end_run(Fence("run_2", 1), "completed", 5)
    assert await conversations.hold("c", "run_3") == "run_3"
