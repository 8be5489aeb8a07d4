"""What a durable append costs beside the memory log, in one process and one run.

Each row: events/s of one writer that appends batch after batch, and of eight that do so at once; p50 and
p99 from the call of `append` to the moment a reader that waited has the entries; bytes on the disk (Redis: in
its memory) per event; the ratio of events/s to the memory log. The stores take turns in every round, so that
all see the same machine, and the median of the rounds counts. Run it: ``python -m tests.bench.stores``.

The second table is one run of eight always-ready agents through pump, mailbox, merge, log, subscription and
framing, as a client sees it: events/s, and p50/p99 from an event's birth to its frame.

A further store is one row in `STORES`: a name and a function from a folder to the store, not yet started.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.eventlog import Cursor, Draft, open_log
from orchestrator.eventlog.base import Store
from orchestrator.eventlog.subscription import follow
from orchestrator.eventlog.view import View
from orchestrator.events import Reasoning, Snapshot
from orchestrator.framing.sse import SseFraming

from ..support.redis_server import RedisServer
from ..support.spine import start, supervised

BATCHES = (1, 8, 32)
CHANNELS = 8
AGENTS = 8
TEXT = b'{"agent_id":"skeptic","type":"token","t":81234,"text":" however, number %07d"}'

STORES: dict[str, Callable[[Path], Store]] = {
    "memory": lambda folder: open_log("memory:"),
    "sqlite NORMAL": lambda folder: open_log(f"sqlite:///{folder}/normal.db"),
    "sqlite FULL": lambda folder: open_log(f"sqlite:///{folder}/full.db?synchronous=FULL"),
    "redis": lambda folder: open_log(f"{SERVER.url}?prefix={folder.name}:"),
}
SERVER = RedisServer(Path(tempfile.gettempdir()) / f"bench-redis-{os.getpid()}")
"""Runs while `main` does, without a file."""


@dataclass
class Measured:
    """One store at one batch size, over the rounds."""

    one: list[float] = field(default_factory=list)
    many: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    stored: list[float] = field(default_factory=list)


def batches(events: int, size: int, channel: str) -> list[list[Draft]]:
    """Make the batches beforehand: encoding is not the store's."""
    drafts = [Draft(channel, "skeptic", "token", TEXT % n) for n in range(events)]
    return [drafts[start : start + size] for start in range(0, events, size)]


