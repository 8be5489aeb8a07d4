"""Covers `orchestrator/agent/attempt.py`: one try of one agent, from its first item to the closing of its stream."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
import random
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from orchestrator.agent.attempt import ABANDON_SECONDS, STOP_SECONDS, Attempt, Ending, Stop
from orchestrator.agent.budget import Budget
from orchestrator.agent.mailbox import MAX_EVENT_CHARS, Mailbox
from orchestrator.backends.base import AgentInput, Emission, Finish, Spent, Unchecked
from orchestrator.errors import AgentError
from orchestrator.events import (
    Approval,
    ApprovalRequest,
    Handoff,
    Payload,
    Reasoning,
    Status,
    Token,
    ToolCall,
    ToolResult,
    Usage,
)
from tests.support.patience import soon, turns
from tests.support.spine import ScriptedBackend, settings

Script = Callable[[AgentInput], AsyncGenerator[Any, None]]


class Trial:
    """One attempt of a scripted agent, whose mailbox somebody empties unless told not to."""

    def __init__(self, script: Script, *, budget: Budget | None = None, **keys: Any) -> None:
        self.mailbox = Mailbox("a", limit=keys.pop("mailbox", 256))
        self.attempt = Attempt(
            ScriptedBackend(script), self.mailbox, settings("a", **keys), budget or Budget("agent")
        )
        self.stopped: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self.request = AgentInput("hi", approve=self.attempt.approvals.wait)
        self.events: list[Payload] = []

    async def run(self, *, read: bool = True) -> Ending:
        reading = asyncio.ensure_future(self._read()) if read else None
        try:
            return await self.attempt.run(self.request, self.stopped)
        finally:
            if reading is not None:
                await turns()
                reading.cancel()
            self.events += self.mailbox.take(1000)

    async def _read(self) -> None:
        while True:
            await asyncio.sleep(0.01)
            self.events += self.mailbox.take(1000)

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, Token))


def saying(*items: Any) -> Script:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        for item in items:
            if isinstance(item, BaseException):
                raise item
            yield item

    return script


def code_of(ending: Ending) -> str:
    assert ending.error is not None
    return ending.error.code


# ── what it says ──────────────────────────────────────────────────────────────────────────────


async def test_whole_answer_reaches_the_mailbox_and_is_kept() -> None:
    trial = Trial(saying("Hel", "", Token("lo"), Status("thinking"), " there", Finish("length")))
    ending = await trial.run()
    assert ending.finish == Finish("length")
    assert (trial.text, "".join(trial.attempt.pieces), trial.attempt.chars) == ("Hello there",) * 2 + (11,)
    assert [type(e).__name__ for e in trial.events] == ["Token", "Status", "Token"]
    assert trial.attempt.first_token_at is not None


async def test_stream_without_a_finish_has_ended_well() -> None:
    assert (await Trial(saying("x")).run()).finish == Finish()


async def test_what_a_nested_agent_says_is_not_the_answer() -> None:
    """It goes out, under its call; the limit on characters is for the agent's own words."""
    nested = Token("inner words", parent="c1")
    trial = Trial(saying(nested, "mine"), limits={"max_output_chars": 5})
    assert (await trial.run()).error is None
    assert "".join(trial.attempt.pieces) == "mine"
    assert nested in trial.events


@pytest.mark.looptime
@pytest.mark.parametrize("seed", range(40))
async def test_pieces_in_a_row_come_to_what_the_agent_said(seed: int) -> None:
    """Nobody looks at each, whether it is yielded or said at once; halves of characters meet across them."""
    chance = random.Random(seed)
    kinds = ["a", "b", "é", "\ud83d", "\ude00", "", "e" * 300, Token("g"), Status("thinking"), None]
    row = [*chance.choices(kinds, weights=[9, 9, 3, 1, 1, 1, 1, 1, 1, 3], k=400), "end"]

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield "first "
        for item in row:
            if item is None:
                await asyncio.sleep(chance.choice([0, 0, 0, 0.01]))
            elif not isinstance(item, str) or chance.random() < 0.7 or not trial.attempt.say(item):
                yield item

    trial = Trial(script, mailbox=chance.choice([2, 70, 256]))
    assert (await trial.run()).finish == Finish()
    said = "".join(
        item.text if isinstance(item, Token) else item for item in row if isinstance(item, str | Token)
    )
    whole = "first " + said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert trial.text == "".join(trial.attempt.pieces) == whole
    assert trial.attempt.chars == len(whole)
    assert trial.events.count(Status("thinking")) == row.count(Status("thinking"))


@pytest.mark.parametrize("before", [0, 1, 2, 3])
async def test_half_a_character_at_the_end_of_a_row_is_said(before: int) -> None:
    trial = Trial(saying(*["x"] * before, "c\ud83d"))
    assert (await trial.run(read=False)).error is None
    assert trial.text == "x" * before + "c\ufffd"


