"""Covers `orchestrator/eventlog/redis/tail.py`: a channel's newest entries, held once for all readers."""

from __future__ import annotations

import asyncio

from orchestrator.eventlog.base import Cursor, Entry
from orchestrator.eventlog.redis.entry_packing import pack, unpack
from orchestrator.eventlog.redis.tail import TAIL_BYTES, Tail
from tests.eventlog.test_redis_entry_packing import drafts


def entries(first: int, last: int, epoch: str = "abcd", size: int = 2) -> list[Entry]:
    found: list[Entry] = []
    for each in pack(drafts(last - first + 1, size=size)):
        at = first + len(found) + each.events - 1
        found += unpack(epoch, at, each.run_id, each.blob)
    return found


def seqs(found: list[Entry]) -> list[int]:
    return [entry.seq for entry in found]


def tail(seq: int = 10) -> Tail:
    return Tail(Cursor("abcd", seq), 0.0)


def at(seq: int, epoch: str = "abcd") -> Cursor:
    return Cursor(epoch, seq)


def test_it_grows_by_what_comes_next_and_serves_readers_within_it() -> None:
    held = tail()
    assert held.extend(entries(11, 13))
    assert held.covers(at(10))
    assert not held.covers(at(9))
    assert not held.covers(at(14))
    assert seqs(held.later_than(at(11), 9)) == [12, 13]
    assert seqs(held.later_than(at(10), 1)) == [11]
    assert held.has_news(at(12))
    assert not held.has_news(at(13))


def test_what_does_not_come_next_is_asked_for_and_what_is_known_changes_nothing() -> None:
    held = tail()
    assert not held.extend(entries(12, 12)), "there is a hole, which Redis has to fill"
    assert held.extend(entries(11, 11))
    assert held.extend(entries(11, 11))
    assert seqs(held.later_than(at(10), 9)) == [11]


def test_another_incarnation_makes_it_stale_until_a_reader_has_asked() -> None:
    held = tail()
    held.extend(entries(11, 12))
    assert not held.extend(entries(1, 1, "zzzz"))
    assert held.has_news(at(12))
    assert not held.covers(at(12))
    held.adopt(at(0, "zzzz"), "zzzz", 1, entries(1, 1, "zzzz"))
    assert held.covers(at(0, "zzzz"))
    assert seqs(held.later_than(at(0, "zzzz"), 9)) == [1]


def test_it_holds_so_many_bytes_and_its_newest_batch() -> None:
    held = tail(0)
    for n in range(8):
        held.extend(entries(n + 1, n + 1, size=TAIL_BYTES // 3))
    assert held.bytes <= TAIL_BYTES
    assert not held.covers(at(0)), "that reader reads from Redis"
    assert held.covers(at(7))
    assert seqs(held.later_than(at(7), 9)) == [8]


async def test_whoever_waits_is_woken_by_what_comes_and_by_doubt() -> None:
    held, loop = tail(), asyncio.get_running_loop()
    for change in (lambda: held.extend(entries(11, 11)), held.distrust):
        waiting = loop.create_future()
        held.readers.add(waiting)
        change()
        assert waiting.done()
        assert not held.readers


def test_what_was_erased_between_is_passed_over() -> None:
    held = tail()
    held.advance(entries(13, 14))
    assert held.covers(at(10))
    assert seqs(held.later_than(at(10), 9)) == [13, 14]
