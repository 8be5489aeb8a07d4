"""Covers `orchestrator/server/http/json_response.py`: a large answer is sent piece by piece, and is the same."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.events import Data
from orchestrator.events.encoding import encode_json
from orchestrator.events.json_chunks import PIECE_BYTES

from ..support.patience import PATIENCE_SECONDS
from ..support.service import Service, events_in, serving

SIZE = 200 * 3000


async def full(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for n in range(200):
        yield Data("rows", "x\u2028" * 1500, data_id=f"d{n}")
    yield "and that is all"


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with serving({"a": full}) as opened:
        yield opened


@pytest.fixture
async def run_id(service: Service) -> str:
    run_id = await service.start()
    await service.ended(run_id)
    return run_id


async def test_a_large_run_is_shown_whole(service: Service, run_id: str) -> None:
    shown = await service.call("GET", f"/v1/runs/{run_id}")
    assert shown.body == encode_json((await service.find(run_id)).snapshot())
    assert len(shown.body) > SIZE > 4 * PIECE_BYTES
    assert (shown.status, shown.content_type, shown.headers["Cache-Control"]) == (
        200,
        "application/json",
        "no-store",
    )
    assert "Content-Length" not in shown.headers, "else it was in memory as a whole"
    asked = await service.call("HEAD", f"/v1/runs/{run_id}")
    assert (asked.status, asked.content_type, asked.body) == (200, "application/json", b"")


async def test_commands_and_other_apis_answer_in_pieces_too(service: Service, run_id: str) -> None:
    cancelled = await service.call("POST", f"/v1/runs/{run_id}/cancel")
    assert (cancelled.status, len(cancelled.json["agents"]["a"]["data"])) == (202, 200)
    task = await service.call("GET", f"/v1/a2a/a/tasks/{run_id}", headers={"A2A-Version": "1.0"})
    assert len(task.json["artifacts"]) == 201
    response = await service.call("GET", f"/v1/responses/resp_{run_id.removeprefix('run_')}")
    assert (response.json["status"], len(response.json["agents"]["a"]["data"])) == ("completed", 200)
    assert response.headers["Run-Id"] == run_id


async def test_a_client_of_http_1_0_reads_it_to_the_end_of_the_connection(
    service: Service, run_id: str
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"GET /v1/runs/%b HTTP/1.0\r\nHost: localhost\r\n\r\n" % run_id.encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b"chunked" not in head.lower()
    assert len(json.loads(body)["agents"]["a"]["data"]) == 200


@pytest.mark.parametrize("coding", ["identity", "gzip"])
async def test_a_gap_of_a_large_run_has_its_whole_state(service: Service, run_id: str, coding: str) -> None:
    headers = {"Last-Event-ID": "nowhere-1", "Accept-Encoding": coding}
    answer = await service.call("GET", f"/v1/runs/{run_id}/events", headers=headers)
    assert answer.headers.get("Content-Encoding", "identity") == coding
    events = events_in(answer.body if coding == "identity" else gzip.decompress(answer.body))
    assert [event.type for event in events] == ["run.gap", "run.snapshot"]
    assert len(events[1].data["agents"]["a"]["data"]) == 200
    unnamed = await service.call(
        "GET", f"/v1/runs/{run_id}/events?framing=ai-sdk", headers={"Last-Event-ID": "x"}
    )
    said = [event for event in unnamed.body.split(b"\n\n") if rb"x\u2028x" in event]
    assert len(said) == 200


async def test_a_socket_gets_a_large_state_as_one_message(service: Service, run_id: str) -> None:
    async with service.session.ws_connect(f"{service.url}/v1/ws", max_msg_size=0) as ws:
        last = (await service.find(run_id)).state.last_event_id
        for after in ("nowhere-1", last):
            await ws.send_json({"op": "attach", "run_id": run_id, "after": after})
            told = [await ws.receive_json(timeout=PATIENCE_SECONDS) for _ in range(2 if after != last else 1)]
            assert told[-1]["type"] == "snapshot"
            assert (told[-1]["id"], len(told[-1]["agents"]["a"]["data"])) == (last, 200)