@pytest.mark.looptime
async def test_what_is_said_while_another_call_waits_does_not_lengthen_the_idle_limit() -> None:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield ApprovalRequest("c1", "pay", "{}")
        waiting = asyncio.ensure_future(request.approve("c1"))
        for _ in range(3):
            yield "still here"
            await asyncio.sleep(1)
        trial.attempt.approvals.answer(Approval("c1", approve=True))
        await waiting
        ended.append(asyncio.get_running_loop().time())
        await asyncio.Event().wait()

    ended: list[float] = []
    trial = Trial(script, limits={"idle_timeout_s": 1.5})
    assert code_of(await trial.run()) == "timeout_idle"
    assert asyncio.get_running_loop().time() - ended[0] == pytest.approx(1.5, abs=0.1)


@pytest.mark.looptime
async def test_an_agent_that_speaks_in_a_row_is_not_idle_while_nobody_takes_it() -> None:
    """The store may be unavailable: what nobody has looked at was said all the same."""
    quiet = asyncio.Event()

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        for n in range(40):
            yield f"{n} "
            await asyncio.sleep(0.05)
        quiet.set()
        await asyncio.Event().wait()

    trial = Trial(script, limits={"idle_timeout_s": 0.4})
    ending = await trial.run(read=False)
    assert quiet.is_set()
    assert code_of(ending) == "timeout_idle"
    assert trial.text.split() == [str(n) for n in range(40)]


@pytest.mark.looptime
async def test_nothing_of_an_abandoned_agent_joins_what_comes_after_it() -> None:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        for text in "abcd":
            yield text
        while not released.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await released.wait()
        yield "late"

    released = asyncio.Event()
    trial = Trial(script)
    trial.stopped.get_loop().call_later(0.1, trial.stopped.set_result, Stop("enough"))
    assert (await trial.run(read=False)).abandoned
    for text in "xyz":
        trial.mailbox.more(text)
    assert not trial.attempt.say("late")
    released.set()
    await turns()
    assert "".join(e.text for e in trial.mailbox.take(9) if isinstance(e, Token)) == "xyz"
    assert trial.text == "abcd"


async def test_long_pieces_are_cut_and_lone_surrogates_replaced() -> None:
    trial = Trial(saying("x" * (MAX_EVENT_CHARS + 1), "\ud800", Reasoning("r" * (MAX_EVENT_CHARS + 1))))
    await trial.run()
    said = [e for e in trial.events if isinstance(e, Token | Reasoning)]
    assert max(len(e.text) for e in said) <= MAX_EVENT_CHARS
    assert trial.text == "x" * (MAX_EVENT_CHARS + 1) + "\ufffd"


@pytest.mark.parametrize(
    "wrong", [42, None, b"bytes", ToolCall("c", "n", 7), Finish(usage=Usage(1, "2")), Finish(memory={1: object()}),
              Finish(reason=None), Finish(usage={"input_tokens": 1}), Token("x", speaker=3),
              Token("x", speaker="s" * 40_000), Reasoning("x", parent="p" * 40_000), Handoff("h" * 40_000)],
)  # fmt: skip
async def test_agent_that_yields_what_it_may_not_fails_alone(wrong: Any) -> None:
    assert code_of(await Trial(saying("so", wrong)).run()) == "upstream_invalid"


async def test_counts_that_are_none_and_long_results_end_no_answer() -> None:
    """A count below nothing broke the run of all agents, and ten megabytes of a tool held up their streams."""
    spent = Spent(Usage(-1, 3))
    trial = Trial(
        saying(ToolResult("c", "x" * 2**20, is_error=False), "so", spent, Finish(usage=Usage(5, -1)))
    )
    ending = await trial.run()
    assert ending.finish == Finish(usage=Usage(5, 0))
    (result,) = (each for each in trial.events if isinstance(each, ToolResult))
    assert len(result.output) < 300_000


async def test_output_limit_keeps_what_fits() -> None:
    trial = Trial(saying("12345", "678"), limits={"max_output_chars": 6})
    assert code_of(await trial.run()) == "output_limit"
    assert trial.text == "123456"


