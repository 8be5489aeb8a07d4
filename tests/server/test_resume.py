"""Resuming as PROTOCOL.md has it: from any position exactly the rest, or a gap and the snapshot."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.eventlog import Entry, MemoryLog, subscription
from orchestrator.eventlog.base import Draft
from orchestrator.events import RunDone, Snapshot, Status
from orchestrator.run.channels import SYSTEM_CHANNEL
from tests.support.patience import PATIENCE_SECONDS, eventually

from ..support.probe import exchange
from ..support.service import (
    Event,
    Puppet,
    RetryLine,
    Serve,
    Service,
    endless,
    events_in,
    finished_part,
    finished_run,
    serving,
    talkative,
    words,
)

# ── resume ────────────────────────────────────────────────────────────────────────────────────


async def test_resuming_after_any_event_gives_exactly_the_rest(serve: Serve) -> None:
    service = await serve({"a": talkative, "b": talkative})
    run_id, body = await finished_run(service)
    events = events_in(body)
    assert len(events) >= 60
    for n, event in enumerate(events[:-1]):
        rest = await service.events(run_id, **{"Last-Event-ID": str(event.id)})
        assert rest == events[n + 1 :]
        assert rest == await service.events(run_id, f"?last_event_id={event.id}")
    start = f"{str(events[0].id).partition('-')[0]}-0"
    assert await service.events(run_id, **{"Last-Event-ID": start}) == events


async def test_stream_cut_at_any_byte_is_resumed_without_a_hole(serve: Serve) -> None:
    """What a client keeps of a cut stream is up to the last blank line; with what follows it is whole."""
    service = await serve({"a": talkative, "b": talkative})
    run_id, body = await finished_run(service)
    events = events_in(body)
    assert len(events) >= 60
    rests: dict[str | None, list[Event]] = {}
    for cut in range(len(body)):
        kept = events_in(finished_part(body[:cut]))
        last = kept[-1].id if kept else None
        if last not in rests and last != events[-1].id:
            headers = {"Last-Event-ID": last} if last else {}
            rests[last] = await service.events(run_id, **headers)
        assert kept + rests.get(last, []) == events
    assert len(rests) == len(events)


async def test_cutting_live_streams_again_and_again_loses_nothing(serve: Serve) -> None:
    service = await serve({"a": endless, "b": talkative})
    run_id = await service.start()
    path = f"/v1/runs/{run_id}/events"
    seen: list[Event] = []
    for n in range(40):
        headers = {"Last-Event-ID": str(seen[-1].id)} if seen else {}
        async with service.stream(path, headers=headers) as stream:
            seen += [await stream.event() for _ in range(1 + n % 3)]
    await service.call("POST", f"/v1/runs/{run_id}/cancel")
    seen += await service.events(run_id, **{"Last-Event-ID": str(seen[-1].id)})
    assert seen == await service.events(run_id)


async def test_cursor_at_the_end_of_an_ended_run_is_204(serve: Serve) -> None:
    """EventSource stops for good at a 204, which is what a finished run asks for."""
    puppet = Puppet()
    service = await serve({"a": puppet})
    run_id = await service.start()
    puppet.say("x")
    await eventually(lambda: service.run(run_id).snapshot().agents["a"].text == "x")
    path = f"/v1/runs/{run_id}/events"
    newest = str(service.run(run_id).state.last_event_id)
    async with service.stream(path, headers={"Last-Event-ID": newest}) as stream:
        assert isinstance(await stream.frame(), RetryLine), "a run that goes on is no 204"
        puppet.end()
        await stream.until("run.done")
    last = str(service.run(run_id).state.last_event_id)
    for options in ({"headers": {"Last-Event-ID": last}}, {"params": {"last_event_id": last}}):
        answer = await service.call("GET", path, **options)
        assert (answer.status, answer.body, answer.headers["Run-Id"]) == (204, b"", run_id)
    assert [e.type for e in await service.events(run_id, f"?last_event_id={newest}")] == [
        "a.done",
        "run.done",
    ]


class HeldLog(MemoryLog):
    """A log that has a run's end, while its writer does not hear so of the channels in `holds`."""

    def __init__(self, holds: Callable[[str], bool]) -> None:
        super().__init__()
        self._holds = holds
        self.released = asyncio.Event()

    async def append(self, channel: str, drafts: Sequence[Draft], **options: Any) -> list[Entry]:
        entries = await super().append(channel, drafts, **options)
        if self._holds(channel) and drafts[-1].agent_id is None and drafts[-1].type == RunDone.TYPE:
            await self.released.wait()
        return entries


