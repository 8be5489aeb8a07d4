"""Covers `orchestrator/settings/limits.py`: the bounds of a process, and that each default stands there alone."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from orchestrator.cli.commands import cli
from orchestrator.settings.limits import ConnectionLimits, RunLimits


@pytest.mark.parametrize("kind", [RunLimits, ConnectionLimits])
def test_every_limit_is_a_bound_out_of_the_box_or_spending_that_nobody_capped(kind: type) -> None:
    """A limit whose default is zero would refuse everything; only what runs may spend has no bound by itself."""
    limits = kind()
    unbounded = set()
    for each in dataclasses.fields(kind):
        value = getattr(limits, each.name)
        if value is None:
            unbounded.add(each.name)
        else:
            assert value > 0, each.name
    assert unbounded <= {"max_run_tokens", "max_run_cost"}


@pytest.mark.parametrize("kind", [RunLimits, ConnectionLimits])
def test_every_limit_is_explained(kind: type) -> None:
    text = inspect.getdoc(kind) or ""
    undocumented = [
        each.name for each in dataclasses.fields(kind) if f"{each.name}:" not in text.replace(",", ":")
    ]
    assert not {name for name in undocumented if name != "max_connections"}


def test_limits_cannot_be_changed_while_the_process_runs() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RunLimits().max_runs = 2  # type: ignore[misc]


def test_an_options_default_is_the_limits_own() -> None:
    """Else `serve` and an application that embeds the service would have different bounds."""
    limits = {each.name: each.default for each in dataclasses.fields(RunLimits)}
    options = {option.name: option.default for option in cli.commands["serve"].params}
    shared = {name for name in limits.keys() & options.keys() if limits[name] is not None}
    assert {"max_runs", "max_log_bytes"} <= shared, sorted(options)
    assert {name: options[name] for name in shared} == {name: limits[name] for name in shared}
