"""Covers `tests/dialects/matrix.py`: each cell has a test that is always run, and what came of it is told."""

from __future__ import annotations

import pytest

from tests.support.parametrised import parameters_of

from .matrix import CASES, CLIENTS, EACH, ShownCells


def test_each_client_shows_each_case() -> None:
    assert len({tuple(sorted(shown)) for shown in CLIENTS.values()} | {tuple(sorted(CASES))}) == 1


@pytest.mark.parametrize(("client", "case"), [(client, case) for client in CLIENTS for case in CASES])
def test_a_case_of_a_client_is_run_with_each_of_its_versions(client: str, case: str) -> None:
    """By a test that is there, is never left out, and has the parameters that pytest gives it."""
    module, _, name = CLIENTS[client][case].partition("::")
    sets = parameters_of(f"tests.dialects.{module}", f"test_{name}")
    assert sets
    if client in EACH:
        key, values = EACH[client]
        assert {given[key] for given in sets} == values


def test_a_cell_is_seen_only_if_its_test_passed_with_each_parameter() -> None:
    watching = ShownCells(is_whole=True)
    test = CLIENTS["mcp"]["stop"]
    for version, outcomes in (("a", {"passed"}), ("b", {"passed", "failed"})):
        watching.outcomes[f"{test}[{version}]"] = outcomes
    found = {(client, case): seen for client, case, seen in watching.cells()}
    assert found["mcp", "stop"] == "failed"
    assert found["mcp", "tools"] == "not run"
    watching.outcomes = {f"{test}[a]": {"passed"}}
    assert ("mcp", "stop", "passed") in list(watching.cells())