async def test_run_has_ended_for_whoever_has_read_its_end(serve: Serve) -> None:
    """A client asks for the status, or comes back, right after `run.done`; dashboards' channel may be slow."""
    log = HeldLog(lambda channel: channel == SYSTEM_CHANNEL)
    service = await serve({"a": words("hi")}, log=log)
    run_id = await service.start()
    events = await service.events(run_id)
    assert (await service.call("GET", f"/v1/runs/{run_id}")).json["status"] == "completed"
    last = {"Last-Event-ID": str(events[-1].id)}
    assert (await service.call("GET", f"/v1/runs/{run_id}/events", headers=last)).status == 204
    log.released.set()


async def test_client_that_has_the_end_before_its_writer_knows_is_not_kept_waiting(serve: Serve) -> None:
    """A shared store hands the end to readers before it has answered the worker that wrote it."""
    log = HeldLog(lambda channel: channel != SYSTEM_CHANNEL)
    service = await serve({"a": words("hi")}, log=log)
    run_id = await service.start()
    events = await service.events(run_id)
    last = {"Last-Event-ID": str(events[-1].id)}
    assert service.run(run_id).status == "running"
    assert await service.events(run_id, **last) == []
    log.released.set()
    await service.ended(run_id)
    assert (await service.call("GET", f"/v1/runs/{run_id}/events", headers=last)).status == 204


async def test_log_that_begins_anew_before_the_first_event_is_no_gap() -> None:
    """Two POSTs with one key, at the same instant: the second follows a channel that is not in the file yet."""
    log = MemoryLog()

    async def snapshots() -> list[Snapshot]:
        return []

    async with aclosing(subscription.follow(log, subscription.View("room", "r"), None, snapshots)) as items:
        first = asyncio.create_task(anext(items))
        await eventually(lambda: "room" in log._channels and log._channels["room"].readers)
        await log.erase("room", "r")
        await log.append("room", [Draft("r", None, "started", b"{}")])
        async with asyncio.timeout(PATIENCE_SECONDS):
            entries = await first
    assert isinstance(entries, list)
    assert [(entry.seq, entry.type) for entry in entries] == [(1, "started")]


async def test_header_wins_over_the_query(serve: Serve) -> None:
    service = await serve({"a": words("x")})
    run_id, body = await finished_run(service)
    events = events_in(body)
    rest = await service.events(
        run_id, f"?last_event_id={events[0].id}", **{"Last-Event-ID": str(events[1].id)}
    )
    assert rest == events[2:]


async def test_empty_cursor_is_none(serve: Serve) -> None:
    """EventSource sends no header then, and a page's `?last_event_id=${last ?? ""}` means the same."""
    service = await serve({"a": words("x")})
    run_id, body = await finished_run(service)
    assert await service.events(run_id, "?last_event_id=") == events_in(body)
    assert await service.events(run_id, **{"Last-Event-ID": ""}) == events_in(body)


# ── gaps ──────────────────────────────────────────────────────────────────────────────────────

ODD_CURSORS = [
    ("-1", "malformed"),
    ("abcd", "malformed"),
    ("abcd-", "malformed"),
    ("abcd--1", "malformed"),
    ("abcd-01", "malformed"),
    ("abcd-1.0", "malformed"),
    ("ABCD-1", "malformed"),
    ("abc-1", "malformed"),
    ("abcdefghijklmnopq-1", "malformed"),
    (" ", "malformed"),
    ("{epoch}-1 ", "malformed"),
    ("{epoch}-1\n", "malformed"),
    ("\0", "malformed"),
    ("{epoch}-1\0", "malformed"),
    ("{epoch}-\u0661", "malformed"),
    ("\u00e9\U0001f600", "malformed"),
    ("x" * 8192, "malformed"),
    ("9" * 5000, "malformed"),
    ("{epoch}-" + str(2**63), "malformed"),
    ("{epoch}-" + str(2**64), "malformed"),
    ("{epoch}-" + str(2**63 - 1), "ahead"),
    ("{epoch}-{ahead}", "ahead"),
    ("zzzz9999-1", "epoch"),
    ("zzzz9999-0", "epoch"),
]


