"""(r) what each dialect costs beside the service's own stream: the same agents, the same server, in turns."""

from __future__ import annotations

import statistics

import msgspec

from orchestrator.framing.base import DIALECTS

from ..contenders import Contender, all_running, read
from ..options import Options
from ..result import Column, Promise, Result, Rows, Sample
from ..sources import Plan

NATIVE = "event"
AT_MOST = 1.5
SPEAKERS = tuple(row.name for row in DIALECTS.values() if row.carrier == "stream" and row.says_pieces)

PLANS = {
    "words": (Plan("giving", 8, 10_000), Plan("giving", 8, 200)),
    "tools": (Plan("calling", 1, 800, rate=500), Plan("calling", 1, 40, rate=500)),
    "turns": (Plan("thinking", 4, 400, rate=500), Plan("thinking", 4, 40, rate=500)),
    "tools in bursts": (Plan("calling", 1, 16_000), Plan("calling", 1, 200)),
    "turns in bursts": (Plan("thinking", 4, 4_000), Plan("thinking", 4, 200)),
}
"""What is said → the plan in full, and as `--quick` has it; two of four events of all but words hold a mark."""


def dialects(options: Options) -> Result:
    """Agents of each plan, to one client in each dialect."""
    rows: Rows = {f"{name}, {said}": [] for said in PLANS for name in SPEAKERS}
    with all_running(["ours"]) as (ours,):
        for said, plans in PLANS.items():
            plan = plans[options.quick]
            first = msgspec.structs.replace(plan, tokens=plan.tokens // 10)
            for name in () if options.quick else SPEAKERS:
                _stream(ours, first, name)  # what is made once is not measured
            for _ in range(options.rounds):
                before = _stream(ours, plan, NATIVE)
                for name in SPEAKERS:
                    # Between the own stream and the own stream, so that all three met the same machine.
                    sample, after = _stream(ours, plan, name), _stream(ours, plan, NATIVE)
                    native_us = statistics.mean((before["cpu_us"], after["cpu_us"]))
                    rows[f"{name}, {said}"].append(sample | {"native_us": native_us})
                    before = after
    columns = (
        Column("cpu_us", "server CPU µs/event", 2),
        Column("native_us", "of the own stream beside it", 2),
        Column("bytes", "bytes/event"),
        Column("rate", "events/s"),
    )
    notes = [
        "Words: eight agents, each gives way after each token, so that fewer are joined than of agents that never "
        "wait. Tools: one agent says two pieces, calls a tool and hears its result. Turns: four agents think, call, "
        "hear and speak. Each of their events comes 2 ms after the one before; in bursts, 32 at once.",
        "The own stream stands beside itself, too: what is more or less than 1 there the machine has added.",
    ]
    promises = [_promise(row, samples) for row, samples in rows.items()]
    return Result("(r) agents in each dialect", columns, rows, promises, notes, first="dialect")


def _promise(row: str, samples: list[Sample]) -> Promise:
    found = tuple(sample["cpu_us"] / sample["native_us"] for sample in samples)
    at_most = None if row.startswith(f"{NATIVE},") else AT_MOST
    return Promise(f"CPU an event, {row} : own stream", found, at_most=at_most)


def _stream(contender: Contender, plan: Plan, dialect: str) -> Sample:
    events = plan.agents * plan.tokens
    marks = events if plan.kind == "giving" else events // 2
    request = contender.stream_request(plan).replace(" HTTP/1.1", f"?framing={dialect} HTTP/1.1", 1)
    before = contender.cpu_s()
    found = read(contender, [request])
    spent = contender.cpu_s() - before
    contender.tidy()
    if found["marks"] < marks:  # more, where the ends tell the whole text again
        raise RuntimeError(f"{dialect}: {found['marks']} of {marks} tokens came")
    return {
        "cpu_us": spent / events * 1e6,
        "bytes": found["bytes"] / events,
        "rate": events / ((found["end"] - found["begin"]) / 1e9),
    }
