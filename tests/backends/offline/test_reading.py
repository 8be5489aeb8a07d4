"""What offline agents read in a text: sums and places, as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.offline.reading import find_expression, find_place, shorten


@pytest.mark.parametrize(
    ("message", "expression"),
    [
        ("What is 17*23?", "17*23"),
        ("(see 17 * 23)", "17 * 23"),
        ("17 × 23 please", "17 * 23"),
        ("3 x 4", "3 * 4"),
        ("17 times 23", "17 * 23"),
        ("ten is 20 divided by 2", "20 / 2"),
        ("15% of 80", "15 / 100 * 80"),
        ("2^10", "2**10"),
        ("1,000 + 1", "1000 + 1"),
        ("the square root of 144", "sqrt(144)"),
        ("is (1+2)*3 nine?", "(1+2)*3"),
        ("2+2=4?", "2+2"),
        ("compute 24/7", "24/7"),
        ("open 24/7", None),
        ("on 2026-10-12", None),
        ("3 apples (and 4 pears)", None),
        ("version 3.11", None),
        ("- a list", None),
        ("", None),
    ],
)
def test_sums_are_found_in_sentences(message: str, expression: str | None) -> None:
    """As people write them; a date or a range is no sum unless asked for."""
    assert find_expression(message) == expression


def test_a_sum_that_begins_with_an_operator_goes_on_from_the_last_result() -> None:
    """Of an earlier answer; without one there is nothing to go on from."""
    assert find_expression("and now divided by 3?", "17*23 = 391. It has 2 = 2.5 parts") == "2.5 / 3"
    assert find_expression("and now divided by 3?") is None


@given(st.text(alphabet="0123456789+-*/%()., x=^and\n", max_size=200))
def test_a_found_sum_is_fit_for_the_calculator(message: str) -> None:
    """It may be refused, never misread as something else than arithmetic by its shape."""
    expression = find_expression(message)
    assert expression is None or re.fullmatch(r"[\d\s.+\-*/%()sqrt]+", expression)


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ("What time is it in Tokyo?", "Tokyo"),
        ("time in tokyo right now", "tokyo"),
        ("What is the date in New York today?", "New York"),
        ("What time is it in the morning?", "UTC"),
        ("What time is it?", "UTC"),
    ],
)
def test_places_are_found_in_sentences(message: str, place: str) -> None:
    """With or without a capital."""
    assert find_place(message) == place


@given(st.text(max_size=400), st.integers(10, 80))
def test_shortened_text_is_one_line_within_its_limit(text: str, limit: int) -> None:
    """It goes into a sentence."""
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short.splitlines() in ([], [short])
