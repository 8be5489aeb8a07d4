"""A panel method is one file and one row: nothing else knows which methods there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.panels.loader import load_method
from orchestrator.panels.methods.registry import METHODS, MethodKind, method_kind

from ..server.test_panels import AGENTS, finished, of
from ..support.service import Serve

LONGEST = '''
"""Panel method `longest`: the longest answer wins."""

from orchestrator.panels.base import Verdict
from orchestrator.panels.session import Session


async def longest(session: Session) -> Verdict:
    asked = await session.ask_members()
    answers = [await task for task in asked.values()]
    best = max(answers, key=lambda answer: len(answer.text))
    return Verdict("decided", best.agent_id, [(best.agent_id, 1.0)], {best.agent_id: 1.0}, last=best)
'''


@pytest.fixture
def longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "method_longest.py").write_text(LONGEST)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(METHODS, "longest", MethodKind("method_longest:longest", least_members=2))


@pytest.mark.usefixtures("longest")
async def test_a_new_method_is_served_after_one_file_and_one_row(serve: Serve) -> None:
    service = await serve(AGENTS)
    _, events = await finished(service, panel={"method": "longest", "members": ["a", "b"]})
    (result,) = of(events, "panel.result")
    assert result["winner"] == "b"
    assert result["method"] == "longest"
    listed = (await service.call("GET", "/v1/panels")).json["methods"][-1]
    assert (listed["method"], listed["title"]) == ("longest", "Longest")  # so the page offers it


@pytest.mark.usefixtures("longest")
async def test_what_its_row_asks_for_is_checked_before_the_run(serve: Serve) -> None:
    service = await serve(AGENTS)
    few = {"message": "Who?", "panel": {"method": "longest", "members": ["a"]}}
    led = {"message": "Who?", "panel": {"method": "longest", "members": ["a", "b"], "moderator": "chair"}}
    answer = await service.call("POST", "/v1/runs", json=few)
    assert answer.status == 422
    assert "needs 2 members" in answer.json["errors"][0]["detail"]
    answer = await service.call("POST", "/v1/runs", json=led)
    assert answer.status == 422
    assert answer.json["errors"][0]["at"] == "panel.moderator"


@pytest.mark.parametrize("name", METHODS)
def test_every_row_names_a_function(name: str) -> None:
    assert callable(load_method(name))


def test_a_method_of_the_users_own_asks_nothing_of_other_keys() -> None:
    own = method_kind("shop.panels:cheapest")
    assert (own.function, own.moderator, own.least_members) == ("shop.panels:cheapest", "optional", 1)
