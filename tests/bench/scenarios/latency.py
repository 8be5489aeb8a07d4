"""(c) what a server adds between an agent's yield and the client, (d) a quiet agent beside a flood."""

from __future__ import annotations

import statistics
import time

from ..contenders import UVLOOP, Contender, all_running, read
from ..options import Options
from ..result import Column, Promise, Result, Sample, ratios, take_turns
from ..sources import Plan

NAMES = ("ours", "tutorial", "stock", "sse", "limit")
RATE = 100.0
QUIET_RATE = 200.0
TUTORIAL_FLOOD_SECONDS = 0.2
OPENING_SECONDS = 0.4
"""From the plan to its begin: time for the client to connect."""

COLUMNS = (
    Column("p50_ms", "p50 ms", 3),
    Column("p99_ms", "p99 ms", 3),
    Column("max_ms", "max ms", 2),
    Column("cpu_us", "server CPU µs/token", 1),
)


def paced(options: Options) -> Result:
    """Eight agents at 100 tokens/s each, one client."""
    names = [*NAMES, *(name + UVLOOP for name in ("ours", "limit") if options.uvloop)]
    plan = Plan("paced", 8, options.pick(600, 60), RATE)
    with all_running(names) as contenders:
        by_name = {one.name: one for one in contenders}
        rows = take_turns(names, options.rounds, lambda name: _delays(by_name[name], plan, 8))
    over = tuple(
        ours["p99_ms"] - 2 * limit["p99_ms"] for ours, limit in zip(rows["ours"], rows["limit"], strict=True)
    )
    promises = [
        Promise("p99 of ours less 2 × the limit's, ms", over, at_most=1.0),
        Promise("p99, ours : limit", ratios(rows, "ours", "limit", "p99_ms")),
    ]
    return Result("(c) added latency, 8 agents × 100 tokens/s", COLUMNS, rows, promises)


def beside_flood(options: Options) -> Result:
    """One agent that never waits, one that speaks every 20 ms; delays of the quiet one only."""
    names = ("ours", "tutorial", "stock", "limit")
    with all_running(names) as contenders:
        by_name = {one.name: one for one in contenders}

        def once(name: str) -> Sample:
            seconds = TUTORIAL_FLOOD_SECONDS if name == "tutorial" else options.pick(2, 1)
            tokens, at = int(QUIET_RATE * seconds), time.monotonic_ns() + int(OPENING_SECONDS * 1e9)
            plan = Plan("beside_flood", 2, tokens, QUIET_RATE, seconds, at)
            return _delays(by_name[name], plan, 1)

        rows = take_turns(names, options.rounds, once)
    promises = [
        Promise("p99 of ours, ms", tuple(sample["p99_ms"] for sample in rows["ours"]), at_most=5.0),
        Promise("p99, ours : limit", ratios(rows, "ours", "limit", "p99_ms")),
    ]
    notes = [
        "Delays count from when a token was due, so that a server that stops the agent is not flattered: stock "
        f"merge begins the quiet one when the flood has ended. The tutorial's flood lasts {TUTORIAL_FLOOD_SECONDS} s "
        "only: its queue takes all of it in at once, and what is in it takes many times that long to write. "
        "The limit steps aside every 64 tokens and does nothing else, so its p99 is what the machine's own "
        "scheduling costs a process that never rests.",
    ]
    title = f"(d) a quiet agent ({QUIET_RATE:g} tokens/s) beside a flood of {options.pick(2, 1)} s"
    return Result(title, COLUMNS, rows, promises, notes)


def _delays(contender: Contender, plan: Plan, stamped: int) -> Sample:
    before = contender.cpu_s()
    found = read(contender, [contender.stream_request(plan)], mode="stamps")
    spent = contender.cpu_s() - before
    contender.tidy()
    delays = found["delays"]
    if len(delays) != plan.tokens * stamped:
        raise RuntimeError(f"{contender.name}: {len(delays)} of {plan.tokens * stamped} stamps came")
    tokens = found["marks"] / (2 if contender.ours else 1)
    return {**percentiles(delays), "cpu_us": spent / tokens * 1e6}


def percentiles(delays: list[int]) -> Sample:
    """Return p50, p99 and the longest of *delays* (nanoseconds) in milliseconds."""
    cuts = statistics.quantiles(delays, n=100, method="inclusive")
    return {"p50_ms": cuts[49] / 1e6, "p99_ms": cuts[98] / 1e6, "max_ms": max(delays) / 1e6}
