"""(a) tokens per second to one client, (b) the same to many subscribers of one run."""

from __future__ import annotations

import time

from ..contenders import UVLOOP, Contender, all_running, read
from ..options import Options
from ..result import Column, Promise, Result, Sample, ratios, take_turns
from ..sources import Plan

AGENTS = 8
RIVALS = ("ours", "tutorial", "stock", "sse", "limit")
ON_UVLOOP = ("ours", "tutorial", "limit")
WATCHED = ("ours", "tutorial", "sse", "limit")
WARM_TOKENS = 500
OPENING_SECONDS = 1.5
"""From the plan to its begin: time for all subscribers to connect."""

COLUMNS = (
    Column("rate", "tokens/s"),
    Column("cpu_us", "server CPU µs/token", 2),
    Column("client_busy", "client busy", 2),
    Column("peak_mib", "peak MiB"),
)


def one_client(options: Options) -> Result:
    """Eight agents that never wait, one client."""
    names = [*RIVALS, *(name + UVLOOP for name in ON_UVLOOP if options.uvloop)]
    with all_running(names) as contenders:
        by_name = {one.name: one for one in contenders}
        tokens = {name: _tokens(_stream(one, WARM_TOKENS), options) for name, one in by_name.items()}
        rows = take_turns(names, options.rounds, lambda name: _stream(by_name[name], tokens[name]))
        piped = [_stream(by_name["limit"], tokens["limit"], query="&pipe=1")["rate"] for _ in range(2)]
    promises = [
        Promise("tokens/s, ours : tutorial", ratios(rows, "ours", "tutorial", "rate"), at_least=8),
        Promise("tokens/s, ours : stock merge", ratios(rows, "ours", "stock", "rate"), at_least=6),
        Promise("tokens/s, ours : limit", ratios(rows, "ours", "limit", "rate"), at_least=0.25),
    ]
    notes = [
        "The limit drains the same agents; with no agents at all, only writing what was prepared, it moves "
        f"{max(piped):,.0f} tokens/s.",
        "Ours joins neighbouring tokens of an agent while nobody has fetched them; the rivals write each by itself.",
    ]
    title = f"(a) {AGENTS} always-ready agents to one client"
    return Result(title, COLUMNS, rows, promises, notes)


def many_clients(options: Options) -> Result:
    """Eight agents that never wait, each token to every one of many subscribers."""
    subscribers = options.pick(100, 20)
    with all_running(WATCHED) as contenders:
        by_name = {one.name: one for one in contenders}
        tokens = {
            name: max(20, _tokens(_fan_out(one, 50, subscribers), options, subscribers))
            for name, one in by_name.items()
        }
        rows = take_turns(
            WATCHED, options.rounds, lambda name: _fan_out(by_name[name], tokens[name], subscribers)
        )
    promises = [
        Promise("tokens/s in all, ours : tutorial", ratios(rows, "ours", "tutorial", "rate"), at_least=20)
    ]
    title = f"(b) {AGENTS} always-ready agents to {subscribers} subscribers (tokens delivered in all)"
    notes = ["The limit has no agents here: each subscriber's frames are prepared."]
    return Result(title, COLUMNS, rows, promises, notes)


def _tokens(warm: Sample, options: Options, subscribers: int = 1) -> int:
    """Return how many tokens of each agent take about as long as they shall."""
    return max(WARM_TOKENS // subscribers, int(warm["rate"] * options.seconds / AGENTS / subscribers))


def _stream(contender: Contender, tokens: int, *, query: str = "") -> Sample:
    plan = Plan("flood", AGENTS, tokens)
    request = contender.stream_request(plan)
    if query:
        request = request.replace(" HTTP/1.1", f"{query} HTTP/1.1", 1)
    contender.forget_peak()
    before = contender.cpu_s()
    found = read(contender, [request])
    spent = contender.cpu_s() - before
    contender.tidy()
    return _sample(contender, found, AGENTS * tokens, spent, found["end"] - found["begin"])


def _fan_out(contender: Contender, tokens: int, subscribers: int) -> Sample:
    plan = Plan("flood", AGENTS, tokens, at=time.monotonic_ns() + int(OPENING_SECONDS * 1e9))
    room, then = contender.open_room(plan)
    contender.forget_peak()
    before = contender.cpu_s()
    found = read(contender, [contender.watch_request(room)] * subscribers, then=then)
    spent = contender.cpu_s() - before
    contender.tidy()
    return _sample(contender, found, AGENTS * tokens * subscribers, spent, found["end"] - plan.at)


def _sample(contender: Contender, found: dict[str, int], tokens: int, spent: float, took_ns: int) -> Sample:
    # Our `done` events tell the whole text once more.
    expected = tokens * (2 if contender.ours else 1)
    if found["marks"] != expected:
        raise RuntimeError(f"{contender.name}: {found['marks']} tokens came, {expected} were said")
    took = took_ns / 1e9
    return {
        "rate": tokens / took,
        "cpu_us": spent / tokens * 1e6,
        "client_busy": found["cpu_s"] / took,
        "peak_mib": contender.memory()["peak"] / 2**20,
    }
