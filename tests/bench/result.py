"""What a scenario found: samples of each contender by round, and the ratios that were promised. No I/O."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

Sample = dict[str, float]
"""What one contender showed in one round."""

Rows = dict[str, list[Sample]]
"""Samples by contender (or by another first column), in the order of the rounds."""


@dataclass(frozen=True, slots=True)
class Column:
    """One figure of the table. `digits` after the point."""

    key: str
    title: str
    digits: int = 0


@dataclass(frozen=True, slots=True)
class Promise:
    """One ratio (or figure) of the issue, each round's by itself.

    Args:
        at_least: The floor, or None. at_most: The ceiling, or None.
    """

    text: str
    values: tuple[float, ...]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def promised(self) -> bool:
        """Whether there is a figure to keep; else it is only shown."""
        return self.at_least is not None or self.at_most is not None

    @property
    def kept(self) -> bool:
        low = self.at_least is None or self.median >= self.at_least
        return low and (self.at_most is None or self.median <= self.at_most)

    @property
    def wanted(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return f"≤ {self.at_most:g}" if self.at_most is not None else ""


@dataclass
class Result:
    """One scenario's findings. `first` names the first column; `files` are written beside the report."""

    title: str
    columns: Sequence[Column]
    rows: Rows
    promises: list[Promise] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    first: str = "server"
    files: dict[str, str] = field(default_factory=dict)

    def median(self, row: str, key: str) -> float:
        return statistics.median(sample[key] for sample in self.rows[row])


def ratios(rows: Rows, above: str, below: str, key: str) -> tuple[float, ...]:
    """Return *above*'s figure over *below*'s, round by round."""
    pairs = zip(rows[above], rows[below], strict=True)
    return tuple(one[key] / other[key] if other[key] else float("inf") for one, other in pairs)


def take_turns(names: Iterable[str], rounds: int, once: Callable[[str], Sample]) -> Rows:
    """Measure all once, then all again: what disturbs the machine disturbs each of them."""
    rows: Rows = {name: [] for name in names}
    for _ in range(rounds):
        for name, samples in rows.items():
            samples.append(once(name))
    return rows
