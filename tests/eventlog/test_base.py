"""Covers `orchestrator/eventlog/base.py`: entries, cursors and gaps; the Protocol has its contract suite."""

from __future__ import annotations

import re

import pytest

from orchestrator.errors import GapError, GapReason
from orchestrator.eventlog.base import (
    Bounds,
    Cursor,
    Draft,
    Entry,
    check_cursor,
    make_gap,
    new_epoch,
    parse_cursor,
)

BOUNDS = Bounds("abcd", 5, 9)


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        ("abcd-0", Cursor("abcd", 0)), ("a1b2c3d4-42", Cursor("a1b2c3d4", 42)),
        (f"abcd-{2**63 - 1}", Cursor("abcd", 2**63 - 1)),
        (f"abcd-{2**63}", None), ("abc-1", None), ("a" * 17 + "-1", None), ("abcd-01", None), ("abcd--1", None),
        ("abcd-", None), ("abcd", None), ("", None), ("ABCD-1", None), ("abcd-1\n", None), ("abcd-1 ", None),
        ("abcd-١", None), ("abcd-" + "9" * 5000, None), ("\x00", None),
    ],
)  # fmt: skip
def test_a_cursor_has_one_form_and_no_other(text: str, cursor: Cursor | None) -> None:
    """Whatever a client sends is a gap at worst: it must reach no store as another number."""
    assert parse_cursor(text) == cursor


def test_an_entrys_id_is_the_cursor_behind_it() -> None:
    entry = Entry("abcd", 7, *Draft("run_1", "a", "token", b"{}"))
    assert entry.id == "abcd-7"
    assert parse_cursor(entry.id) == Cursor("abcd", 7)
    assert (entry.run_id, entry.agent_id, entry.type, entry.data) == ("run_1", "a", "token", b"{}")
    assert "a.token" in repr(entry)


@pytest.mark.parametrize("seq", [4, 5, 9])
def test_a_reader_goes_on_from_before_the_first_to_the_newest(seq: int) -> None:
    check_cursor(Cursor("abcd", seq), BOUNDS)


@pytest.mark.parametrize(
    ("cursor", "reason"),
    [
        (Cursor("zzzz", 7), "epoch"),
        (Cursor("abcd", 10), "ahead"),
        (Cursor("abcd", 3), "trimmed"),
        (Cursor("zzzz", 99), "epoch"),
    ],
)
def test_any_other_is_a_gap_that_says_why_and_what_there_is(cursor: Cursor, reason: GapReason) -> None:
    with pytest.raises(GapError) as caught:
        check_cursor(cursor, BOUNDS)
    assert (caught.value.reason, caught.value.earliest, caught.value.latest) == (reason, "abcd-5", "abcd-9")


def test_an_empty_channel_has_no_ids() -> None:
    empty = Bounds("abcd", 1, 0)
    assert empty.id(1) is None
    check_cursor(Cursor("abcd", 0), empty)
    gap = make_gap("ahead", empty)
    assert (gap.earliest, gap.latest) == (None, None)


def test_incarnations_have_names_of_their_own_that_are_cursors() -> None:
    names = {new_epoch() for _ in range(200)}
    assert len(names) == 200
    assert all(re.fullmatch("[a-z0-9]{8}", name) and parse_cursor(f"{name}-1") for name in names)
