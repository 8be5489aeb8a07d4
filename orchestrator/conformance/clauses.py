"""The protocol's promises, each as one check: what it says, and how a server is caught that breaks it."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from .probe import STREAM, Probe, WireEvent, expect
from .silence import a_silent_stream_lives
from .trimming import no_silent_hole

CUTS = 12
"""Random bytes at which a stream is cut; each is a new connection."""

TERMINALS = frozenset({"done", "error", "cancelled"})
_ID = re.compile(r"([a-z0-9]{4,16})-([1-9][0-9]*)")
_PROBLEM = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Clause:
    """One promise. `section` is its heading in the handbook's protocol page."""

    name: str
    section: str
    says: str
    check: Callable[[Probe], Awaitable[None]]


CLAUSES: list[Clause] = []


def clause(section: str, says: str) -> Callable[[Callable[[Probe], Awaitable[None]]], None]:
    """Add the decorated check to the clauses, under its own name."""

    def add(check: Callable[[Probe], Awaitable[None]]) -> None:
        CLAUSES.append(Clause(check.__name__, section, says, check))

    return add


async def _whole(probe: Probe) -> tuple[str, list[WireEvent]]:
    """Return a run that has ended, and all of its events."""
    run_id = await probe.start()
    return run_id, (await probe.read(f"/v1/runs/{run_id}/events")).events


@clause("Promises", "run.started is first, run.done last; one terminal event per attempt, nothing after it")
async def order_of_a_run(probe: Probe) -> None:
    _, events = await _whole(probe)
    names = [event.name for event in events]
    expect(names[:1] == ["run.started"], f"the first event is {names[:1]}")
    expect(names[-1:] == ["run.done"], f"the last event is {names[-1:]}")
    expect(names.count("run.done") == 1, "there are several run.done")
    ended: dict[str, bool] = {}
    for event in events:
        if event.agent_id is None:
            continue
        if event.type in ("started", "retry"):
            ended[event.agent_id] = False
        else:
            expect(not ended.get(event.agent_id), f"{event.name} comes after the attempt's end")
            ended[event.agent_id] = event.type in TERMINALS
    known = {info["agent_id"] for info in events[0].data["agents"]}
    expect(known <= {agent for agent, is_over in ended.items() if is_over}, "an agent has no terminal event")


@clause("The stream", "an event's name is agent and type, and its data repeats both; t never falls")
async def names_and_data(probe: Probe) -> None:
    _, events = await _whole(probe)
    last = 0
    for event in events:
        who = event.agent_id or event.name.partition(".")[0]
        expect(event.name == f"{who}.{event.type}", f"{event.name} has the data of {who}.{event.type}")
        t = event.data.get("t")
        expect(isinstance(t, int) and t >= last, f"{event.name} has t {t!r} after {last}")
        last = t if isinstance(t, int) else last


@clause("Words", "ids are <epoch>-<seq> and rise without a repetition")
async def ids_rise(probe: Probe) -> None:
    _, events = await _whole(probe)
    found = [_ID.fullmatch(event.id or "") for event in events]
    expect(all(found), "an event has no id of the form <epoch>-<seq>")
    seqs = [int(match[2]) for match in found if match]
    expect(len({match[1] for match in found if match}) == 1, "the epoch changes within a stream")
    expect(seqs == sorted(set(seqs)), "ids do not rise")


@clause("Promises", "the token texts of an attempt, joined, equal done.text")
async def tokens_make_the_text(probe: Probe) -> None:
    _, events = await _whole(probe)
    texts: dict[str, str] = {}
    for event in events:
        agent = event.agent_id or ""
        if event.type in ("started", "retry"):
            texts[agent] = ""
        elif event.type == "token" and event.data.get("parent") is None:
            texts[agent] = texts.get(agent, "") + event.data["text"]
        elif event.type == "done" and agent:
            expect(texts.get(agent, "") == event.data.get("text"), f"{agent}'s tokens are not its done.text")


@clause("Resume", "cut at any byte and taken up by the last id, a stream has each event once, in order")
async def cuts_lose_nothing(probe: Probe) -> None:
    run_id, events = await _whole(probe)
    path, chance = f"/v1/runs/{run_id}/events", random.Random(run_id)  # noqa: S311  it only chooses where to cut
    size = len((await probe.read(path)).body)
    whole = [(event.id, event.data) for event in events]
    for _ in range(CUTS):
        begun = (await probe.read(path, most=chance.randrange(1, size))).events
        last = next((event.id for event in reversed(begun) if event.id), None)
        rest = (await probe.read(path, after=last)).events
        received = [(event.id, event.data) for event in (*begun, *rest)]
        expect(
            received == whole,
            f"after {last} the stream has {len(received)} events instead of {len(whole)}, or others",
        )


