"""Covers `orchestrator/run/commands.py`: what may be asked of a run, here and from another worker."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from orchestrator.agent.attempt import Stop
from orchestrator.errors import Conflict, NotFound, Unavailable
from orchestrator.events import Approval, Snapshot
from orchestrator.run.commands import Command, Outcome, answer, decode, encode, outcome, perform

SNAPSHOT = Snapshot(
    run_id="run_1", channel="c", conversation_id=None, message="hi", status="running", created_at=1, ended_at=None,
    last_event_id=None, agents={}, panel=None,
)  # fmt: skip


class Asked:
    """A run that notes what it is asked, or refuses."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self._refusal = refusal

    def _note(self, *call: Any) -> None:
        if self._refusal is not None:
            raise self._refusal
        self.calls.append(call)

    def cancel(self, stop: Stop, agent_id: str | None = None) -> None:
        self._note("cancel", stop, agent_id)

    async def add(self, agent_id: str) -> None:
        self._note("add", agent_id)

    async def retry(self, agent_id: str) -> None:
        self._note("retry", agent_id)

    def approve(self, agent_id: str, answer: Approval) -> None:
        self._note("approve", agent_id, answer)

    def start_panel_over(self, panel: Any) -> None:
        self._note("panel", panel.method, list(panel.members))

    def snapshot(self) -> Snapshot:
        return SNAPSHOT


COMMANDS: list[tuple[Command, tuple[Any, ...]]] = [
    (Command("cancel", "run_1"), ("cancel", Stop("requested"), None)),
    (Command("cancel", "run_1", "a", reason="late"), ("cancel", Stop("late"), "a")),
    (Command("add", "run_1", "b"), ("add", "b")),
    (Command("retry", "run_1", "a"), ("retry", "a")),
    (Command("approve", "run_1", "a", "c1", True), ("approve", "a", Approval("c1", True))),
    (
        Command("approve", "run_1", "a", "c1", False, why="dear", by="Ann"),
        ("approve", "a", Approval("c1", False, "dear", "Ann")),
    ),
    (
        Command("convene", "run_1", panel={"method": "vote", "members": ["a", "b"]}),
        ("panel", "vote", ["a", "b"]),
    ),
]


@pytest.mark.parametrize(("command", "call"), COMMANDS)
async def test_a_command_does_the_same_here_and_from_elsewhere(
    command: Command, call: tuple[Any, ...]
) -> None:
    here, there = Asked(), Asked()
    assert await perform(cast(Any, here), command) == SNAPSHOT
    told = outcome(await answer(cast(Any, there), encode(command)))
    assert told == SNAPSHOT
    assert here.calls == there.calls == [call]
    assert decode(encode(command)) == command


@pytest.mark.parametrize("refusal", [Conflict("It has ended."), NotFound("There is none.")])
async def test_a_refusal_comes_across_as_what_it_is(refusal: Exception) -> None:
    told = await answer(cast(Any, Asked(refusal)), encode(Command("retry", "run_1", "a")))
    with pytest.raises(type(refusal), match=str(refusal)):
        outcome(told)


async def test_a_run_that_has_moved_is_asked_for_elsewhere() -> None:
    assert outcome(await answer(None, encode(Command("cancel", "run_1")))) is None


def test_an_answer_that_says_nothing_known_is_no_success() -> None:
    with pytest.raises(Unavailable):
        outcome(msgspec.json.encode(Outcome()))


def test_a_command_of_a_newer_version_is_not_guessed_at() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"verb":"explode","run_id":"run_1"}')
    assert decode(b'{"verb":"cancel","run_id":"run_1","new":1}') == Command("cancel", "run_1")


async def test_a_fault_is_no_refusal() -> None:
    """It is the asked worker's to log; whoever asked hears that there is no answer."""
    with pytest.raises(RuntimeError):
        await answer(cast(Any, Asked(RuntimeError("broken"))), encode(Command("cancel", "run_1")))
