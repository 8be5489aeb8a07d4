"""Bradley-Terry ratings of comparisons, with their intervals. Pure mathematics: knows no agent.

A rating is on Elo's scale: who stands 400 above another is expected to win ten of eleven comparisons. Ties count
half.
Each is given one draw against an imagined opponent of 1000, so that who has only won stays finite.
Source: Bradley and Terry, 1952, by Newton's method on the logarithm of the likelihood, which is concave.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

CENTRE = 1000.0
SCALE = 400.0 / math.log(10.0)
NORMAL_95 = 1.959964
MAX_STEPS = 50
MAX_STEP = 2.0
CLOSE = 1e-6


class Rating(NamedTuple):
    """A rating and the bounds of its 95 % interval."""

    rating: float
    low: float
    high: float


def rate(count: int, comparisons: Iterable[tuple[int, int, float]]) -> list[Rating]:
    """Rate *count* players by (first, second, share of the first) of each comparison.

    What it takes grows with the third power of *count*, and with nothing else once the comparisons are summed up.
    """
    played: dict[tuple[int, int], float] = {}
    won = [0.5] * count  # the half of the draw against the imagined opponent
    for first, second, share in comparisons:
        pair = (min(first, second), max(first, second))
        played[pair] = played.get(pair, 0.0) + 1.0
        won[first] += share
        won[second] += 1.0 - share
    strength = [0.0] * count
    for _ in range(MAX_STEPS):
        gradient, information = _slope(strength, won, played)
        steps = _times(_inverse(information), gradient)
        longest = max(map(abs, steps), default=0.0)
        shrink = min(1.0, MAX_STEP / longest) if longest else 1.0
        strength = [value + step * shrink for value, step in zip(strength, steps, strict=True)]
        if longest < CLOSE:
            break
    _, information = _slope(strength, won, played)
    spread = _inverse(information)
    found = []
    for player, value in enumerate(strength):
        rating, margin = (
            CENTRE + SCALE * value,
            SCALE * NORMAL_95 * math.sqrt(max(spread[player][player], 0.0)),
        )
        found.append(Rating(rating, rating - margin, rating + margin))
    return found


def _slope(
    strength: Sequence[float], won: Sequence[float], played: dict[tuple[int, int], float]
) -> tuple[list[float], list[list[float]]]:
    """Return the gradient of the likelihood's logarithm, and the information (its negative second derivatives)."""
    count = len(strength)
    gradient = list(won)
    information = [[0.0] * count for _ in range(count)]
    for player, value in enumerate(strength):
        chance = _chance(value)
        gradient[player] -= chance
        information[player][player] += chance * (1.0 - chance)
    for (first, second), times in played.items():
        chance = _chance(strength[first] - strength[second])
        gradient[first] -= times * chance
        gradient[second] -= times * (1.0 - chance)
        weight = times * chance * (1.0 - chance)
        information[first][first] += weight
        information[second][second] += weight
        information[first][second] -= weight
        information[second][first] -= weight
    return gradient, information


def _chance(difference: float) -> float:
    return 1.0 / (1.0 + math.exp(-difference))


def _times(matrix: Sequence[Sequence[float]], vector: Sequence[float]) -> list[float]:
    return [sum(map(float.__mul__, row, vector)) for row in matrix]


def _inverse(matrix: Sequence[Sequence[float]]) -> list[list[float]]:
    """Invert a positive definite matrix, which needs no pivot (Gauss-Jordan)."""
    count = len(matrix)
    rows = [[*row, *(float(place == n) for place in range(count))] for n, row in enumerate(matrix)]
    for pivot in range(count):
        scale = rows[pivot][pivot]
        rows[pivot] = [value / scale for value in rows[pivot]]
        own = rows[pivot]
        for n, row in enumerate(rows):
            factor = row[pivot]
            if n != pivot and factor:
                rows[n] = [value - factor * mine for value, mine in zip(row, own, strict=True)]
    return [row[count:] for row in rows]
