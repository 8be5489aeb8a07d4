"""How much of what a test could go through it goes through: a share, and with `FAULT_ROUNDS` all of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

ALL = bool(os.environ.get("FAULT_ROUNDS"))

_T = TypeVar("_T")


def share(whole: int, part: int) -> int:
    """Return *part*, how many of *whole* there are by default; *whole* if all is asked for."""
    return whole if ALL else part


def in_turn(choices: Sequence[_T], turn: int) -> Sequence[_T]:
    """Return the one of *choices* whose turn it is, or all of them if all is asked for."""
    return choices if ALL else [choices[turn % len(choices)]]
