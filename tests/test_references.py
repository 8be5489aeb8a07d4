"""What "module:attribute" names, and what is said if it names nothing."""

from __future__ import annotations

import types
from typing import Any

import pytest

from orchestrator.errors import ConfigError
from orchestrator.references import load_attribute


class Shy(types.ModuleType):
    """A module that does not say what it has."""

    def __dir__(self) -> Any:
        raise RuntimeError("not for you")


graph = object()
shop = types.SimpleNamespace(clerk=graph, shop=types.SimpleNamespace(clerk=graph))


def test_an_attribute_may_be_dotted() -> None:
    assert load_attribute(f"{__name__}:graph") is load_attribute(f"{__name__}:shop.clerk") is graph


@pytest.mark.parametrize(
    ("named", "hint"),
    [
        ("grpah", "; did you mean 'graph'?"),
        ("shop.clrek", "; did you mean 'shop.clerk'?"),
        ("shpo.clerk", "; did you mean 'shop.clerk'?"),
        ("shop.shpo.clerk", "; did you mean 'shop.shop.clerk'?"),
        ("wholly_other", ""),
    ],
)
def test_a_name_that_is_almost_there_is_asked_about(named: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_attribute(f"{__name__}:{named}", file="a.yaml", key="graph")
    assert str(caught.value) == f"a.yaml: graph: module {__name__!r} has no {named!r}{hint}"


def test_an_odd_module_gives_no_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "shy", Shy("shy"))
    with pytest.raises(ConfigError, match=r"module 'shy' has no 'graph'$"):
        load_attribute("shy:graph")
