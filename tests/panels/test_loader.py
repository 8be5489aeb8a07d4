"""Covers `orchestrator/panels/loader.py`: a method's code, found by its name."""

from __future__ import annotations

import pytest

from orchestrator.errors import ConfigError
from orchestrator.panels.base import Verdict
from orchestrator.panels.loader import check_methods, load_method
from orchestrator.panels.methods.registry import METHODS, MethodKind
from orchestrator.panels.session import Session

HERE = "tests.panels.test_loader"


async def mine(session: Session) -> Verdict:
    return Verdict("decided")


def not_async(session: Session) -> Verdict:
    return Verdict("decided")


class Called:
    async def __call__(self, session: Session) -> Verdict:
        return Verdict("tie")


instance = Called()


@pytest.mark.parametrize("name", METHODS)
def test_each_method_of_the_table_is_found(name: str) -> None:
    assert load_method(name).__module__.startswith("orchestrator.panels.methods.")  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["mine", "instance"])
def test_a_method_may_be_the_users_own(name: str) -> None:
    assert load_method(f"{HERE}:{name}") is globals()[name]


@pytest.mark.parametrize("name", ["not_async", "HERE", "nothing_of_that_name"])
def test_what_is_no_method_is_refused_with_its_file(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_method(f"{HERE}:{name}", file="panels/mine.yaml")
    (problem,) = caught.value.problems
    assert (problem.file, problem.key) == ("panels/mine.yaml", "method")


NO_TEXT = 3


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (MethodKind(f"{HERE}:nothing"), "new: module 'tests.panels.test_loader' has no 'nothing'"),
        (MethodKind(f"{HERE}:not_async"), "is not an `async def` function"),
        (MethodKind(f"{HERE}:mine", prompt=f"{HERE}:nothing"), "has no 'nothing'"),
        (MethodKind(f"{HERE}:mine", prompt=f"{HERE}:NO_TEXT"), "is no text"),
        (MethodKind(f"{HERE}:mine", keys=("promt",)), "`keys` has 'promt'; panels have panel_id, title"),
    ],
)
def test_a_row_that_is_wrong_is_named_before_the_list_of_methods_fails_of_it(
    monkeypatch: pytest.MonkeyPatch, row: MethodKind, why: str
) -> None:
    assert check_methods() == []
    monkeypatch.setitem(METHODS, "new", row)
    (problem,) = check_methods()
    assert str(problem).startswith("METHODS of orchestrator.panels.methods.registry: new: ")
    assert why in str(problem)
