"""The tools and the reading of offline agents, without any SDK."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.offline.reading import find_expression, find_place, foreign_script, shorten
from orchestrator.backends.offline.tools import (
    calculator,
    clock,
    find_key_words,
    key_words,
    text_statistics,
    words,
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("17*23", "391"),
        ("1 + 2 * 3", "7"),
        ("(1+2)*3", "9"),
        ("-3**2", "-9"),
        ("10/2", "5"),
        ("7/2", "3.5"),
        ("7//2", "3"),
        ("7%4", "3"),
        ("0.1+0.2", "0.3"),
        ("2**100", str(2**100)),
        ("10**30/10**28", "100"),
        ("sqrt(144) + abs(-1)", "13"),
        ("max(1, 2, round(2.6))", "3"),
        ("2*pi", f"{2 * math.pi:.12g}"),
        ("1e3", "1000"),
        (" 2 ", "2"),
    ],
)
def test_calculator_computes(expression: str, value: str) -> None:
    """Whole numbers stay whole, and no float shows its binary tail."""
    assert calculator(expression) == value


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("1/0", "division by zero"),
        ("0**-1", "division by zero"),
        ("2**9**9**9", "too large"),
        ("9**9**9", "too large"),
        ("(2**3999)*(2**3999)", "too large"),
        ("1e308*10", "too large"),
        ("1e999", "too large"),
        ("(-8)**0.5", "not a real number"),
        ("sqrt(-1)", "no real square root"),
        ("sqrt(1, 2)", "takes one number"),
        ("min()", "at least one number"),
        ("round(5, -1000000000)", "takes one number"),
        ("", "not an arithmetic expression"),
        ("2 +", "not an arithmetic expression"),
        ("1;2", "not an arithmetic expression"),
        ("(" * 300, "not an arithmetic expression"),
        ("1" * 401, "longer than 400 characters"),
        ("__import__('os').system('true')", "not arithmetic"),
        ("().__class__", "not arithmetic"),
        ("[1 for _ in (1,)]", "not arithmetic"),
        ("'a' * 9", "not arithmetic"),
        ("True + 1", "not arithmetic"),
        ("1j", "not arithmetic"),
        ("1 << 9", "not arithmetic"),
        ("x", "not arithmetic"),
        ("(lambda: 1)()", "not arithmetic"),
    ],
)
def test_calculator_refuses_with_a_reason(expression: str, reason: str) -> None:
    """Nothing but numbers can be reached, and nothing that would hold a core."""
    with pytest.raises(ValueError, match=reason):
        calculator(expression)


@given(st.text(alphabet="0123456789+-*/%(). esqrtpi", max_size=80))
def test_calculator_gives_a_number_or_a_reason(expression: str) -> None:
    """No other exception, whatever stands in the message."""
    try:
        result = calculator(expression)
    except ValueError:
        return
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[-+]\d+)?", result)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9), st.sampled_from("+-*"))
def test_calculator_agrees_with_python(left: int, right: int, sign: str) -> None:
    """Exactly, for whole numbers."""
    expected = {"+": left + right, "-": left - right, "*": left * right}[sign]
    assert calculator(f"({left}) {sign} ({right})") == str(expected)


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        ("UTC", "UTC"),
        ("Tokyo", "Asia/Tokyo"),
        ("new york", "America/New_York"),
        ("Europe/Berlin", "Europe/Berlin"),
    ],
)
def test_clock_knows_zones_and_cities(place: str, zone: str) -> None:
    """In any spelling of upper and lower case."""
    assert f" in {zone} (UTC" in clock(place)


def test_clock_tells_the_present() -> None:
    """Between the moment before and the moment after."""
    before = datetime.now(UTC).replace(microsecond=0)
    told = datetime.strptime(clock("UTC").partition(" in ")[0], "%A, %d %B %Y, %H:%M:%S").replace(tzinfo=UTC)
    assert before <= told <= datetime.now(UTC)


def test_clock_says_which_place_it_does_not_know() -> None:
    """A guess would be a wrong time."""
    with pytest.raises(ValueError, match="no time zone is called 'Atlantis'"):
        clock("Atlantis")


def test_text_statistics_counts() -> None:
    """A hand-counted text."""
    assert json.loads(text_statistics("One two. Two three!\nFour—and five-ish?")) == {
        "characters": 38,
        "words": 7,
        "distinct_words": 6,
        "sentences": 3,
        "lines": 2,
        "longest_word": "five-ish",
    }


@given(st.text(max_size=300))
def test_text_statistics_takes_any_text(text: str) -> None:
    """Counts hang together, whatever the script."""
    counts = json.loads(text_statistics(text))
    assert counts["characters"] == len(text)
    assert counts["distinct_words"] <= counts["words"] == len(words(text))


def test_words_keep_their_combining_marks() -> None:
    """Hindi vowels and an accent that stands apart belong to their word."""
    assert words("नमस्ते दुनिया, cafe\u0301 ❤️ it's") == ["नमस्ते", "दुनिया", "cafe\u0301", "it's"]


def test_key_words_leave_out_what_any_sentence_has() -> None:
    """Repeated words come first, then long ones."""
    assert find_key_words("Why is the cat on the roof, and what does a cat want there?") == [
        "cat",
        "roof",
        "want",
    ]
    assert json.loads(key_words("the of and")) == []


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


@pytest.mark.parametrize(
    ("message", "script"), [("Привет", "Cyrillic"), ("你好", "Chinese"), ("héllo", None), ("😀 1", None)]
)
def test_scripts_are_told_apart(message: str, script: str | None) -> None:
    """By the letters that most of the message is written in."""
    assert foreign_script(message) == script


@given(st.text(max_size=400), st.integers(10, 80))
def test_shortened_text_is_one_line_within_its_limit(text: str, limit: int) -> None:
    """It goes into a sentence."""
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short.splitlines() in ([], [short])
