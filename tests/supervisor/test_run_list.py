"""Covers `orchestrator/supervisor/run_list.py`: what a list says of runs."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator

from orchestrator.backends.base import AgentInput
from orchestrator.eventlog.run_list import RunPage, RunQuery, RunRow, RunSummary
from orchestrator.events.encoding import encode_json
from orchestrator.events.run import AgentVariant
from orchestrator.run.spec import StartRequest
from orchestrator.supervisor.run_list import list_of, summary_of
from tests.support.patience import eventually
from tests.support.service import silent
from tests.support.spine import read, start, supervised


async def answers(request: AgentInput) -> AsyncGenerator[str, None]:
    yield "Yes."


def test_a_summary_holds_the_beginning_of_the_question_and_who_was_asked() -> None:
    summary = summary_of(StartRequest("  What\n is " + "x" * 500), ("a", "b"))
    assert summary.title.startswith("What is xxx")
    assert len(summary.title) == 200
    assert summary.agents == {"a": "queued", "b": "queued"}
    assert (summary.panel, summary.blind) == (None, False)


def test_a_blind_runs_summary_holds_no_name() -> None:
    variants = {"optimist": AgentVariant("skeptic", {})}
    summary = summary_of(StartRequest("hi", blind=True, variants=variants), ("skeptic", "optimist"))
    assert summary.variants == {}
    assert summary.agents == {"agent-1": "queued", "agent-2": "queued"}
    assert summary.blind


def test_a_panel_is_called_what_people_call_it() -> None:
    names = [
        {"title": "Jury", "panel_id": "jury", "method": "vote"},
        {"panel_id": "jury", "method": "vote"},
        {"method": "vote"},
    ]
    assert [summary_of(StartRequest("hi", panel=panel), ()).panel for panel in names] == [
        "Jury",
        "jury",
        "vote",
    ]


async def test_runs_of_this_worker_are_listed_as_they_stand_and_others_as_they_were() -> None:
    async with supervised({"a": answers, "b": silent}) as supervisor:
        live = await start(supervisor, "now", agents=("a", "b"))
        await eventually(lambda: live.participants["a"].status == "done")
        page = await supervisor.log.page_runs(RunQuery(9))
        other = RunRow(9, "run_other", "c", None, "running", 1, None, RunSummary("theirs", {"a": "queued"}))
        listed = list_of(RunPage([other, *page.rows], 7), supervisor._executor)
        assert [each.run_id for each in listed.runs] == ["run_other", live.spec.run_id]
        assert listed.next == "7"
        theirs, ours = listed.runs
        assert {name: agent.status for name, agent in theirs.agents.items()} == {"a": "queued"}
        assert {name: agent.status for name, agent in ours.agents.items()} == {"a": "done", "b": "running"}


async def test_what_cannot_be_read_is_listed_with_its_mark() -> None:
    async with supervised({"a": answers}) as supervisor:
        row = RunRow(1, "run_old", "c", None, "completed", 1, 2, None)
        (listed,) = list_of(RunPage([row], None), supervisor._executor).runs
        assert (listed.unreadable, listed.title, listed.agents) == (True, "", {})
        assert json.loads(encode_json(listed))["ended_at"] == 2


async def test_an_ended_run_is_listed_with_how_its_agents_ended() -> None:
    async with supervised({"a": answers}) as supervisor:
        run = await start(supervisor)
        await read(supervisor, run)
        await eventually(lambda: supervisor._executor.find(run.spec.run_id) is None)
        (listed,) = (await supervisor.page(RunQuery(9))).runs
        assert (listed.status, listed.agents["a"].status, listed.unreadable) == ("completed", "done", False)
