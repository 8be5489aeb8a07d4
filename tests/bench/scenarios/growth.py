"""(h) how the cost of a token grows with agents in a run, with runs, and with subscribers. Ours alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..contenders import Contender, read, running
from ..options import Options
from ..plot import Line, draw
from ..result import Column, Promise, Result, Rows, Sample, ratios, take_turns
from ..sources import Plan

AGENTS, RUNS, SUBSCRIBERS = (1, 2, 8, 32, 64, 128, 256), (1, 10, 100, 300, 1000), (1, 10, 100, 300, 1000)
QUICK = (1, 8)
OPENING_SECONDS = 1.5
RUN_AGENTS, RUN_TOKENS = 3, 1000
"""Of each run, however many there are: so the fixed cost of a run weighs the same everywhere."""

PACED_PER_AGENT, PACED_SECONDS = 10.0, 4.0
COLUMNS = (
    Column("cpu_us", "server CPU µs/token", 2),
    Column("rate", "tokens/s"),
    Column("peak_mib", "peak MiB"),
)

Once = Callable[[Contender, int, Options], Sample]


def growth(options: Options) -> Result:
    """Measure each size in turns, so that a noisy moment meets all of them."""
    rounds = min(options.rounds, 3)
    rows: Rows = {}
    lines: list[Line] = []
    for title, unit, sizes, once in FAMILIES:
        chosen = QUICK if options.quick else sizes
        found = _family(unit, chosen, rounds, once, options)
        lines.append(Line(title, chosen, tuple(_median(found[_name(unit, size)]) for size in chosen)))
        rows |= found
    promises = [] if options.quick else [
        _promise(rows, "always-ready agents in a run", 256, 8),
        _promise(rows, "paced agents in a run", 256, 8),
        _promise(rows, "runs of always-ready agents", 1000, 10),
        _promise(rows, "runs of a paced agent", 1000, 10),
    ]  # fmt: skip
    notes = [
        f"Runs have {RUN_AGENTS} agents × {RUN_TOKENS:,} tokens each, a client each, and their start and end are in "
        f"the cost. Paced agents say {PACED_PER_AGENT:g} tokens/s. Subscribers' tokens count once for each.",
        "![growth](growth.svg)",
    ]
    picture = draw(lines, x="how many (logarithmic)", y="server CPU per token, µs")
    return Result("(h) growth", COLUMNS, rows, promises, notes, first="size", files={"growth.svg": picture})


def _family(unit: str, sizes: tuple[int, ...], rounds: int, once: Once, options: Options) -> Rows:
    with running("ours") as contender:
        once(contender, sizes[0], options)
        by_name = {_name(unit, size): size for size in sizes}
        return take_turns(by_name, rounds, lambda name: once(contender, by_name[name], options))


def _name(unit: str, size: int) -> str:
    return f"{size:,} {unit}"


def _median(samples: list[Sample]) -> float:
    return sorted(sample["cpu_us"] for sample in samples)[len(samples) // 2]


def _promise(rows: Rows, unit: str, large: int, small: int) -> Promise:
    values = ratios(rows, _name(unit, large), _name(unit, small), "cpu_us")
    return Promise(f"CPU/token, {large:,} : {small:,} {unit}", values, at_most=1.5)


def _agents(contender: Contender, size: int, options: Options) -> Sample:
    tokens = options.pick(1_000_000, 20_000) // size
    return _measure(contender, [Plan("flood", size, tokens)])


def _paced_agents(contender: Contender, size: int, options: Options) -> Sample:
    seconds = PACED_SECONDS if not options.quick else 0.5
    return _measure(contender, [Plan("paced", size, int(PACED_PER_AGENT * seconds), PACED_PER_AGENT)])


def _runs(contender: Contender, size: int, options: Options) -> Sample:
    plan = Plan("flood", RUN_AGENTS, RUN_TOKENS)
    if size >= 100 or options.quick:
        return _measure(contender, [plan] * size)
    # So few are over within milliseconds: often enough to be measured.
    samples = [_measure(contender, [plan] * size) for _ in range(5)]
    return {key: sum(sample[key] for sample in samples) / len(samples) for key in samples[0]}


def _paced_runs(contender: Contender, size: int, options: Options) -> Sample:
    seconds = PACED_SECONDS if not options.quick else 0.5
    return _measure(contender, [Plan("paced", 1, int(PACED_PER_AGENT * seconds), PACED_PER_AGENT)] * size)


def _subscribers(contender: Contender, size: int, options: Options) -> Sample:
    tokens = options.pick(200_000, 2_000)
    plan = Plan("flood", 8, tokens // 8, at=time.monotonic_ns() + int(OPENING_SECONDS * 1e9))
    room, _ = contender.open_room(plan)
    contender.forget_peak()
    before = contender.cpu_s()
    found = read(contender, [contender.watch_request(room)] * size)
    return _sample(contender, found, tokens * size, contender.cpu_s() - before, found["end"] - plan.at)


def _measure(contender: Contender, plans: list[Plan]) -> Sample:
    contender.forget_peak()
    before = contender.cpu_s()
    found = read(contender, [contender.stream_request(plan) for plan in plans])
    spent = contender.cpu_s() - before
    total = sum(plan.agents * plan.tokens for plan in plans)
    return _sample(contender, found, total, spent, found["end"] - found["begin"])


def _sample(contender: Contender, found: dict[str, int], tokens: int, spent: float, took_ns: int) -> Sample:
    contender.tidy()
    if found["marks"] != 2 * tokens:
        raise RuntimeError(f"{found['marks']} tokens came, {2 * tokens} were said")
    peak = contender.memory()["peak"] / 2**20
    return {"cpu_us": spent / tokens * 1e6, "rate": tokens / took_ns * 1e9, "peak_mib": peak}


FAMILIES: tuple[tuple[str, str, tuple[int, ...], Once], ...] = (
    ("agents, always ready", "always-ready agents in a run", AGENTS, _agents),
    ("agents, paced", "paced agents in a run", AGENTS, _paced_agents),
    ("runs, always ready", "runs of always-ready agents", RUNS, _runs),
    ("runs, paced", "runs of a paced agent", RUNS, _paced_runs),
    ("subscribers", "subscribers", SUBSCRIBERS, _subscribers),
)
