"""Panels from the command line: in this process, at a server, and over a run that is there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from orchestrator.cli.handles import PanelChoice, agents_here, start_here
from orchestrator.cli.options import ChangedAgent
from orchestrator.errors import InvalidRequest
from orchestrator.panels.methods.registry import METHODS
from tests.support.commands import orchestrate
from tests.support.panelscript import council
from tests.support.scripted_server import RUN_ID, ScriptedServer, scripted_server
from tests.support.served import orchestrator

AGENTS = '''
async def ann(request):
    yield "Tea is "
    yield "best."


async def bob(request):
    yield "Coffee is best."


async def cat(request):
    raise RuntimeError("no answer")
    yield ""


async def mod(request):
    """Prefers what it reads first, as a poor judge does."""
    yield "I have read them.\\n"
    yield "Winner: A"
'''
COUNCIL = "title: Council\nmethod: moderator\nmembers: [ann, bob, cat]\nmoderator: mod\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with agents of four lines each and a panel."""
    path = tmp_path_factory.mktemp("panel")
    (path / "own_agents.py").write_text(AGENTS)
    (path / "agents_config" / "panels").mkdir(parents=True)
    for agent_id in ("ann", "bob", "cat", "mod"):
        text = f"backend: function\nstream: own_agents:{agent_id}\nretry: {{attempts: 1}}\n"
        (path / "agents_config" / f"{agent_id}.yaml").write_text(text)
    (path / "agents_config" / "panels" / "council.yaml").write_text(COUNCIL)
    return path


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with orchestrator(cwd=folder) as address:
        yield address


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        yield script


def told(out: str) -> list[tuple[str, str]]:
    """Return the lines of a pipe as who said what."""
    parts = [line.partition("│") for line in out.splitlines()]
    return [(who.strip(), what.strip()) for who, _, what in parts]


def events(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


# ── what is asked for ─────────────────────────────────────────────────────────────────────────


def test_a_configured_panel_goes_before_a_method_of_that_name() -> None:
    assert PanelChoice("council").spelled_out(["council"], METHODS) == "council"
    assert PanelChoice("judge").spelled_out(["judge"], METHODS) == "judge"
    assert PanelChoice("judge", "mod").spelled_out(["council"], METHODS) == {
        "method": "judge",
        "moderator": "mod",
    }
    assert PanelChoice("race").spelled_out([], METHODS) == {"method": "race"}
    with pytest.raises(InvalidRequest, match="--moderator goes with a method"):
        PanelChoice("council", "mod").spelled_out(["council"], METHODS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--panel", "council", "--moderator", "mod"], "the panel 'council' has its own"),
        (["--moderator", "mod"], "--moderator needs a --panel"),
        (
            ["--panel", "quarrel", "--agents", "ann"],
            "there is no 'quarrel'; panels here: council; methods: moderator",
        ),
        (["--panel", "judge", "--agents", "ann,bob"], "panel.moderator: is missing"),
        (["--panel", "judge", "--agents", "ann,bob", "--moderator", "eve"], "there is no agent 'eve'"),
    ],
)
def test_misuse_is_one_line_and_exit_2(folder: Path, arguments: list[str], said: str) -> None:
    ran = orchestrate("run", "tea?", *arguments, cwd=folder)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


# ── in this process ───────────────────────────────────────────────────────────────────────────


def test_a_council_in_this_process(folder: Path) -> None:
    """One member fails: the moderator is told, and the exit code says that not all are done."""
    ran = orchestrate("run", "tea?", "--panel", "council", cwd=folder)
    lines = told(ran.stdout)
    assert ran.returncode == 3
    assert ("mod[final]", "[reads ann, bob; without cat (error)]") in lines
    assert ("mod[final]", "I have read them.") in lines
    assert ("panel", "result: decided; last word: mod; without cat (error)") in lines
    assert lines.index(("ann", "Tea is best.")) < lines.index(("panel", "final: mod; without cat (error)"))


