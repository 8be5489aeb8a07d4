"""Covers `orchestrator/run/writer.py`: batches on their way into the log, and then into the run's state."""

from __future__ import annotations

import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.errors import Fenced, LogUnavailable
from orchestrator.eventlog.base import Cursor, Draft, Entry
from orchestrator.eventlog.memory.log import MemoryLog
from orchestrator.eventlog.run_store import Fence, RunRecord
from orchestrator.events import (
    RUN,
    AgentAdded,
    AgentInfo,
    AgentMetrics,
    AgentStatus,
    Cancelled,
    Done,
    Error,
    Payload,
    Reasoning,
    Retry,
    RunStarted,
    Started,
    Status,
    Token,
    Usage,
    decode_payload,
)
from orchestrator.run import compaction
from orchestrator.run.blind import BlindNames
from orchestrator.run.channels import SYSTEM_CHANNEL, RunChannels
from orchestrator.run.merge import Batch
from orchestrator.run.spec import RunSpec
from orchestrator.run.state import RunState
from orchestrator.run.writer import Writer
from orchestrator.telemetry.observer import AttemptEnd, Observer

METRICS = AgentMetrics(0, 1000, 2500, 5, None, 0)
INFO = AgentInfo("a", "A", "function", "m")


class Heard(Observer):
    def __init__(self) -> None:
        self.states: list[tuple[str, AgentStatus | None, AgentStatus | None]] = []
        self.said: list[tuple[str, int, int]] = []
        self.ends: list[AttemptEnd] = []
        self.bytes = 0

    def agent_state(self, agent_id: str, old: AgentStatus | None, new: AgentStatus | None) -> None:
        self.states.append((agent_id, old, new))

    def tokens(self, agent_id: str, chars: int, events: int) -> None:
        self.said.append((agent_id, chars, events))

    def agent_ended(self, end: AttemptEnd) -> None:
        self.ends.append(end)

    def log_bytes(self, size: int) -> None:
        self.bytes = size


class UnsteadyLog(MemoryLog):
    refusals = 0

    async def append(self, channel: str, drafts: Any, *, fence: Fence | None = None) -> list[Entry]:
        if self.refusals:
            self.refusals -= 1
            raise LogUnavailable("away")
        return await super().append(channel, drafts, fence=fence)


@pytest.fixture
async def log() -> AsyncIterator[UnsteadyLog]:
    log = UnsteadyLog()
    await log.start()
    yield log
    await log.aclose()


class OpenWriter(Writer):
    """A writer whose state a test may look at."""

    def __init__(self, state: RunState, log: MemoryLog, observer: Observer, **keys: Any) -> None:
        super().__init__(state, RunChannels(log), observer, **keys)
        self.state = state


def writer(
    log: MemoryLog, heard: Observer | None = None, *, created_at: int | None = None, **keys: Any
) -> OpenWriter:
    spec = RunSpec("run_1", "run_1", "hi", ("a",))
    state = RunState(spec, int(time.time() * 1000) if created_at is None else created_at)
    state.join(INFO)
    return OpenWriter(state, log, heard or Observer(), **keys)


async def logged(log: MemoryLog, channel: str = "run_1") -> list[Entry]:
    bounds = await log.open(channel)
    return await log.read(channel, Cursor(bounds.epoch, 0), most=100)


async def test_a_batch_is_in_the_log_in_its_order_and_then_in_the_state(log: UnsteadyLog) -> None:
    heard = Heard()
    made = writer(log, heard)
    await made.append([Batch("a", [Started(1), Token("Hel"), Token("lo")]), Batch("a", [Status("thinking")])])
    entries = await logged(log)
    assert [(e.agent_id, e.type) for e in entries] == [
        ("a", t) for t in ("started", "token", "token", "status")
    ]
    assert [json.loads(e.data)["agent_id"] for e in entries] == ["a"] * 4
    state = made.state
    assert state.participants["a"].text == "Hello"
    assert state.last_event_id == entries[-1].id
    assert heard.states == [("a", "queued", "running")]
    assert heard.said == [("a", 5, 2)]
    assert heard.bytes == log.size > 0