async def test_plain_text_may_be_said_between_two_items() -> None:
    """As if it was yielded; what is not plain, does not fit or comes too early has to be."""
    waiting, on = asyncio.Event(), asyncio.Event()

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield "one"
        waiting.set()
        await on.wait()
        yield "!"

    trial = Trial(script, mailbox=3, limits={"max_output_chars": 10})
    assert not trial.attempt.say("too early")
    running = asyncio.ensure_future(trial.run(read=False))
    await soon(waiting.wait())
    assert not any(trial.attempt.say(text) for text in ("", "\ud800", "far too long"))
    assert trial.attempt.say(" two")
    assert [trial.attempt.say("3"), trial.attempt.say("4")] == [True, False]  # it is full
    assert [e.text for e in trial.mailbox.take(9) if isinstance(e, Token)] == ["one two3"]
    on.set()
    ending = await running
    assert (ending.finish, trial.text, trial.attempt.chars) == (Finish(), "!", 9)
    assert "".join(trial.attempt.pieces) == "one two3!"


async def test_full_mailbox_holds_the_agent_back() -> None:
    """Until somebody reads; its own clocks stand still meanwhile."""
    said = 0

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        nonlocal said
        for n in range(50):
            said += 1
            yield Status(str(n))

    trial = Trial(script, mailbox=4)
    running = asyncio.ensure_future(trial.run(read=False))
    await turns()
    assert said <= 6
    while not running.done():
        trial.events += trial.mailbox.take(8)
        await asyncio.sleep(0)
    assert (await running).finish is not None
    assert len(trial.events) == said == 50


# ── how it ends ───────────────────────────────────────────────────────────────────────────────


async def test_known_failure_is_the_ending() -> None:
    trial = Trial(saying("so", AgentError("upstream_rejected", "No.", retryable=False)))
    ending = await trial.run()
    assert (code_of(ending), str(ending.error)) == ("upstream_rejected", "No.")


@pytest.mark.parametrize("exc", [ValueError("secret"), BaseExceptionGroup("many", [KeyboardInterrupt()])])
async def test_unknown_failure_is_internal_and_tells_nothing(exc: BaseException) -> None:
    ending = await Trial(saying(exc)).run()
    assert code_of(ending) == "internal"
    assert "secret" not in str(ending.error)
    assert ending.cause is exc


@pytest.mark.parametrize("exc", [SystemExit(3), KeyboardInterrupt()])
async def test_agent_that_asks_the_process_to_end_ends_alone(exc: BaseException) -> None:
    ending = await Trial(saying(exc)).run()
    assert code_of(ending) == "internal"
    assert ending.cause is not None
    assert ending.cause.__cause__ is exc


async def test_agent_that_cancels_itself_has_failed() -> None:
    assert code_of(await Trial(saying(asyncio.CancelledError())).run()) == "internal"


async def test_subclass_of_an_error_that_lacks_its_fields_is_internal() -> None:
    class Careless(AgentError):
        def __init__(self) -> None:
            pass

    assert code_of(await Trial(saying(Careless())).run()) == "internal"


async def test_stop_closes_the_stream_first() -> None:
    closed = False

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        nonlocal closed
        try:
            yield "so"
            await asyncio.Event().wait()
        finally:
            closed = True

    trial = Trial(script)
    running = asyncio.ensure_future(trial.run())
    await turns()
    trial.stopped.set_result(Stop("requested"))
    ending = await soon(running)
    assert (ending.stop, ending.abandoned, closed) == (Stop("requested"), False, True)
    assert trial.request.cancelled.is_set()


async def test_cancelling_the_attempt_closes_the_stream_too() -> None:
    closed = asyncio.Event()

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        try:
            yield "so"
            await asyncio.Event().wait()
        finally:
            closed.set()

    trial = Trial(script)
    running = asyncio.ensure_future(trial.run())
    await turns()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert closed.is_set()


@pytest.mark.looptime
async def test_agent_that_ignores_its_cancellation_is_left_behind() -> None:
    """And is not heard any more."""
    free = asyncio.Event()

    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        yield "so"
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue
        yield "too late"

    trial = Trial(script)
    loop = asyncio.get_running_loop()
    running = asyncio.ensure_future(trial.run())
    await asyncio.sleep(1)
    trial.stopped.set_result(Stop("requested"))
    ending = await running
    assert ending.abandoned
    assert loop.time() == pytest.approx(1 + STOP_SECONDS + ABANDON_SECONDS, abs=0.1)
    free.set()
    await asyncio.sleep(1)
    assert "late" not in trial.text + "".join(e.text for e in trial.mailbox.take(99) if isinstance(e, Token))


# ── limits in time ────────────────────────────────────────────────────────────────────────────


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("pauses", "limits", "code", "at"),
    [
        ([100], {"first_token_timeout_s": 3}, "timeout_first_token", 3),
        ([1, 100], {"idle_timeout_s": 4}, "timeout_idle", 5),
        ([2, 2, 2, 100], {"timeout_s": 5}, "timeout_total", 5),
    ],
)
async def test_time_limits_end_it(pauses: list[float], limits: Any, code: str, at: float) -> None:
    async def script(request: AgentInput) -> AsyncGenerator[Any, None]:
        for pause in pauses:
            await asyncio.sleep(pause)
            yield "x"

    trial = Trial(script, limits=limits)
    assert code_of(await trial.run()) == code
    assert asyncio.get_running_loop().time() == pytest.approx(at, abs=0.1)


