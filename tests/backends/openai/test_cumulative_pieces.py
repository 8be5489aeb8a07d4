"""Pieces that say all so far are taken apart from pieces that only look like it, with what the server did before."""

from __future__ import annotations

import pytest

from orchestrator.backends.openai.model.chat.cumulative_pieces import CumulativePieces, DeltaStyle


def said(*pieces: str, habit: DeltaStyle | None = None) -> str:
    reading = CumulativePieces(habit)
    return "".join([*map(reading.new, pieces), reading.rest()])


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (("he", "hello"), "hello"),
        (("a", "an", "and", "and so on"), "and so on"),
        (("ha", "haha"), "hahaha"),
        (("no", "no"), "nono"),
        (("1", "12"), "112"),
        (("The", "Theory", " of it"), "TheTheory of it"),
        (("-", "--", "---"), "-" * 6),
    ],
)
def test_what_a_server_of_no_known_habit_says(pieces: tuple[str, ...], text: str) -> None:
    assert said(*pieces) == text


def test_a_server_that_repeated_is_taken_to_repeat_a_number_too() -> None:
    habit = DeltaStyle()
    assert said("hello th", "hello there", habit=habit) == "hello there"
    assert said("1", "12", habit=habit) == "12"


def test_a_server_that_said_pieces_is_taken_to_say_two_of_them() -> None:
    """A word may double its beginning: `mur`, `mured`."""
    habit = DeltaStyle()
    assert said("so ", "it ", "goes", habit=habit) == "so it goes"
    assert said("mur", "mured", habit=habit) == "murmured"


def test_a_gateway_may_change_its_mind() -> None:
    habit = DeltaStyle(repeats=False)
    assert said("he", "hel", "hello", habit=habit) == "hello"
    assert said("so ", "it ", "goes", habit=habit) == "so it goes"
