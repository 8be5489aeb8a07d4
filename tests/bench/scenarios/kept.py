"""(j) what a durable append costs: the stores of `bench.stores`, as a scenario."""

from __future__ import annotations

import statistics

from ..options import Options
from ..result import Column, Result, Rows
from ..stores import Measured, compare, redis_running

EVENTS, QUICK_EVENTS = 64_000, 2_048
COLUMNS = (
    Column("rate", "events/s, one run"),
    Column("ratio", ": memory", 2),
    Column("many", "events/s, 8 runs"),
    Column("p50_ms", "p50 ms", 3),
    Column("p99_ms", "p99 ms", 3),
    Column("stored", "bytes/event"),
)


def stores(options: Options) -> Result:
    """Appends in batches, then the whole path of a run of eight always-ready agents."""
    with redis_running():
        found, paths = compare(min(options.rounds, 3), options.pick(EVENTS, QUICK_EVENTS))
    rows: Rows = {}
    for (name, size), measured in found.items():
        rows[f"{name}, batches of {size}"] = _samples(measured, found["memory", size])
    for name, measured in paths.items():
        rows[f"{name}, whole path"] = _samples(measured, paths["memory"])
    notes = [
        "Delays are from the call of `append` to a waiting reader; on the whole path from an event's birth to its "
        "frame, while agents flood. Redis: without a file, bytes in its memory.",
    ]
    return Result("(j) stores", COLUMNS, rows, notes=notes, first="store")


def _samples(measured: Measured, memory: Measured) -> list[dict[str, float]]:
    delays = statistics.quantiles(measured.delays, n=100)
    said = {"p50_ms": delays[49] * 1e3, "p99_ms": delays[98] * 1e3}
    rounds = []
    for n, rate in enumerate(measured.one):
        sample = {"rate": rate, "ratio": rate / memory.one[n], **said}
        if measured.many:
            sample |= {"many": measured.many[n], "stored": measured.stored[n]}
        rounds.append(sample)
    return rounds
