"""A panel whose worker is lost goes on elsewhere: what was said is not asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from typing import Any

from orchestrator.backends.base import AgentInput
from orchestrator.errors import Conflict
from orchestrator.run.run import Run
from orchestrator.run.spec import StartRequest
from orchestrator.supervisor.supervisor import Supervisor
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..supervisor import test_recovery
from ..supervisor.test_recovery import Reopen, Worker, follow_to_end, lose
from ..support.spine import Seen, of, start
from .test_methods import panel, result, stages

reopen = test_recovery.reopen
"""Its fixture: SQLite, and memory shared within the process."""

asked: list[str] = []


async def short(request: AgentInput) -> AsyncGenerator[str, None]:
    asked.append(request.agent_id)
    yield f"{request.agent_id} answers"


async def stuck(request: AgentInput) -> AsyncGenerator[str, None]:
    asked.append(request.agent_id)
    yield "half "
    await asyncio.Event().wait()


class Panelist(Worker):
    """A worker with other scripts."""

    def __init__(self, store: Any, scripts: dict[str, Any], keys: dict[str, Any] | None = None) -> None:
        super().__init__(store, keys, scripts)


async def lost_panel(
    reopen: Reopen, first: dict[str, Any], second: dict[str, Any], when: Callable[[Run], object], **keys: Any
) -> list[Seen]:
    """Lose the worker of a panel once *when* is true; return the events that another one brought to an end."""
    asked.clear()
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Panelist(await reopen(), first))
        run = await start(one, panel=panel(method="moderator", members=["a", "b"], moderator="chair"))
        await eventually(lambda: when(run))
        await lose(one)
        two = await stack.enter_async_context(Panelist(await reopen(), second, keys))
        return await follow_to_end(two, run.spec.run_id)


async def test_moderator_is_asked_again_and_members_are_not(reopen: Reopen) -> None:
    members = {"a": short, "b": short}
    events = await lost_panel(
        reopen, members | {"chair": stuck}, members | {"chair": short}, lambda run: asked[-1:] == ["chair"]
    )
    assert asked.count("a") == asked.count("b") == 1
    assert [e.data["code"] for e in of(events, "chair", "error")] == ["worker_lost"]
    assert of(events, "chair", "done")[0].data["text"] == "chair answers"
    assert [i["agent"] for i in of(events, "chair", "started")[-1].data["inputs"]] == ["a", "b"]
    assert stages(events) == [("panel", 0), ("final", 0)]
    assert result(events)["status"] == "decided"
    assert events[-1].name == "run.done"
    assert [e.seq for e in events] == list(range(1, len(events) + 1))


async def test_lost_member_is_missing(reopen: Reopen) -> None:
    scripts = {"a": short, "b": stuck, "chair": short}
    events = await lost_panel(reopen, scripts, scripts, lambda run: run.participants["a"].ended)
    assert result(events)["missing"] == [{"agent": "b", "status": "error"}]
    assert [i["agent"] for i in of(events, "chair", "started")[0].data["inputs"]] == ["a"]


async def test_lost_member_that_may_be_repeated_answers_after_all(reopen: Reopen) -> None:
    first = {"a": short, "b": stuck, "chair": short}
    events = await lost_panel(
        reopen,
        first,
        first | {"b": short},
        lambda run: run.participants["a"].ended and run.participants["b"].pieces,
        b={"on_worker_lost": "restart"},
    )
    assert result(events)["missing"] == []
    assert [(e.data["attempt"], e.data["turn"]) for e in of(events, "b", "started")] == [(1, 1), (2, 1)]
    assert [i["attempt"] for i in of(events, "chair", "started")[0].data["inputs"]] == [1, 2]


async def test_panel_called_during_the_run_fails_with_its_worker(reopen: Reopen) -> None:
    """Nothing says what it was called with; but its readers hear of its end."""
    scripts = {"a": short, "b": stuck, "chair": stuck}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Panelist(await reopen(), scripts))
        run, _ = await one.start(StartRequest("hi", ("a", "b")))
        assert isinstance(run, Run)
        await eventually(lambda: run.participants["a"].ended)
        await one.start_panel(run.spec.run_id, {"method": "moderator", "moderator": "chair"})
        await eventually(lambda: "chair" in run.participants and run.participants["chair"].pieces)
        await lose(one)
        two = await stack.enter_async_context(Panelist(await reopen(), scripts))
        events = await follow_to_end(two, run.spec.run_id)
    assert result(events)["status"] == "failed"
    assert events[-1].name == "run.done"


async def test_moderator_of_a_panel_that_died_with_its_worker_is_not_asked_something_else(
    reopen: Reopen,
) -> None:
    """Only the panel knew what to ask it; the user's bare question would be answered as if it were that."""
    scripts = {"a": short, "b": stuck, "chair": stuck}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Panelist(await reopen(), scripts))
        run, _ = await one.start(StartRequest("hi", ("a", "b")))
        assert isinstance(run, Run)
        await eventually(lambda: run.participants["a"].ended)
        await one.start_panel(run.spec.run_id, {"method": "moderator", "moderator": "chair"})
        await eventually(lambda: "chair" in run.participants and run.participants["chair"].pieces)
        await lose(one)
        asked.clear()
        again = {name: {"on_worker_lost": "restart"} for name in scripts}
        two = await stack.enter_async_context(Panelist(await reopen(), scripts | {"b": short}, again))
        events = await follow_to_end(two, run.spec.run_id)
    assert asked == ["b"]
    assert result(events)["status"] == "failed"
    assert [e.data["code"] for e in of(events, "chair", "error")] == ["worker_lost"]


