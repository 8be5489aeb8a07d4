"""Covers `orchestrator/run/panel.py`: a panel within a run, between its session and the run's agents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.agent.attempt import Stop
from orchestrator.errors import Conflict
from orchestrator.events import (
    PANEL,
    AgentInfo,
    Cancelled,
    Done,
    Error,
    PanelLate,
    PanelResult,
    PanelStage,
    Payload,
    RunStarted,
    Started,
    Token,
)
from orchestrator.panels.base import Answer, TurnPrompt
from orchestrator.panels.settings import PanelSettings
from orchestrator.run import panel as panel_module
from orchestrator.run.panel import RunPanel, TurnRequest, answer_of, answers, info_of
from orchestrator.run.spec import GivenAnswer, RunSpec
from orchestrator.run.state import Participant, RunState
from tests.support.patience import soon, turns

SETTINGS = PanelSettings(method="vote", members=["a", "b"], title="Vote")


class Room:
    """A run, as far as a panel needs it: its agents say at once what the test has them say."""

    def __init__(self, *agents: str, **spec: Any) -> None:
        self.spec = RunSpec("run_1", "run_1", "Tea?", agents, **spec)
        self.state = RunState(self.spec, 1)
        self.asked: list[tuple[str, TurnRequest]] = []
        self.stops: list[tuple[Stop, str | None]] = []
        self.settled = 0
        self.open = True
        self.events = 0
        self.fold(None, RunStarted("run_1", "run_1", [AgentInfo(a, a.upper(), "", None) for a in agents]))

    def fold(self, who: str | None, payload: Payload) -> None:
        self.events += 1
        self.state.fold(who, payload, f"e-{self.events}")

    async def ask(self, agent_id: str, part: TurnRequest) -> None:
        if not self.open:
            raise Conflict("The run has ended.")
        self.asked.append((agent_id, part))
        number = self.state.participants[agent_id].attempt if agent_id in self.state.participants else 0
        self.fold(agent_id, Started(number + 1, stage=part.part.stage, turn=part.part.turn))
        self.fold(agent_id, Done(f"{agent_id} in turn {part.part.turn}", None, "stop", None, number + 1))

    async def when(self, true: Callable[[], bool]) -> None:
        while not true():
            await asyncio.sleep(0)

    def cancel(self, stop: Stop, agent_id: str | None = None) -> None:
        self.stops.append((stop, agent_id))

    def at_rest(self, participant: Participant) -> bool:
        return participant.ended

    def title(self, agent_id: str) -> str:
        return agent_id.upper()

    def close_if_ended(self) -> None:
        self.settled += 1


def conduct(monkeypatch: pytest.MonkeyPatch, method: Callable[[Any], Any]) -> None:
    """Have every panel be conducted by *method*."""

    async def conducted(self: Any, loaded: Any) -> None:
        await method(self)

    monkeypatch.setattr(panel_module.Session, "conduct", conducted)


async def sat(panel: RunPanel) -> list[Payload]:
    await soon(panel.execute())
    assert panel.mailbox.closed
    return panel.mailbox.take(100)


async def test_whatever_a_method_does_the_panel_has_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its cause is in the log, without the question."""

    async def breaks(session: Any) -> None:
        raise ValueError("broken by Tea?, that is by a question")

    conduct(monkeypatch, breaks)
    room = Room(
        "a",
        "b",
    )
    room.spec = RunSpec("run_1", "run_1", "a question of some length", ("a", "b"))
    with capture_logs() as logs:
        (result,) = await sat(RunPanel(room, SETTINGS))
    assert isinstance(result, PanelResult)
    assert (result.status, result.panel, result.method) == ("failed", "vote", "vote")
    assert room.settled == 1
    [line] = logs
    assert "ValueError: broken by Tea?" in line["stack"]


