"""Covers `orchestrator/run/stored.py`: runs that are read from the log."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.agent.attempt import Stop
from orchestrator.errors import Conflict, GapError, LogUnavailable, NotFound
from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Draft, Entry
from orchestrator.eventlog.run_store import RunRecord
from orchestrator.events import AgentInfo, Approval, Done, Payload, RunStarted, Started, Token, encode_data
from orchestrator.panels.settings import PanelSettings
from orchestrator.run import stored as archive
from orchestrator.run.stored import StoredRun, StoredRuns, size_of


@pytest.fixture
async def log() -> AsyncIterator[MemoryLog]:
    log = MemoryLog()
    await log.start()
    yield log
    await log.aclose()


def record(run_id: str = "run_1", channel: str = "room", **keys: Any) -> RunRecord:
    return RunRecord(
        **{
            "run_id": run_id, "channel": channel, "message": "hi", "agents": ["a"], "conversation_id": None,
            "on_disconnect": "continue", "created_at": int(time.time() * 1000), "owner": "w", **keys,
        }
    )  # fmt: skip


async def say(
    log: MemoryLog, who: str | None, payload: Payload, *, run_id: str = "run_1", t: int = 5
) -> Entry:
    (entry,) = await log.append("room", [Draft(run_id, who, payload.TYPE, encode_data(who, payload, t))])
    return entry


async def a_whole_run(log: MemoryLog, run_id: str = "run_1") -> None:
    await say(log, None, RunStarted(run_id, "room", [AgentInfo("a", "A", "function", None)]), run_id=run_id)
    await say(log, "a", Started(1), run_id=run_id)
    await say(log, "a", Token("Hel"), run_id=run_id)
    await say(log, "a", Done("Hello", None, "stop", None, 1), run_id=run_id, t=77)


async def test_a_run_is_folded_from_its_events_alone(log: MemoryLog) -> None:
    """Others share its channel, and a newer version may say what is not known here."""
    await a_whole_run(log, "run_0")
    await a_whole_run(log)
    await log.append("room", [Draft("run_1", "a", "unheard_of", b'{"type":"unheard_of","t":80}')])
    last = await say(log, "a", Token("x"), run_id="run_2")
    run = await StoredRuns(log).read(record())
    assert (run.status, run.participants["a"].text) == ("running", "Hello")
    assert run.state.last_event_id != last.id
    assert run.state.t == 80
    assert run.snapshot().agents["a"].status == "done"


async def test_an_ended_runs_state_is_kept_and_a_running_ones_is_read_again(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "KEPT_RUNS", 2)
    stored = StoredRuns(log)
    await a_whole_run(log)
    running = record()
    assert await stored.read(running) is not await stored.read(running)
    ended = [record(f"run_{n}", ended_at=9, status="completed") for n in range(3)]
    found = [await stored.read(each) for each in ended]
    assert found[1].status == "completed"
    assert found[1].state.ended_at == 9
    assert await stored.read(ended[1]) is found[1]
    assert await stored.read(ended[0]) is not found[0], "the one that was asked for least recently went"
    stored.drop("run_1")
    assert await stored.read(ended[1]) is not found[1]


async def test_states_that_are_kept_are_bounded_in_size(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """256 runs with long answers are more than any option allows."""
    monkeypatch.setattr(archive, "KEPT_CHARS", 25_000)
    stored = StoredRuns(log)
    ended = [record(f"run_{n}", ended_at=9, status="completed", message="m" * 10_000) for n in range(3)]
    for n in range(3):
        await a_whole_run(log, f"run_{n}")
    found = [await stored.read(each) for each in ended]
    assert await stored.read(ended[2]) is found[2]
    assert await stored.read(ended[1]) is found[1]
    assert await stored.read(ended[0]) is not found[0]
    stored.keep(found[2].state, await size_of(found[2].state))
    stored.drop("run_2")
    stored.drop("run_2")
    monkeypatch.setattr(archive, "KEPT_CHARS", 10)
    large = await stored.read(ended[2])
    assert await stored.read(ended[2]) is not large
    assert stored._size == 0


async def test_events_that_are_trimmed_meanwhile_are_read_anew_but_not_for_ever(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_whole_run(log)
    gaps, read = 3, log.read_run

    async def trimming(*args: Any, **keys: Any) -> list[Entry]:
        nonlocal gaps
        if gaps:
            gaps -= 1
            raise GapError("trimmed", earliest=None, latest=None)
        return await read(*args, **keys)

    monkeypatch.setattr(log, "read_run", trimming)
    assert (await StoredRuns(log).read(record())).participants["a"].text == "Hello"
    gaps = 10**6
    with pytest.raises(LogUnavailable, match="trimmed faster"):
        await StoredRuns(log).read(record())


async def test_time_goes_on_while_it_runs_elsewhere_and_never_back(log: MemoryLog) -> None:
    stored = StoredRuns(log)
    await a_whole_run(log)
    now = int(time.time() * 1000)
    assert (await stored.read(record(created_at=now - 5000))).t >= 5000
    assert (await stored.read(record(created_at=now + 60_000))).t == 77, "the clock was set back"
    assert (await stored.read(record(created_at=1000, ended_at=3000, status="completed"))).t == 2000


@pytest.fixture
async def ended(log: MemoryLog) -> StoredRun:
    await a_whole_run(log)
    return await StoredRuns(log).read(record(ended_at=9, status="completed"))


async def test_what_is_asked_of_an_ended_run_is_refused_with_the_reason(ended: StoredRun) -> None:
    ended.cancel(Stop("requested"))
    ended.cancel(Stop("requested"), "a")
    assert ended.status == "completed"
    with pytest.raises(NotFound, match="nobody"):
        ended.cancel(Stop("requested"), "nobody")
    for ask in (ended.add("b"), ended.retry("a")):
        with pytest.raises(Conflict, match="has ended"):
            await ask
    with pytest.raises(NotFound, match="nobody"):
        await ended.retry("nobody")
    with pytest.raises(NotFound, match="c1"):
        ended.approve("a", Approval("c1", True))
    with pytest.raises(Conflict, match="has ended"):
        ended.start_panel_over(PanelSettings(method="vote", members=["a", "b"]))