async def start_panel_when_free(supervisor: Supervisor, run_id: str, wish: dict[str, Any]) -> None:
    """Call a panel; the one before has its result a moment before it makes room."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                await supervisor.start_panel(run_id, wish)
            except Conflict:
                await asyncio.sleep(0.01)
            else:
                return


async def test_called_panel_is_not_taken_for_the_runs_own(reopen: Reopen) -> None:
    """Both moderate; the run's own has its result already."""
    scripts = {"a": short, "b": stuck, "chair": short, "other": stuck}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Panelist(await reopen(), scripts))
        keys: dict[str, Any] = {"members": ["a", "b"], "moderator": "chair", "start_when": {"quorum": 1}}
        run = await start(one, panel=panel(method="moderator", **keys))
        await eventually(lambda: run.state.panel is not None and run.state.panel.result is not None)
        await start_panel_when_free(one, run.spec.run_id, {"method": "moderator", "moderator": "other"})
        await eventually(lambda: "other" in run.participants and run.participants["other"].pieces)
        await lose(one)
        two = await stack.enter_async_context(Panelist(await reopen(), scripts))
        events = await follow_to_end(two, run.spec.run_id)
    results = [e.data for e in events if e.name == "panel.result"]
    assert [(each["status"], each.get("by")) for each in results] == [("decided", "chair"), ("failed", None)]


async def test_reviews_mean_the_answers_that_they_were_about(reopen: Reopen) -> None:
    """An answer that came while the others were ranked is late after a restart, too: no letter moves."""

    async def contestant(request: AgentInput) -> AsyncGenerator[str, None]:
        if request.part is None or request.part.task != "review":
            yield request.agent_id
        else:
            best = sorted(request.part.heard, key=lambda heard: "acbd".index(heard.agent_id))
            yield "Ranking: " + " > ".join(heard.label for heard in best)

    late = asyncio.Event()

    async def latecomer(request: AgentInput) -> AsyncGenerator[str, None]:
        await late.wait()
        yield "d"

    async def stuck_reviewer(request: AgentInput) -> AsyncGenerator[str, None]:
        if request.part is not None and request.part.task == "review":
            yield "I "
            await asyncio.Event().wait()
        yield "c"

    first = {"a": contestant, "b": contestant, "c": stuck_reviewer, "d": latecomer}
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(Panelist(await reopen(), first))
        keys: dict[str, Any] = {"members": ["a", "b", "c", "d"], "start_when": {"quorum": 3}}
        run = await start(one, panel=panel(method="rank", **keys))
        of_all = run.participants
        await eventually(
            lambda: of_all["c"].pieces == ["I "] and all(of_all[n].turns and of_all[n].ended for n in "ab")
        )
        late.set()
        await eventually(lambda: of_all["d"].ended)
        await lose(one)
        two = await stack.enter_async_context(Panelist(await reopen(), dict.fromkeys(first, contestant)))
        events = await follow_to_end(two, run.spec.run_id)
    assert {e.data["stage"] for e in of(events, "d", "started")} == {"panel"}
    verdict = result(events)
    assert [(each["agent"], each["score"]) for each in verdict["ranking"]] == [("a", 2), ("c", 1), ("b", 0)]
    assert verdict["missing"] == [{"agent": "d", "status": "running"}]
    assert [e.data["agent"] for e in events if e.name == "panel.late"] == ["d"]
