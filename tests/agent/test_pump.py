"""Covers `orchestrator/agent/pump.py`: an agent's attempts, from `started` to its last terminal event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from orchestrator.agent.attempt import Stop
from orchestrator.agent.budget import Budget
from orchestrator.agent.mailbox import Mailbox
from orchestrator.agent.pump import Listeners, Pump, opening_of
from orchestrator.backends.base import AgentInput, Backend, Finish, Part, QuotedAnswer, Turn
from orchestrator.errors import AgentError, ConfigError, ConfigProblem, ErrorCode, LogUnavailable
from orchestrator.events import (
    Approval,
    Cancelled,
    Done,
    Error,
    Missing,
    Payload,
    Retry,
    Started,
    Status,
    Usage,
)
from orchestrator.telemetry.observer import Observer
from tests.support.patience import soon, turns
from tests.support.spine import ScriptedBackend, settings

pytestmark = pytest.mark.looptime
Script = Callable[[AgentInput], AsyncGenerator[Any, None]]


class Counted(Observer):
    def __init__(self) -> None:
        self.retries = self.left = 0

    def retried(self, agent_id: str) -> None:
        self.retries += 1

    def abandoned(self, agent_id: str) -> None:
        self.left += 1


class Rig:
    """A pump on a scripted agent, with what came out of it."""

    def __init__(
        self,
        script: Script,
        *,
        request: AgentInput | None = None,
        on_done: Callable[[Turn], Awaitable[None]] | None = None,
        backend: Callable[[], Awaitable[Backend]] | None = None,
        **keys: Any,
    ) -> None:
        self.requests: list[AgentInput] = []
        self.mailbox = Mailbox("a", limit=10_000)
        self.observer = Counted()

        def noted(request: AgentInput) -> AsyncGenerator[Any, None]:
            self.requests.append(request)
            return script(request)

        async def ready() -> Backend:
            return ScriptedBackend(noted)

        self.pump = Pump(
            settings("a", **keys), backend or ready, request or AgentInput("hi"), self.mailbox,
            budget=Budget("agent"), listeners=Listeners(self.observer, on_done),
        )  # fmt: skip

    async def run(self) -> list[Payload]:
        await self.pump.run()
        return self.events

    @property
    def events(self) -> list[Payload]:
        assert self.mailbox.closed
        return self.mailbox.take(10_000)


def failing(times: int, code: ErrorCode = "upstream_unavailable", *, first: str = "", **keys: Any) -> Script:
    """Return an agent that fails *times* times, after *first*, and then answers."""
    count = 0

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        nonlocal count
        count += 1
        if count <= times:
            if first:
                yield first
            raise AgentError(code, "It is down.", **keys)
        yield "well"
        yield Finish("stop", Usage(10, 20), {"kept": 1})

    return script


def names(events: list[Payload]) -> list[str]:
    return [event.TYPE for event in events]


async def test_an_answer_is_started_said_and_done() -> None:
    rig = Rig(failing(0))
    events = await rig.run()
    assert names(events) == ["started", "token", "done"]
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.text, done.usage, done.finish_reason, done.attempt) == ("well", Usage(10, 20), "stop", 1)
    assert done.metrics is not None
    assert (done.metrics.output_chars, done.metrics.retries) == (4, 0)


async def test_the_answer_has_what_came_in_a_row_at_its_end() -> None:
    """Nobody has looked at those pieces yet."""

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        for text in "abcdefg":
            yield text

    kept: list[Turn] = []

    async def keep(turn: Turn) -> None:
        kept.append(turn)

    done = (await Rig(script, on_done=keep).run())[-1]
    assert isinstance(done, Done)
    assert done.metrics is not None
    assert (done.text, done.metrics.output_chars, kept[0].text) == ("abcdefg", 7, "abcdefg")


async def test_what_may_be_repeated_is_repeated_with_growing_pauses() -> None:
    rig = Rig(failing(3), retry={"attempts": 4, "backoff_s": 10, "max_backoff_s": 15})
    events = await rig.run()
    assert names(events) == ["started", "error", "retry"] * 3 + ["started", "token", "done"]
    delays = [event.delay_s for event in events if isinstance(event, Retry)]
    assert 5 <= delays[0] <= 10
    assert all(7.5 <= delay <= 15 for delay in delays[1:])
    assert asyncio.get_running_loop().time() == pytest.approx(sum(delays), abs=0.1)
    assert [event.attempt for event in events if isinstance(event, Started)] == [1, 2, 3, 4]
    assert rig.observer.retries == 3


async def test_attempts_have_an_end() -> None:
    events = await Rig(failing(9), retry={"attempts": 2, "backoff_s": 0.1}).run()
    assert names(events) == ["started", "error", "retry", "started", "error"]


@pytest.mark.parametrize(
    ("script", "keys"),
    [
        (failing(1, "upstream_rejected", retryable=False), {}),
        (failing(1, first="said already"), {}),
        (failing(1, retry_after=10_000.0), {"limits": {"timeout_s": 60}}),
    ],
)
async def test_what_must_not_be_repeated_is_not(script: Script, keys: dict[str, Any]) -> None:
    """What cannot succeed, what would say words twice, and what asks for more time than an attempt may take."""
    events = await Rig(script, retry={"attempts": 3}, **keys).run()
    assert isinstance(events[-1], Error)
    assert "retry" not in names(events)


async def test_words_may_be_said_anew_if_the_settings_say_so() -> None:
    keys = {"retry": {"attempts": 2, "after_first_token": True, "backoff_s": 0}}
    assert names(await Rig(failing(1, first="half"), **keys).run())[-2:] == ["token", "done"]


async def test_upstreams_own_pause_is_kept() -> None:
    events = await Rig(failing(1, retry_after=42.0), retry={"attempts": 2}).run()
    (retry,) = [event for event in events if isinstance(event, Retry)]
    assert retry.delay_s == 42.0
    assert asyncio.get_running_loop().time() == pytest.approx(42, abs=0.1)


async def test_stop_ends_a_pause_and_whatever_comes_after() -> None:
    rig = Rig(failing(9), retry={"attempts": 5, "backoff_s": 1000, "max_backoff_s": 1000})
    running = asyncio.ensure_future(rig.pump.run())
    await asyncio.sleep(1)
    assert rig.pump.stop(Stop("requested"))
    assert not rig.pump.stop(Stop("again"))
    await soon(running)
    events = rig.events
    assert names(events) == ["started", "error", "retry", "cancelled"]
    assert isinstance(events[-1], Cancelled)
    assert events[-1].reason == "requested"


@pytest.mark.parametrize(("code", "type_"), [(None, Cancelled), ("shutdown", Error)])
async def test_stop_before_the_start_is_an_ending(code: Any, type_: type[Payload]) -> None:
    rig = Rig(failing(0))
    rig.pump.stop(Stop("because", code))
    (event,) = await rig.run()
    assert type(event) is type_
    assert rig.requests == []


async def test_waiting_for_a_backend_is_told_and_can_be_stopped() -> None:
    loading: asyncio.Future[Backend] = asyncio.get_running_loop().create_future()
    rig = Rig(failing(0), backend=lambda: asyncio.wait_for(loading, 1000))
    running = asyncio.ensure_future(rig.pump.run())
    await asyncio.sleep(1)
    rig.pump.stop(Stop("requested"))
    await running
    events = rig.events
    assert events[0] == Status("queued", "loading")
    assert names(events) == ["status", "cancelled"]


async def test_backend_that_cannot_be_loaded_is_an_error_that_tells_no_file() -> None:
    async def broken() -> Backend:
        raise ConfigError([ConfigProblem("/secret/place.yaml", 3, "stream", "is wrong")])

    (event,) = await Rig(failing(0), backend=broken).run()
    assert isinstance(event, Error)
    assert event.code == "internal"
    assert "secret" not in event.message


async def test_unexpected_failure_is_logged_with_its_traceback_under_the_events_id() -> None:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield "so"
        raise ValueError(f"why: {request.message}")

    with capture_logs() as logs:
        events = await Rig(script, request=AgentInput("my dearest secret")).run()
    error = events[-1]
    assert isinstance(error, Error)
    [line] = [line for line in logs if line["event"] == "agent_failed"]
    assert line["error_id"] == error.error_id
    assert "ValueError: why: " in line["stack"]
    assert "dearest" not in line["stack"]
    assert "why" not in error.message


async def test_expected_failure_is_logged_without_a_traceback() -> None:
    with capture_logs() as logs:
        await Rig(failing(1), retry={"attempts": 1}).run()
    [line] = [line for line in logs if line["event"] == "agent_failed"]
    assert (line["code"], "stack" in line) == ("upstream_unavailable", False)


async def test_only_the_first_attempt_goes_on_with_what_a_lost_worker_began() -> None:
    rig = Rig(
        failing(1), request=AgentInput("hi", attempt=3, anchor="upstream-7"), retry={"attempts": 2, "backoff_s": 0}
    )  # fmt: skip
    await rig.run()
    assert [(r.attempt, r.anchor) for r in rig.requests] == [(3, "upstream-7"), (4, None)]
    assert rig.requests[0].cancelled is not rig.requests[1].cancelled


async def test_run_that_another_worker_has_is_marked_before_it_ends() -> None:
    rig = Rig(failing(0))
    rig.pump.mark_taken_over()
    await rig.run()
    assert rig.requests[0].taken.is_set()


async def test_good_answer_is_remembered_before_it_is_told_and_again_while_the_store_is_unavailable() -> None:
    tries: list[Turn] = []

    async def keep(turn: Turn) -> None:
        assert not rig.mailbox.closed
        tries.append(turn)
        if len(tries) < 3:
            raise LogUnavailable("away")

    rig = Rig(failing(0), on_done=keep)
    assert names(await rig.run())[-1] == "done"
    assert len(tries) == 3
    assert (tries[0].message, tries[0].text, tries[0].memory) == ("hi", "well", {"kept": 1})


@pytest.mark.parametrize("script", [failing(1, "upstream_rejected", retryable=False)])
async def test_failed_answer_is_not_remembered(script: Script) -> None:
    kept: list[Turn] = []

    async def keep(turn: Turn) -> None:
        kept.append(turn)

    await Rig(script, on_done=keep).run()
    assert kept == []


async def test_stop_ends_the_wait_for_a_store_that_stays_unavailable() -> None:
    async def keep(turn: Turn) -> None:
        raise LogUnavailable("away")

    rig = Rig(failing(0), on_done=keep)
    running = asyncio.ensure_future(rig.pump.run())
    await asyncio.sleep(5)
    assert not running.done()
    rig.pump.stop(Stop("requested"))
    await soon(running)
    assert names(rig.events)[-1] == "done", "it was said, and nobody can unsay it"


async def test_cancelling_the_pump_closes_the_mailbox() -> None:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield "so"
        await asyncio.Event().wait()

    rig = Rig(script)
    running = asyncio.ensure_future(rig.pump.run())
    await turns()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert rig.mailbox.closed


async def test_an_answer_to_an_approval_needs_an_attempt_that_waits() -> None:
    rig = Rig(failing(0))
    assert not rig.pump.answer(Approval("c1", True))
    await rig.run()
    assert not rig.pump.answer(Approval("c1", True))


async def test_a_turn_of_a_panel_says_what_it_is_part_of() -> None:
    """Before anything can end it: only `started` tells this turn from the one before."""
    heard = (
        QuotedAnswer("b", 1, "Answer 1", "whole", 5),
        QuotedAnswer("c", 2, "Answer 2", "longer than that", 6),
    )
    part = Part("q", "round", number=2, turn=3, heard=heard, missing=(Missing("d", "error"),))
    opening = opening_of(part, 4)
    assert (opening.attempt, opening.stage, opening.round, opening.layer, opening.turn) == (
        4,
        "round",
        2,
        None,
        3,
    )
    assert [(i.agent, i.chars, i.of_chars) for i in opening.inputs] == [("b", 5, None), ("c", 6, 16)]
    rig = Rig(failing(0), request=AgentInput("hi", part=part, attempt=4))
    rig.pump.stop(Stop("late"))
    events = await rig.run()
    assert events[0] == opening
    assert names(events) == ["started", "cancelled"]


@pytest.mark.parametrize("emits_at_once", [True, False])
async def test_only_whom_nobody_stands_before_may_say_text_at_once(emits_at_once: bool) -> None:
    """Past whoever does, a piece of text would be missing there; without it each piece wakes a task."""
    requests: list[AgentInput] = []

    def noted(request: AgentInput) -> AsyncGenerator[Any, None]:
        requests.append(request)
        return failing(0)(request)

    async def ready() -> Backend:
        backend = ScriptedBackend(noted)
        vars(backend)["emits_at_once"] = emits_at_once
        return backend

    await Rig(failing(0), backend=ready).run()
    assert [request.say is not None for request in requests] == [emits_at_once]
