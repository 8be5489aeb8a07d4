"""Covers `orchestrator/events/content.py`: what an agent may say beyond text, and its bounds."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.events.content import (
    DATA_URL_CHARS,
    JSON_DEPTH,
    TEXT_CHARS,
    Data,
    File,
    Progress,
    Source,
    fault_of_json,
    too_long,
)


@pytest.mark.parametrize(
    "good",
    [
        Progress("Reading", 0.0), Progress("Reading", 1), Progress("", step=0, steps=1), Progress("", step=3),
        Data("a", None), Data("x.y_z-1", 1, "id"),
        Source("s", url="https://x/y"), Source("s", document="Page 3 of the minutes", at=0),
        File("f", "a.png", "image/png", "data:image/png;base64,AAAA"), File("f", "", "text/plain; a=b", "https://x"),
    ],
)  # fmt: skip
def test_what_is_right(good: Progress | Data | Source | File) -> None:
    assert good.check() is None


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (Progress("x", -0.1), "fraction"), (Progress("x", 1.1), "fraction"), (Progress("x", float("nan")), "fraction"),
        (Progress("x", step=-1), "steps"), (Progress("x", steps=0), "steps"),
        (Progress("x", step=2, steps=1), "beyond"),
        (Data("", 1), "name"), (Data("Ü", 1), "name"), (Data("a" * 65, 1), "name"), (Data("a\n", 1), "name"),
        (Source("s"), "either"), (Source("s", url="https://x", document="y"), "either"),
        (Source("s", url="javascript:alert(1)"), "http"), (Source("s", url="https://"), "http"),
        (Source("s", url="https://x y"), "http"), (Source("s", document="x", at=-1), "negative"),
        (File("f", "n", "image/png", "http://x"), "https"), (File("f", "n", "image/png", "data:nothing"), "read"),
        (File("f", "n", "png", "https://x"), "media type"), (File("f", "n", "a/b\r\nX: y", "https://x"), "media type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(wrong: Progress | Data | Source | File, says: str) -> None:
    assert says in (wrong.check() or "nothing")


@pytest.mark.parametrize(
    "wrong",
    [
        Progress("x" * (TEXT_CHARS + 1)), Data("a", 1, "x" * (TEXT_CHARS + 1)),
        Source("s", document="x" * (TEXT_CHARS + 1)), Source("s", url="https://" + "x" * TEXT_CHARS),
        File("f", "x" * (TEXT_CHARS + 1), "a/b", "https://x"),
        File("f", "n", "a/b", "https://" + "x" * TEXT_CHARS),
        File("f", "n", "a/b", "data:," + "x" * DATA_URL_CHARS),
    ],
    ids=lambda wrong: type(wrong).__name__,
)  # fmt: skip
def test_no_text_is_unbounded(wrong: Progress | Data | Source | File) -> None:
    assert wrong.check() is not None


def test_a_data_url_may_be_longer_than_other_texts() -> None:
    assert File("f", "n", "a/b", "data:," + "x" * (TEXT_CHARS + 1)).check() is None


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_json_that_clients_cannot_read_is_refused() -> None:
    """JavaScript's parser refuses NaN, and deep nesting ends recursive readers."""
    assert fault_of_json({"a": [1, 2.5, "x", None, True]}) is None
    assert "NaN" in (fault_of_json({"a": [float("inf")]}) or "")
    assert fault_of_json(nested(JSON_DEPTH)) is None
    assert "deep" in (fault_of_json(nested(JSON_DEPTH + 1)) or "")


def test_a_hundred_thousand_levels_are_refused_without_recursion() -> None:
    assert fault_of_json(nested(100_000)) is not None


def test_absent_texts_are_never_too_long() -> None:
    assert too_long(None, "", "x" * TEXT_CHARS) is None
