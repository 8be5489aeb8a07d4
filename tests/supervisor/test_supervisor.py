"""Runs as a whole: order, isolation, cancel, retry, add, limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest
from structlog.testing import capture_logs

from orchestrator.agent.attempt import Stop
from orchestrator.backends.base import AgentInput, Finish, Turn
from orchestrator.errors import (
    AgentError,
    Conflict,
    Gone,
    InvalidRequest,
    LimitReached,
    NotFound,
    Unavailable,
)
from orchestrator.eventlog.run_list import RunQuery
from orchestrator.events import Status, Token, Usage
from orchestrator.settings.limits import RunLimits
from orchestrator.telemetry.observer import Observer
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.spine import Seen, of, read, start, supervised, text_of


async def words(request: AgentInput) -> AsyncGenerator[str | Finish, None]:
    for word in ("one ", "two ", "three"):
        yield word
        await asyncio.sleep(0)
    yield Finish(usage=Usage(3, 3))


async def endless(request: AgentInput) -> AsyncGenerator[str, None]:
    while True:
        yield "x"
        await asyncio.sleep(0.001)


async def broken(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "half"
    raise RuntimeError("secret-in-exception")


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
async def test_agent_that_asks_the_process_to_end_ends_alone(kind: type[BaseException]) -> None:
    """Promise 2: `argparse` in a tool says `sys.exit`, and asyncio would take the whole service along."""

    async def leaves(request: AgentInput) -> AsyncGenerator[str, None]:
        yield "half"
        raise kind(2)

    async with supervised({"a": leaves, "b": words}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "a", "error")[0].data["code"] == "internal"
    assert of(events, "b", "done")[0].data["text"] == "one two three"
    assert events[-1].data["status"] == "partial"


async def test_error_of_whoever_holds_a_supervisor_is_not_wrapped() -> None:
    """Callers tell errors by their kind, which a task group's own would hide."""

    async def lost() -> None:
        async with supervised({"a": endless}) as supervisor:
            await start(supervisor)
            raise LookupError

    with pytest.raises(LookupError):
        await lost()


