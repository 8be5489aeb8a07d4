"""10,000 cut connections on each store: nothing lost, doubled or reordered, whatever byte the cut is at."""

from __future__ import annotations

import random
from contextlib import aclosing
from pathlib import Path

import pytest

from orchestrator.eventlog.base import Draft, Store
from orchestrator.eventlog.gap import Gap
from orchestrator.eventlog.subscription import follow
from orchestrator.eventlog.view import View
from orchestrator.events import Done, RunDone, RunMetrics, RunStarted, Snapshot, Token, encode_data
from orchestrator.framing.sse import SseFraming
from orchestrator.sse_parser import SSEParser
from tests.support.shares import share

from .stores import STORES, Clock

CUTS = share(10_000, 2_000)
EVENTS = 200
RUN = "run_cut"


async def fill(store: Store) -> list[str]:
    """Log a run of `EVENTS` events in batches of every size; return their ids."""
    chance = random.Random(7)
    drafts = [Draft(RUN, None, RunStarted.TYPE, encode_data(None, RunStarted(RUN, RUN, []), 0))]
    for n in range(EVENTS - 2):
        text = f"{n} " + "ä\u2028\r\n" * chance.randrange(4)
        drafts.append(Draft(RUN, "a", Token.TYPE, encode_data("a", Token(text), n)))
    done = RunDone("completed", {}, RunMetrics(1, 1, None, None, 0))
    drafts.append(Draft(RUN, None, Done.TYPE, encode_data(None, done, EVENTS)))
    ids: list[str] = []
    while drafts:
        size = chance.randrange(1, 20)
        ids += [entry.id for entry in await store.append(RUN, drafts[:size])]
        del drafts[:size]
    return ids


@pytest.mark.parametrize("name", sorted(STORES))
async def test_thousands_of_cuts_lose_nothing(name: str, tmp_path: Path) -> None:
    chance = random.Random(11)
    async with STORES[name](tmp_path, Clock()) as store:
        ids = await fill(store)
        cuts = 0
        while cuts < CUTS:
            seen: list[str] = []
            last: str | None = None
            while last != ids[-1]:
                parser = SSEParser()
                got = 0
                limit = chance.randrange(1, 1500)
                for piece in await _connection(store, last, limit):
                    got += len(piece)
                    for event in parser.feed(piece):
                        assert event.id is not None
                        seen.append(event.id)
                        last = event.id
                cuts += got >= limit
            assert seen == ids


async def _connection(store: Store, last: str | None, limit: int) -> list[bytes]:
    """Return what a client receives of the run from *last* on, cut after *limit* bytes, in odd pieces."""

    async def snapshots() -> list[Snapshot]:
        raise AssertionError("no cursor here needs one")

    framing = SseFraming()
    body = framing.opening(1000)
    async with aclosing(follow(store, View(RUN, RUN), last, snapshots)) as items:
        async for item in items:
            assert not isinstance(item, Gap)
            if isinstance(item, list):
                body += framing.entries(item)
            if len(body) >= limit:
                break
    body = body[:limit]
    half = len(body) // 2
    return [body[:half], body[half:]]
