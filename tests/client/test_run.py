"""A run is followed to its end: each event once, in order, across lost connections and gaps."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from orchestrator.client import Client, ClientError, Event, Run
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.scripted_server import RUN_ID, Plan, ScriptedServer, scripted_server


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        yield script


def two_agents(script: ScriptedServer) -> None:
    """A run in which one agent answers and the other fails."""
    script.begin("a", "b")
    for word in ("one", " two", " three", " four"):
        script.say("a.token", text=word)
        script.say("b.token", text=word.upper())
    script.error("b")
    script.done("a", "one two three four")
    script.end("partial", a="done", b="error")


async def collect(run: Run) -> list[Event]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return [event async for event in run]


def ids(events: list[Event]) -> list[str | None]:
    return [event.id for event in events]


# ── lost connections ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["close", "abort"])
@pytest.mark.parametrize("cut", [0, 30, -1])
async def test_each_event_comes_once_across_connections_cut_anywhere(
    server: ScriptedServer, end: str, cut: int
) -> None:
    """A cut inside an event, even one before its last byte, must neither lose nor double it."""
    two_agents(server)
    for _ in range(len(server.entries) - 1):
        server.plans.append(Plan(events=1, end=end, cut_bytes=cut))
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        events = await collect(run)
        expected = [entry[0] for entry in server.entries]
        assert ids(events) == expected
        assert server.cursors == [None, *expected[:-1]]
        assert run.agents["b"].text == "ONE TWO THREE FOUR"


async def test_events_that_are_sent_again_are_dropped(server: ScriptedServer) -> None:
    """A server or proxy that replays more than was asked for must not double any text."""
    two_agents(server)
    server.plans.append(Plan(events=6, end="close"))
    server._start = lambda cursor: 0  # type: ignore[method-assign]  # a server that ignores the cursor
    async with Client(server.base_url) as client:
        events = await collect(client.attach(RUN_ID))
    assert ids(events) == [entry[0] for entry in server.entries]
    assert server.cursors == [None, "ep-6"]


async def test_attaching_after_an_id_goes_on_from_there(server: ScriptedServer) -> None:
    two_agents(server)
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID, after="ep-9")
        assert ids(await collect(run)) == [entry[0] for entry in server.entries[9:]]
        assert run.agents["a"].text == "one two three four"
    assert server.cursors == ["ep-9"]


async def test_silence_is_taken_for_a_dead_connection(server: ScriptedServer) -> None:
    two_agents(server)
    server.plans.append(Plan(events=4, end="hang"))
    async with Client(server.base_url, silence_s=0.3) as client:
        run = client.attach(RUN_ID)
        assert ids(await collect(run)) == [entry[0] for entry in server.entries]
    assert server.cursors == [None, "ep-4"]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_server_that_is_going_or_coming_is_asked_again(server: ScriptedServer, status: int) -> None:
    two_agents(server)
    server.plans.extend([Plan(events=2, end="close"), Plan(status=status, headers={"Retry-After": "0"})])
    async with Client(server.base_url) as client:
        assert len(await collect(client.attach(RUN_ID))) == len(server.entries)
    assert server.cursors == [None, "ep-2", "ep-2"]


async def test_connection_says_how_it_stands(server: ScriptedServer) -> None:
    two_agents(server)
    server.plans.extend([Plan(events=3, end="close"), Plan(status=503, headers={"Retry-After": "1"})])
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        seen = [run.connection]
        async for _ in run:
            if run.connection != seen[-1]:
                seen.append(run.connection)
            if len(seen) == 2:
                await eventually(lambda: run.connection == "retrying")
        assert seen[0] == "connecting"
        assert seen[1] in ("open", "retrying")
        assert run.connection == "closed"


async def test_a_run_without_connection_is_given_up_when_asked_to(server: ScriptedServer) -> None:
    server.plans.extend(Plan(status=503) for _ in range(100))
    async with Client(server.base_url, give_up_s=0) as client:
        with pytest.raises(ClientError, match="out of reach"):
            await client.attach(RUN_ID).result()


# ── gaps, ends, odd events ──────────────────────────────────────────────────────────────────


async def test_a_gap_is_told_and_the_snapshot_replaces_the_state(server: ScriptedServer) -> None:
    """After a gap pieces of text are missing: what was gathered must not be gone on with."""
    server.begin("a", "b")
    server.say("a.token", text="old")
    server.say("a.tool_call", call_id="c", name="clock", arguments="{}")
    gap = {"reason": "epoch", "requested": "ep-5", "earliest": "new-1", "latest": "new-9"}
    server.entries.append((None, "run.gap", {"type": "gap", "t": 0, **gap}))
    agents = {"a": {"status": "running", "attempt": 2, "text": "fresh", "error": None}}
    snapshot = {**server.snapshot, "agents": agents, "type": "snapshot", "t": 9}
    server.entries.append(("new-9", "run.snapshot", snapshot))
    server.entries.append(("new-10", "a.token", {"agent_id": "a", "type": "token", "t": 9, "text": " start"}))
    server.plans.append(Plan(events=8, end="close"))
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        iterator = aiter(run)
        seen = [await anext(iterator) for _ in range(8)]
        assert [event.name for event in seen[-3:]] == ["run.gap", "run.snapshot", "a.token"]
        assert (seen[-3].id, seen[-2].id) == (None, "new-9")
        assert run.view.gap is not None
        assert run.view.gap["reason"] == "epoch"
        assert list(run.agents) == ["a"]
        assert (run.agents["a"].text, run.agents["a"].attempt, run.agents["a"].tools) == (
            "fresh start",
            2,
            [],
        )
        assert run.agents["a"].model == "a-1"
        server.entries.append(
            ("new-11", "run.done", {"type": "done", "t": 9, "status": "completed", "agents": {}})
        )
        await server.wake()
        assert (await run.result()).status == "completed"
    assert server.cursors == [None, "new-10"]


async def test_a_snapshot_of_an_ended_run_ends_it(server: ScriptedServer) -> None:
    ended = {**server.snapshot, "status": "failed", "agents": {"a": {"status": "error", "attempt": 1}}}
    server.entries.append(("x-4", "run.snapshot", {**ended, "type": "snapshot", "t": 9}))
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID, after="gone-1")
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await run.result()).status == "failed"


async def test_204_says_finished(server: ScriptedServer) -> None:
    """Nothing is left to send, but what the run came to must still be known."""
    server.plans.append(Plan(status=204))
    agent = {"status": "done", "attempt": 1, "text": "whole", "usage": None, "metrics": None, "error": None}
    server.snapshot |= {"status": "completed", "agents": {"a": agent}}
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID, after="ep-20")
        assert await collect(run) == []
        assert (run.status, run.agents["a"].text) == ("completed", "whole")


async def test_unknown_and_unreadable_events_are_passed_over(server: ScriptedServer) -> None:
    server.begin("a")
    server.say("a.sneezed", loud=True)
    server.say("panel.stage", stage=1)
    server.say("run.weather", sky="blue")
    server.entries.append(("ep-6", "a.token", ["no object"]))  # type: ignore[arg-type]
    server.done("a", "fine")
    server.end("completed", a="done")
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        names = [event.name for event in await collect(run)]
    assert names == [
        "run.started",
        "a.started",
        "a.sneezed",
        "panel.stage",
        "run.weather",
        "a.done",
        "run.done",
    ]
    assert run.agents["a"].text == "fine"


async def test_an_event_without_its_fields_is_the_servers_fault(server: ScriptedServer) -> None:
    server.begin("a")
    server.say("a.done")
    async with Client(server.base_url) as client:
        with pytest.raises(ClientError, match=r"a\.done that is not of this protocol"):
            await client.attach(RUN_ID).result()


# ── leaving and waiting ──────────────────────────────────────────────────────────────────────


async def test_leaving_never_cancels(server: ScriptedServer) -> None:
    server.begin("a")
    async with Client(server.base_url) as client:
        left, closed = client.attach(RUN_ID), client.attach(RUN_ID)
        iterator = aiter(left)
        assert (await anext(iterator)).name == "run.started"
        await anext(aiter(closed))
        await left.detach()
        assert [event.name async for event in iterator] == ["a.started"]
        assert (await left.result()).status == "running"
        assert (left.connection, closed.connection) == ("closed", "open")
    assert closed.connection == "closed"
    assert {request[0] for request in server.requests} == {"GET"}


async def test_a_run_that_was_never_read_can_be_left(server: ScriptedServer) -> None:
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        await run.detach()
        assert await collect(run) == []
        assert (await run.result()).status == "running"
    assert server.requests == []


async def test_a_broken_off_loop_holds_nothing_back(server: ScriptedServer) -> None:
    """After `break` nobody takes from that iterator: the run must still reach its end."""
    server.begin("a")
    for _ in range(5000):
        server.say("a.token", text="x")
    server.done("a", "x" * 5000)
    server.end("completed", a="done")
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        async for _ in run:
            break
        gc.collect()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await run.result()).agents["a"].text == "x" * 5000


async def test_a_slow_reader_holds_a_bounded_number_of_events(server: ScriptedServer) -> None:
    server.begin("a")
    for _ in range(5000):
        server.say("a.token", text="x")
    server.done("a", "x" * 5000)
    server.end("completed", a="done")
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        iterator = aiter(run)
        await anext(iterator)
        await eventually(lambda: len(run.agents["a"].text) >= 1000)
        await asyncio.sleep(0.1)
        assert len(run.agents["a"].text) < 1100
        rest = [event async for event in iterator]
        assert len(rest) == len(server.entries) - 1


async def test_two_loops_see_the_same(server: ScriptedServer) -> None:
    two_agents(server)
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        first, second, view = await asyncio.gather(collect(run), collect(run), run.result())
    assert ids(first) == ids(second) == [entry[0] for entry in server.entries]
    assert view.status == "partial"


async def test_cancelling_the_wait_for_an_event_loses_none(server: ScriptedServer) -> None:
    server.begin("a")
    async with Client(server.base_url) as client:
        run = client.attach(RUN_ID)
        iterator = aiter(run)
        seen = [await anext(iterator), await anext(iterator)]
        for n in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(iterator), 0.02)
            server.say("a.token", text=str(n))
            await server.wake()
            seen.append(await anext(iterator))
    assert ids(seen) == [entry[0] for entry in server.entries]
