"""A channel is followed as exactly as a run: each event once, in order, and every run has its view."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.client import Channel, Client, ClientError, Event
from orchestrator.client import channel as client_channel
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.scripted_server import Plan, ScriptedServer, scripted_server

PATH = "/v1/channels/c/events"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        yield script


def begin(script: ScriptedServer, run_id: str, *agents: str) -> None:
    infos = [{"agent_id": a, "title": a.title(), "backend": "offline", "model": f"{a}-1"} for a in agents]
    script.say("run.started", run_id=run_id, channel="c", agents=infos)
    for agent_id in agents:
        script.say(f"{agent_id}.started", run_id=run_id, attempt=1)


def end(script: ScriptedServer, run_id: str) -> None:
    script.say("run.done", run_id=run_id, status="completed", agents={}, metrics={})


def two_runs(script: ScriptedServer) -> None:
    """Two runs whose agents have the same name and speak at the same time."""
    begin(script, "run_1", "a")
    begin(script, "run_2", "a")
    for word in ("one", " two", " three"):
        script.say("a.token", run_id="run_1", text=word)
        script.say("a.token", run_id="run_2", text=word.upper())
    end(script, "run_1")
    script.say("panel.stage", run_id="run_2", panel="judge", method="judge", stage="final", agents=["a"])


async def take(channel: Channel, count: int) -> list[Event]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        iterator = aiter(channel)
        return [await anext(iterator) for _ in range(count)]


def gap(script: ScriptedServer) -> None:
    script.entries.append((None, "run.gap", {"type": "gap", "t": 0, "reason": "trimmed"}))


def snapshot(script: ScriptedServer, event_id: str, run_id: str, text: str, **more: Any) -> None:
    agents = {"a": {"status": "running", "attempt": 1, "text": text}}
    data = {"type": "snapshot", "t": 0, "run_id": run_id, "status": "running", "agents": agents, **more}
    script.entries.append((event_id, "run.snapshot", data))


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("cut", [0, 30])
async def test_each_event_comes_once_across_connections_cut_anywhere(
    server: ScriptedServer, end: str, cut: int
) -> None:
    two_runs(server)
    expected = [entry[0] for entry in server.entries]
    for _ in range(len(expected) - 1):
        server.plans.append(Plan(events=1, end=end, cut_bytes=cut))
    async with Client(server.base_url) as client:
        channel = client.channel("c")
        events = await take(channel, len(expected))
        assert [event.id for event in events] == expected
        assert server.cursors == [None, *expected[:-1]]
        assert [event.run_id for event in events[-3:]] == ["run_2", "run_1", "run_2"]
        texts = {run_id: run.agents["a"].text for run_id, run in channel.runs.items()}
        assert texts == {"run_1": "one two three", "run_2": "ONE TWO THREE"}
        assert (channel.runs["run_1"].status, channel.runs["run_2"].status) == ("completed", "running")
        assert channel.runs["run_1"].panel is None
        assert channel.runs["run_2"].panel is not None
    assert channel.connection == "closed", "a closing client leaves its channels"


async def test_a_filter_and_a_cursor_are_asked_for(server: ScriptedServer) -> None:
    two_runs(server)
    async with Client(server.base_url) as client:
        channel = client.channel("c", runs=["run_1", "run_2"], agents=["a", "b"], after="ep-10")
        assert [event.id for event in await take(channel, 2)] == ["ep-11", "ep-12"]
        await channel.detach()
        assert [event async for event in channel] == []
    assert {request[1] for request in server.requests} == {f"{PATH}?runs=run_1,run_2&agents=a,b"}
    assert server.cursors[0] == "ep-10"


async def test_after_a_gap_each_snapshot_replaces_its_run(server: ScriptedServer) -> None:
    two_runs(server)
    begin(server, "run_3", "a")
    gap(server)
    snapshot(server, "new-7", "run_1", "fresh", last_event_id="new-7")
    # The log holds events that are in this snapshot already.
    snapshot(server, "new-7", "run_2", "whole", last_event_id="new-8")
    server.entries.append(
        ("new-8", "a.token", {"agent_id": "a", "type": "token", "t": 0, "run_id": "run_2", "text": "!"})
    )
    server.entries.append(
        ("new-9", "a.token", {"agent_id": "a", "type": "token", "t": 0, "run_id": "run_2", "text": "?"})
    )
    async with Client(server.base_url) as client:
        channel = client.channel("c")
        known = len(server.entries) - 5
        before = await take(channel, known)
        assert before[-1].run_id == "run_3"
        run_2 = channel.runs["run_2"]
        await eventually(lambda: "?" in run_2.agents["a"].text)
        assert {run_id: run.agents["a"].text for run_id, run in channel.runs.items()} == {
            "run_1": "fresh",
            "run_2": "whole?",
        }, "what was in the snapshot is not added again, and what it did not name is gone"
        assert channel.runs["run_2"] is run_2
        assert run_2.agents["a"].model == "a-1", "what a snapshot does not tell is kept"


async def test_a_connection_cut_between_two_snapshots_hears_both(server: ScriptedServer) -> None:
    """Both have the same id: who came back with it would never hear of the second run."""
    begin(server, "run_1", "a")
    gap(server)
    snapshot(server, "new-7", "run_1", "one")
    snapshot(server, "new-7", "run_2", "two")
    server.plans.append(Plan(events=4, end="close"))
    async with Client(server.base_url) as client:
        channel = client.channel("c")
        iterator = aiter(channel)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "run_2" not in channel.runs:
                await anext(iterator)
        assert server.cursors[:2] == [None, "ep-2"]
        assert channel.runs["run_1"].agents["a"].text == "one"
        begin(server, "run_4", "a")
        await server.wake()
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "run_4" not in channel.runs:
                await anext(iterator)


async def test_runs_that_ended_are_let_go_in_the_end(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_channel, "KEPT_RUNS", 2)
    begin(server, "run_open", "a")
    for n in range(5):
        begin(server, f"run_{n}", "a")
        end(server, f"run_{n}")
    begin(server, "run_last", "a")
    async with Client(server.base_url) as client:
        channel = client.channel("c")
        await take(channel, len(server.entries))
        assert list(channel.runs) == ["run_open", "run_3", "run_4", "run_last"]


async def test_a_refusal_ends_it(server: ScriptedServer) -> None:
    server.refuse["/v1/channels/no way/events"] = (404, {"detail": "no such name"}, {})
    async with Client(server.base_url) as client:
        with pytest.raises(ClientError, match="no such name"):
            await anext(aiter(client.channel("no way")))
