"""Covers `screenshots.py`: the README's pictures can be taken, on the agents that ship."""

from __future__ import annotations

from pathlib import Path

from tests.browser.screenshots import take


def test_all_pictures_are_taken(tmp_path: Path) -> None:
    pictures = take(tmp_path, alive_chars=20)
    assert [picture.stem for picture in pictures] == ["welcome", "alive", "stopped", "ended", "dark", "phone"]
    for picture in pictures:
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size > 20_000, "more than an empty page"
