"""Foreign, malformed, future and ancient cursors, on each store, over HTTP and WebSocket: a gap before any data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.eventlog import MemoryLog
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.redis.log import RedisLog
from tests.contract.stores import STORES, Clock
from tests.server.test_resume import ODD_CURSORS
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.redis_server import RedisServer
from tests.support.service import Puppet, Serve, Service
from tests.workers.agents import chain, check


@pytest.fixture(params=sorted(STORES))
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](tmp_path, Clock()) as ready:
        yield ready


async def over_http(service: Service, path: str, cursor: str) -> list[dict[str, Any]]:
    """The first two events that a cursor brings; other lines come before them only if they are no events."""
    async with service.stream(path, params={"last_event_id": cursor}) as stream:
        return [{"id": event.id, **event.data} for event in [await stream.event(), await stream.event()]]


async def over_websocket(service: Service, cursor: str, **of: str) -> list[dict[str, Any]]:
    async with service.session.ws_connect(f"{service.url}/v1/ws") as ws:
        await ws.send_json({"op": "attach", "after": cursor, **of})
        return [await ws.receive_json(timeout=PATIENCE_SECONDS) for _ in range(2)]


async def test_useless_cursor_gives_a_gap_before_any_data(store: Store, serve: Serve) -> None:
    """For a run that goes on, one that has ended and a channel; then the state, and that is a cursor again."""
    puppet, other = Puppet(), Puppet()
    service = await serve({"a": puppet, "b": other}, log=store)
    running = await service.start(agents=["a"], channel="room")
    ended = await service.start(agents=["b"])
    puppet.say("said ")
    other.say("said ")
    other.end()
    await service.ended(ended)
    await eventually(lambda: service.run(running).snapshot().agents["a"].text == "said ")
    for run_id in (running, ended):
        newest = str((await service.find(run_id)).snapshot().last_event_id)
        epoch, _, last = newest.partition("-")
        for pattern, reason in ODD_CURSORS:
            cursor = pattern.format(epoch=epoch, ahead=int(last) + 1)
            answers = [
                await over_http(service, f"/v1/runs/{run_id}/events", cursor),
                await over_websocket(service, cursor, run_id=run_id),
            ]
            if run_id == running:
                answers += [
                    await over_http(service, "/v1/channels/room/events", cursor),
                    await over_websocket(service, cursor, channel="room"),
                ]
            for gap, snapshot in answers:
                assert (gap["type"], gap["reason"]) == ("gap", reason), pattern
                assert gap.get("id") is None
                assert cursor.startswith(gap["requested"])
                assert gap["latest"] == newest
                assert (snapshot["type"], snapshot["id"]) == ("snapshot", newest)
                (agent,) = snapshot["agents"].values()
                assert agent["text"] == "said "
    puppet.end()
    assert [e.type for e in await service.events(running, **{"Last-Event-ID": newest_of(service, running)})]


def newest_of(service: Service, run_id: str) -> str:
    return str(service.run(run_id).state.last_event_id)


@pytest.mark.parametrize("name", ["memory", "redis"])
async def test_ancient_cursor_gives_a_gap_before_any_data(
    redis: RedisServer, name: str, serve: Serve
) -> None:
    """Of a log that has trimmed itself meanwhile."""
    small = 20_000
    log: Store = MemoryLog(max_channel_bytes=small)
    if name == "redis":
        log = RedisLog(redis.url, max_channel_bytes=small, patience_s=PATIENCE_SECONDS)
    service = await serve({"a": chain}, log=log)
    run_id = await service.start("400@0.001")
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        first = str((await stream.event()).id)
        await stream.until("a.done")
        await stream.until("run.done")
    assert (await log.open(run_id)).first > 1
    for gap, snapshot in (
        await over_http(service, f"/v1/runs/{run_id}/events", first),
        await over_websocket(service, first, run_id=run_id),
    ):
        assert (gap["type"], gap["reason"]) == ("gap", "trimmed")
        assert snapshot["status"] == "completed"
        assert check("a", snapshot["agents"]["a"]["text"]) == 400