def check_gap(events: list[Event], reason: str, newest: str | None) -> None:
    gap, snapshot = events[:2]
    assert (gap.type, gap.id, gap.name) == ("run.gap", None, "run.gap")
    assert gap.data.keys() == {"type", "t", "reason", "requested", "earliest", "latest"}
    assert gap.data["reason"] == reason
    assert gap.data["latest"] == newest
    assert (snapshot.type, snapshot.id) == ("run.snapshot", newest)
    assert snapshot.data["last_event_id"] == newest


@pytest.mark.parametrize(("cursor", "reason"), ODD_CURSORS)
@pytest.mark.parametrize("ended", [False, True])
async def test_useless_cursor_gives_a_gap_then_the_snapshot_then_goes_on(
    cursor: str, reason: str, ended: bool, serve: Serve
) -> None:
    puppet = Puppet()
    service = await serve({"a": puppet})
    run_id = await service.start()
    puppet.say("said ")
    await eventually(lambda: service.run(run_id).snapshot().agents["a"].text == "said ")
    if ended:
        puppet.end()
        await service.ended(run_id)
    newest = str(service.run(run_id).state.last_event_id)
    epoch, _, last = newest.partition("-")
    cursor = cursor.format(epoch=epoch, ahead=int(last) + 1)
    path = f"/v1/runs/{run_id}/events"
    async with service.stream(path, params={"last_event_id": cursor}) as stream:
        events = [await stream.event(), await stream.event()]
        check_gap(events, reason, newest)
        assert cursor.startswith(events[0].data["requested"])
        assert len(events[0].data["requested"]) <= 200
        assert events[1].data["agents"]["a"]["text"] == "said "
        if ended:
            assert await stream.rest() == []
        else:
            puppet.say("on")
            puppet.end()
            assert [e.type for e in await stream.until("run.done")] == ["a.token", "a.done", "run.done"]
    if ended:
        # The snapshot's id is a cursor like any other.
        answer = await service.call("GET", path, headers={"Last-Event-ID": newest})
        assert answer.status == 204


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (b"-1", 200),
        (b"\xff\xfe", 200),
        (b"\xc3\xa9", 200),
        (b"x" * 8192, 200),
        (b"a\0b", 400),
        (b"x" * 100_000, 400),
    ],
)
async def test_odd_bytes_in_the_header_are_a_gap_or_no_http(value: bytes, status: int) -> None:
    async with serving({"a": words("x")}) as service:
        run_id, _ = await finished_run(service)
        request = (
            b"GET /v1/runs/%b/events HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Last-Event-ID: %b\r\n\r\n"
        )
        head, body = await exchange(service.port, request % (run_id.encode(), value))
    assert head.startswith((b"HTTP/1.1 %d " % status, b"HTTP/1.0 %d " % status))
    if status == 200:
        assert b"event: run.gap" in body
        assert b"event: run.snapshot" in body
        assert body.endswith(b"0\r\n\r\n"), "the stream ends in good order"
    else:
        assert json.loads(body)["status"] == 400


def small_log() -> MemoryLog:
    return MemoryLog(max_channel_bytes=20_000)


async def test_cursor_that_was_trimmed_away_gives_a_gap(serve: Serve) -> None:
    service = await serve({"a": endless}, log=small_log())
    run_id = await service.start()
    async with service.stream(f"/v1/runs/{run_id}/events") as stream:
        first = str((await stream.event()).id)
    epoch = first.partition("-")[0]
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (await service.supervisor.log.open(run_id)).first == 1:
            await asyncio.sleep(0.02)
    for headers in ({"Last-Event-ID": first}, {}):
        async with service.stream(f"/v1/runs/{run_id}/events", headers=headers) as stream:
            gap = await stream.event()
            assert (gap.type, gap.data["reason"]) == ("run.gap", "trimmed")
            assert gap.data["requested"] == (first if headers else f"{epoch}-0")
            assert int(gap.data["earliest"].partition("-")[2]) > 1
            snapshot = await stream.event()
            assert snapshot.data["last_event_id"] == snapshot.id
            newest, held = (int(str(at).partition("-")[2]) for at in (gap.data["latest"], snapshot.id))
            assert newest >= held, "the agent talks on meanwhile, but the notice is no older than the state"
            said = len(snapshot.data["agents"]["a"]["text"])
            following = [await stream.event() for _ in range(5)]
            sequence = [int(str(e.id).partition("-")[2]) for e in (snapshot, *following)]
            assert sequence == list(range(sequence[0], sequence[0] + 6))
            whole = service.run(run_id).snapshot().agents["a"].text
            assert whole[said:].startswith("".join(e.data["text"] for e in following))


