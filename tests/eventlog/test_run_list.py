"""Covers `orchestrator/eventlog/run_list.py`: rows, filters and pages of a list of runs."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.eventlog.run_list import (
    SCANNED_ROWS,
    TITLE_CHARS,
    RunPage,
    RunQuery,
    RunRow,
    RunSummary,
    decode_summary,
    encode_summary,
    end_summary,
    select_rows,
    title_of,
)


def row(place: int, title: str | None = "Hi", **keys: Any) -> RunRow:
    made: dict[str, Any] = {"channel": "c", "conversation_id": None, "status": "completed", **keys}
    summary = None if title is None else RunSummary(title)
    return RunRow(place, f"run_{place}", created_at=1, ended_at=None, summary=summary, **made)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ({}, True), ({"status": "completed"}, True), ({"status": "running"}, False), ({"channel": "c"}, True),
        ({"channel": "d"}, False), ({"conversation_id": "k"}, False), ({"text": "hI"}, True), ({"text": "ho"}, False),
        ({"text": "hi", "channel": "d"}, False),
    ],
)  # fmt: skip
def test_every_filter_that_is_given_has_to_hold(query: dict[str, Any], kept: bool) -> None:
    assert RunQuery(9, **query).keeps(row(1)) is kept


def test_what_cannot_be_read_is_found_by_everything_but_its_words() -> None:
    assert RunQuery(9, channel="c").keeps(row(1, None))
    assert not RunQuery(9, text="hi").keeps(row(1, None))


def test_case_is_folded_in_any_language() -> None:
    assert RunQuery(9, text="STRASSE").keeps(row(1, "In der Straße"))


def test_a_page_says_where_to_go_on_and_the_last_one_that_there_is_nothing_more() -> None:
    rows = [row(place) for place in range(5, 0, -1)]
    page = select_rows(rows, RunQuery(2))
    assert ([each.place for each in page.rows], page.next) == ([5, 4], 4)
    assert select_rows(rows, RunQuery(5)) == RunPage(rows, None)


def test_a_page_looks_at_so_many_rows_and_no_more() -> None:
    """Filters that keep nothing would else read the whole store for one request."""
    rows = (row(place) for place in range(2 * SCANNED_ROWS, 0, -1))
    page = select_rows(rows, RunQuery(2, text="nothing"))
    assert (page.rows, page.next) == ([], SCANNED_ROWS + 1)
    assert next(rows).place == SCANNED_ROWS - 1, "one row further was fetched to see that there is more"


def test_a_title_is_one_line_of_bounded_length() -> None:
    assert title_of("  What\n\tis  it? ") == "What is it?"
    assert len(title_of("x" * 10_000)) == TITLE_CHARS
    assert title_of("a\ud800b") == "a\ufffdb"


def test_a_summary_is_read_back_and_one_of_another_release_is_none() -> None:
    summary = RunSummary("Hi", {"a": "queued", "b": None}, "Jury", True)
    assert decode_summary(encode_summary(summary)) == summary
    for odd in (None, b"", b"{", b'{"title": 5}'):
        assert decode_summary(odd) is None


def test_how_agents_ended_is_kept_if_it_is_known() -> None:
    summary = RunSummary("Hi", {"a": "queued"})
    assert end_summary(summary, {"a": "done"}) == RunSummary("Hi", {"a": "done"})
    assert end_summary(summary, None) is summary
    assert end_summary(None, {"a": "done"}) is None
