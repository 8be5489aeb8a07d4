"""(f) what an idle subscriber holds in memory, (g) the replay of a long run."""

from __future__ import annotations

import time

from ..contenders import Contender, all_running, holding, read, running
from ..options import Options
from ..result import Column, Promise, Result, Sample, ratios, take_turns
from ..sources import Plan

WATCHED = ("ours", "tutorial", "sse", "limit")
SETTLE_SECONDS = 1.0
REPLAYED_AT_ONCE = 10


def idle_subscribers(options: Options) -> Result:
    """Resident bytes for each of many subscribers to whom nothing is said."""
    count = options.pick(900, 100)
    rounds = min(options.rounds, 3)

    def once(name: str) -> Sample:
        # A process of its own each time: what was held once is not given back.
        with running(name) as contender:
            warm, _ = contender.open_room(Plan("idle", 1, seconds=60))
            with holding(contender, [contender.watch_request(warm)] * 10):
                time.sleep(SETTLE_SECONDS / 4)
            room, _ = contender.open_room(Plan("idle", 1, seconds=60))
            before = contender.memory()["now"]
            with holding(contender, [contender.watch_request(room)] * count):
                time.sleep(SETTLE_SECONDS)
                spent = contender.cpu_s()
                time.sleep(SETTLE_SECONDS)
                return {
                    "kib": (contender.memory()["now"] - before) / count / 1024,
                    "cpu_us": (contender.cpu_s() - spent) / SETTLE_SECONDS / count * 1e6,
                }

    rows = take_turns(WATCHED, rounds, once)
    columns = (Column("kib", "KiB each", 1), Column("cpu_us", "CPU µs/s each", 1))
    promises = [Promise("bytes, ours : tutorial", ratios(rows, "ours", "tutorial", "kib"))]
    notes = ["The kernel's socket buffers are not counted; they are empty here, and the same for all."]
    return Result(f"(f) {count} idle subscribers of one run", columns, rows, promises, notes)


def replay(options: Options) -> Result:
    """A run of many events that cannot be joined, read from its start after its end."""
    events = options.pick(100_000, 4_000)
    plan = Plan("distinct", 8, events // 8)
    with all_running(["ours", "limit"]) as (ours, limit):
        run_id = _finished(ours, plan)

        def once(name: str) -> Sample:
            if name == "limit":
                request = limit.stream_request(Plan("flood", 8, plan.tokens))
                request = request.replace(" HTTP/1.1", "&pipe=1 HTTP/1.1", 1)
                return _read(limit, [request], events)
            readers = REPLAYED_AT_ONCE if name.endswith("at once") else 1
            return _read(ours, [ours.watch_request(run_id)] * readers, events)

        names = ("ours", f"ours, {REPLAYED_AT_ONCE} at once", "limit")
        rows = take_turns(names, options.rounds, once)
        held = ours.call("GET", "/v1/runs?limit=1")["runs"][0]["status"]
        ours.tidy()
    columns = (
        Column("seconds", "s", 3),
        Column("rate", "events/s"),
        Column("cpu_us", "server CPU µs/event", 2),
        Column("grown_mib", "peak MiB above idle", 1),
    )
    promises = [Promise("events/s, ours : limit", ratios(rows, "ours", "limit", "rate"))]
    notes = [
        "The first reader frames each entry and the frame is kept, so later ones cost less. The limit writes as many "
        f"prepared frames; the rivals keep nothing to replay. The run ended {held}.",
    ]
    return Result(f"(g) replay of {events:,} events", columns, rows, promises, notes)


def _finished(contender: Contender, plan: Plan) -> str:
    run_id, _ = contender.open_room(plan)
    while contender.call("GET", f"/v1/runs/{run_id}")["status"] == "running":
        time.sleep(0.2)
    return run_id


def _read(contender: Contender, requests: list[str], events: int) -> Sample:
    contender.forget_peak()
    idle, before = contender.memory()["now"], contender.cpu_s()
    found = read(contender, requests)
    spent = contender.cpu_s() - before
    seconds = (found["end"] - found["begin"]) / 1e9
    total = events * len(requests)
    if found["marks"] < total:
        raise RuntimeError(f"{contender.name}: {found['marks']} of {total} events came")
    return {
        "seconds": seconds, "rate": total / seconds, "cpu_us": spent / total * 1e6,
        "grown_mib": max(0, contender.memory()["peak"] - idle) / 2**20,
    }  # fmt: skip
