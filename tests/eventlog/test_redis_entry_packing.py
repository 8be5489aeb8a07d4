"""Covers `orchestrator/eventlog/redis/entry_packing.py`: several events as one stream entry, and back."""

from __future__ import annotations

import pytest

from orchestrator.eventlog.base import Draft
from orchestrator.eventlog.redis.entry_packing import FRAMES_PER_ENTRY, PACK_BYTES, pack, unpack


def drafts(count: int, run_id: str = "run_1", size: int = 2) -> list[Draft]:
    return [Draft(run_id, "a" if n % 2 else None, "token", b"x" * size) for n in range(count)]


def test_what_is_packed_is_unpacked_as_it_was() -> None:
    (packed,) = pack(drafts(5))
    entries = unpack("abcd", 12, packed.run_id, packed.blob)
    assert [entry.id for entry in entries] == [f"abcd-{seq}" for seq in range(8, 13)]
    found = [(entry.run_id, entry.agent_id, entry.type, entry.data) for entry in entries]
    assert found == [tuple(draft[:4]) for draft in drafts(5)]


@pytest.mark.parametrize("count", [1, FRAMES_PER_ENTRY, FRAMES_PER_ENTRY + 1, 3 * FRAMES_PER_ENTRY])
def test_an_entry_holds_so_many_events_and_no_more(count: int) -> None:
    packs = list(pack(drafts(count)))
    assert sum(each.events for each in packs) == count
    assert all(each.events <= FRAMES_PER_ENTRY for each in packs)
    assert len(packs) == -(-count // FRAMES_PER_ENTRY)


def test_an_entry_is_of_one_run_alone() -> None:
    """Else a run could not be erased without the others' events."""
    packs = list(pack([*drafts(2), *drafts(1, "run_2"), *drafts(2)]))
    assert [(each.run_id, each.events) for each in packs] == [("run_1", 2), ("run_2", 1), ("run_1", 2)]


def test_an_entry_that_is_large_already_is_not_filled_up() -> None:
    """A page is so many entries; it has to fit into memory whatever the events are."""
    packs = list(pack(drafts(4, size=PACK_BYTES)))
    assert max(each.events for each in packs) <= 2


def test_nothing_makes_no_entry() -> None:
    assert list(pack([])) == []
