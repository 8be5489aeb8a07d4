"""Covers `orchestrator/backends/json_values.py`: what a framework's own objects are in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel

from orchestrator.backends.json_values import as_json, plain


class Order(BaseModel):
    number: int
    day: date


@dataclass
class Item:
    name: str


class Mute:
    def __str__(self) -> str:
        raise RuntimeError("a key")


class Said:
    def __str__(self) -> str:
        return "said"


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [1, None, True]}, {"a": [1, None, True]}), ({1: "a"}, {"1": "a"}),
        (Order(number=1, day=date(2026, 12, 1)), {"number": 1, "day": "2026-12-01"}),
        ({"i": Item("x")}, {"i": {"name": "x"}}),
        (Said(), "said"), ([Said()], ["said"]), (Mute(), "[Mute]"), ({"m": [Mute()]}, {"m": ["[Mute]"]}),
    ],
)  # fmt: skip
def test_a_value_is_what_json_has_for_it(value: object, expected: object) -> None:
    assert plain(value) == expected
    assert json.loads(as_json(value)) == expected


@pytest.mark.parametrize(
    "value", [float("nan"), {"a": float("inf")}, 10**5000, CIRCLE], ids=["nan", "inf", "digits", "circle"]
)
def test_what_json_does_not_have_is_a_text(value: object) -> None:
    assert isinstance(plain(value), str)
    json.loads(as_json(value))
