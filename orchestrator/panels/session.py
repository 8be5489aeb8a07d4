"""One session of a panel: stages, questions, waiting, the last word. What a method works with.

Owns the order of the panel's own events. The agents' are the run's, which is the `Host`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

from ..backends.base import Task
from ..events.agent import Missing
from ..events.base import AgentStatus
from ..events.panel import PanelLate, PanelResult, PanelStage, Score
from .base import Answer, Host, TurnPrompt, Verdict, check_verdict
from .prompts import Quoted, fill, name_missing, quote
from .settings import PanelSettings
from .waiting import Asked, Waiting

TOO_LONG = frozenset({"upstream_rejected"})
"""Codes after which the last word is tried with half as much to read: so servers refuse what is too long."""

NEVER_TOO_LONG_CHARS = 2_000
"""Answers that have no more characters together are refused for another reason than their length."""

SPOKEN_AGAIN = ("review", "final")
"""Stages that are held once more after a late answer, because it is part of what they are about."""


class Session:
    """A panel at work in a run.

    Args:
        question: What the user asked.
        given: Answers that are there already; their agents are not asked for others.
    Attributes:
        members: Who answers. `settings`: How the panel was set up. `idle`: Whether it is done, but for reports
            of late answers.
    """

    def __init__(
        self,
        host: Host,
        settings: PanelSettings,
        question: str,
        tasks: asyncio.TaskGroup,
        *,
        given: Sequence[Answer] | None = None,
    ) -> None:
        self._host = host
        self._tasks = tasks
        self._given = None if given is None else {answer.agent_id: answer for answer in given}
        self._turns: dict[str, int] = {}
        self._open: dict[str, asyncio.Task[Answer]] = {}
        self._begun = False
        self._without: tuple[Missing, ...] | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._late_answers = 0
        self._waiting = Waiting(settings.start_when)
        self._revision = 0
        self.idle = False
        self.settings = settings
        self.question = question
        self.members = settings.answering

    # ── for methods ──────────────────────────────────────────────────────────────────────────

    @property
    def run_id(self) -> str:
        return self._host.run_id

    def title(self, agent_id: str) -> str:
        """Return the name that people see."""
        given = (self._given or {}).get(agent_id)
        return given.title if given else self._host.title(agent_id)

    async def open_stage(
        self, stage: str, agents: Sequence[str], *, number: int = 0, missing: Sequence[Missing] = ()
    ) -> None:
        """Say that a stage begins, and who speaks in it."""
        self._waiting.begin()
        again = self._revision > 0 and stage in SPOKEN_AGAIN
        if self._host.announced(stage, number) and not again:
            return  # on another worker, or before a late answer
        await self._host.emit(
            PanelStage(
                panel=self.settings.name,
                method=self.settings.method,
                stage=stage,
                agents=list(agents),
                round=number if stage == "round" else None,
                layer=number if stage == "layer" else None,
                missing=list(missing),
                info=self._host.unannounced(),
            )
        )

    def ask(self, agent_id: str, prompt: TurnPrompt) -> asyncio.Task[Answer]:
        """Ask an agent once more; its answer comes with the task. A cancelled task cancels no agent."""
        turn = self._turns[agent_id] = self._turns.get(agent_id, 0) + 1
        if self._revision and prompt.stage in SPOKEN_AGAIN:
            turn = self._turns[agent_id] = self._host.turns(agent_id) + 1
        asked = self._tasks.create_task(self._host.ask(agent_id, turn, prompt))
        self._open[agent_id] = asked
        return asked

    async def answers(self) -> list[Answer]:
        """Ask every member the user's question; return what they have said once `start_when` comes true.

        Who has not ended by then goes on, and is `late` if an answer comes of it.
        """
        asked = await self.ask_members()
        # On another worker the next stage may have begun; then it is gone on with what it began with.
        gone_without = self._host.gone_without() if self._revision == 0 else None
        if self._given is None and gone_without is None:
            await self.wait(asked)
        then = {each.agent: each.status for each in gone_without or ()}
        answers = [
            replace(answer, status=then[answer.agent_id], text="") if answer.agent_id in then else answer
            for answer in self.standing(asked)
        ]
        self._without = self.missing(answers)
        self._watch_late(answers)
        return answers

    async def ask_members(self, prompt: str | None = None, *, task: Task = "answer") -> Asked:
        """Open the stage `panel` and ask every member; *prompt* may hold `{question}`."""
        message = (
            self.question if prompt is None else fill(prompt, question=self.question, answers="", missing="")
        )
        self._begun = True
        if self._given is not None:
            return {agent_id: self._present(agent_id) for agent_id in self.members}
        await self.open_stage("panel", self.members)
        return {agent_id: self.ask(agent_id, TurnPrompt(message, "panel", task)) for agent_id in self.members}

    async def stage(
        self,
        stage: str,
        prompts: Mapping[str, TurnPrompt],
        *,
        number: int = 0,
        missing: Sequence[Missing] = (),
    ) -> list[Answer]:
        """Ask several agents at once, at most `limits.stage_timeout_s`; who has not ended is cancelled.

        The first stage of all waits as `start_when` says; if answers are given, it is these.
        """
        first, self._begun = not self._begun, True
        if first and self._given is not None:
            answers = self.standing({agent_id: self._present(agent_id) for agent_id in self._given})
            self._watch_late(answers)
            return answers
        await self.open_stage(stage, list(prompts), number=number, missing=missing)
        asked = {agent_id: self.ask(agent_id, prompt) for agent_id, prompt in prompts.items()}
        if first:
            await self.wait(asked)
        else:
            await self._waiting.for_all(asked, self.settings.limits.stage_timeout_s)
        for agent_id, answer in asked.items():
            if not answer.done():
                self.cancel(agent_id, "late" if first else "stage_timeout")
        return self.standing(asked)

    def as_they_end(self, asked: Asked) -> AsyncGenerator[Answer, None]:
        """Yield answers in the order in which they end, until `start_when` comes true."""
        return self._waiting.as_they_end(asked)

    async def wait(self, asked: Asked) -> None:
        """Wait until `start_when` comes true for *asked*."""
        async with aclosing(self.as_they_end(asked)) as ending:
            async for _ in ending:
                pass

    def standing(self, asked: Asked) -> list[Answer]:
        """Return what each of *asked* has said, whole or not."""
        return [task.result() if task.done() else self._now(agent_id) for agent_id, task in asked.items()]

    def cancel(self, agent_id: str, reason: str) -> None:
        """End an agent that is not needed any more; its `cancelled` gives *reason*."""
        self._host.cancel_agent(agent_id, reason)

    def missing(self, answers: Sequence[Answer]) -> tuple[Missing, ...]:
        """Name those of *answers* that are none."""
        return tuple(Missing(answer.agent_id, _settled(answer)) for answer in answers if not answer.good)

    def compose(
        self,
        template: str,
        answers: Sequence[Answer],
        *,
        stage: str,
        task: Task,
        number: int = 0,
        label: Callable[[int, Answer], str] | None = None,
        missing: Sequence[Missing] = (),
        max_chars: int | None = None,
        remember: bool = False,
    ) -> TurnPrompt:
        """Write the question for an agent that is to read *answers*.

        Args:
            label: What each answer is called, by its place; its agent's title unless given.
        """
        quoted = [
            Quoted(
                answer.agent_id,
                answer.attempt,
                label(place, answer) if label else answer.title,
                answer.text,
            )
            for place, answer in enumerate(answers)
        ]
        quotation = quote(quoted, max_chars=max_chars or self.settings.limits.max_input_chars)
        titles = {each.agent: self.title(each.agent) for each in missing}
        message = fill(
            template,
            question=self.question,
            answers=quotation.text,
            missing=name_missing(missing, titles, tell=task in ("moderate", "judge")),
        )
        return TurnPrompt(message, stage, task, number, quotation.heard, tuple(missing), remember)

    async def last_word(
        self,
        template: str,
        answers: Sequence[Answer],
        *,
        task: Task = "moderate",
        label: Callable[[int, Answer], str] | None = None,
        opened: bool = False,
    ) -> Answer | None:
        """Ask the moderator, again if it fails, then its fallbacks; None if nobody could.

        From here on members that have not ended are late. A cancelled moderator is not asked again.

        A server that refuses what is too long gets half of every answer, which costs no attempt.

        Args:
            opened: Whether the stage `final` was opened before.
        """
        moderator = self.settings.moderator
        if moderator is None:
            return None
        missing, good = self.missing(answers), [answer for answer in answers if answer.good]
        if not opened:
            await self.open_stage("final", [moderator.agent], missing=missing)
        for agent_id in self.settings.last_words:
            max_chars = self.settings.limits.max_input_chars
            attempts = moderator.attempts
            while attempts > 0:
                prompt = self.compose(
                    template,
                    good,
                    stage="final",
                    task=task,
                    label=label,
                    missing=missing,
                    max_chars=max_chars,
                    remember=True,
                )
                answer = await self.ask(agent_id, prompt)
                if answer.good or answer.status == "cancelled":
                    return answer if answer.good else None
                heard = sum(each.chars for each in prompt.heard)
                if answer.code in TOO_LONG and heard > NEVER_TOO_LONG_CHARS:
                    max_chars = heard // 2
                else:
                    attempts -= 1
        return None

    # ── its life ─────────────────────────────────────────────────────────────────────────────

    async def conduct(self, method: Method) -> None:
        """Sit until the verdict is out, and nobody can be late any more. Raises what *method* raises."""
        await self._conclude(await method(self))
        self.idle = not self.settings.revise
        while self._late:
            await asyncio.wait(set(self._late))
        self.idle = False
        if self._late_answers and self.settings.revise:
            self._revision += 1
            self._turns.clear()
            self._begun, self._without = False, None
            await self._conclude(await method(self))

    def again(self, agent_id: str) -> None:
        """Take in that a person has an agent answer once more: a stage that waits for it waits on, else it is late."""
        before = self._open.get(agent_id)
        if before is None or not before.done():
            return
        answering = self._open[agent_id] = self._tasks.create_task(self._host.ending(agent_id))
        waited_for = self._waiting.replace(agent_id, answering)
        if not waited_for and agent_id in self.members and self._host.answering(agent_id):
            self._watch(answering)

    async def _conclude(self, verdict: Verdict) -> None:
        check_verdict(verdict, {*self.members, *self.settings.everyone}, self.settings.method)
        last = verdict.last
        await self._host.emit(
            PanelResult(
                panel=self.settings.name,
                method=self.settings.method,
                status=verdict.status,
                winner=verdict.winner,
                ranking=[Score(agent_id, _plain(score)) for agent_id, score in verdict.ranking],
                tally={choice: _plain(count) for choice, count in (verdict.tally or {}).items()},
                missing=list(self.missing(self._members_now()) if self._without is None else self._without),
                answer=verdict.answer,
                by=last.agent_id if last else None,
                attempt=last.attempt if last else None,
                revision=self._revision or None,
            )
        )

    def _now(self, agent_id: str) -> Answer:
        given = (self._given or {}).get(agent_id)
        return given if given is not None and given.ended else self._host.answer_of(agent_id)

    def _members_now(self) -> list[Answer]:
        if self._given is not None:
            return [self._given[agent_id] for agent_id in self.members]
        return [self._host.answer_of(agent_id) for agent_id in self.members]

    def _present(self, agent_id: str) -> asyncio.Task[Answer]:
        """Return the answer that is there, or is on its way, without asking."""
        given = (self._given or {})[agent_id]

        async def there() -> Answer:
            return given if given.ended else await self._host.ending(agent_id)

        present = self._open[agent_id] = self._tasks.create_task(there())
        return present

    def _watch_late(self, answers: Sequence[Answer]) -> None:
        for answer in answers:
            task = self._open.get(answer.agent_id)
            if not answer.ended and task is not None:
                self._watch(task)

    def _watch(self, task: asyncio.Task[Answer]) -> None:
        watching = self._tasks.create_task(self._report_late(task))
        self._late.add(watching)
        watching.add_done_callback(self._late.discard)

    async def _report_late(self, task: asyncio.Task[Answer]) -> None:
        answer = await asyncio.shield(task)
        if not answer.good:
            return
        self._late_answers += 1
        if self._given is not None:
            self._given[answer.agent_id] = answer
        if not self._host.late_is_logged(answer.agent_id, answer.attempt):
            await self._host.emit(
                PanelLate(
                    self.settings.name, answer.agent_id, answer.attempt, answer.status, len(answer.text)
                )
            )


def _plain(number: float) -> int | float:
    """Return a count as one: 2, and not 2.0."""
    return int(number) if number == int(number) else number


def _settled(answer: Answer) -> AgentStatus:
    """An agent that is being cancelled has no answer any more, whenever its stream is closed."""
    return "cancelled" if answer.status == "cancelling" else answer.status


class Method(Protocol):
    """Brings a panel to its verdict.

    It may be run more than once for one panel (after a late answer, or on another worker): what was
    asked before is then answered from the log, so it should depend on nothing but the session.
    Cancelling it ends the panel; its agents are ended by the run.
    """

    async def __call__(self, session: Session, /) -> Verdict: ...
