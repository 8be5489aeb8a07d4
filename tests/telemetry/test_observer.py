"""Covers `orchestrator/telemetry/observer.py`: whoever counts and whoever traces hear the same."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from orchestrator.telemetry.observer import Observer, Observers

METHODS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")]


def recorder(told: list[Any]) -> Observer:
    """Return an observer that notes every call."""
    found = Observer()
    for name in METHODS:
        setattr(found, name, lambda *values, name=name: told.append((name, values)))
    return found


@pytest.mark.parametrize("name", METHODS)
def test_each_of_several_hears_everything_in_order(name: str) -> None:
    told: list[Any] = []
    both = Observers(recorder(told), recorder(told))
    values = tuple(object() for _ in list(inspect.signature(getattr(Observer, name)).parameters)[1:])
    getattr(both, name)(*values)
    assert told == [(name, values)] * 2
    assert name in vars(Observers), "it is handed on, and not only inherited"


@pytest.mark.parametrize("name", METHODS)
def test_an_observer_may_leave_out_what_it_does_not_count(name: str) -> None:
    values = [None for _ in list(inspect.signature(getattr(Observer, name)).parameters)[1:]]
    assert getattr(Observer(), name)(*values) is None