async def test_a_method_that_is_not_there_fails_the_panel_alone() -> None:
    settings = PanelSettings.model_construct(method="nowhere:method", members=["a", "b"])
    with capture_logs():
        (result,) = await sat(RunPanel(Room("a", "b"), settings))
    assert isinstance(result, PanelResult)
    assert result.status == "failed"


async def test_a_panel_of_a_lost_worker_only_says_that_it_failed() -> None:
    room = Room("a")
    room.fold(PANEL, PanelStage("old", "judge", "final", ["c"]))
    assert room.state.panel is not None
    (result,) = await sat(RunPanel.lost(room, room.state.panel))
    assert isinstance(result, PanelResult)
    assert (result.method, result.status) == ("judge", "failed")


async def test_calling_it_off_is_a_result_and_its_task_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(session: Any) -> None:
        await asyncio.Event().wait()

    conduct(monkeypatch, waits)
    panel = RunPanel(Room("a", "b"), SETTINGS)
    panel_is_open = asyncio.ensure_future(panel.execute())
    await turns()
    assert not panel.stop_if_idle(), "it has something to do yet"
    panel.cancel()
    panel.cancel()
    await soon(panel_is_open)
    (result,) = panel.mailbox.take(9)
    assert isinstance(result, PanelResult)
    assert result.status == "cancelled"


