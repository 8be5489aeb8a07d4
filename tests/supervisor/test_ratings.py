"""Bradley-Terry ratings: what is known of them, in numbers."""

from __future__ import annotations

import math
import random

import pytest

from orchestrator.supervisor.ratings import CENTRE, SCALE, rate


def test_who_has_played_nobody_stands_in_the_middle() -> None:
    assert rate(0, []) == []
    ((rating, low, high),) = rate(1, [])
    assert rating == pytest.approx(CENTRE)
    assert low < rating < high


def test_who_wins_more_stands_higher_and_ties_count_half() -> None:
    won, lost = rate(2, [(0, 1, 1.0), (0, 1, 1.0), (1, 0, 1.0)])
    assert won.rating > CENTRE > lost.rating
    assert won.rating - CENTRE == pytest.approx(CENTRE - lost.rating)
    even = rate(2, [(0, 1, 0.5)] * 7)
    assert even[0].rating == pytest.approx(even[1].rating)
    assert rate(2, [(0, 1, 1.0), (0, 1, 0.0)])[0].rating == pytest.approx(CENTRE)


def test_who_has_only_won_stays_finite_and_more_games_say_more() -> None:
    few, many = rate(2, [(0, 1, 1.0)] * 5)[0], rate(2, [(0, 1, 1.0), (1, 0, 1.0)] * 200)[0]
    assert few.rating < CENTRE + 1000
    assert many.high - many.low < few.high - few.low


def test_strengths_that_made_the_results_are_found_again() -> None:
    drawn = random.Random(7)
    strengths = [drawn.gauss(0, 1) for _ in range(8)]
    games = []
    for _ in range(6000):
        first, second = drawn.sample(range(8), 2)
        chance = 1 / (1 + math.exp(strengths[second] - strengths[first]))
        games.append((first, second, float(drawn.random() < chance)))
    found = rate(8, games)
    middle = sum(strengths) / 8 - sum((r.rating - CENTRE) / SCALE for r in found) / 8
    for strength, (rating, low, high) in zip(strengths, found, strict=True):
        assert (rating - CENTRE) / SCALE + middle == pytest.approx(strength, abs=0.25)
        assert low < rating < high
