"""Covers `orchestrator/backends/media.py`: what is left out of what an agent says beside text."""

from __future__ import annotations

import pytest

from orchestrator.backends.media import Attachments, DataReports, usable_file
from orchestrator.events.content import DATA_URL_CHARS, MOST, Data, File, Source

DOT = "data:image/png;base64,AA=="


@pytest.mark.parametrize(
    "url", ["http://a.example/x.png", "data:image/png", "data:image/png;base64," + "A" * DATA_URL_CHARS]
)
def test_a_file_that_cannot_be_passed_on_is_left_out_and_not_counted(url: str) -> None:
    attached = Attachments()
    assert [*usable_file("f", "x", "image/png", url), *attached.file("f", "x", "image/png", url)] == []
    assert attached.files == 0


def test_files_are_counted_up_to_what_an_attempt_may_have() -> None:
    attached = Attachments()
    found = [
        file for n in range(MOST[File] + 3) for file in attached.file(f"f{n}", "x", "image/png", DOT, "a")
    ]
    assert len(found) == attached.files == MOST[File]
    assert (found[-1].file_id, found[-1].speaker) == (f"f{MOST[File] - 1}", "a")


def test_a_page_is_named_once_and_only_so_many_are() -> None:
    attached = Attachments()
    (page,) = attached.page("https://a.example/", title="A", quote="q", speaker="b")
    assert (page.source_id, page.url, page.title, page.quote, page.speaker) == (
        "https://a.example/", "https://a.example/", "A", "q", "b"
    )  # fmt: skip
    for odd in ("https://a.example/", "no address", None, 3):
        assert [*attached.page(odd)] == []
    more = [p for n in range(MOST[Source] + 3) for p in attached.page(f"https://a.example/{n}")]
    assert len(more) == MOST[Source] - 1


def test_half_a_character_takes_no_data_away() -> None:
    (found,) = DataReports().report("rows", {"title": "cut \ud83d", "k\udc00": [1, "\ud83d"]})
    assert found == Data("rows", {"title": "cut \ufffd", "k\ufffd": [1, "\ufffd"]})
