"""Streams as PROTOCOL.md has them: form, filters, channels, heartbeats, compression."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.errors import Gone
from orchestrator.eventlog import MemoryLog, subscription
from orchestrator.eventlog.base import Cursor, Draft
from orchestrator.events import Reasoning, Status, ToolCall, ToolResult
from orchestrator.server.http import compression
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.service import (
    Comment,
    Event,
    Puppet,
    RetryLine,
    Serve,
    endless,
    events_in,
    finished_run,
    parse_stream,
    silent,
    talkative,
    words,
)

NASTY = "a\r\nid: x-1\n\ndata: {}\n\x00\u2028\u2029\x85\ud800\U0001f600\x1b[0m"
"""What an agent could say to break a frame."""


# ── form ──────────────────────────────────────────────────────────────────────────────────────


async def test_stream_opens_with_its_headers_retry_and_a_comment_at_once(serve: Serve) -> None:
    """A client must know that the stream is open before any agent says something."""
    service = await serve({"a": silent})
    run_id = await service.start()
    for path in (f"/v1/runs/{run_id}/events", "/v1/channels/empty/events"):
        async with service.stream(path) as stream:
            headers = stream.response.headers
            assert headers["Content-Type"] == "text/event-stream"
            assert headers["Cache-Control"] == "no-store, no-transform"
            assert headers["X-Accel-Buffering"] == "no"
            assert headers.get("Run-Id") == (run_id if "runs" in path else None)
            assert isinstance(await stream.frame(), RetryLine)
            assert isinstance(await stream.frame(), Comment)


async def test_events_have_an_id_a_name_and_one_line_of_json(serve: Serve) -> None:
    service = await serve({"a": talkative, "b-1_x": words("x")})
    _, body = await finished_run(service)
    events = events_in(body)
    epoch = str(events[0].id).partition("-")[0]
    assert [event.id for event in events] == [f"{epoch}-{n}" for n in range(1, len(events) + 1)]
    assert [event.name for event in events] == [event.type for event in events]
    assert {event.data.get("agent_id") for event in events} == {None, "a", "b-1_x"}
    assert events[0].data.keys() == {"type", "t", "run_id", "channel", "agents"}
    assert [agent["agent_id"] for agent in events[0].data["agents"]] == ["a", "b-1_x"]
    assert events[-1].data.keys() == {"type", "t", "status", "agents", "metrics"}
    times = [event.data["t"] for event in events]
    assert times == sorted(times)
    assert all(type(t) is int for t in times)
    keys = {
        event.type.partition(".")[2]: event.data.keys() - {"agent_id", "type", "t"} for event in events[1:-1]
    }
    assert keys == {
        "started": {"attempt"},
        "status": {"status", "detail"},
        "token": {"text"},
        "reasoning": {"text"},
        "tool_call": {"call_id", "name", "arguments"},
        "tool_result": {"call_id", "output", "is_error"},
        "done": {"text", "usage", "finish_reason", "metrics", "attempt"},
    }
    assert not [event for event in events if "run_id" in event.data and event.type != "run.started"]


async def test_nothing_that_an_agent_says_breaks_a_frame(serve: Serve) -> None:
    """The strict reader of these tests accepts no line beside the protocol's own."""

    async def nasty(request: AgentInput) -> AsyncGenerator[Emission, None]:
        yield NASTY
        yield Status(NASTY, NASTY)
        yield Reasoning(NASTY)
        yield ToolCall(NASTY, NASTY, NASTY)
        yield ToolResult(NASTY, NASTY, is_error=True)

    service = await serve({"a": nasty})
    run_id = await service.start(NASTY)
    await service.ended(run_id)
    body = await service.body(f"/v1/runs/{run_id}/events")
    shown = await service.call("GET", f"/v1/runs/{run_id}")
    clean = NASTY.replace("\ud800", "\ufffd")
    assert next(e for e in events_in(body) if e.type == "a.done").data["text"] == clean
    assert shown.json["message"] == clean
    assert not {0x0D, 0x00, 0x1B} & set(body)
    for separator in ("\u2028", "\u2029", "\x85"):
        assert separator.encode() not in body


async def test_message_framing_leaves_the_event_line_out_and_changes_nothing_else(serve: Serve) -> None:
    service = await serve({"a": talkative})
    run_id, body = await finished_run(service)
    plain = await service.body(f"/v1/runs/{run_id}/events?framing=message")
    assert b"event:" not in plain
    assert [(e.id, e.data) for e in events_in(plain)] == [(e.id, e.data) for e in events_in(body)]


