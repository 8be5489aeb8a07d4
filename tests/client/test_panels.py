"""Panels of the real service through the client: what the events say is what the snapshot says, at every position."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.client import Client, Event, Run, RunView
from orchestrator.client.agent_view import AgentView
from orchestrator.errors import AgentError
from tests.support.patience import PATIENCE_SECONDS
from tests.support.service import Serve, Service
from tests.support.spine import Script

QUESTION = "Tea or coffee?"


def saying(*words: str) -> Script:
    async def say(request: AgentInput) -> AsyncGenerator[Emission, None]:
        for word in words:
            yield word
            await asyncio.sleep(0)

    return say


async def failing(request: AgentInput) -> AsyncGenerator[Emission, None]:
    raise AgentError("upstream_unavailable", "The upstream is away.", retryable=False)
    yield ""


async def hanging(request: AgentInput) -> AsyncGenerator[Emission, None]:
    yield "I am "
    await asyncio.Event().wait()


SCRIPTS: dict[str, Script] = {
    "ann": saying("Tea ", "is best.\n", "Answer: tea\nRanking: B, A"),
    "bob": saying("Coffee ", "is best.\n", "Answer: coffee\nRanking: A, B"),
    "cat": saying("Tea, ", "of course.\n", "Answer: tea\nRanking: B, A"),
    "eve": failing,
    "max": hanging,
    "mod": saying("I have read them.\n", "Winner: A"),
    "sub": saying("So: ", "tea."),
}
PANELS: dict[str, dict[str, Any]] = {
    "moderator": {"moderator": "mod", "members": ["ann", "bob", "eve"]},
    "fallback": {"method": "moderator", "moderator": {"agent": "eve", "fallback": ["sub"]}},
    "judge": {"moderator": "mod"},
    "rank": {},
    "vote": {},
    "race": {"members": ["max", "ann"]},
    "layers": {"moderator": "mod", "layers": 2},
    "debate": {"moderator": "mod", "rounds": 3},
}


@pytest.fixture
async def service(serve: Serve) -> Service:
    return await serve(SCRIPTS, keys={"eve": {"retry": {"attempts": 1}}})


def panel(name: str) -> dict[str, Any]:
    return {"method": name, "members": ["ann", "bob", "cat"]} | PANELS[name]


def state(view: AgentView) -> dict[str, Any]:
    """Return what a snapshot tells of an agent, too."""
    told = (
        "status",
        "attempt",
        "text",
        "error",
        "stage",
        "round",
        "layer",
        "turn",
        "turns",
        "inputs",
        "missing",
    )
    return {name: getattr(view, name) for name in told}


def assert_same(left: RunView, right: RunView) -> None:
    assert {a: state(view) for a, view in left.agents.items()} == {
        a: state(view) for a, view in right.agents.items()
    }
    assert left.panel is not None
    assert right.panel is not None
    assert (left.panel.info, left.panel.stage) == (right.panel.info, right.panel.stage)
    assert (left.panel.round, left.panel.layer) == (right.panel.round, right.panel.layer)
    assert (left.panel.result, left.panel.late) == (right.panel.result, right.panel.late)


async def collect(run: Run) -> list[Event]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [event async for event in run]


@pytest.mark.parametrize("name", PANELS)
async def test_a_snapshot_says_what_the_events_say(service: Service, name: str) -> None:
    async with Client(service.url) as client:
        run = await client.start(QUESTION, panel=panel(name))
        events = await collect(run)
        told = RunView(run.id)
        told.replace(await client.snapshot(run.id))
    assert_same(run.view, told)
    assert run.view.panel is not None
    assert run.view.panel.result is not None
    assert run.view.panel.result["status"] in ("decided", "tie")
    replayed = RunView(run.id)
    for event in events:
        replayed.apply(event)
    assert_same(replayed, told)


async def test_a_panel_goes_on_exactly_from_every_position(service: Service) -> None:
    async with Client(service.url) as client:
        run = await client.start(QUESTION, panel=panel("debate"))
        events = await collect(run)
        assert {event.name for event in events} > {"panel.stage", "panel.result", "ann.done", "mod.done"}
        for n, event in enumerate(events[:-1]):
            rest = await collect(client.attach(run.id, after=event.id))
            assert [(one.id, one.name, one.data) for one in rest] == [
                (one.id, one.name, one.data) for one in events[n + 1 :]
            ]


async def test_every_turn_of_a_debate_is_kept(service: Service) -> None:
    async with Client(service.url) as client:
        view = await (await client.start(QUESTION, panel=panel("debate"))).result()
    ann = view.agents["ann"]
    assert [(turn.turn, turn.stage, turn.round) for turn in ann.turns] == [(1, "round", 1), (2, "round", 2)]
    assert (ann.turn, ann.stage, ann.round) == (3, "round", 3)
    assert {turn.text for turn in ann.turns} == {ann.text} == {"Tea is best.\nAnswer: tea\nRanking: B, A"}
    assert {one["agent"] for one in view.agents["mod"].inputs} == {"ann", "bob", "cat"}


async def test_a_moderator_that_fails_gives_way(service: Service) -> None:
    async with Client(service.url) as client:
        view = await (await client.start(QUESTION, panel=panel("fallback"))).result()
    assert view.panel is not None
    assert view.panel.result is not None
    assert view.panel.result["by"] == "sub"
    assert (view.agents["eve"].status, view.agents["sub"].text) == ("error", "So: tea.")


async def test_another_method_over_a_runs_answers(service: Service) -> None:
    async with Client(service.url) as client:
        run = await client.start(QUESTION, agents=["ann", "bob"])
        await run.result()
        judged = await run.panel({"method": "judge", "moderator": "mod"})
        assert judged.id != run.id
        view = await judged.result()
    assert view.panel is not None
    assert view.panel.result is not None
    assert (view.panel.info["of"], list(view.panel.members)) == (run.id, ["ann", "bob"])
    assert [one["agent"] for one in view.panel.info["given"]] == ["ann", "bob"]
    assert view.panel.result["status"] == "tie", "it always prefers what stands first"
    assert list(view.agents) == ["mod"], "nobody is asked again"


async def test_a_panel_sits_in_a_run_that_is_open(service: Service) -> None:
    """One agent hangs, so the run is still open: a moderator works over the answer that is there."""
    async with Client(service.url) as client:
        run = await client.start(QUESTION, agents=["ann", "max"])
        iterator = aiter(run)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await anext(iterator)).name != "ann.done":
                pass
        assert run.view.panel is None
        assert await run.panel({"method": "moderator", "moderator": "mod", "members": ["ann"]}) is run
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await anext(iterator)).name != "panel.result":
                pass
        assert run.view.panel is not None
        assert (run.view.panel.moderator, run.view.panel.method) == ("mod", "moderator")
        assert run.agents["mod"].text == "I have read them.\nWinner: A"
        assert [one["agent"] for one in run.agents["mod"].inputs] == ["ann"]
        assert run.agents["ann"].text == "Tea is best.\nAnswer: tea\nRanking: B, A"
        told = RunView(run.id)
        told.replace(await client.snapshot(run.id))
        assert_same(run.view, told)
        await run.cancel()
        assert (await run.result()).status == "partial"


async def test_a_channel_carries_the_panels_of_its_runs(service: Service) -> None:
    async with Client(service.url) as client:
        channel = client.channel("talk")
        first = await client.start(QUESTION, panel=panel("vote"), channel="talk")
        second = await client.start(QUESTION, panel=panel("judge"), channel="talk")
        seen: list[Event] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for event in channel:
                seen.append(event)
                if [run.ended for run in channel.runs.values()] == [True, True]:
                    break
        apart = {run.id: await collect(run) for run in (first, second)}
        for run in (first, second):
            assert_same(channel.runs[run.id], run.view)
            of_run = [(event.id, event.name) for event in seen if event.run_id == run.id]
            assert of_run == [(event.id, event.name) for event in apart[run.id]]
        one = client.channel("talk", runs=[second.id])
        assert [(await anext(aiter(one))).run_id, list(one.runs)] == [second.id, [second.id]]