async def test_all_that_is_logged_is_in_the_states_digest(
    log: UnsteadyLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens too, whatever way they are folded: a late reader is given it in place of the log."""
    monkeypatch.setattr(compaction, "SPAN_EVENTS", 1)
    made = writer(log)
    await made.append([Batch("a", [Started(1), Token("Hel"), Reasoning("hm"), Token("lo")])])
    entries = await logged(log)
    kept = made.state.digest
    last = kept.exact_at(Cursor(entries[-1].epoch, entries[-1].seq))
    assert [(e.seq, e.type) for e in kept.entries(last)] == [(e.seq, e.type) for e in entries]


async def test_what_a_failed_attempt_has_said_is_not_held_any_more_be_it_in_the_same_batch(
    log: UnsteadyLog,
) -> None:
    made = writer(log)
    await made.append([Batch("a", [Started(1), Token("Hel")])])
    assert made.live_bytes.held == 3
    await made.append(
        [Batch("a", [Token("lo"), Retry(2, 0.0, "internal"), Started(2), Token("Hi"), Token("!")])]
    )
    assert made.live_bytes.held == 3
    assert made.state.participants["a"].text == "Hi!"


@pytest.mark.parametrize("seed", range(20))
async def test_tokens_in_a_row_are_taken_in_as_one_by_one(
    log: UnsteadyLog, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(compaction, "SPAN_EVENTS", 8)
    rng, heard = random.Random(seed), Heard()
    made, apart = writer(log, heard), writer(log)
    for each in (made, apart):
        each.state.join(AgentInfo("b", "B", "function", None))
    said: list[Payload] = [
        Token("x"), Token("yz"), Token("q", parent="tool"), Reasoning("hm"), Status("tool"), Retry(2, 0.0, "internal")
    ]  # fmt: skip
    for _ in range(6):
        row = rng.choices(said, weights=[9, 9, 2, 2, 2, 1], k=7)
        await made.append([Batch(rng.choice("ab"), row[:4]), Batch(rng.choice("ab"), row[4:])])
    for entry in await logged(log):
        payload = decode_payload(entry.agent_id, entry.type, entry.data)
        assert payload is not None
        apart.state.fold(entry.agent_id, payload, entry.id)
        apart.state.digest.take(entry, payload)
    for agent_id in "ab":
        assert made.state.participants[agent_id].text == apart.state.participants[agent_id].text
    assert made.state.last_event_id == apart.state.last_event_id
    digests = (
        [(e.seq, e.agent_id, e.type, e.data) for e in each.state.digest.entries(40)] for each in (made, apart)
    )
    assert next(digests) == next(digests)
    tokens = [e for e in await logged(log) if e.type == "token"]
    assert sum(count for _, _, count in heard.said) == len(tokens)
    assert sum(chars for _, chars, _ in heard.said) == sum(len(json.loads(e.data)["text"]) for e in tokens)


async def test_what_is_the_runs_own_has_no_agent(log: UnsteadyLog) -> None:
    """`agent_added` comes out of the new agent's mailbox; milestones are told on the system's channel, too."""
    made = writer(log)
    await made.append([Batch(RUN, [RunStarted("run_1", "run_1", [INFO])])])
    await made.append([Batch("b", [AgentAdded(AgentInfo("b", "B", "", None)), Started(1)])])
    assert [(e.agent_id, e.type) for e in await logged(log)] == [
        (None, "started"), (None, "agent_added"), ("b", "started")
    ]  # fmt: skip
    assert [(e.run_id, e.type) for e in await logged(log, SYSTEM_CHANNEL)] == [("run_1", "started")]


async def test_endings_are_observed_once_with_their_numbers(log: UnsteadyLog) -> None:
    heard = Heard()
    made = writer(log, heard)
    await made.append([Batch("a", [Done("Hello", Usage(1, 9), "stop", METRICS, 2)])])
    await made.append([Batch("a", [Error("budget", "Spent.", "err_1", False, METRICS, 3)])])
    await made.append([Batch("a", [Cancelled("requested", None, 4)])])
    first, second = heard.ends
    assert (first.outcome, first.code, first.ttft_s, first.duration_s, first.output_tokens) == (
        "done", None, 1.0, 2.5, 9
    )  # fmt: skip
    assert (second.outcome, second.code, second.attempt, second.output_tokens) == ("error", "budget", 3, None)
    assert (first.backend, first.model, first.run.run_id) == ("function", "m", "run_1")
    assert [state for _, _, state in heard.states] == ["done", "error", "cancelled"]


async def test_an_unavailable_store_delays_a_batch_and_nothing_is_said_twice(log: UnsteadyLog) -> None:
    made = writer(log)
    log.refusals = 2
    await made.append([Batch("a", [Started(1), Token("x")])])
    assert [e.type for e in await logged(log)] == ["started", "token"]
    log.refusals = 1
    with pytest.raises(LogUnavailable):
        await made.append([Batch("a", [Token("y")])], patiently=False)
    assert [e.type for e in await logged(log)] == ["started", "token"]
    assert made.state.participants["a"].text == "x"


async def test_who_has_lost_the_run_says_nothing_more(log: UnsteadyLog) -> None:
    await log.create_run(
        RunRecord(
            run_id="run_1", channel="run_1", message="hi", agents=["a"], conversation_id=None,
            on_disconnect="continue", created_at=1, owner="one",
        )
    )  # fmt: skip
    made = writer(log, fence=Fence("run_1", 1))
    await made.append([Batch("a", [Started(1)])])
    assert await log.claim_run("run_1", owner="two", token=1) is not None
    with pytest.raises(Fenced):
        await made.append([Batch("a", [Token("x")])])
    assert [e.type for e in await logged(log)] == ["started"]
    assert made.state.participants["a"].text == ""


async def test_every_event_of_a_panels_agent_says_its_stage(log: UnsteadyLog) -> None:
    made = writer(log)
    await made.append([Batch("a", [Started(1, stage="round", round=2, turn=2)])])
    await made.append([Batch("a", [Token("x"), Status("y")])])
    await made.append([Batch("a", [Started(2, stage="layer", layer=1, turn=3)])])
    await made.append([Batch("a", [Token("z")])])
    await made.append([Batch("a", [Started(3, stage="final", turn=4)])])
    await made.append([Batch("a", [Token("!")])])
    stages = [
        {k: v for k, v in json.loads(e.data).items() if k in ("stage", "round", "layer")}
        for e in await logged(log)
    ]
    second, first, final = {"stage": "round", "round": 2}, {"stage": "layer", "layer": 1}, {"stage": "final"}
    assert stages == [second, second, second, first, first, final, final]


async def test_neither_a_blind_runs_log_nor_its_observer_is_told_what_an_agent_took(log: UnsteadyLog) -> None:
    heard = Heard()
    made = writer(log, heard, blind_names=BlindNames("run_1", ["secret"]))
    made.state.join(AgentInfo("agent-1", "Agent 1", "hidden", None))
    await made.append([Batch("agent-1", [Done("Hello", Usage(1, 9), "stop", METRICS, 1)])])
    (entry,) = await logged(log)
    assert b"usage" not in entry.data.replace(b'"usage":null', b"")
    assert heard.ends == []


async def test_time_goes_on_from_where_a_lost_worker_stopped(log: UnsteadyLog) -> None:
    """Also if the clock was set back meanwhile."""
    made = writer(log, created_at=int(time.time() * 1000) + 3_600_000)
    assert 0 <= made.t < 3_000_000
    state = RunState(RunSpec("run_1", "run_1", "hi", ()), int(time.time() * 1000) + 3_600_000)
    state.t = 50_000
    assert Writer(state, RunChannels(log), Observer()).t >= 50_000
    old = writer(log, created_at=int(time.time() * 1000) - 7000)
    assert old.t >= 7000


async def test_a_status_that_no_event_gives_is_observed(log: UnsteadyLog) -> None:
    heard = Heard()
    made = writer(log, heard)
    participant = made.state.participants["a"]
    made.enter(participant, "cancelling")
    assert participant.status == "cancelling"
    assert heard.states == [("a", "queued", "cancelling")]


async def test_nothing_is_written_for_nothing(log: UnsteadyLog) -> None:
    await writer(log).append([Batch("a", [])])
    assert await logged(log) == []
    assert Draft("r", None, "t", b"{}").agent_id is None
