"""The tools that ship, without any SDK."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.backends.builtin_tools import (
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
        ("sqrt(-1)", "not a real number"),
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