async def fill(store: Store, events: int, size: int, names: list[str]) -> float:
    """Append at once to each channel; return events per second."""
    work = [(name, batches(events // len(names), size, name)) for name in names]

    async def write(name: str, parts: list[list[Draft]]) -> None:
        for part in parts:
            await store.append(name, part)

    begin = time.perf_counter()
    await asyncio.gather(*(write(name, parts) for name, parts in work))
    return events / (time.perf_counter() - begin)


async def wake(store: Store, events: int, size: int, name: str) -> list[float]:
    """Follow a channel while it is written; return seconds from `append` to the reader, per batch."""
    begun: list[float] = []
    delays: list[float] = []
    caught_up = asyncio.Event()
    parts = batches(events, size, name)

    async def follow() -> None:
        cursor = Cursor((await store.open(name)).epoch, 0)
        while len(delays) < len(parts):
            page = await store.read(name, cursor, most=256)
            if not page:
                if not begun:
                    caught_up.set()
                await store.wait(name, cursor, 10)
                continue
            now = time.perf_counter()
            cursor = Cursor(page[-1].epoch, page[-1].seq)
            delays.extend(now - at for at in begun[len(delays) : cursor.seq // size])
            caught_up.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await caught_up.wait()
        for part in parts:
            caught_up.clear()
            begun.append(time.perf_counter())
            await store.append(name, part)
            await caught_up.wait()
    return delays


async def measure(make: Callable[[Path], Store], into: Measured, events: int, size: int) -> None:
    """One turn of one store at one batch size, on a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = make(Path(folder))
        await store.start()
        try:
            await fill(store, 10 * size, size, ["warm"])
            into.one.append(await fill(store, events, size, ["c0"]))
            into.many.append(await fill(store, events, size, [f"m{n}" for n in range(CHANNELS)]))
            into.delays += await wake(store, max(size, events // 10 // size * size), size, "w")
        finally:
            await store.aclose()
        stored = sum(file.stat().st_size for file in Path(folder).iterdir()) or await held_by_redis(folder)
        into.stored.append(stored / (2 * events + events // 10))


async def held_by_redis(folder: str) -> int:
    """Return the bytes that the store made for *folder* holds, and let them go."""
    keys = await SERVER.ask("KEYS", f"{Path(folder).name}:*log")
    held = [await SERVER.ask("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys]
    await SERVER.flush()
    return sum(held)


async def whole_path(make: Callable[[Path], Store], events: int, into: Measured) -> None:
    """One run from its agents to one client's bytes, on a file of its own."""

    async def talk(request: AgentInput) -> AsyncGenerator[Emission, None]:
        # In turns, because neighbouring tokens would become one event.
        for n in range(events // AGENTS // 2):
            if n % 100 == 0:
                yield Reasoning(f"at {time.perf_counter()}")
            else:
                yield Reasoning(f"thought {n}, and however")
            yield f"word {n}, and however "

    async def snapshots() -> list[Snapshot]:
        return []

    with tempfile.TemporaryDirectory() as folder:
        store = make(Path(folder))
        await store.start()
        framing, heard = SseFraming(), 0
        try:
            scripts = {f"a{n}": talk for n in range(AGENTS)}
            async with supervised(scripts, log=store) as supervisor:
                begin = time.perf_counter()
                run = await start(supervisor, agents=tuple(scripts))
                view = View(run.spec.channel, run.spec.run_id)
                async with aclosing(follow(store, view, None, snapshots)) as pages:
                    async for page in pages:
                        if isinstance(page, list):
                            framing.entries(page)
                            heard += len(page)
                            now = time.perf_counter()
                            stamped = (e.data for e in page if b'"text":"at ' in e.data)
                            into.delays += [now - float(json.loads(d)["text"][3:]) for d in stamped]
                into.one.append(heard / (time.perf_counter() - begin))
        finally:
            await store.aclose()
    if heard < events // AGENTS * AGENTS:
        raise RuntimeError(f"heard {heard} events of {events}")


def print_paths(found: dict[str, Measured]) -> None:
    """One row for each store."""
    print(f"\n{'whole path':20}{'events/s':>17}{'ratio':>7}{'p50 ms':>9}{'p99 ms':>9}")
    base = statistics.median(found["memory"].one)
    for name, path in found.items():
        rate, delays = statistics.median(path.one), statistics.quantiles(path.delays, n=100)
        print(f"{name:20}{rate:17,.0f}{rate / base:7.2f}{delays[49] * 1e3:9.1f}{delays[98] * 1e3:9.1f}")


def print_table(found: dict[tuple[str, int], Measured]) -> None:
    """One row for each batch and store."""
    print(
        f"{'batch':>5} {'store':14}{'events/s, 1 run':>17}{'ratio':>7}{'8 runs':>12}{'ratio':>7}"
        f"{'p50 us':>9}{'p99 us':>9}{'bytes/event':>13}"
    )
    for (name, size), one in found.items():
        base = found["memory", size]
        alone, beside = statistics.median(one.one), statistics.median(one.many)
        delays = statistics.quantiles(one.delays, n=100)
        stored = statistics.median(one.stored)
        print(
            f"{size:5} {name:14}{alone:17,.0f}{alone / statistics.median(base.one):7.2f}"
            f"{beside:12,.0f}{beside / statistics.median(base.many):7.2f}"
            f"{delays[49] * 1e6:9.0f}{delays[98] * 1e6:9.0f}{stored or float('nan'):13.0f}"
        )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.stores")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--events", type=int, default=64_000, help="of each turn at batch 32; 1 and 8 do fewer"
    )
    options = parser.parse_args()
    with redis_running():
        found, paths = compare(options.rounds, options.events)
    print_table(found)
    print_paths(paths)


@contextmanager
def redis_running() -> Iterator[None]:
    """Run `SERVER` for the stores that need it, and keep the spine's log lines off the screen."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory(), processors=[lambda *_: ""])
    asyncio.run(SERVER.start())
    try:
        yield
    finally:
        asyncio.run(SERVER.stop(kill=True))
        shutil.rmtree(SERVER.folder)
        structlog.configure(**before)


def compare(rounds: int, events: int) -> tuple[dict[tuple[str, int], Measured], dict[str, Measured]]:
    """Let the stores take turns; return what was measured by store and batch, and of the whole path by store."""
    found = {(name, size): Measured() for size in BATCHES for name in STORES}
    for _ in range(rounds):
        for (name, size), into in found.items():
            count = max(256, events * size // max(BATCHES) // 256 * 256)
            asyncio.run(measure(STORES[name], into, count, size))
    paths = {name: Measured() for name in STORES}
    for _ in range(rounds):
        for name, into in paths.items():
            asyncio.run(whole_path(STORES[name], events, into))
    return found, paths


if __name__ == "__main__":
    main()
