"""A stream that is held back on the way is noticed, and its run is shown by snapshots until its events come."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import pytest

from orchestrator.client import Channel, Client, ClientError, Event, Run
from orchestrator.client import buffering as timing
from orchestrator.terminal.screen import PrefixedLines
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.scripted_server import RUN_ID, Plan, ScriptedServer, scripted_server

ASKED = {"call_id": "c1", "name": "send", "arguments": '{"to": "all"}'}


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedServer]:
    monkeypatch.setattr(timing, "HELD_SECONDS", 0.05)
    monkeypatch.setattr(timing, "POLL_SECONDS", 0.02)
    async with scripted_server() as script:
        yield script


def know(script: ScriptedServer, text: str, status: str = "running", **more: object) -> None:
    """Have the server's snapshot know more than a stream brings that is held back."""
    state = {"status": "done" if status != "running" else "running", "attempt": 1, "text": text, **more}
    script.snapshot |= {
        "last_event_id": f"ep-{len(script.entries)}",
        "status": status,
        "agents": {"a": state},
    }


def held(run: Run) -> bool:
    return run.detail is not None and run.detail.code == "held"


async def all_events(run: Run) -> list[str]:
    return [event.name async for event in run]


async def test_a_run_that_is_held_back_is_said_to_be_and_shown_and_ends_with_every_event(
    server: ScriptedServer,
) -> None:
    server.plans.append(Plan(events=2))
    server.begin("a")
    for word in ("one ", "two ", "three"):
        server.say("a.token", text=word)
    know(server, "one two three", approvals=[ASKED])
    async with Client(server.base_url, silence_s=1.0) as client:
        run = client.attach(RUN_ID)
        events = asyncio.create_task(all_events(run))
        await eventually(lambda: held(run) and run.agents["a"].text == "one two three")
        assert run.detail is not None
        assert "holds the event stream back" in run.detail.message
        assert run.agents["a"].title == "A", "what no snapshot holds stays known"
        assert run.agents["a"].approvals == {"c1": ASKED}, "it can be answered meanwhile"
        lengths = [13]
        server.say("a.token", text=" four")
        know(server, "one two three four")
        await eventually(lambda: run.agents["a"].text == "one two three four")
        server.done("a", "one two three four")
        server.end("completed", a="done")
        async for _ in run:
            lengths.append(len(run.agents["a"].text))
        assert lengths == sorted(lengths), "what is shown never shrinks"
        names = await events
    assert names == [entry[1] for entry in server.entries]
    assert run.detail is None
    assert (run.status, run.agents["a"].text) == ("completed", "one two three four")


async def test_the_last_snapshot_has_to_do_for_a_run_whose_events_never_come(server: ScriptedServer) -> None:
    server.plans.append(Plan(events=1))
    server.begin("a")
    server.say("a.token", text="all of it")
    server.end("completed", a="done")
    know(server, "all of it", "completed")
    async with Client(server.base_url) as client, asyncio.timeout(PATIENCE_SECONDS):
        view = await client.attach(RUN_ID).result()
    assert (view.status, view.agents["a"].text) == ("completed", "all of it")


async def test_an_agent_that_thinks_is_not_taken_for_a_stream_that_is_held_back(
    server: ScriptedServer,
) -> None:
    server.begin("a")
    know(server, "")
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        seen = []
        following = asyncio.create_task(run.result())
        await eventually(lambda: seen.append(held(run)) or _looks(server) >= 3)
        assert True not in seen
        problem = {"title": "Gone", "status": 410}
        server.refuse[f"/v1/runs/{RUN_ID}"] = (410, problem, {})
        with pytest.raises(ClientError, match="Gone"):
            await following


def _looks(server: ScriptedServer, run_id: str = RUN_ID) -> int:
    return sum(request[:2] == ("GET", f"/v1/runs/{run_id}") for request in server.requests)


def two_runs(script: ScriptedServer) -> None:
    """A channel of two runs, of which the first one has ended; the snapshots know of all of it."""
    for run_id in ("run_1", "run_2"):
        infos = [{"agent_id": a, "title": a.title(), "backend": "offline", "model": "m"} for a in "ab"]
        script.say("run.started", run_id=run_id, channel="c", agents=infos)
    for word in ("one", " two"):
        script.say("a.token", run_id="run_1", text=word)
        script.say("a.token", run_id="run_2", text=word.upper())
    script.say("run.done", run_id="run_1", status="completed", agents={}, metrics={})
    snapshots(script, run_1=("one two", "completed"), run_2=("ONE TWO", "running"))


def snapshots(script: ScriptedServer, **runs: tuple[str, str]) -> None:
    for run_id, (text, status) in runs.items():
        ids = [entry[0] for entry in script.entries if entry[2]["run_id"] == run_id]
        state = {"status": "running", "attempt": 1, "text": text}
        script.runs[run_id] = {
            **script.snapshot,
            "run_id": run_id,
            "channel": "c",
            "status": status,
            "last_event_id": ids[-1],
            "agents": {"a": state, "b": {**state, "attempt": 0, "text": ""}},
        }


