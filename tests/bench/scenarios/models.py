"""(k) CPU of the SDK's stock models, of ours, and of the whole service: `bench.relay`'s paths as a scenario."""

from __future__ import annotations

from ..options import Options
from ..relay import FULL_TARGET, PACE_TOKENS_PER_S, PACED_TARGET, PATHS, Ask, Load, cpu_us_per_token, upstream
from ..result import Column, Promise, Result, Rows, ratios, take_turns

COLUMNS = (Column("cpu_us", "CPU µs/token", 1),)


def relayed(options: Options) -> Result:
    """Chat completions at full speed (8 agents) and paced (64 agents): stock loop, fast models, whole service."""
    loads = [
        Load("full", 8, options.pick(2000, 100), 0, FULL_TARGET),
        Load(
            "paced",
            options.pick(64, 8),
            int(PACE_TOKENS_PER_S * (1 if options.quick else 5)),
            PACE_TOKENS_PER_S,
            PACED_TARGET,
        ),
    ]
    rows: Rows = {}
    promises = []
    with upstream() as url:
        for path in PATHS.values():
            cpu_us_per_token(path, Ask(url, "chat_completions", Load("warm", 2, 50, 0, 1)))
        for load in loads:
            ask = Ask(url, "chat_completions", load)
            found = take_turns(
                PATHS,
                min(options.rounds, 3),
                lambda name, ask=ask: {"cpu_us": cpu_us_per_token(PATHS[name], ask)},  # type: ignore[misc]  # bound early
            )
            rows |= {f"{load.name}, {name}": samples for name, samples in found.items()}
            values = ratios(found, "whole", "stock", "cpu_us")
            promises.append(
                Promise(
                    f"CPU/token, whole service : bare stock Runner, {load.name}", values, at_most=load.target
                )
            )
    if options.quick:
        promises = []
    return Result("(k) the models alone", COLUMNS, rows, promises, first="load, path")
