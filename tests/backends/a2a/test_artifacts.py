"""What was said of an artifact, kept piece by piece."""

from __future__ import annotations

import pytest

from orchestrator import AgentError
from orchestrator.backends.a2a.artifacts import SaidText, after
from orchestrator.events import Reasoning, Token
from orchestrator.sse_parser import MAX_EVENT_BYTES


def said(*pieces: str) -> SaidText:
    text = SaidText()
    for piece in pieces:
        text.add(piece)
    return text


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        ((), ""),
        (("a", "b", "c"), "abc"),
        (("ü", "\ud83d", "\ude00", "!"), "ü😀!"),
        (("\ud83d",), "\ud83d"),
        (("\ude00", "a"), "\ude00a"),
    ],
)
def test_pieces_are_one_text_with_halves_of_a_character_made_one(pieces: tuple[str, ...], whole: str) -> None:
    assert said(*pieces).text == whole
    assert len(said(*pieces)) == len(whole)
    assert bool(said(*pieces)) == bool(whole)


def test_it_grows_after_it_was_read() -> None:
    text = said("a", "\ud83d")
    assert text.text == "a\ud83d"
    text.add("\ude00")
    assert text.text == "a😀"
    assert text.begins(said("a😀 and more"))
    assert not text.begins(said("a"))


def test_what_can_never_be_sent_anew_is_refused() -> None:
    text = said("x" * MAX_EVENT_BYTES)
    with pytest.raises(AgentError):
        text.add("x")


def test_what_is_new_begins_after_what_is_known() -> None:
    pieces: list[str | Token | Reasoning] = ["ab", Token("cd", speaker="s"), Reasoning("ef")]
    assert list(after(3, pieces)) == [Token("d", speaker="s"), Reasoning("ef")]
    assert list(after(0, ["", "a"])) == ["a"]


def test_pieces_of_nothing_take_no_memory() -> None:
    text = said("a", *[""] * 1_000)
    assert text._pieces == ["a"]