@clause("Resume", "a cut while agents speak loses nothing either")
async def live_cuts_lose_nothing(probe: Probe) -> None:
    run_id = await probe.start()
    path, chance = f"/v1/runs/{run_id}/events", random.Random(run_id)  # noqa: S311  it only chooses where to cut
    received: list[WireEvent] = []
    seen: set[str | None] = set()
    first = 0
    while not received or received[-1].name != "run.done":
        last = next((event.id for event in reversed(received) if event.id), None)
        # The first piece is hardly longer than its first event, for a run that is never cut shows nothing.
        first += 300
        most = chance.randrange(400, 4000) if received else first
        reply = await probe.read(path, after=last, most=most)
        more = reply.events
        # A server that ends each stream before its last event would be asked for ever.
        expect(more or len(reply.body) >= most, f"after {last} the stream ends, and run.done was not in it")
        again = [event.id for event in more if event.id in seen]
        expect(not again, f"after {last} the stream has {again[:1]} again")
        seen |= {event.id for event in more}
        received += more
    whole = (await probe.read(path)).events
    expect(
        [(e.id, e.data) for e in received] == [(e.id, e.data) for e in whole],
        "a live reader saw other events",
    )


@clause("Resume", "a cursor at the end of a finished run is answered with 204")
async def nothing_after_the_end(probe: Probe) -> None:
    run_id, events = await _whole(probe)
    reply = await probe.read(f"/v1/runs/{run_id}/events", after=events[-1].id)
    expect(reply.status == 204, f"it is answered with {reply.status}")


@clause("Resume", "a cursor that cannot be used gives run.gap, which has no id, then run.snapshot")
async def strange_cursors_give_a_gap(probe: Probe) -> None:
    run_id, events = await _whole(probe)
    epoch = (events[0].id or "").partition("-")[0]
    for cursor, reason in (("no cursor", "malformed"), ("zzzz9-1", "epoch"), (f"{epoch}-999999999", "ahead")):
        received = (await probe.read(f"/v1/runs/{run_id}/events", after=cursor)).events
        names = [event.name for event in received[:2]]
        expect(names == ["run.gap", "run.snapshot"], f"{cursor!r} gives {names}")
        expect(received[0].id is None, "run.gap has an id, so it becomes a cursor")
        expect(
            received[0].data.get("reason") == reason, f"{cursor!r} is called {received[0].data.get('reason')}"
        )


clause("Resume", "whoever stands where a log was trimmed gets run.gap first; nobody gets a hole")(
    no_silent_hole
)


clause("The stream", "a comment comes at least every 15 s of silence")(a_silent_stream_lives)


@clause("Calls", "a cancel is acknowledged at once; each agent's cancelled follows, and again is no error")
async def a_cancel_ends_a_run(probe: Probe) -> None:
    run_id = await probe.start()
    await probe.read(f"/v1/runs/{run_id}/events", until="started")
    reply = await probe.call("POST", f"/v1/runs/{run_id}/cancel")
    expect(reply.status == 202, f"a cancel is answered with {reply.status}")
    was_running = any(each["status"] not in TERMINALS for each in reply.json["agents"].values())
    events = (await probe.read(f"/v1/runs/{run_id}/events")).events
    ends = {event.agent_id: event.type for event in events if event.agent_id and event.type in TERMINALS}
    expect("cancelled" in ends.values() or not was_running, "what was running was not cancelled")
    expect(set(reply.json["agents"]) <= set(ends), "an agent has no terminal event")
    expect(events[-1].name == "run.done", "a cancelled run does not end with run.done")
    late = await probe.call("POST", f"/v1/runs/{run_id}/cancel")
    expect(late.status == 202, f"a cancel of an ended run is answered with {late.status}")


@clause("Snapshot", "the snapshot of an ended run is what its events add up to")
async def the_snapshot_agrees(probe: Probe) -> None:
    run_id, events = await _whole(probe)
    state = (await probe.call("GET", f"/v1/runs/{run_id}")).json
    expect(state.get("last_event_id") == events[-1].id, "last_event_id is not the last event's id")
    expect(state.get("status") == events[-1].data.get("status"), "status is not run.done's")
    texts = {
        event.agent_id: event.data["text"] for event in events if event.agent_id and event.type == "done"
    }
    for agent_id, text in texts.items():
        expect(state["agents"][agent_id]["text"] == text, f"{agent_id}'s text is not its done.text")