def ids_of(script: ScriptedServer, run_id: str) -> list[str | None]:
    return [entry[0] for entry in script.entries if entry[2]["run_id"] == run_id]


def of_run(events: list[Event], run_id: str) -> list[str | None]:
    return [event.id for event in events if event.run_id == run_id]


async def test_a_channel_that_is_held_back_shows_its_runs_and_reads_to_their_end_those_that_ended(
    server: ScriptedServer,
) -> None:
    server.plans.append(Plan(events=2))
    two_runs(server)
    async with Client(server.base_url) as client:
        channel = client.channel("c")
        events: list[Event] = []
        following = asyncio.create_task(_collect(channel, events))
        await eventually(lambda: channel.detail is not None and channel.detail.code == "held")
        await eventually(lambda: channel.runs["run_1"].status == "completed")
        first = ids_of(server, "run_1")
        await eventually(lambda: len(of_run(events, "run_1")) >= len(first))
        assert of_run(events, "run_1") == first, "once each, to its end"
        assert channel.runs["run_2"].agents["a"].text == "ONE TWO", "as its snapshot says"
        assert channel.runs["run_2"].agents["a"].title == "A", "what no snapshot holds stays known"
        server.say("a.token", run_id="run_2", text=" THREE")
        snapshots(server, run_2=("ONE TWO THREE", "running"))
        await eventually(lambda: channel.runs["run_2"].agents["a"].text == "ONE TWO THREE")
        server.say("run.done", run_id="run_2", status="completed", agents={}, metrics={})
        snapshots(server, run_2=("ONE TWO THREE", "completed"))
        await eventually(lambda: channel.runs["run_2"].status == "completed")
        await eventually(lambda: len(of_run(events, "run_2")) >= len(ids_of(server, "run_2")))
        assert of_run(events, "run_2") == ids_of(server, "run_2")
        await channel.detach()
        await following
    assert channel.runs["run_1"].agents["a"].text == "one two"


async def test_what_a_channel_gives_once_it_flows_again_comes_once(server: ScriptedServer) -> None:
    server.plans += [Plan(events=2, end="hang"), Plan()]
    two_runs(server)
    async with Client(server.base_url, silence_s=0.6) as client:
        channel = client.channel("c")
        events: list[Event] = []
        following = asyncio.create_task(_collect(channel, events))
        await eventually(lambda: channel.runs.get("run_1") is not None and channel.runs["run_1"].ended)
        await eventually(lambda: len(events) == len(server.entries))
        await eventually(lambda: channel.detail is None)
        assert sorted(str(event.id) for event in events) == sorted(str(entry[0]) for entry in server.entries)
        assert channel.runs["run_2"].agents["a"].text == "ONE TWO"
        await channel.detach()
        await following


@pytest.mark.parametrize(("agents", "is_held"), [(["b"], False), (["a"], True), (None, True)])
async def test_agents_that_were_not_asked_for_do_not_make_a_channel_seem_held_back(
    server: ScriptedServer, agents: list[str] | None, is_held: bool
) -> None:
    two_runs(server)
    server.plans.append(Plan(events=2))
    del server.runs["run_1"]
    async with Client(server.base_url) as client:
        channel = client.channel("c", agents=agents, runs=["run_2"])
        following = asyncio.create_task(_collect(channel, []))
        await eventually(lambda: channel.detail is not None or _looks(server, "run_2") >= 3)
        assert (channel.detail is not None) == is_held
        await channel.detach()
        await following


async def test_the_snapshot_has_to_do_for_a_run_of_a_channel_whose_own_stream_is_refused(
    server: ScriptedServer,
) -> None:
    two_runs(server)
    server.plans.append(Plan(events=1))
    server.refuse["/v1/runs/run_1/events"] = (503, {"title": "Later", "status": 503}, {})
    async with Client(server.base_url) as client:
        channel = client.channel("c")
        following = asyncio.create_task(_collect(channel, []))
        await eventually(lambda: channel.runs.get("run_1") is not None and channel.runs["run_1"].ended)
        assert channel.runs["run_1"].agents["a"].text == "one two"
        await channel.detach()
        await following


async def _collect(channel: Channel, events: list[Event]) -> None:
    async for event in channel:
        events.append(event)


async def test_the_terminal_says_so_and_what_waits_for_an_answer(server: ScriptedServer) -> None:
    server.plans.append(Plan(events=2))
    server.begin("a")
    server.say("a.approval_request", **ASKED)
    know(server, "", approvals=[ASKED])
    notices = io.StringIO()
    screen = PrefixedLines(io.StringIO(), notices)
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        following = asyncio.create_task(run.result())
        await eventually(lambda: screen.tick(run) or "waits" in notices.getvalue())
        screen.tick(run)
        await run.approve("a", "c1")
        await run.detach()
        await following
    said = notices.getvalue().splitlines()
    assert len(said) == 2, said
    assert "holds the event stream back" in said[0]
    assert said[1] == 'a [waits for approval c1] send {"to": "all"}'
    assert ("POST", f"/v1/runs/{RUN_ID}/agents/a/approvals/c1") in [
        request[:2] for request in server.requests
    ]
