"""Covers `orchestrator/panels/session.py`: one panel's stages, on a host that the test speaks for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from orchestrator.events.agent import Missing
from orchestrator.events.base import Payload
from orchestrator.events.panel import PanelInfo, PanelLate, PanelResult, PanelStage
from orchestrator.panels.base import Answer, TurnPrompt, Verdict
from orchestrator.panels.session import NEVER_TOO_LONG_CHARS, Session
from orchestrator.panels.settings import PanelSettings
from tests.support.patience import soon, turns


class ToldHost:
    """Stands for the run: keeps what it was asked and told; `answers` are given when they are there."""

    run_id = "run_1"

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, TurnPrompt]] = []
        self.events: list[Payload] = []
        self.cancelled: list[tuple[str, str]] = []
        self.answers: dict[tuple[str, int], asyncio.Future[Answer]] = {}
        self.known: set[tuple[str, int]] = set()
        self.without: Sequence[Missing] | None = None

    def say(
        self, agent_id: str, text: str = "Yes.", turn: int = 1, status: Any = "done", code: str | None = None
    ) -> None:
        self._place(agent_id, turn).set_result(Answer(agent_id, agent_id.title(), status, text, turn, code))

    def _place(self, agent_id: str, turn: int) -> asyncio.Future[Answer]:
        return self.answers.setdefault((agent_id, turn), asyncio.get_running_loop().create_future())

    async def ask(self, agent_id: str, turn: int, prompt: TurnPrompt) -> Answer:
        self.asked.append((agent_id, turn, prompt))
        return await self._place(agent_id, turn)

    async def ending(self, agent_id: str) -> Answer:
        return await self._place(agent_id, 1)

    def answer_of(self, agent_id: str) -> Answer:
        found = [f.result() for (name, _), f in self.answers.items() if name == agent_id and f.done()]
        return found[-1] if found else Answer(agent_id, agent_id.title(), "running", "ha")

    def turns(self, agent_id: str) -> int:
        return sum(name == agent_id for name, _, _ in self.asked)

    def cancel_agent(self, agent_id: str, reason: str) -> None:
        self.cancelled.append((agent_id, reason))

    async def emit(self, payload: Payload) -> None:
        self.events.append(payload)

    def title(self, agent_id: str) -> str:
        return agent_id.title()

    def announced(self, stage: str, number: int) -> bool:
        return (stage, number) in self.known

    def gone_without(self) -> Sequence[Missing] | None:
        return self.without

    def late_is_logged(self, agent_id: str, attempt: int) -> bool:
        return any(
            isinstance(e, PanelLate) and (e.agent, e.attempt) == (agent_id, attempt) for e in self.events
        )

    def answering(self, agent_id: str) -> bool:
        return True

    def unannounced(self) -> PanelInfo | None:
        return None

    def stages(self) -> list[str]:
        return [each.stage for each in self.events if isinstance(each, PanelStage)]

    def results(self) -> list[PanelResult]:
        return [each for each in self.events if isinstance(each, PanelResult)]


def settings(**keys: Any) -> PanelSettings:
    return PanelSettings.model_validate(
        {"method": "moderator", "members": ["a", "b"], "moderator": "m", **keys}
    )


async def test_members_are_asked_the_users_question_and_what_they_said_is_returned() -> None:
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(), "What is it?", tasks)
        host.say("a")
        host.say("b", "No.", status="error")
        answers = await soon(session.answers())
    assert host.stages() == ["panel"]
    assert [(name, turn, prompt.message) for name, turn, prompt in host.asked] == [
        ("a", 1, "What is it?"),
        ("b", 1, "What is it?"),
    ]
    assert [answer.good for answer in answers] == [True, False]
    assert session.missing(answers) == (Missing("b", "error"),)


async def test_the_last_word_is_tried_again_then_by_the_fallback() -> None:
    host = ToldHost()
    moderator = {"agent": "m", "attempts": 2, "fallback": ["n"]}
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(moderator=moderator), "?", tasks)
        for turn in (1, 2):
            host.say("m", "", turn, "error", "upstream_unavailable")
        host.say("n", "So it is.")
        last = await soon(session.last_word("{answers}", [Answer("a", "A", "done", "Yes.")]))
    assert last is not None
    assert (last.agent_id, last.text) == ("n", "So it is.")
    assert [(name, turn) for name, turn, _ in host.asked] == [("m", 1), ("m", 2), ("n", 1)]
    assert host.stages() == ["final"]


async def test_a_prompt_that_is_too_long_is_halved_and_costs_no_attempt() -> None:
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(moderator={"agent": "m", "attempts": 1}), "?", tasks)
        host.say("m", "", 1, "error", "upstream_rejected")
        host.say("m", "So.", 2)
        answers = [Answer("a", "A", "done", "x" * (2 * NEVER_TOO_LONG_CHARS))]
        last = await soon(session.last_word("{answers}", answers))
    assert last is not None
    first, second = (sum(each.chars for each in prompt.heard) for _, _, prompt in host.asked)
    assert second <= first // 2


async def test_a_moderator_that_was_cancelled_is_not_asked_again() -> None:
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(moderator={"agent": "m", "fallback": ["n"]}), "?", tasks)
        host.say("m", "", 1, "cancelled")
        assert await soon(session.last_word("{answers}", [Answer("a", "A", "done", "Yes.")])) is None
    assert len(host.asked) == 1


async def test_who_has_not_ended_when_a_stage_has_is_cancelled() -> None:
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(start_when={"quorum": 1}), "?", tasks)
        host.say("a")
        answers = await soon(
            session.stage("round", {name: TurnPrompt("?", "round", number=1) for name in "ab"}, number=1)
        )
        assert host.cancelled == [("b", "late")]
        assert [answer.status for answer in answers] == ["done", "running"]
        host.say("b", status="cancelled")


async def test_a_stage_that_another_worker_has_opened_is_not_opened_again() -> None:
    host = ToldHost()
    host.known.add(("panel", 0))
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(), "?", tasks)
        await session.open_stage("panel", ["a", "b"])
        await session.open_stage("final", ["m"])
    assert host.stages() == ["final"]


async def test_another_worker_goes_on_with_what_the_next_stage_had_begun_with() -> None:
    """Else an answer that came between would change what the moderator was asked."""
    host = ToldHost()
    host.without = [Missing("b", "running")]
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(), "?", tasks)
        host.say("a")
        host.say("b")
        answers = await soon(session.answers())
    assert [(answer.status, answer.text) for answer in answers][1] == ("running", "")


async def test_given_answers_are_not_asked_for() -> None:
    host = ToldHost()
    given = [Answer("a", "Ann of before", "done", "Yes."), Answer("b", "Bob", "done", "No.")]
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(), "?", tasks, given=given)
        assert await soon(session.answers()) == given
        assert session.title("a") == "Ann of before"
    assert host.asked == []
    assert host.stages() == []


async def decide(session: Session) -> Verdict:
    answers = await session.answers()
    return Verdict(
        "decided", winner=next((answer.agent_id for answer in answers if answer.good), None), tally={"x": 2.0}
    )


async def test_a_late_answer_is_reported_and_lets_the_method_run_once_more() -> None:
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(start_when={"quorum": 1}, revise=True), "?", tasks)
        host.say("a")
        conducting = tasks.create_task(session.conduct(decide))
        await turns()
        (first,) = host.results()
        assert (first.winner, first.missing, first.revision) == ("a", [Missing("b", "running")], None)
        host.say("b")
        await soon(conducting)
    assert [(e.agent, e.status) for e in host.events if isinstance(e, PanelLate)] == [("b", "done")]
    assert [each.revision for each in host.results()] == [None, 1]
    assert host.results()[1].missing == []


async def test_without_revision_the_panel_is_idle_while_somebody_may_be_late() -> None:
    """So a run in which only late answers are to come may be ended by whoever wants."""
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(start_when={"quorum": 1}), "?", tasks)
        host.say("a")
        conducting = tasks.create_task(session.conduct(decide))
        await turns()
        assert session.idle
        host.say("b", status="error")
        await soon(conducting)
        assert not session.idle
    assert len(host.results()) == 1


async def test_counts_are_whole_numbers_on_the_wire() -> None:
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        host.say("a")
        host.say("b")
        await soon(Session(host, settings(), "?", tasks).conduct(decide))
    assert [type(count) for count in host.results()[0].tally.values()] == [int]


async def test_an_agent_that_is_asked_again_while_it_is_waited_for_is_waited_for_on() -> None:
    host = ToldHost()
    async with asyncio.TaskGroup() as tasks:
        session = Session(host, settings(), "?", tasks)
        answering = tasks.create_task(session.answers())
        await turns()
        host.say("a", status="error")
        await turns()
        host.answers.pop(("a", 1))
        session.again("a")
        host.say("b")
        await turns()
        assert not answering.done()
        host.say("a", "After all.")
        answers = await soon(answering)
    assert [answer.text for answer in answers] == ["After all.", "Yes."]