async def test_filter_keeps_those_agents_and_the_runs_own_events_with_the_logs_ids(serve: Serve) -> None:
    service = await serve({"a": talkative, "b": talkative, "c": words("x")})
    run_id, body = await finished_run(service)
    every = events_in(body)
    for query, kept in (
        ("a", {"a"}),
        ("a,c", {"a", "c"}),
        (" a , b", {"a", "b"}),
        ("", set()),
        ("zz", set()),
    ):
        seen = await service.events(run_id, f"?agents={quote(query)}")
        assert seen == [e for e in every if e.data.get("agent_id") in kept | {None}]


async def test_filter_delays_no_event_of_the_run(serve: Serve) -> None:
    """A subscriber of a quiet agent hears at once that another one joined."""
    quiet = Puppet()
    service = await serve({"a": quiet, "loud": endless, "late": silent})
    run_id = await service.start(agents=["a", "loud"])
    async with service.stream(f"/v1/runs/{run_id}/events?agents=a") as stream:
        await stream.until("a.started")
        await service.call("POST", f"/v1/runs/{run_id}/agents", json={"agent_id": "late"})
        assert (await stream.event(2)).type == "run.agent_added"
        await service.call("POST", f"/v1/runs/{run_id}/cancel")
        assert [e.type for e in await stream.until("run.done", 5)] == ["a.cancelled", "run.done"]


async def test_silence_is_broken_by_comments(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.15)
    service = await serve({"a": silent})
    run_id = await service.start()
    for path in (f"/v1/runs/{run_id}/events", "/v1/channels/empty/events"):
        async with service.stream(path) as stream:
            while not isinstance(await stream.frame(), Comment):
                pass
            comments = 0
            async with asyncio.timeout(PATIENCE_SECONDS):
                while comments < 3:
                    comments += isinstance(await stream.frame(), Comment)


async def test_filtered_subscriber_of_a_loud_run_hears_heartbeats_too(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """Events that are filtered out are silence on the wire, and proxies cut silent connections."""
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.15)
    service = await serve({"a": silent, "loud": endless})
    run_id = await service.start()
    async with service.stream(f"/v1/runs/{run_id}/events?agents=a") as stream:
        await stream.until("a.started")
        for _ in range(3):
            assert isinstance(await stream.frame(2), Comment)


async def test_agents_say_nothing_into_the_stream_that_is_no_event(serve: Serve) -> None:
    """Comments come in silence only: a busy stream has one, the opening."""
    service = await serve({"a": talkative})
    _, body = await finished_run(service)
    assert [type(frame) for frame in parse_stream(body)[:2]] == [RetryLine, Comment]
    assert all(isinstance(frame, Event) for frame in parse_stream(body)[2:])


# ── many readers ──────────────────────────────────────────────────────────────────────────────


async def test_subscribers_get_identical_bytes_whenever_they_join(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet, "b": talkative})
    run_id = await service.start()
    path = f"/v1/runs/{run_id}/events"
    readers = [asyncio.create_task(service.body(path)) for _ in range(5)]
    for n in range(10):
        puppet.say(f"{n} ")
        await asyncio.sleep(0.01)
        readers.append(asyncio.create_task(service.body(path)))
    puppet.end()
    bodies = await asyncio.gather(*readers)
    bodies.append(await service.body(path))
    assert len(set(bodies)) == 1
    assert events_in(bodies[0])[-1].type == "run.done"


async def test_late_joiner_gets_the_past_and_then_the_present(serve: Serve) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet})
    run_id = await service.start()
    puppet.say("past ")
    await eventually(lambda: service.run(run_id).snapshot().agents["a"].text == "past ")
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        assert [e.type for e in await stream.until("a.token")] == ["run.started", "a.started", "a.token"]
        puppet.say("present")
        puppet.end()
        assert (await stream.event()).data["text"] == "present"
        assert (await stream.until("run.done"))[0].data["text"] == "past present"


# ── channels ──────────────────────────────────────────────────────────────────────────────────