@pytest.mark.looptime
async def test_text_is_let_through_at_the_pace() -> None:
    """Pacing is our doing, so it is no idleness of the agent's."""
    trial = Trial(saying("x" * 100), limits={"max_chars_per_s": 10, "idle_timeout_s": 1, "timeout_s": 3})
    assert (await trial.run()).finish is not None
    assert asyncio.get_running_loop().time() == pytest.approx(10, abs=0.5)
    assert trial.text == "x" * 100


# ── approvals and budgets ─────────────────────────────────────────────────────────────────────


async def careful(request: AgentInput) -> AsyncGenerator[Any, None]:
    yield ApprovalRequest("c1", "send", "{}")
    yield "Sent." if await request.approve("c1") else "Not sent."


@pytest.mark.parametrize(("approve", "text"), [(True, "Sent."), (False, "Not sent.")])
async def test_approval_is_answered_once(approve: bool, text: str) -> None:
    trial = Trial(careful)
    running = asyncio.ensure_future(trial.run())
    await turns()
    approvals = trial.attempt.approvals
    assert not approvals.answer(Approval("c2", True))
    assert approvals.answer(Approval("c1", approve))
    assert not approvals.answer(Approval("c1", not approve))
    await soon(running)
    assert trial.text == text
    assert not approvals.answer(Approval("c1", True))


@pytest.mark.looptime
async def test_approval_that_nobody_answers_ends_the_attempt() -> None:
    """Its own limit counts, not the idle one."""
    trial = Trial(careful, limits={"approval_timeout_s": 50, "idle_timeout_s": 2})
    assert code_of(await trial.run()) == "approval_timeout"
    assert asyncio.get_running_loop().time() == pytest.approx(50, abs=0.1)


async def test_spending_is_charged_once_and_the_budget_ends_it() -> None:
    """`Spent` comes early; the finish charges what is left of the whole."""
    budget = Budget("agent", max_output_tokens=10)
    prices = {"input": 1.0, "output": 2.0}
    items = [Spent(Usage(5, 4)), "x", Finish(usage=Usage(8, 9))]
    trial = Trial(saying(*items), budget=budget, prices=prices)
    assert (await trial.run()).finish is not None
    assert trial.attempt.cost == pytest.approx((8 * 1.0 + 9 * 2.0) / 1_000_000)
    again = Trial(saying(Spent(Usage(0, 2)), "never said"), budget=budget)
    assert code_of(await again.run()) == "budget"
    assert again.text == ""


def test_no_item_is_left_to_the_garbage_collector() -> None:
    """The hooks for forgotten generators stay as they are: every stream is closed by the attempt that opened it."""

    async def main() -> list[Any]:
        left: list[Any] = []
        hooks = sys.get_asyncgen_hooks()

        def finalizer(generator: Any) -> None:
            left.append(generator)
            if hooks.finalizer is not None:
                hooks.finalizer(generator)

        sys.set_asyncgen_hooks(finalizer=finalizer)
        await Trial(saying("a", ValueError("broke"))).run()
        await Trial(saying("a", 42)).run()
        return left

    assert asyncio.run(main()) == []


class Quick:
    """A backend whose stream may be taken past what checks it."""

    model = None

    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        yield "checked"

    async def aclose(self) -> None:
        pass

    def unchecked(self, request: AgentInput, /) -> Unchecked:
        return Unchecked(saying("unchecked")(request))


class Below(Quick):
    async def stream(self, request: AgentInput, /) -> AsyncGenerator[Emission, None]:
        yield "traced"


def traced() -> Quick:
    backend = Quick()
    backend.stream = Below().stream  # type: ignore[method-assign]
    return backend


@pytest.mark.parametrize(("backend", "text"), [(Quick, "unchecked"), (Below, "traced"), (traced, "traced")])
async def test_whoever_takes_the_place_of_a_stream_is_asked(backend: Callable[[], Quick], text: str) -> None:
    """As tracing does: a short cut of the class above would pass it by."""
    attempt = Attempt(backend(), Mailbox("a"), settings("a"), Budget("agent"))
    ending = await attempt.run(AgentInput("hi"), asyncio.get_running_loop().create_future())
    assert (ending.error, attempt.pieces) == (None, [text])


def test_a_request_can_be_copied_and_sent_to_other_processes() -> None:
    request = AgentInput("hi")
    assert copy.deepcopy(request.reasons) == pickle.loads(pickle.dumps(request.answered_by)) == {}