async def test_cancelling_its_task_says_nothing_and_passes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on elsewhere, and so does its panel."""

    async def waits(session: Any) -> None:
        await asyncio.Event().wait()

    conduct(monkeypatch, waits)
    panel = RunPanel(Room("a", "b"), SETTINGS)
    panel_is_open = asyncio.ensure_future(panel.execute())
    await turns()
    panel_is_open.cancel()
    with pytest.raises(asyncio.CancelledError):
        await panel_is_open
    assert panel.mailbox.closed
    assert panel.mailbox.take(9) == []


async def test_a_decided_panel_is_not_decided_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(session: Any) -> None:
        raise ValueError("after the verdict")

    conduct(monkeypatch, breaks)
    room = Room("a", "b")
    room.fold(PANEL, PanelResult("vote", "vote", "decided", "a", [], {}, []))
    with capture_logs():
        assert await sat(RunPanel(room, SETTINGS)) == []


# ── the host of the session ───────────────────────────────────────────────────────────────────


def speech(**keys: Any) -> TurnPrompt:
    return TurnPrompt(**{"message": "Tea, or not?", "stage": "round", "number": 1, **keys})


async def test_an_agent_is_asked_with_its_part_and_its_answer_comes_back() -> None:
    room = Room("a", "b")
    panel = RunPanel(room, SETTINGS)
    found = await soon(panel.ask("a", 1, speech()))
    assert (found.agent_id, found.text, found.status) == ("a", "a in turn 1", "done")
    ((agent_id, asked),) = room.asked
    assert (agent_id, asked.message) == ("a", "Tea, or not?")
    assert (asked.part.question, asked.part.stage, asked.part.number, asked.part.turn) == (
        "Tea?",
        "round",
        1,
        1,
    )


async def test_what_was_said_in_a_turn_is_not_asked_for_again() -> None:
    """A panel that goes on on another worker asks for all of it once more."""
    room = Room("a", "b")
    first = await soon(RunPanel(room, SETTINGS).ask("a", 1, speech()))
    await soon(RunPanel(room, SETTINGS).ask("a", 2, speech(number=2)))
    again = RunPanel(room, SETTINGS)
    assert (await soon(again.ask("a", 1, speech()))).text == first.text
    assert (await soon(again.ask("a", 2, speech(number=2)))).text == "a in turn 2"
    assert len(room.asked) == 2
    assert again.turns("a") == 2


async def test_a_panel_that_is_called_later_counts_its_own_turns() -> None:
    room = Room("a", "b")
    room.fold("a", Started(1))
    room.fold("a", Done("before", None, "stop", None, 1))
    later = RunPanel(room, SETTINGS, late_call=True)
    assert later.turns("a") == 0
    found = await soon(later.ask("a", 1, speech()))
    assert (found.text, room.asked[0][1].part.turn, later.turns("a")) == ("a in turn 2", 2, 1)
    info = later.unannounced()
    assert info is not None
    assert (info.title, info.members) == ("Vote", ["a", "b"])
    assert later.unannounced() is None, "told once"


async def test_whoever_cannot_be_asked_any_more_has_no_answer() -> None:
    room = Room("a", "b")
    room.open = False
    found = await soon(RunPanel(room, SETTINGS).ask("a", 1, speech()))
    assert (found.status, found.title) == ("cancelled", "A")


async def test_an_answer_that_is_late_is_awaited_before_the_next_is_asked_for() -> None:
    room = Room("a", "b")
    room.fold("a", Started(1, stage="round", turn=1))
    asking = asyncio.ensure_future(RunPanel(room, SETTINGS).ask("a", 2, speech(number=2)))
    await turns()
    assert not asking.done()
    assert room.asked == []
    room.fold("a", Cancelled("late", None, 1))
    assert (await soon(asking)).text == "a in turn 2"


async def test_an_event_of_the_panel_is_in_the_log_when_it_has_been_said() -> None:
    room = Room("a", "b")
    panel = RunPanel(room, SETTINGS)
    stage = PanelStage("vote", "vote", "vote", ["a"])
    emitting = asyncio.ensure_future(panel.emit(stage))
    await turns()
    assert not emitting.done()
    assert panel.mailbox.take(9) == [stage]
    assert not panel.announced("vote", 0)
    room.fold(PANEL, stage)
    await soon(emitting)
    assert panel.announced("vote", 0)


async def test_only_those_that_take_part_are_cancelled() -> None:
    room = Room("a", "b")
    panel = RunPanel(room, SETTINGS)
    panel.cancel_agent("a", "late")
    panel.cancel_agent("z", "late")
    assert room.stops == [(Stop("late"), "a")]
    assert (panel.asks("a"), panel.asks("z")) == (True, False)


async def test_late_answers_are_told_once() -> None:
    room = Room("a", "b")
    panel = RunPanel(room, SETTINGS)
    assert not panel.late_is_logged("a", 1)
    room.fold(PANEL, PanelLate("vote", "a", 1, "done", 12))
    assert panel.late_is_logged("a", 1)
    assert not panel.late_is_logged("a", 2)


# ── answers ───────────────────────────────────────────────────────────────────────────────────


def test_a_review_and_a_last_word_are_no_answers() -> None:
    room = Room("a", "b")
    room.fold("a", Started(1, stage="round", turn=1))
    room.fold("a", Done("my answer", None, "stop", None, 1))
    room.fold("a", Started(2, stage="review", turn=2))
    room.fold("a", Token("I like b"))
    found = answer_of(room.state.participants["a"])
    assert (found.text, found.attempt, found.status) == ("my answer", 1, "done")
    assert answers(room.state.participants["a"])
    room.fold("b", Started(1, stage="final", turn=1))
    room.fold("b", Done("All in all", None, "stop", None, 1))
    assert not answers(room.state.participants["b"])
    assert answer_of(room.state.participants["b"]).text == "All in all", "it has no other"


def test_an_answer_that_failed_says_why() -> None:
    room = Room("a")
    room.fold("a", Error("budget", "Spent.", "err_1", False, None, 1))
    assert answer_of(room.state.participants["a"]) == Answer("a", "A", "error", "", 1, "budget")
    assert RunPanel(room, SETTINGS).answer_of("z") == Answer("z", "Z", "queued")


def test_a_panel_over_another_runs_answers_names_them() -> None:
    given = (GivenAnswer("a", "Anna", "done", "four", 2),)
    room = Room("c", of="run_0", given=given)
    info = info_of(SETTINGS, room.spec)
    assert (info.of, [(g.agent, g.attempt, g.chars) for g in info.given]) == ("run_0", [("a", 2, 4)])