@clause("Dialects", "framing=message leaves out the event lines, and nothing else")
async def message_framing(probe: Probe) -> None:
    run_id, events = await _whole(probe)
    plain = (await probe.read(f"/v1/runs/{run_id}/events?framing=message")).events
    expect(all(event.name == "message" for event in plain), "an event has a name")
    expect([(e.id, e.data) for e in plain] == [(e.id, e.data) for e in events], "the events are others")


@clause("The stream", "?agents= keeps those agents' events and every run.*, with the log's ids")
async def the_filter(probe: Probe) -> None:
    run_id, events = await _whole(probe)
    agent = next((event.agent_id for event in events if event.agent_id), None)
    expect(agent, "no event is of an agent")
    received = (await probe.read(f"/v1/runs/{run_id}/events?agents={agent}")).events
    wanted = [event.id for event in events if event.agent_id in (None, agent)]
    expect([event.id for event in received] == wanted, "the filtered stream has other events")


@clause("The stream", "headers, and bytes at once")
async def headers_of_a_stream(probe: Probe) -> None:
    run_id = await probe.start()
    reply = await probe.read(f"/v1/runs/{run_id}/events", most=1)
    kind = reply.headers.get("Content-Type", "")
    expect(kind.partition(";")[0] == "text/event-stream", f"the content type is {kind}")
    expect("no-store" in reply.headers.get("Cache-Control", ""), "a cache may keep it")
    expect(reply.headers.get("Run-Id") == run_id, "Run-Id is missing or another")
    expect(reply.body, "no byte came")


@clause("Calls", "a repeated POST with the same Idempotency-Key returns the run that the first one started")
async def idempotency(probe: Probe) -> None:
    key = {"Idempotency-Key": secrets.token_hex(16)}
    first = await probe.call("POST", "/v1/runs", json=probe.start_body, headers=key)
    second = await probe.call("POST", "/v1/runs", json=probe.start_body, headers=key)
    expect(first.json.get("run_id") == second.json.get("run_id"), "the second call started another run")


@clause("Calls", "the cancel of one agent ends it, and leaves the others as they are")
async def a_cancel_of_one_agent(probe: Probe) -> None:
    run_id = await probe.start()
    begun = (await probe.read(f"/v1/runs/{run_id}/events", until="started")).events
    known = [info["agent_id"] for info in begun[0].data["agents"]]
    reply = await probe.call("POST", f"/v1/runs/{run_id}/agents/{known[0]}/cancel")
    expect(reply.status == 202, f"it is answered with {reply.status}")
    events = (await probe.read(f"/v1/runs/{run_id}/events")).events
    ends = {event.agent_id: event.type for event in events if event.agent_id and event.type in TERMINALS}
    expect(set(known) <= set(ends), "an agent has no terminal event")
    others = {agent for agent in known[1:] if ends[agent] == "cancelled"}
    expect(not others, f"{sorted(others)} were cancelled, too")
    was_running = reply.json["agents"][known[0]]["status"] not in TERMINALS
    expect(ends[known[0]] == "cancelled" or not was_running, "what was running was not cancelled")


@clause("Calls", "a retry is refused with 409 once the run has ended, and 404 for who takes no part")
async def a_late_retry(probe: Probe) -> None:
    run_id, events = await _whole(probe)
    agent = events[0].data["agents"][0]["agent_id"]
    late = await probe.call("POST", f"/v1/runs/{run_id}/agents/{agent}/retry")
    expect(late.status == 409, f"a retry in an ended run is answered with {late.status}")
    strange = await probe.call("POST", f"/v1/runs/{run_id}/agents/nobody-1/retry")
    expect(strange.status == 404, f"a retry of nobody is answered with {strange.status}")


@clause(
    "Calls", "a retry begins another attempt of an agent that has ended, and leaves the others as they are"
)
async def a_retry(probe: Probe) -> None:
    run_id = await probe.start()
    path = f"/v1/runs/{run_id}"
    begun = (await probe.read(f"{path}/events", until="started")).events
    # Of `run.started`, which may come alone: whoever has begun by then has it in a later event.
    agent = begun[0].data["agents"][0]["agent_id"]
    await probe.call("POST", f"{path}/agents/{agent}/cancel")
    await probe.read(
        f"{path}/events",
        until=lambda received: any(each.agent_id == agent and each.type in TERMINALS for each in received),
    )
    reply = await probe.call("POST", f"{path}/agents/{agent}/retry")
    if reply.status == 409 and (await probe.call("GET", path)).json.get("status") not in (
        "queued",
        "running",
    ):
        return  # nobody else had anything left to say
    expect(reply.status == 202, f"a retry while the run is open is answered with {reply.status}")
    attempts: dict[str, list[object]] = {}
    ends: dict[str, WireEvent] = {}
    for event in (await probe.read(f"{path}/events")).events:
        if event.agent_id and event.type == "started":
            attempts.setdefault(event.agent_id, []).append(event.data.get("attempt"))
        elif event.agent_id and event.type in TERMINALS:
            ends[event.agent_id] = event
    expect(attempts.pop(str(agent), []) == [1, 2], "the agent has no second attempt")
    expect(ends[str(agent)].data.get("attempt") == 2, "the second attempt has no end")
    expect(all(found == [1] for found in attempts.values()), "another agent began anew, too")


