"""Covers `orchestrator/run/compaction.py`: what stands for a run's log, and when nothing does."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count

import pytest

from orchestrator.eventlog.base import Cursor, Draft, Entry
from orchestrator.events import (
    Approval,
    ApprovalRequest,
    Data,
    Payload,
    Progress,
    Reasoning,
    Retry,
    Source,
    Started,
    Status,
    Token,
    ToolCall,
    ToolResult,
    encode_data,
)
from orchestrator.framing.base import DIALECTS, Forkable, Subscriber
from orchestrator.run import compaction as digests
from orchestrator.run.compaction import Compactor
from tests.framing.scene import EPOCH, RUN, done, ended, error, started

SPAN = 16


def said(chance: random.Random, number: int) -> list[Payload]:
    """Return what an agent says next; all of it is unlike all else."""
    name = f"c{number}"
    call = ToolCall(name, "look", '{"at":1}')
    kinds: list[list[Payload]] = [
        [Token(f"t{number} ") for _ in range(chance.randrange(1, 30))],
        [Reasoning(f"\u2028r{number} ") for _ in range(chance.randrange(1, 9))],
        [Token("t "), Reasoning("r ")] * chance.randrange(1, 4),
        [call, ToolResult(name, f"blue {number}", chance.random() < 0.2)],
        [ApprovalRequest(name, "send", "{}"), Approval(name, True), call],
        [Progress(f"at {n}", step=n, progress_id=chance.choice("xy")) for n in range(5)],
        [Status("thinking"), Source(name, url=f"https://e.org/{number}"), Data("d", number, data_id="one")],
        [Token("nested", parent="p1"), Reasoning("nested", parent="p1")],
        [call, Reasoning(""), Reasoning(f"r{number} "), Token(""), Token("t ")],
    ]
    return chance.choice(kinds)


def run(seed: int) -> Iterator[tuple[str | None, Payload]]:
    """Yield a run's events: three agents by turns, one of which fails and tries again."""
    chance, numbers = random.Random(seed), count()
    yield started("a", "b", "c")
    for agent in "abc":
        yield agent, Started(1)
    waiting: dict[str, list[Payload]] = {agent: [] for agent in "abc"}
    attempts = dict.fromkeys("abc", 1)
    for _ in range(240):
        agent = chance.choice("abc")
        if not waiting[agent]:
            waiting[agent] = said(chance, next(numbers))
        yield agent, waiting[agent].pop(0)
        if agent == "b" and chance.random() < 0.02:
            attempts[agent] += 1
            waiting[agent] = [Started(attempts[agent])]
            yield agent, Retry(attempts[agent], 0.1, "timeout_idle")
    yield "a", done("a")
    yield "b", error()
    yield "c", done("c")
    yield ended("partial")


def logged(events: Iterator[tuple[str | None, Payload]], digest: Compactor) -> list[Entry]:
    """Let *digest* take *events* in; return them as a log of several runs has them."""
    found = []
    for seq, (agent_id, payload) in enumerate(events, 1):
        draft = Draft(RUN, agent_id, payload.TYPE, encode_data(agent_id, payload, seq))
        entry = Entry(EPOCH, seq + seq // 5, *draft)
        digest.take(entry, payload)
        found.append(entry)
    return found


FOLDED = [name for name, row in DIALECTS.items() if row.carrier == "stream" and row.framing.folds]


@pytest.mark.parametrize(
    ("seed", "dialect"), [*enumerate(FOLDED), *((seed, "responses") for seed in range(10, 13))]
)
def test_whoever_takes_it_in_knows_what_the_log_says(
    seed: int, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At each cursor: what follows is written with the same numbers, places, ids and words, to the last sum.

    So it is by one who begins with what another one has heard, which asked for something else.
    """

    def opened(**options: str) -> Forkable:
        framing = DIALECTS[dialect].open(Subscriber(RUN, RUN, options={"model": "m", "rpc_id": 1} | options))
        assert isinstance(framing, Forkable)
        return framing

    monkeypatch.setattr(digests, "SPAN_EVENTS", SPAN)
    digest = Compactor()
    entries = logged(run(seed), digest)
    shortened = False
    for place in range(0, len(entries), 23):
        at = entries[place].seq
        last = digest.exact_at(Cursor(EPOCH, at))
        assert at - SPAN < last <= at
        told = list(digest.entries(last))
        between = [entry for entry in entries if last < entry.seq <= at]
        late, whole, other, forked = opened(), opened(), opened(model="n", rpc_id="7"), opened()
        late.skip(told)
        late.reach(last)
        late.skip(between)
        whole.skip(entries[: place + 1])
        other.skip(entries[: place + 1])
        forked.begin_with(other)
        rest = entries[place + 1 :]
        other.entries(rest[::2])
        assert late.entries(rest) == whole.entries(rest) == forked.entries(rest)
        shortened = shortened or len(told) < 0.8 * (place + 1 - len(between))
    assert shortened


def test_many_pieces_are_few_entries() -> None:
    digest = Compactor()
    words = ((agent, Token("word ")) for _ in range(5_000) for agent in "abcd")
    entries = logged(words, digest)
    last = digest.exact_at(Cursor(EPOCH, entries[-1].seq))
    told = list(digest.entries(last))
    assert len(told) == 4 * (last // digests.SPAN_EVENTS)
    assert sum(len(entry.data) for entry in told) < 200 * len(told) + 5 * len(entries)


def test_a_bar_that_moves_stands_once_in_each_span() -> None:
    digest = Compactor()
    logged((("a", Progress("Looking", step=n)) for n in range(2_000)), digest)
    last = digest.exact_at(Cursor(EPOCH, 9_999))
    assert [entry.seq <= last for entry in digest.entries(last)] == [True] * (last // digests.SPAN_EVENTS)


@pytest.mark.parametrize("cursor", [Cursor("other", 5_000), Cursor(EPOCH, 3), Cursor("", 0)])
def test_nothing_stands_for_another_log_or_for_what_is_too_new(cursor: Cursor) -> None:
    digest = Compactor()
    logged((("a", Token("word ")) for _ in range(4_000)), digest)
    assert digest.exact_at(cursor) == 0
    assert list(digest.entries(0)) == []


def test_it_gives_up_on_what_it_would_not_shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digests, "MOST_BYTES", 10_000)
    digest = Compactor()
    entries = logged((("a", kind("x")) for _ in range(2_000) for kind in (Token, Reasoning)), digest)
    assert digest.size == 0
    assert digest.exact_at(Cursor(EPOCH, entries[-1].seq)) == 0


def test_it_gives_up_on_a_log_that_is_another_now() -> None:
    """A store that came back older has another epoch, and may lack what was taken in."""
    digest = Compactor()
    logged((("a", Token("word ")) for _ in range(2_000)), digest)
    data = encode_data("a", Token("x"), 1)
    digest.take(Entry("other", 4_000, RUN, "a", "token", data), Token("x"))
    assert digest.exact_at(Cursor(EPOCH, 2_000)) == digest.exact_at(Cursor("other", 4_000)) == 0
