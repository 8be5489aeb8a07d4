"""(r) what each dialect costs beside the service's own stream: the same agents, the same server, in turns."""

from __future__ import annotations

from orchestrator.framing.base import DIALECTS

from ..contenders import Contender, all_running, read
from ..options import Options
from ..result import Column, Promise, Result, Rows, Sample, ratios
from ..sources import Plan

AGENTS = 8
NATIVE = "event"
AT_MOST = 1.5
SPEAKERS = tuple(row.name for row in DIALECTS.values() if row.carrier == "stream" and row.says_pieces)


def dialects(options: Options) -> Result:
    """Eight agents whose tokens come one by one, to one client in each dialect."""
    tokens = options.pick(10_000, 200)
    plan = Plan("giving", AGENTS, tokens)
    rows: Rows = {name: [] for name in SPEAKERS}
    with all_running(["ours"]) as (ours,):
        for name in () if options.quick else SPEAKERS:
            _stream(ours, Plan("giving", AGENTS, tokens // 10), name)  # what is made once is not measured
        for _ in range(options.rounds):
            for name, samples in rows.items():
                # The stream right before it, so that both met the same machine.
                beside = _stream(ours, plan, NATIVE)
                sample = _stream(ours, plan, name)
                samples.append(sample | {"native_us": beside["cpu_us"]})
    columns = (
        Column("cpu_us", "server CPU µs/token", 2),
        Column("native_us", "of the own stream beside it", 2),
        Column("bytes", "bytes/token"),
        Column("rate", "tokens/s"),
    )
    promises = [
        Promise(
            f"CPU a token, {name} : own stream",
            ratios(rows | _as_own(rows, name), name, NATIVE, "cpu_us"),
            at_most=AT_MOST,
        )
        for name in SPEAKERS
        if name != NATIVE
    ]
    notes = [
        "Each agent gives way after each token, so that fewer are joined than of agents that never wait."
    ]
    return Result(f"(r) {AGENTS} agents in each dialect", columns, rows, promises, notes, first="dialect")


def _as_own(rows: Rows, name: str) -> Rows:
    """Return the own stream's samples that were taken beside those of *name*."""
    return {NATIVE: [{"cpu_us": sample["native_us"]} for sample in rows[name]]}


def _stream(contender: Contender, plan: Plan, dialect: str) -> Sample:
    tokens = plan.agents * plan.tokens
    request = contender.stream_request(plan).replace(" HTTP/1.1", f"?framing={dialect} HTTP/1.1", 1)
    before = contender.cpu_s()
    found = read(contender, [request])
    spent = contender.cpu_s() - before
    contender.tidy()
    if found["marks"] < tokens:  # more, where the ends tell the whole text again
        raise RuntimeError(f"{dialect}: {found['marks']} of {tokens} tokens came")
    return {
        "cpu_us": spent / tokens * 1e6,
        "bytes": found["bytes"] / tokens,
        "rate": tokens / ((found["end"] - found["begin"]) / 1e9),
    }