async def test_run_starts_and_ends_with_its_own_events() -> None:
    """Promise 1: clients rely on the first and last event."""
    async with supervised({"a": words, "b": words}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert events[0].name == "run.started"
    assert events[-1].name == "run.done"
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    assert events[-1].data["status"] == "completed"
    assert events[-1].data["agents"] == {
        "a": {"status": "done", "attempt": 1},
        "b": {"status": "done", "attempt": 1},
    }
    for agent in "ab":
        done = of(events, agent, "done")[0].data
        assert done["text"] == text_of(events, agent) == "one two three"
        assert done["usage"] == {"input_tokens": 3, "output_tokens": 3}


async def test_failure_stays_with_its_agent_and_says_no_secret() -> None:
    """Promises 2 and 6."""
    async with supervised({"bad": broken, "good": words}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    error = of(events, "bad", "error")[0].data
    assert error["code"] == "internal"
    assert "secret" not in str([e.data for e in events])
    assert of(events, "good", "done")[0].data["text"] == "one two three"
    assert events[-1].data["status"] == "partial"


async def test_cancelled_agent_ends_alone() -> None:
    async with supervised({"a": endless, "b": endless}) as supervisor:
        run = await start(supervisor)
        tokens = 0

        def act(event) -> None:
            nonlocal tokens
            if event.name == "a.token" and run.participants["a"].status == "running":
                run.cancel(Stop("requested"), "a")
            if event.name == "a.cancelled":
                tokens = 0
            if event.name == "b.token":
                tokens += 1
                if tokens == 20 and run.participants["a"].status == "cancelled":
                    run.cancel(Stop("requested"))

        events = await read(supervisor, run, on_event=act)
    assert [e.type for e in events if e.type == "cancelled"] == ["cancelled"] * 2
    a_end = next(e.seq for e in events if e.name == "a.cancelled")
    assert not [e for e in of(events, "a") if e.seq > a_end]
    assert [e for e in of(events, "b", "token") if e.seq > a_end]
    assert events[-1].data["status"] == "cancelled"


async def test_cancel_closes_the_agents_generator_before_it_is_said() -> None:
    """Promise 5: `cancelled` means that the stream is really closed."""
    closed = []

    async def careful(request: AgentInput) -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "x"
                await asyncio.sleep(0.001)
        finally:
            await asyncio.sleep(0.02)
            closed.append(request.agent_id)

    async with supervised({"a": careful}) as supervisor:
        run = await start(supervisor)

        def act(event) -> None:
            if event.type == "token":
                run.cancel(Stop("requested"))
                run.cancel(Stop("again"))
            if event.type == "cancelled":
                assert closed == ["a"]
                assert event.data["reason"] == "requested"

        events = await read(supervisor, run, on_event=act)
    assert events[-1].data["status"] == "cancelled"


async def test_tools_in_threads_are_told_of_a_cancel() -> None:
    """A thread cannot be interrupted; it can look."""
    seen = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def threaded(request: AgentInput) -> AsyncGenerator[str, None]:
        def tool() -> None:
            if request.cancelled.wait(PATIENCE_SECONDS):
                loop.call_soon_threadsafe(seen.set)

        yield "x"
        work = asyncio.create_task(asyncio.to_thread(tool))
        await asyncio.shield(work)

    async with supervised({"a": threaded}) as supervisor:
        run = await start(supervisor)
        events = await read(
            supervisor, run, on_event=lambda e: run.cancel(Stop("requested")) if e.type == "token" else None
        )
        await asyncio.wait_for(seen.wait(), PATIENCE_SECONDS)
    assert of(events, "a", "cancelled")


async def test_cancel_before_the_first_event_ends_the_agent() -> None:
    async with supervised({"a": endless, "b": words}) as supervisor:
        run = await start(supervisor)
        run.cancel(Stop("requested"), "a")  # not even the run's own task has run
        assert run.snapshot().agents["a"].status == "cancelling"
        events = await read(supervisor, run)
    assert [e.type for e in of(events, "a")] == ["cancelled"]


async def test_agent_that_ignores_cancellation_is_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run ends all the same, and the sibling's answer is whole."""
    monkeypatch.setattr("orchestrator.agent.attempt.STOP_SECONDS", 0.05)
    monkeypatch.setattr("orchestrator.agent.attempt.ABANDON_SECONDS", 0.05)
    release = asyncio.Event()

    async def stubborn(request: AgentInput) -> AsyncGenerator[str, None]:
        yield "x"
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        yield "too late"

    async with supervised({"a": stubborn, "b": words}) as supervisor:
        run = await start(supervisor)
        events = await read(
            supervisor,
            run,
            on_event=lambda e: run.cancel(Stop("requested"), "a") if e.name == "a.token" else None,
        )
        release.set()
        await asyncio.sleep(0.01)
    assert of(events, "a", "cancelled")[0].data["reason"] == "abandoned"
    assert text_of(events, "a") == "x"
    assert of(events, "b", "done")


async def test_retry_comes_before_the_first_token_only() -> None:
    calls = []

    async def flaky(request: AgentInput) -> AsyncGenerator[str, None]:
        calls.append(request.attempt)
        if request.attempt < 3:
            raise AgentError("upstream_unavailable", "down")
        yield "up"

    async with supervised({"a": flaky}, keys={"a": {"retry": {"backoff_s": 0.001}}}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert calls == [1, 2, 3]
    assert [e.type for e in of(events, "a")] == [
        "started", "error", "retry", "started", "error", "retry", "started", "token", "done",
    ]  # fmt: skip
    assert [e.data["attempt"] for e in of(events, "a", "retry")] == [2, 3]
    assert of(events, "a", "done")[0].data["metrics"]["retries"] == 2
    assert events[-1].data["status"] == "completed"


async def test_text_already_said_is_not_voided_unless_allowed() -> None:
    async def late(request: AgentInput) -> AsyncGenerator[str, None]:
        yield "said"
        if request.attempt == 1:
            raise AgentError("upstream_unavailable", "down")

    policy = {"backoff_s": 0.0}
    async with supervised({"a": late}, keys={"a": {"retry": policy}}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert [e.type for e in of(events, "a")] == ["started", "token", "error"]
    async with supervised(
        {"a": late}, keys={"a": {"retry": {**policy, "after_first_token": True}}}
    ) as supervisor:
        run = await start(supervisor)
        events = await read(supervisor, run)
        assert run.snapshot().agents["a"].text == "said"
    assert of(events, "a", "done")[0].data == {
        **of(events, "a", "done")[0].data,
        "text": "said",
        "attempt": 2,
    }


async def test_retry_after_wins_over_the_backoff() -> None:
    async def limited(request: AgentInput) -> AsyncGenerator[str, None]:
        if request.attempt == 1:
            raise AgentError("upstream_rate_limited", "slow down", retry_after=0.25)
        yield "ok"

    async with supervised({"a": limited}, keys={"a": {"retry": {"backoff_s": 0}}}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "a", "retry")[0].data["delay_s"] == 0.25
    started = of(events, "a", "started")
    assert started[1].data["t"] - started[0].data["t"] >= 240


async def test_cancel_during_the_backoff_ends_the_announced_attempt() -> None:
    async def failing(request: AgentInput) -> AsyncGenerator[str, None]:
        raise AgentError("upstream_unavailable", "down")
        yield ""

    async with supervised({"a": failing}, keys={"a": {"retry": {"backoff_s": 20}}}) as supervisor:
        run = await start(supervisor)
        events = await read(
            supervisor, run, on_event=lambda e: run.cancel(Stop("requested")) if e.type == "retry" else None
        )
    assert [(e.type, e.data["attempt"]) for e in of(events, "a")] == [
        ("started", 1), ("error", 1), ("retry", 2), ("cancelled", 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"first_token_timeout_s": 0.05}, "timeout_first_token"),
        ({"idle_timeout_s": 0.05}, "timeout_idle"),
        ({"timeout_s": 0.05}, "timeout_total"),
    ],
)
async def test_time_limits_end_the_attempt_with_their_code(limits: dict[str, float], code: str) -> None:
    async def stalls(request: AgentInput) -> AsyncGenerator[str, None]:
        if code != "timeout_first_token":
            yield "x"
        await asyncio.sleep(30)

    keys = {"a": {"limits": limits, "retry": {"attempts": 1}}}
    async with supervised({"a": stalls, "b": words}, keys=keys) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert of(events, "a", "error")[0].data["code"] == code
    assert of(events, "b", "done")


async def test_output_limit_keeps_what_fits() -> None:
    async def chatty(request: AgentInput) -> AsyncGenerator[str, None]:
        for _ in range(10):
            yield "12345"

    async with supervised({"a": chatty}, keys={"a": {"limits": {"max_output_chars": 12}}}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert text_of(events, "a") == "123451234512"
    assert of(events, "a", "error")[0].data["code"] == "output_limit"


@pytest.mark.looptime
async def test_pace_is_a_ceiling() -> None:
    async def burst(request: AgentInput) -> AsyncGenerator[str, None]:
        yield "x" * 100

    async with supervised({"a": burst}, keys={"a": {"limits": {"max_chars_per_s": 200}}}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    done = of(events, "a", "done")[0].data
    assert done["text"] == "x" * 100
    assert done["metrics"]["duration_ms"] >= 400
    assert len(of(events, "a", "token")) >= 5


@pytest.mark.looptime
async def test_coalescing_makes_fewer_events_of_the_same_text() -> None:
    async def steady(request: AgentInput) -> AsyncGenerator[str, None]:
        for n in range(40):
            yield f"{n} "
            await asyncio.sleep(0.005)

    async with supervised({"a": steady, "b": steady}, keys={"a": {"coalesce_ms": 100}}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    assert text_of(events, "a") == text_of(events, "b")
    assert len(of(events, "a", "token")) < len(of(events, "b", "token")) / 3


async def test_agents_join_and_are_retried_while_the_run_is_open() -> None:
    async with supervised({"a": endless, "b": words, "c": words}) as supervisor:
        run = await start(supervisor, agents=("a", "b"))
        steps = []

        async def act(event) -> None:
            if event.name == "b.done" and event.data["attempt"] == 1:
                await run.retry("b")
                with pytest.raises(Conflict):
                    await run.retry("a")
                await run.add("c")
                with pytest.raises(Conflict):
                    await run.add("c")
            if event.name in ("b.done", "c.done"):
                steps.append(event.name)
                if len(steps) == 3:
                    run.cancel(Stop("requested"), "a")

        events = await read(supervisor, run, on_event=act)
        with pytest.raises(Conflict):
            await run.retry("b")
        with pytest.raises(Conflict):
            await run.add("b")
        with pytest.raises(NotFound):
            await run.retry("nobody")
    added = next(e for e in events if e.name == "run.agent_added")
    assert added.data["agent"]["agent_id"] == "c"
    assert added.seq < of(events, "c")[0].seq
    assert [e.data["attempt"] for e in of(events, "b", "done")] == [1, 2]
    assert events[-1].data["agents"]["b"] == {"status": "done", "attempt": 2}


async def test_cause_of_an_internal_error_is_in_the_log_alone() -> None:
    """Also where a backend had to call it so itself: nobody else is told what broke."""

    async def broken(request: AgentInput) -> AsyncGenerator[str, None]:
        yield "so"
        try:
            raise KeyError("whose bug")
        except KeyError as exc:
            raise AgentError("internal", "The agent failed.") from exc

    with capture_logs() as logs:
        async with supervised({"a": broken}) as supervisor:
            events = await read(supervisor, await start(supervisor))
    [error] = of(events, "a", "error")
    [told] = [line for line in logs if line["event"] == "agent_failed"]
    assert "whose bug" not in str([event.data for event in events])
    assert told["error_id"] == error.data["error_id"]
    assert "KeyError: 'whose bug'" in told["stack"]
    assert "exc_info" not in told


async def test_conversation_goes_on_from_answers_that_ended_well() -> None:
    async def recalls(request: AgentInput) -> AsyncGenerator[str, None]:
        yield f"{len(request.history)}:{request.message}"
        if request.message == "fail":
            raise AgentError("refusal", "no")

    async with supervised({"a": recalls}) as supervisor:
        texts = []
        for message in ("one", "fail", "two"):
            run = await start(supervisor, message, conversation_id="c1")
            with pytest.raises(Conflict):
                await start(supervisor, "meanwhile", conversation_id="c1")
            events = await read(supervisor, run)
            texts.append(text_of(events, "a"))
            await asyncio.sleep(0)
    assert texts == ["0:one", "1:fail", "1:two"]


async def test_answer_that_was_asked_for_again_takes_the_place_of_the_first() -> None:
    """A retry in a conversation: the next run finds one answer to the question, the newest."""
    asked: list[tuple[Turn, ...]] = []

    async def counts(request: AgentInput) -> AsyncGenerator[str, None]:
        asked.append(request.history)
        yield f"answer {request.attempt} to {request.message}"

    async with supervised({"a": counts, "z": endless}) as supervisor:
        run = await start(supervisor, "one", agents=("a", "z"), conversation_id="c1")

        async def steer(event: Seen) -> None:
            if event.name == "a.done" and event.data["attempt"] == 1:
                await run.retry("a")
            elif event.name == "a.done":
                run.cancel(Stop("requested"))

        await read(supervisor, run, on_event=steer)
        await asyncio.sleep(0)
        await read(supervisor, await start(supervisor, "two", agents=("a",), conversation_id="c1"))
    assert [turn.text for turn in asked[-1]] == ["answer 2 to one"]


async def test_unknown_agent_is_refused_before_anything_starts() -> None:
    async with supervised({"a": words}) as supervisor:
        with pytest.raises(InvalidRequest) as caught:
            await start(supervisor, agents=("a", "zz"))
        assert caught.value.fields[0].at == "agents[1]"
        assert not supervisor.running


async def test_limit_on_runs() -> None:
    async with supervised({"a": endless}, limits=RunLimits(max_runs=1)) as supervisor:
        run = await start(supervisor)
        with pytest.raises(LimitReached):
            await start(supervisor)
        run.cancel(Stop("requested"))
        await read(supervisor, run, on_event=lambda e: run.cancel(Stop("requested")))
        await start(supervisor)


async def test_same_idempotency_key_is_the_same_run() -> None:
    from orchestrator.run.spec import StartRequest

    async with supervised({"a": words}) as supervisor:
        first, new = await supervisor.start(StartRequest("hi"), key="k")
        again, new_again = await supervisor.start(StartRequest("hi"), key="k")
        assert first is again
        assert (new, new_again) == (True, False)
        with pytest.raises(Conflict):
            await supervisor.start(StartRequest("other"), key="k")


async def test_deleted_run_is_gone_with_its_events() -> None:
    async with supervised({"a": endless}) as supervisor:
        run = await start(supervisor)
        await asyncio.sleep(0.02)
        await supervisor.forget(run.spec.run_id)
        with pytest.raises(Gone):
            await supervisor.get(run.spec.run_id)
        with pytest.raises(NotFound):
            await supervisor.get("run_never")
        await eventually(lambda: not supervisor.running)
        assert supervisor.log.size == 0


async def test_size_of_the_log_is_told_when_a_run_goes() -> None:
    """Nothing is appended then, and a gauge that stays says that memory was lost."""

    class Sizes(Observer):
        told = 0

        def log_bytes(self, size: int) -> None:
            self.told = size

    sizes = Sizes()
    async with supervised({"a": words}, observer=sizes) as supervisor:
        run = await start(supervisor)
        await read(supervisor, run)
        assert sizes.told > 0
        await supervisor.forget(run.spec.run_id)
        await eventually(lambda: not sizes.told)


async def test_ended_runs_expire() -> None:
    async with supervised({"a": words}, limits=RunLimits(retention_s=0)) as supervisor:
        run = await start(supervisor)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    await supervisor.get(run.spec.run_id)
                except Gone:
                    break
                await asyncio.sleep(0.05)


async def test_oldest_ended_runs_go_beyond_their_number() -> None:
    """Retention has three limits: age, bytes, and this one."""
    async with supervised({"a": words}, limits=RunLimits(max_kept_runs=2)) as supervisor:
        runs = []
        for _ in range(4):
            runs.append(await start(supervisor))
            await eventually(lambda: not supervisor.running)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len((await supervisor.page(RunQuery(9))).runs) > 2:
                await asyncio.sleep(0.05)
        kept = (await supervisor.page(RunQuery(9))).runs
        assert [run.run_id for run in kept] == [runs[3].spec.run_id, runs[2].spec.run_id]
        with pytest.raises(Gone):
            await supervisor.get(runs[0].spec.run_id)


async def test_abandoned_run_is_cancelled_when_it_asked_for_that() -> None:
    async with supervised({"a": endless}, limits=RunLimits(abandon_after_s=0.1)) as supervisor:
        kept = await start(supervisor)
        left = await start(supervisor, on_disconnect="cancel")
        await eventually(lambda: left.status != "running")
        assert left.status == "cancelled"
        assert kept.status == "running"
        kept.cancel(Stop("requested"))


@pytest.mark.looptime
async def test_draining_refuses_new_runs_and_ends_the_rest_with_shutdown() -> None:
    async with supervised({"a": endless, "b": words}) as supervisor:
        run = await start(supervisor)
        drain = asyncio.create_task(supervisor.drain(0.1))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await start(supervisor)
        events = await read(supervisor, run)
        await drain
    assert of(events, "a", "error")[0].data["code"] == "shutdown"
    assert of(events, "b", "done")
    assert events[-1].name == "run.done"


async def test_nothing_is_left_when_runs_have_ended() -> None:
    before = asyncio.all_tasks()
    async with supervised({"a": words, "b": broken}) as supervisor:
        for _ in range(20):
            await read(supervisor, await start(supervisor))
    await eventually(lambda: asyncio.all_tasks() == before)


async def test_progress_and_speakers_keep_their_places_between_tokens() -> None:
    """Tokens are merged, never across another event of their agent or another speaker."""

    async def mixed(request: AgentInput) -> AsyncGenerator[object, None]:
        yield "a"
        yield "b"
        yield Status("thinking", "1/2")
        yield "c"
        yield Token("d", speaker="other")

    async with supervised({"a": mixed}) as supervisor:
        events = await read(supervisor, await start(supervisor))
    said = [(e.type, e.data.get("text"), e.data.get("speaker")) for e in of(events, "a")[1:-1]]
    assert said == [
        ("token", "ab", None),
        ("status", None, None),
        ("token", "c", None),
        ("token", "d", "other"),
    ]
    assert of(events, "a", "done")[0].data["text"] == "abcd"
