"""Covers `orchestrator/framing/interning.py`: bytes that connections hold in common."""

from __future__ import annotations

from orchestrator.framing.interning import KEPT_BYTES, Interned


def test_equal_bytes_of_a_name_are_held_once_and_others_stay_as_they_are() -> None:
    shared, first = Interned(), b"an item".join([b"", b""])
    assert shared.one(1, first) is first
    assert shared.one(1, b"an " + b"item") is first
    assert shared.one(1, b"another") == b"another"
    assert shared.one(1, first) is first
    assert shared.size == KEPT_BYTES + len(first)
