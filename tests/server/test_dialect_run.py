"""Covers `orchestrator/server/http/dialects/dialect_run.py`: a run as one answer, in any of the dialects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, make_mocked_request
from pytest_aiohttp import AiohttpClient

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.eventlog import subscription
from orchestrator.eventlog.base import Entry
from orchestrator.events import Reasoning, ToolCall, ToolResult
from orchestrator.framing.base import DIALECTS
from orchestrator.framing.chat import ChatFraming
from orchestrator.run.spec import StartRequest
from orchestrator.server.app import create_app
from orchestrator.server.app_keys import METRICS, SUPERVISOR
from orchestrator.server.http.dialects.dialect_run import DialectReader, fold_run, stream_run
from orchestrator.server.http.streams import ROOM_BYTES, EventStream
from orchestrator.supervisor.supervisor import AnyRun
from tests.support.patience import eventually, soon
from tests.support.service import silent

CHAT = DIALECTS["chat"]


steps: asyncio.Queue[Emission | None]
"""What agent `c` says next; None ends it."""


async def steered(request: AgentInput) -> AsyncGenerator[Emission, None]:
    while (step := await steps.get()) is not None:
        yield step


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes, "
    yield request.message


async def stream(request: web.Request) -> web.StreamResponse:
    run = await request.app[SUPERVISOR].get(request.match_info["run_id"])
    cursor = request.query.get("after")
    return await stream_run(request, run, DIALECTS["event"], cursor=cursor, headers={"X-Mine": "1"})


@pytest.fixture
async def client(aiohttp_client: AiohttpClient) -> TestClient[Any, Any]:
    global steps
    steps = asyncio.Queue()
    app = create_app(agents={"a": answers, "b": silent, "c": steered})
    app.router.add_get("/v1/mine/{run_id}", stream)
    return await aiohttp_client(app)


async def started(client: TestClient[Any, Any], *agents: str) -> AnyRun:
    run, _ = await client.app[SUPERVISOR].start(StartRequest("hi", agents or ("a",)))
    return run


async def ended(client: TestClient[Any, Any]) -> AnyRun:
    run = await started(client)
    await eventually(lambda: run.status != "running")
    return run


def request_of(client: TestClient[Any, Any], query: str = "") -> web.Request:
    return make_mocked_request("GET", f"/x?{query}", app=client.app)


async def fold(client: TestClient[Any, Any], run: AnyRun, **keys: Any) -> dict[str, Any]:
    framing = await soon(fold_run(request_of(client), run, CHAT, **keys))
    assert isinstance(framing, ChatFraming)
    return framing.completion()


async def test_a_run_is_streamed_to_its_end_under_its_id(client: TestClient[Any, Any]) -> None:
    run = await ended(client)
    async with client.get(f"/v1/mine/{run.spec.run_id}") as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        assert (answer.headers["Run-Id"], answer.headers["X-Mine"]) == (run.spec.run_id, "1")
    assert body.index(b"event: run.started") < body.index(b"event: run.done")


async def test_a_stream_goes_on_from_its_cursor(client: TestClient[Any, Any]) -> None:
    run = await ended(client)
    epoch = (run.state.last_event_id or "").partition("-")[0]
    async with client.get(f"/v1/mine/{run.spec.run_id}?after={epoch}-1") as answer:
        body = await answer.read()
    assert b"run.started" not in body
    assert b"run.done" in body


@pytest.mark.parametrize(
    "dialect", [name for name, row in DIALECTS.items() if row.says_pieces and row.carrier == "stream"]
)
async def test_what_is_handed_on_live_is_what_is_replayed(
    client: TestClient[Any, Any], monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    """Also of an event that is too large to be written in its agent's turn: a fold takes each in once."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 3600.0)
    take, taken = EventStream.take, []

    def counted(stream: EventStream, entries: list[Entry]) -> bool:
        is_taken = take(stream, entries)
        taken.append((is_taken, sum(len(entry.data) for entry in entries)))
        return is_taken

    monkeypatch.setattr(EventStream, "take", counted)
    run = await started(client, "c")
    path, live = f"/v1/runs/{run.spec.run_id}/events?framing={dialect}", b""
    async with client.get(path, headers={"Accept-Encoding": "identity"}) as answer:

        async def say(*said: Emission) -> None:
            nonlocal live
            for each in said:
                steps.put_nowait(each)
            steps.put_nowait(f"<{len(live)}>")
            mark = f"<{len(live)}>".encode()
            while mark not in live:
                piece = await soon(answer.content.readany())
                assert piece, "it goes on"
                live += piece

        while not any(is_taken for is_taken, _ in taken):
            await say(Reasoning("hm"))
        while not any(not is_taken and size > ROOM_BYTES for is_taken, size in taken):
            await say("x" * (ROOM_BYTES + 1))
        await say(Reasoning("so"), ToolCall("c1", "look", "{}"), ToolResult("c1", "blue", is_error=False))
        steps.put_nowait(None)
        live += await soon(answer.content.read())
    replayed = await (await client.get(path)).read()
    assert live == replayed


async def test_whoever_reads_is_counted_until_it_leaves(client: TestClient[Any, Any]) -> None:
    run = await started(client, "b")
    registry = client.app[METRICS].registry

    def readers() -> float | None:
        return registry.get_sample_value("orchestrator_subscribers", {"kind": "sse"})

    async with client.get(f"/v1/mine/{run.spec.run_id}") as answer:
        await answer.content.readany()
        assert readers() == 1
        answer.close()
    await eventually(lambda: readers() == 0)


async def test_a_run_is_folded_into_one_answer_when_it_has_ended(client: TestClient[Any, Any]) -> None:
    answer = await fold(client, await started(client), to_end=True)
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["Yes, hi"]


async def test_what_there_is_by_now_is_folded_without_waiting(client: TestClient[Any, Any]) -> None:
    run = await started(client, "a", "b")
    await eventually(lambda: run.participants["a"].status == "done")
    answer = await fold(client, run, to_end=False)
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["Yes, hi", ""]


async def test_what_a_client_has_seen_is_part_of_the_fold(client: TestClient[Any, Any]) -> None:
    """Its answer is the whole, whichever part of it came over an earlier connection."""
    run = await ended(client)
    epoch, _, seq = (run.state.last_event_id or "").partition("-")
    whole = await fold(client, run, to_end=True)
    assert await fold(client, run, to_end=True, cursor=f"{epoch}-{int(seq) - 1}") == whole


async def test_a_cursor_that_cannot_be_used_folds_the_state(client: TestClient[Any, Any]) -> None:
    run = await ended(client)
    assert (await fold(client, run, to_end=False, cursor="zzzz-1"))["choices"][0]["message"][
        "content"
    ] == "Yes, hi"


async def test_only_dialects_that_fold_read_what_lies_before_a_cursor(client: TestClient[Any, Any]) -> None:
    run = await ended(client)
    reader = DialectReader(request_of(client, "agents=a"), run, {})
    assert reader.view.agents == {"a"}
    assert reader.seen("e-1", reader.open(DIALECTS["event"])) is None
    assert reader.seen(None, reader.open(CHAT)) is None
    before = reader.seen(run.state.last_event_id, reader.open(CHAT))
    assert before is not None
    pages = [page async for page in before]
    assert pages[0][0].type == "started"
