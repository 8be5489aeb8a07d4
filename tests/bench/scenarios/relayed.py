"""(m) starts, (n) tokens that are relayed, (o) runs carried, (q) memory: beside a loop written by hand.

All servers ask the same model server. `F` of the tables is the tutorial's server with the stock SDK, `hand` is what
a good engineer writes in an afternoon, `bare` what the loop and the sockets cost by themselves.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

from ..contenders import UVLOOP, Contender, all_running, holding, read, running
from ..options import Options
from ..result import Column, Promise, Result, Rows, Sample, ratios, take_turns
from ..sources import Plan
from .latency import percentiles
from .load import SAID_SECONDS, carry, model_upstream, most

NAMES = ("ours", "hand", "tutorial", "bare")
START_AGENTS, START_TOKENS = 3, 3
AT_ONCE = 50
SETTLE_SECONDS = 1.0
BUSY_SECONDS = 0.02
"""CPU in that time, above which a server is still at work."""


def starts(options: Options) -> Result:
    """What a run of three agents × three tokens costs, and when its first token comes: alone, and of fifty at once."""
    runs, alone = options.pick(60, 10), options.pick(10, 3)
    quick = Plan("sdk", START_AGENTS, START_TOKENS, model=f"bench-{START_TOKENS}@full")

    def once(contender: Contender) -> Sample:
        cost = _asked(contender, [quick] * runs, spread_s=runs / 15)
        one = [_first(_asked(contender, [quick])) for _ in range(alone)]
        many = _asked(contender, [quick] * options.pick(AT_ONCE, 10))
        return {
            "cpu_ms": cost["cpu_s"] / runs * 1e3,
            "alone_ms": statistics.median(one),
            "storm_ms": _first(many),
            "storm_cpu_ms": many["cpu_s"] / options.pick(AT_ONCE, 10) * 1e3,
        }

    rows = _side_by_side(options, once)
    promises = [
        Promise(
            "CPU of a run's start and end, ours : hand", ratios(rows, "ours", "hand", "cpu_ms"), at_most=2.5
        ),
        Promise(
            "the same, ours : tutorial with the SDK", ratios(rows, "ours", "tutorial", "cpu_ms"), at_most=0.4
        ),
        Promise(
            "first token p50 of 50 at once, ours : hand", ratios(rows, "ours", "hand", "storm_ms"), at_most=3
        ),
        Promise("first token p50 alone, ours : hand", ratios(rows, "ours", "hand", "alone_ms")),
    ]
    columns = (
        Column("cpu_ms", "CPU ms/run", 2), Column("alone_ms", "first token alone, p50 ms", 2),
        Column("storm_ms", f"of {AT_ONCE} at once, p50 ms", 1), Column("storm_cpu_ms", "CPU ms/run then", 2),
    )  # fmt: skip
    title = f"(m) a run of {START_AGENTS} SDK agents × {START_TOKENS} tokens, started and ended"
    return Result(title, columns, rows, promises if not options.quick else [])


def tokens(options: Options) -> Result:
    """What a relayed token costs: 8 runs × 3 agents × 40/s, one run of 8 agents × 100/s, eight at full speed."""
    seconds, full = options.pick(3, 1), options.pick(4000, 200)

    def once(contender: Contender) -> Sample:
        human = _asked(contender, [_plan(3, int(40 * seconds), "40")] * 8)
        fast = _asked(contender, [_plan(8, int(100 * seconds), "100")], stamped=True)
        flood = _asked(contender, [_plan(8, full, "full")])
        late = percentiles(fast["delays"])
        return {
            "human_us": human["cpu_us"], "fast_us": fast["cpu_us"], "full_us": flood["cpu_us"],
            "p50_ms": late["p50_ms"], "p99_ms": late["p99_ms"],
        }  # fmt: skip

    rows = _side_by_side(options, once)
    promises = [
        Promise(
            "CPU/token, 8 × 3 × 40/s, ours : hand", ratios(rows, "ours", "hand", "human_us"), at_most=1.6
        ),
        Promise("CPU/token, 8 × 100/s, ours : hand", ratios(rows, "ours", "hand", "fast_us"), at_most=1.5),
        Promise("CPU/token, full speed, ours : hand", ratios(rows, "ours", "hand", "full_us"), at_most=1.0),
        Promise(
            "added latency p99, 8 × 100/s, ours : hand", ratios(rows, "ours", "hand", "p99_ms"), at_most=1.5
        ),
    ]
    columns = (
        Column("human_us", "8 × 3 × 40/s, CPU µs/token", 1), Column("fast_us", "8 × 100/s, CPU µs/token", 1),
        Column("full_us", "full speed, CPU µs/token", 2), Column("p50_ms", "8 × 100/s, p50 ms", 3),
        Column("p99_ms", "p99 ms", 3),
    )  # fmt: skip
    notes = ["Starts and ends are within these figures, as in the issue's table."]
    return Result("(n) relayed tokens", columns, rows, promises if not options.quick else [], notes)


def carried(options: Options) -> Result:
    """How many runs of 3 × 40/s each carries at p99 < 50 ms, beside the loop written by hand."""
    known: dict[str, float] = {}

    def once(contender: Contender) -> Sample:
        if options.quick:
            return {**carry(contender, 2, 0.2), "runs": 2}
        carry(contender, 2, 0.5)
        found = most(lambda runs: carry(contender, runs, SAID_SECONDS), known.get(contender.name, 40))
        known[contender.name] = found["runs"]
        return found

    rows = _side_by_side(options, once, names=("ours", "hand"))
    promises = [Promise("runs carried, ours : hand", ratios(rows, "ours", "hand", "runs"), at_least=0.7)]
    columns = (
        Column("runs", "runs carried"), Column("p99_ms", "p99 ms then", 1),
        Column("cpu_us", "CPU µs/token then", 1), Column("client_busy", "client busy", 2),
    )  # fmt: skip
    title = "(o) runs of 3 SDK agents × 40 tokens/s that one process carries"
    return Result(title, columns, rows, promises if not options.quick else [])


def giving_way(options: Options) -> Result:
    """Eight agents that never wait, but give way to the loop at each token."""
    plan = Plan("giving", 8, options.pick(20_000, 500))
    names = ["ours", "tutorial", "hand", "steps"]
    names += [name + UVLOOP for name in names if options.uvloop]
    with all_running(names) as contenders:
        by_name = {one.name: one for one in contenders}
        for one in contenders:
            _asked(one, [Plan("giving", 8, 200)])

        def once(name: str) -> Sample:
            found = _asked(by_name[name], [plan])
            return {"rate": found["rate"], "cpu_us": found["cpu_us"]}

        rows = take_turns(names, options.rounds, once)
    promises = [
        Promise("CPU/token, tutorial : ours", ratios(rows, "tutorial", "ours", "cpu_us"), at_least=8),
        Promise("tokens/s, ours : tutorial", ratios(rows, "ours", "tutorial", "rate"), at_least=8),
        Promise("CPU/token, tutorial : steps alone", ratios(rows, "tutorial", "steps", "cpu_us")),
    ]
    if options.uvloop:
        on_uvloop = ratios(rows, "tutorial" + UVLOOP, "ours" + UVLOOP, "cpu_us")
        promises.append(Promise("CPU/token, tutorial : ours, uvloop", on_uvloop))
    columns = (Column("rate", "tokens/s"), Column("cpu_us", "server CPU µs/token", 2))
    title = "(p) 8 agents that give way to the loop at each token"
    return Result(title, columns, rows, promises if not options.quick else [])


def idle_runs(options: Options) -> Result:
    """Resident bytes of each of many runs of three SDK agents whose model says nothing more."""
    count = options.pick(300, 20)

    def once(url: str, name: str) -> Sample:
        # A process of its own each time: what was held once is not given back.
        plan = Plan("sdk", 3, 1, model="bench-1@hold")
        with running(name, "--upstream", url) as contender:
            _asked(contender, [Plan("sdk", 3, 3, model="bench-3@full")] * 3)
            rest = contender.memory()["now"]
            with holding(contender, [contender.stream_request(plan)] * (count // 10)):
                _settle(contender)
                before = contender.memory()["now"]
                with holding(contender, [contender.stream_request(plan)] * count):
                    _settle(contender)
                    held = contender.memory()["now"]
        return {"kib": (held - before) / count / 1024, "rest_mib": rest / 2**20}

    names = ("ours", "hand", "tutorial")
    with model_upstream() as url:
        rows = take_turns(names, min(options.rounds, 3), lambda name: once(url, name))
    promises = [
        Promise("KiB of an idle run of 3 SDK agents", tuple(s["kib"] for s in rows["ours"]), at_most=25)
    ]
    columns = (Column("kib", "KiB each", 1), Column("rest_mib", "process at rest, MiB", 0))
    title = f"(q) {count} idle runs of 3 SDK agents, each with its subscriber"
    return Result(title, columns, rows, promises if not options.quick else [])


def _settle(contender: Contender) -> None:
    """Wait until all that was asked for is under way: a server that is behind would look small."""
    spent = -1.0
    while (now := contender.cpu_s()) - spent > BUSY_SECONDS:
        spent = now
        time.sleep(SETTLE_SECONDS)


def _side_by_side(
    options: Options, once: Callable[[Contender], Sample], *, names: tuple[str, ...] = NAMES
) -> Rows:
    with model_upstream() as url, all_running(names, "--upstream", url) as contenders:
        by_name = {one.name: one for one in contenders}
        for one in contenders:
            # The SDK is imported, and caches are filled, at the first use.
            _asked(one, [_plan(3, 3, "full")] * 3)
        return take_turns(names, options.rounds, lambda name: once(by_name[name]))


def _plan(agents: int, count: int, pace: str) -> Plan:
    return Plan("sdk", agents, count, model=f"bench-{count}@{pace}")


def _first(found: dict[str, Any]) -> float:
    return float(found["first_ms"])


def _asked(
    contender: Contender, plans: list[Plan], *, stamped: bool = False, spread_s: float = 0
) -> dict[str, Any]:
    """Let a client ask for *plans* and read them to their ends."""
    requests = [contender.stream_request(plan) for plan in plans]
    before = contender.cpu_s()
    found = read(contender, requests, mode="stamps" if stamped else "count", spread_s=spread_s)
    spent = contender.cpu_s() - before
    contender.tidy()
    said = sum(plan.agents * plan.tokens for plan in plans)
    # Our `done` events tell the whole text once more.
    if found["marks"] != said * (2 if contender.ours else 1):
        raise RuntimeError(f"{contender.name}: {found['marks']} of {said} tokens came")
    return {
        "cpu_s": spent, "cpu_us": spent / said * 1e6, "delays": found["delays"],
        "rate": said / (found["end"] - found["begin"]) * 1e9,
        "first_ms": statistics.median(found["firsts"]) / 1e6,
    }  # fmt: skip