async def test_channel_carries_its_runs_with_one_cursor_and_no_end(serve: Serve) -> None:
    service = await serve({"a": words("x", "y"), "b": words("z")})
    first = await service.start(channel="room")
    async with service.stream("/v1/channels/room/events") as stream:
        seen = await stream.until("run.done")
        second = await service.start(channel="room", agents=["a"])
        seen += await stream.until("run.done")
        with pytest.raises(TimeoutError):
            await stream.event(0.2)
    assert [e.data["run_id"] for e in seen] == [first] * sum(e.data["run_id"] == first for e in seen) + [
        second
    ] * sum(e.data["run_id"] == second for e in seen)
    ids = [str(e.id) for e in seen]
    epoch = ids[0].partition("-")[0]
    assert ids == [f"{epoch}-{n}" for n in range(1, len(ids) + 1)]
    for n in (1, len(ids) // 2, len(ids)):
        headers = {"Last-Event-ID": ids[n - 1]}
        async with service.stream("/v1/channels/room/events", headers=headers) as stream:
            assert [await stream.event() for _ in ids[n:]] == seen[n:]
            third = await service.start(channel="room", agents=["b"])
            assert (await stream.event()).data["run_id"] == third
        await service.ended(third)
        await service.call("DELETE", f"/v1/runs/{third}")
    # A run's own stream shows its own part of the channel's log, under the same ids.
    own = await service.events(second)
    assert [(e.id, e.type) for e in own] == [(e.id, e.type) for e in seen if e.data["run_id"] == second]
    answer = await service.call("GET", f"/v1/runs/{first}/events", headers={"Last-Event-ID": ids[-1]})
    assert answer.status == 204


async def test_filtered_channel_keeps_every_run_event(serve: Serve) -> None:
    service = await serve({"a": words("x"), "b": words("z")})
    run_id = await service.start(channel="room")
    await service.ended(run_id)
    async with service.stream("/v1/channels/room/events?agents=b&framing=message") as stream:
        seen = await stream.until("run.done")
    assert {e.data.get("agent_id") for e in seen} == {None, "b"}
    assert all(e.data["run_id"] == run_id and e.name is None for e in seen)


async def test_channel_gap_tells_every_run_of_the_channel(serve: Serve) -> None:
    service = await serve({"a": words("x"), "mute": silent})
    ids = [await service.start(channel="room", agents=[agent]) for agent in ("a", "mute")]
    await service.ended(ids[0])
    headers = {"Last-Event-ID": "zzzz-7"}
    async with service.stream("/v1/channels/room/events", headers=headers) as stream:
        gap, *told = [await stream.event() for _ in range(3)]
        assert (gap.type, gap.data["reason"]) == ("run.gap", "epoch")
        assert [e.data["run_id"] for e in told] == ids
        # Only the last moves the cursor: cut off between them, a client gets both again.
        assert [e.id for e in told] == [None, gap.data["latest"]]
        await service.call("POST", f"/v1/runs/{ids[1]}/cancel")
        assert [e.type for e in await stream.until("run.done")] == ["mute.cancelled", "run.done"]


async def test_system_channel_gap_tells_the_runs_under_way_and_the_newest(serve: Serve) -> None:
    """A dashboard with an old cursor needs the state, and an id to go on from, as every other reader does."""
    service = await serve({"a": words("x"), "mute": silent})
    ids = [await service.start(agents=[agent]) for agent in ("mute", "a")]
    await service.ended(ids[1])
    headers = {"Last-Event-ID": "zzzz-7"}
    async with service.stream("/v1/channels/system/events", headers=headers) as stream:
        gap, *told = [await stream.event() for _ in range(3)]
        assert [(e.data["run_id"], e.data["status"]) for e in told] == [
            (ids[0], "running"),
            (ids[1], "completed"),
        ]
        assert [e.id for e in told] == [None, gap.data["latest"]]
        await service.call("POST", f"/v1/runs/{ids[0]}/cancel")
        done = await stream.event()
        assert (done.type, done.data["run_id"]) == ("run.done", ids[0])


async def test_deleting_a_run_leaves_the_rest_of_its_channel_readable(serve: Serve) -> None:
    service = await serve({"a": words("x", "y")})
    ids = []
    for _ in range(3):
        ids.append(await service.start(channel="room"))
        await service.ended(ids[-1])
    async with service.stream("/v1/channels/room/events") as stream:
        before = [e for _ in ids for e in await stream.until("run.done")]
    await service.call("DELETE", f"/v1/runs/{ids[1]}")
    async with service.stream("/v1/channels/room/events") as stream:
        after = [e for _ in ids[:2] for e in await stream.until("run.done")]
    assert after == [e for e in before if e.data["run_id"] != ids[1]]
    assert (await service.events(ids[2]))[-1].type == "run.done"


async def test_cursor_in_a_run_that_is_gone_from_its_channel_gives_a_gap(serve: Serve) -> None:
    """The rest of that run never comes: to go on with the next one would be a silent hole."""
    service = await serve({"a": words("x")})
    ids = []
    for _ in range(3):
        ids.append(await service.start(channel="room"))
        await service.ended(ids[-1])
    async with service.stream("/v1/channels/room/events") as stream:
        seen = await stream.until("run.done") + await stream.until("run.done")
    assert (await service.call("DELETE", f"/v1/runs/{ids[1]}")).status == 204
    for event in (seen[-1], seen[-3]):
        async with service.stream(
            "/v1/channels/room/events", headers={"Last-Event-ID": str(event.id)}
        ) as stream:
            gap, *told = [await stream.event() for _ in range(3)]
            assert (gap.type, gap.data["reason"]) == ("run.gap", "trimmed")
            assert [e.data["run_id"] for e in told] == [ids[0], ids[2]]


async def test_stream_of_a_run_deleted_from_a_shared_channel_ends(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """Its events are gone and `run.done` never comes: waiting on would be for ever."""
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 2)
    monkeypatch.setattr(subscription, "HEARTBEAT_SECONDS", 0.2)
    service = await serve({"a": words("x"), "mute": silent})
    await service.start(channel="room", agents=["mute"])
    run_id = await service.start(channel="room", agents=["a"])
    await service.ended(run_id)

    async def snapshots() -> list[Any]:
        return [(await service.supervisor.get(run_id)).snapshot()]

    view = subscription.View("room", run_id)
    items = subscription.follow(service.supervisor.log, view, None, snapshots)
    await anext(items)  # a slow reader: it has a page, and the rest goes away
    assert (await service.call("DELETE", f"/v1/runs/{run_id}")).status == 204
    with pytest.raises(Gone):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await anext(items)


async def test_stream_of_a_deleted_run_ends_though_its_channel_is_loud() -> None:
    """What others say wakes its reader each time; that must not keep it from looking."""

    class LoudLog(MemoryLog):
        async def wait(self, channel: str, after: Cursor, seconds: float, **options: Any) -> bool:
            await asyncio.sleep(0.01)
            await self.append(channel, [Draft("run_other", "a", "token", b'{"text":"x"}')])
            return True

    async def snapshots() -> list[Any]:
        raise Gone("deleted")

    view = subscription.View("room", "run_deleted")
    items = subscription.follow(LoudLog(), view, None, snapshots, heartbeat_s=0.1)

    async def read() -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for item in items:
                assert item is subscription.IDLE

    with pytest.raises(Gone):
        await read()


# ── compression ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", compression.ENCODINGS)
async def test_each_batch_of_a_compressed_stream_can_be_decoded_at_once(encoding: str, serve: Serve) -> None:
    """What the server has said must be readable before it says more."""
    puppet = Puppet()
    service = await serve({"a": puppet})
    run_id = await service.start()
    decode = _decoder(encoding)
    text = b""
    async with service.session.get(
        f"{service.url}/v1/runs/{run_id}/events", headers={"Accept-Encoding": encoding}
    ) as response:
        assert response.headers["Content-Encoding"] == encoding
        assert "Accept-Encoding" in response.headers["Vary"]

        async def read_until(part: bytes) -> None:
            nonlocal text
            async with asyncio.timeout(PATIENCE_SECONDS):
                while part not in text or not text.endswith(b"\n\n"):
                    text += decode(await response.content.readany())

        await read_until(b": open\n\n")
        for n in range(20):
            puppet.say(f"word {n}")
            await read_until(b'"word %d"' % n)
        puppet.end()
        await read_until(b"event: run.done")
        if end := await response.content.read():
            text += decode(end)
    assert text == await service.body(f"/v1/runs/{run_id}/events")


def _decoder(encoding: str) -> Any:
    if encoding == "gzip":
        return zlib.decompressobj(31).decompress
    return compression._load_zstd().ZstdDecompressor().decompress


async def test_compression_is_the_clients_wish(serve: Serve) -> None:
    service = await serve({"a": words("x")})
    run_id, body = await finished_run(service)
    path = f"/v1/runs/{run_id}/events"
    for accept in ("identity", "gzip;q=0", "br", "*;q=0"):
        answer = await service.call("GET", path, headers={"Accept-Encoding": accept})
        assert "Content-Encoding" not in answer.headers
        assert answer.body == body
