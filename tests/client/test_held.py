"""A stream that is held back on the way is noticed, and its run is shown by snapshots until its events come."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable

import pytest

from orchestrator.client import Client, ClientError, Run
from orchestrator.client import held as timing
from orchestrator.terminal.screen import PrefixedLines
from tests.support.patience import PATIENCE_SECONDS
from tests.support.scripted_server import RUN_ID, Plan, ScriptedServer, scripted_server

ASKED = {"call_id": "c1", "name": "send", "arguments": '{"to": "all"}'}


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedServer]:
    monkeypatch.setattr(timing, "HELD_SECONDS", 0.05)
    monkeypatch.setattr(timing, "POLL_SECONDS", 0.02)
    async with scripted_server() as script:
        yield script


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():
            await asyncio.sleep(0.005)


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
        await until(lambda: held(run) and run.agents["a"].text == "one two three")
        assert run.detail is not None
        assert "holds the event stream back" in run.detail.message
        assert run.agents["a"].title == "A", "what no snapshot holds stays known"
        assert run.agents["a"].approvals == {"c1": ASKED}, "it can be answered meanwhile"
        lengths = [13]
        server.say("a.token", text=" four")
        know(server, "one two three four")
        await until(lambda: run.agents["a"].text == "one two three four")
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
        await until(lambda: seen.append(held(run)) or _looks(server) >= 3)
        assert True not in seen
        problem = {"title": "Gone", "status": 410}
        server.refuse[f"/v1/runs/{RUN_ID}"] = (410, problem, {})
        with pytest.raises(ClientError, match="Gone"):
            await following


def _looks(server: ScriptedServer) -> int:
    return sum(request[:2] == ("GET", f"/v1/runs/{RUN_ID}") for request in server.requests)


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
        await until(lambda: screen.tick(run) or "waits" in notices.getvalue())
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
