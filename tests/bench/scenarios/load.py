"""(e) real load: how many runs of three SDK agents one process carries, with a model server behind it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ...support.commands import ROOT, environment
from ..contenders import UVLOOP, Contender, all_running, read
from ..options import Options
from ..result import Column, Promise, Result, Rows, Sample, ratios, take_turns
from ..sources import Plan
from .latency import percentiles

AGENTS, RATE = 3, 40.0
LIMIT_MS = 50.0
SPREAD_SECONDS = 2.0
"""Over which the runs begin; what is said until all have begun does not count."""

SAID_SECONDS = 4.0
GROWTH = 1.5
PRECISION = 0.06
"""The search ends when the runs that are carried are known this well."""

COLUMNS = (
    Column("runs", "runs carried"),
    Column("p99_ms", "p99 ms then", 1),
    Column("cpu_us", "CPU µs/token then", 1),
    Column("light_cpu_us", "CPU µs/token, few runs", 1),
    Column("busy", "server busy", 2),
    Column("client_busy", "client busy", 2),
)


def model_server(options: Options) -> Result:
    """Search for the most runs that each carries with a p99 under `LIMIT_MS`."""
    names = ["ours", "tutorial", *(name + UVLOOP for name in ("ours", "tutorial") if options.uvloop)]
    rounds = min(options.rounds, 3)
    known: dict[str, float] = {}
    with model_upstream() as url, all_running(names, "--upstream", url) as contenders:
        by_name = {one.name: one for one in contenders}
        for one in contenders:
            carry(one, 2, 1.0)  # the SDK is imported at its first use

        def once(name: str) -> Sample:
            contender = by_name[name]
            if options.quick:
                sample = carry(contender, 3, 2.0)
                return {**sample, "runs": 3, "light_cpu_us": sample["cpu_us"]}
            light = carry(contender, 4, SAID_SECONDS)
            found = most(lambda runs: carry(contender, runs, SAID_SECONDS), known.get(name, 12))
            known[name] = found["runs"]
            return {**found, "light_cpu_us": light["cpu_us"]}

        rows = take_turns(names, rounds, once)
    promises = [] if options.quick else _promises(rows, options.uvloop)
    notes = [
        f"Runs begin over {SPREAD_SECONDS:g} s, and delays count from the model server's write to the client's read. "
        f"Carried is the most at which p99 stays under {LIMIT_MS:g} ms. Each server has one core at "
        "most; the other is for the model server, the client, and whatever else the machine does.",
    ]
    title = f"(e) runs of {AGENTS} SDK agents × {RATE:g} tokens/s that one process carries"
    return Result(title, COLUMNS, rows, promises, notes)


def _promises(rows: Rows, uvloop: bool) -> list[Promise]:
    said = "runs carried, ours : tutorial with the stock SDK"
    promises = [Promise(said, ratios(rows, "ours", "tutorial", "runs"), at_least=3)]
    if uvloop:
        both = ratios(rows, "ours" + UVLOOP, "tutorial" + UVLOOP, "runs")
        promises.append(Promise(f"{said}, both on uvloop", both, at_least=3))
    return promises


def most(carried: Callable[[int], Sample], guess: float) -> Sample:
    """Return the sample of the largest load that stays under the limit, to within `PRECISION`."""
    good: Sample | None = None
    low, high, runs = 0, 0, max(2, int(guess))
    while not high or high - low > max(1, PRECISION * high):
        sample = carried(runs)
        if sample["p99_ms"] < LIMIT_MS:
            low, good = runs, {**sample, "runs": runs}
        else:
            high = runs
        if not low and high <= 1:
            raise RuntimeError("not even one run is carried")
        runs = (
            (low + high) // 2
            if low and high
            else int(low * GROWTH) + 1
            if low
            else max(1, int(high / GROWTH))
        )
    return good or {}


def carry(contender: Contender, runs: int, seconds: float) -> Sample:
    """Start *runs* runs and read them to their ends; return the delays and the costs."""
    tokens = int((seconds + SPREAD_SECONDS) * RATE)
    plan = Plan("sdk", AGENTS, tokens, RATE, model=f"bench-{tokens}@{RATE:g}")
    before = contender.cpu_s()
    found = read(
        contender, [contender.stream_request(plan)] * runs, mode="stamps", spread_s=SPREAD_SECONDS, limit_s=60
    )
    spent = contender.cpu_s() - before
    contender.tidy()
    said = tokens * AGENTS * runs
    if found["marks"] != said * (2 if contender.ours else 1):
        raise RuntimeError(f"{contender.name}: {found['marks']} of {said} tokens came")
    took = (found["end"] - found["begin"]) / 1e9
    return {
        **percentiles(found["delays"]), "cpu_us": spent / said * 1e6, "busy": spent / took,
        "client_busy": found["cpu_s"] / took,
    }  # fmt: skip


@contextmanager
def model_upstream() -> Iterator[str]:
    """Run the model server as a process of its own; yields its base URL."""
    command = [sys.executable, "-m", "tests.bench.model_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()) as process:
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.kill()