async def test_cursor_trimmed_away_during_replay_gives_the_same_gap(
    monkeypatch: pytest.MonkeyPatch, serve: Serve
) -> None:
    """A reader that falls behind the trimming is told, in the middle of its stream."""
    monkeypatch.setattr(subscription, "PAGE_EVENTS", 4)
    log, puppet = small_log(), Puppet()
    service = await serve({"a": puppet}, log=log)
    run_id = await service.start()
    for n in range(12):
        puppet.say(Status(f"early {n}"))
    await eventually(lambda: log.size > 12 * 200)
    items = subscription.follow(
        log, subscription.View(run_id, run_id), None, lambda: _snapshots(service, run_id)
    )
    first = await anext(items)
    assert isinstance(first, list)
    assert [entry.seq for entry in first] == [1, 2, 3, 4]
    for n in range(200):
        puppet.say(Status(f"late {n}"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        # All of them, for what comes after the gap may be trimmed away as well before it is read.
        while (await log.open(run_id)).last < 2 + 12 + 200:
            await asyncio.sleep(0.01)
    gap = await anext(items)
    assert isinstance(gap, subscription.Gap)
    assert gap.notice.reason == "trimmed"
    assert (await log.open(run_id)).first >= 50
    assert gap.notice.requested == f"{gap.cursor.epoch}-4"
    assert gap.snapshots[0].last_event_id == f"{gap.cursor.epoch}-{gap.cursor.seq}"
    puppet.end()
    rest = [entry.seq async for page in items if isinstance(page, list) for entry in page]
    assert rest[0] == gap.cursor.seq + 1
    assert rest == list(range(rest[0], rest[0] + len(rest)))
    await items.aclose()


async def _snapshots(service: Service, run_id: str) -> list[Any]:
    return [service.run(run_id).snapshot()]


async def test_message_framing_has_gaps_without_names_too(serve: Serve) -> None:
    service = await serve({"a": words("x")})
    run_id, _ = await finished_run(service)
    events = await service.events(run_id, "?framing=message&last_event_id=no")
    assert [(e.type, e.name) for e in events] == [("run.gap", None), ("run.snapshot", None)]


# ── gaps on a log that takes its time ─────────────────────────────────────────────────────────


class LateLog(MemoryLog):
    """A log whose writer hears late that its entries are there, as one on a disk or behind a network does."""

    async def append(self, channel: str, drafts: Sequence[Draft], **options: Any) -> list[Entry]:
        await asyncio.sleep(0.003)
        entries = await super().append(channel, drafts, **options)
        await asyncio.sleep(0.02)
        return entries


@pytest.mark.parametrize("log", [MemoryLog, LateLog])
@pytest.mark.parametrize("view", ["own channel", "shared channel", "channel"])
async def test_snapshot_after_a_gap_and_what_follows_it_fit_together(
    log: type[MemoryLog], view: str, serve: Serve
) -> None:
    """Nothing twice and nothing missing where they meet, however the append races with the gap."""

    async def counting(request: AgentInput) -> AsyncGenerator[Emission, None]:
        for n in range(300):
            yield f"{n} "
            await asyncio.sleep(0.002)

    channel = None if view == "own channel" else "room"
    service = await serve({"a": counting, "b": counting}, log=log())
    runs = [await service.start(agents=agents, channel=channel) for agents in (["a", "b"], ["a"])]
    path = "/v1/channels/room/events" if view == "channel" else f"/v1/runs/{runs[0]}/events"
    followed = runs if view == "channel" else runs[:1]
    told: list[list[Event]] = []

    async def look() -> None:
        async with service.stream(path, headers={"Last-Event-ID": "no-such"}) as stream:
            seen = await stream.until("run.done")
            for _ in followed[1:]:
                seen += await stream.until("run.done")
            told.append(seen)

    async with asyncio.TaskGroup() as group:
        for _ in range(30):
            group.create_task(look())
            await asyncio.sleep(0.01)
    for run_id in runs:
        await service.ended(run_id)
    whole = "".join(f"{n} " for n in range(300))
    assert len(told) == 30
    for gap, *events in told:
        assert gap.type == "run.gap"
        for run_id in followed:
            own = [e for e in events if e.data.get("run_id", run_id) == run_id]
            (snapshot,) = [e for e in own if e.type == "run.snapshot"]
            for agent_id, agent in snapshot.data["agents"].items():
                rest = [e.data["text"] for e in own if e.type == f"{agent_id}.token"]
                assert agent["text"] + "".join(rest) == whole