@clause("Calls", "a run that was deleted is gone: 204, then 410 for its state and its stream")
async def a_deleted_run(probe: Probe) -> None:
    run_id, _ = await _whole(probe)
    reply = await probe.call("DELETE", f"/v1/runs/{run_id}")
    expect(reply.status == 204, f"a DELETE is answered with {reply.status}")
    for path in (f"/v1/runs/{run_id}", f"/v1/runs/{run_id}/events"):
        late = await probe.call("GET", path)
        expect(late.status == 410, f"GET {path} is answered with {late.status} afterwards")


@clause("The stream", "a channel's stream has each of its runs' events, each with its run_id")
async def channels(probe: Probe) -> None:
    channel = f"conformance-{secrets.token_hex(8)}"
    runs = [await probe.start(channel=channel) for _ in range(2)]

    def is_over(events: list[WireEvent]) -> bool:
        return sum(event.name == "run.done" for event in events) == len(runs)

    received = (await probe.read(f"/v1/channels/{channel}/events", until=is_over)).events
    for run_id in runs:
        own = (await probe.read(f"/v1/runs/{run_id}/events")).events
        expect(own, "a run of a channel has no events of its own")
        heard = [(event.id, _bare(event.data)) for event in received if event.data.get("run_id") == run_id]
        expect(heard == [(event.id, _bare(event.data)) for event in own], "its run's events are others")


def _bare(data: dict[str, Any]) -> dict[str, Any]:
    """Return an event's data without what a channel and a WebSocket add to it."""
    return {key: value for key, value in data.items() if key not in ("id", "run_id", "ref")}


def _ends_run(message: dict[str, Any]) -> bool:
    return message.get("type") == "done" and "agent_id" not in message


@clause("WebSocket", "a run that a socket starts is the run that a stream has; attach goes on after a cursor")
async def websocket(probe: Probe) -> None:
    async with probe.socket() as socket:
        await socket.ask(op="start", ref="first", **probe.start_body)
        messages = await socket.read(_ends_run)
        run_id = messages[0].get("run_id")
        expect(messages[0].get("ref") == "first", "run.started has not the ref of who started it")
        expect(
            all(message.get("run_id") == run_id for message in messages), "an event has no run_id, or another"
        )
        events = (await probe.read(f"/v1/runs/{run_id}/events")).events
        whole = [(event.id, _bare(event.data)) for event in events]
        expect([(each.get("id"), _bare(each)) for each in messages] == whole, "the events are others")
        middle = len(whole) // 2
        await socket.ask(op="attach", ref="late", run_id=run_id, after=whole[middle][0])
        late = await socket.read(_ends_run)
        expect(
            [each.get("id") for each in late] == [at for at, _ in whole[middle + 1 :]], "attach has others"
        )
        await socket.ask(op="attach", ref="none", run_id="run_that_never_was")
        (refused,) = await socket.read(lambda message: message.get("op") == "error")
        expect(refused.get("ref") == "none", "an error has not the ref of its request")
        expect(
            refused.get("problem", {}).get("status") == 404, "an error is no problem document of status 404"
        )


@clause("Problems", "failures before a stream are problem documents with the right status")
async def problems(probe: Probe) -> None:
    json_type = {"Content-Type": "application/json"}
    asked = [
        (404, await probe.call("GET", "/v1/runs/run_that_never_was")),
        (400, await probe.call("POST", "/v1/runs", data=b"{", headers=json_type)),
        (415, await probe.call("POST", "/v1/runs", data=b"{}", headers={"Content-Type": "text/plain"})),
        (
            422,
            await probe.call(
                "POST", "/v1/runs", json={"message": "x", "agents": ["nobody-1"]}, headers=STREAM
            ),
        ),
        (422, await probe.call("POST", "/v1/runs", json={})),
    ]
    for status, reply in asked:
        expect(reply.status == status, f"{reply.status} instead of {status}")
        kind = reply.headers.get("Content-Type", "").partition(";")[0]
        expect(kind == _PROBLEM, f"a {status} is {kind}, not {_PROBLEM}")
        expect(reply.json.get("status") == status, f"a {status} says status {reply.json.get('status')}")
