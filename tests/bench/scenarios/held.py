"""(u) how memory grows with runs, with agents of a run, and with subscribers that all wait. Ours alone."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..contenders import Contender, holding, read, running
from ..options import Options
from ..plot import Line, draw
from ..result import Column, Result, Rows, Sample
from ..sources import Plan
from .load import model_upstream

RUNS, AGENTS, SUBSCRIBERS = (10, 30, 100, 300, 600), (8, 16, 32, 64, 128, 256), (10, 30, 100, 300, 900)
QUICK = (2, 8, 16)
WAIT_SECONDS = 600.0
SETTLE_SECONDS = 0.5
BUSY_SECONDS = 0.02
"""CPU in that time, above which the server is still at work."""

COLUMNS = (
    Column("mib", "MiB above rest", 1), Column("kib", "KiB each", 1), Column("cpu_ms", "CPU ms to begin each", 2),
)  # fmt: skip
Ask = Callable[[Contender, int], list[str]]
"""Returns the requests that make so many of what grows."""


def growth(options: Options) -> Result:
    """Hold so many of each at a time, in a process of its own: what was held once is not given back."""
    rows: Rows = {}
    lines: list[Line] = []
    with model_upstream() as url:
        for title, unit, sizes, ask in FAMILIES:
            chosen = QUICK if options.quick else sizes
            found = [_held(url, size, ask) for size in chosen]
            rows |= {f"{size:,} {unit}": [sample] for size, sample in zip(chosen, found, strict=True)}
            lines.append(Line(title, chosen, tuple(max(0.0, sample["mib"]) for sample in found)))
    notes = [
        "A run is three SDK agents whose model has said one word, and its subscriber. The agents of one run are "
        "functions. Each size has a process of its own, which has served three runs before.",
        "![memory](growth-memory.svg)",
    ]
    picture = draw(lines, x="how many (logarithmic)", y="resident MiB above rest")
    title = "(u) memory of what waits"
    return Result(title, COLUMNS, rows, [], notes, first="size", files={"growth-memory.svg": picture})


def _held(url: str, size: int, ask: Ask) -> Sample:
    with running("ours", "--upstream", url) as contender:
        warm = Plan("sdk", 3, 3, model="bench-3@full")
        read(contender, [contender.stream_request(warm)] * 3)
        # What many of a kind share is there once: it belongs to none of them.
        with holding(contender, ask(contender, 2)):
            _settle(contender)
            before, spent = contender.memory()["now"], contender.cpu_s()
            with holding(contender, ask(contender, size)):
                _settle(contender)
                held, cpu = contender.memory()["now"] - before, contender.cpu_s() - spent
    return {"mib": held / 2**20, "kib": held / size / 1024, "cpu_ms": cpu / size * 1e3}


def _settle(contender: Contender) -> None:
    spent = -1.0
    while (now := contender.cpu_s()) - spent > BUSY_SECONDS:
        spent = now
        time.sleep(SETTLE_SECONDS)


def _runs(contender: Contender, size: int) -> list[str]:
    return [contender.stream_request(Plan("sdk", 3, 1, model="bench-1@hold"))] * size


def _agents(contender: Contender, size: int) -> list[str]:
    return [contender.stream_request(Plan("idle", size, 1, seconds=WAIT_SECONDS))]


def _subscribers(contender: Contender, size: int) -> list[str]:
    room, _ = contender.open_room(Plan("idle", 8, 1, seconds=WAIT_SECONDS))
    return [contender.watch_request(room)] * size


FAMILIES: tuple[tuple[str, str, tuple[int, ...], Ask], ...] = (
    ("runs of 3 SDK agents", "idle runs of 3 SDK agents", RUNS, _runs),
    ("agents of one run", "idle agents of one run", AGENTS, _agents),
    ("subscribers of one run", "idle subscribers of one run", SUBSCRIBERS, _subscribers),
)