def test_a_judge_who_prefers_the_first_is_no_judge(folder: Path) -> None:
    arguments = ("--panel", "judge", "--moderator", "mod", "--agents", "ann,bob", "--json")
    ran = orchestrate("run", "tea?", *arguments, cwd=folder)
    assert ran.returncode == 0
    seen = events(ran.stdout)
    starts = [event for event in seen if event["event"] == "mod.started"]
    assert [(event["turn"], [one["agent"] for one in event["inputs"]]) for event in starts] == [
        (1, ["ann", "bob"]),
        (2, ["bob", "ann"]),
    ]
    (result,) = [event for event in seen if event["event"] == "panel.result"]
    assert (result["status"], result["winner"], result["tally"]) == ("tie", None, {"ann": 1.0, "bob": 1.0})


# ── at a server ───────────────────────────────────────────────────────────────────────────────


def test_another_method_over_answers_that_are_there(folder: Path, address: str) -> None:
    first = orchestrate("run", "tea?", "--agents", "ann,bob", "--server", address, "--json", cwd=folder)
    assert first.returncode == 0
    run_id = events(first.stdout)[0]["run_id"]

    judged = orchestrate("panel", run_id, "judge", "--moderator", "mod", "--server", address, "--json")
    seen = events(judged.stdout)
    assert judged.returncode == 0
    assert seen[0]["run_id"] != run_id
    assert (seen[0]["panel"]["of"], seen[0]["panel"]["members"]) == (run_id, ["ann", "bob"])
    assert {event["agent_id"] for event in seen if "agent_id" in event} == {"mod"}, "nobody is asked again"

    summed_up = orchestrate("panel", run_id, "council", "--server", address)
    lines = told(summed_up.stdout)
    assert summed_up.returncode == 0
    assert lines[0][1].endswith(f"starts; panel Council (moderator) over {run_id}: ann, bob")
    assert ("mod[final]", "[reads ann, bob]") in lines
    assert ("panel", "result: decided; last word: mod") in lines

    refused = orchestrate("panel", run_id, "quarrel", "--server", address)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "there is no 'quarrel'" in refused.stderr


def test_a_panel_at_a_server(folder: Path, address: str) -> None:
    ran = orchestrate("run", "tea?", "--panel", "council", "--agents", "ann,bob", "--server", address)
    assert ran.returncode == 0
    assert ("panel", "result: decided; last word: mod") in told(ran.stdout)


async def test_a_panel_over_an_open_run_shows_that_run(server: ScriptedServer) -> None:
    """It happens there, so the members are shown as well."""
    for name, data in council():
        server.say(name, **data)
    ran = await asyncio.to_thread(orchestrate, "panel", RUN_ID, "council", "--server", server.base_url)
    assert ran.returncode == 3
    assert ("mod[final]", "Ann says so.") in told(ran.stdout)
    assert [request[:3] for request in server.requests[:2]] == [
        ("GET", "/v1/panels", None),
        ("POST", f"/v1/runs/{RUN_ID}/panel", {"panel": "council"}),
    ]


def test_a_changed_agent_is_read_as_a_request_has_it() -> None:
    convert = ChangedAgent().convert
    assert convert('a as a-2 model_settings.temperature=1.2 instructions="Be brief." seed=3', None, None) == {
        "agent_id": "a", "as": "a-2", "model_settings": {"temperature": 1.2}, "instructions": "Be brief.", "seed": 3,
    }  # fmt: skip
    assert convert("a as b", None, None) == {"agent_id": "a", "as": "b"}
    for wrong in ("a", "a b c", "a as b seed", "a as b =1", "a as b seed=1 seed.x=2", "a as 'b"):
        with pytest.raises(click.BadParameter):
            convert(wrong, None, None)


async def test_a_run_in_this_process_asks_variants(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("backend: offline\nvariants: [seed, tokens_per_s]\ntokens_per_s: 4000\n")
    changed = {"agent_id": "a", "as": "a-2", "tokens_per_s": 5000}
    async with start_here(agents_here(tmp_path), "hi", ("a", changed), None) as run:
        view = await run.result()
    assert {agent_id: agent.status for agent_id, agent in view.agents.items()} == {"a": "done", "a-2": "done"}
    assert view.agents["a-2"].variant == {"of": "a", "changes": {"tokens_per_s": 5000}}
    with pytest.raises(InvalidRequest, match="seeds: is none of the keys"):
        async with start_here(agents_here(tmp_path), "hi", ({"agent_id": "a", "as": "b", "seeds": 1},), None):
            pass
