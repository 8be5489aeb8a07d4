"""A folder's panels: every key, every mistake with file, line, key and what to do, and who is left out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from orchestrator.config import load_config
from orchestrator.config.panels import check_panel
from orchestrator.errors import ConfigError, ConfigProblem
from orchestrator.panels.methods.registry import METHODS
from orchestrator.panels.settings import PanelLimits, PanelSettings
from tests.support.patience import PATIENCE_SECONDS
from tests.support.zygote import command

from ..support.agentfolder import OFFLINE, Folder

SHIPPED = Path(__file__).parents[2] / "agents_config"
BASE = "method: moderator\nmembers: [a, b]\nmoderator: c\n"


class PanelFolder(Folder):
    """A folder with the agents a, b and c and panels made of texts."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        (path / "panels").mkdir()
        for agent_id in "abc":
            (path / f"{agent_id}.yaml").write_text(OFFLINE)

    def write(self, **panels: str) -> None:
        for name, text in panels.items():
            (self.path / "panels" / f"{name}.yaml").write_text(text)

    def panel(self, text: str, environ: dict[str, str] | None = None) -> PanelSettings:
        self.write(p=text)
        (panel,) = self.load(environ).panels.values()
        return panel

    def wrong(self, text: str) -> ConfigProblem:
        self.write(p=text)
        (found,) = self.problems()
        assert found.file == str(self.path / "panels" / "p.yaml")
        return found


@pytest.fixture
def folder(tmp_path: Path) -> PanelFolder:
    return PanelFolder(tmp_path)


# ── what a file may say ───────────────────────────────────────────────────────────────────────


def test_a_panel_needs_little(folder: PanelFolder) -> None:
    panel = folder.panel(BASE)
    assert (panel.panel_id, panel.name, panel.title) == ("p", "p", None)
    assert (panel.members, panel.last_words, panel.start_when.all) == (("a", "b"), ("c",), True)
    assert panel.file == str(folder.path / "panels" / "p.yaml")


def test_every_key_is_read(folder: PanelFolder) -> None:
    panel = folder.panel(
        """
panel_id: council
title: Council
description: Three views.
method: layers
members: [a, b]
moderator: {agent: c, fallback: [a, b], attempts: 3}
start_when: {all: true, quorum: 2, deadline_s: 1.5}
prompt: "{question} {answers} {missing}"
revise: true
rounds: 3
layers: [[a, b], [c]]
valid: '\\d+'
limits: {max_input_chars: 10, stage_timeout_s: 2}
"""
    )
    assert set(panel.model_fields_set) == set(PanelSettings.model_fields), "the test knows every key"
    assert (panel.panel_id, panel.title, panel.description, panel.method) == (
        "council", "Council", "Three views.", "layers",
    )  # fmt: skip
    assert panel.moderator is not None
    assert (panel.last_words, panel.moderator.attempts) == (("c", "a", "b"), 3)
    assert (panel.start_when.all, panel.start_when.quorum, panel.start_when.deadline_s) == (True, 2, 1.5)
    assert (panel.prompt, panel.revise, panel.rounds) == ("{question} {answers} {missing}", True, 3)
    assert (panel.layers, panel.opening, panel.valid) == ((("a", "b"), ("c",)), ("a", "b"), r"\d+")
    assert (panel.limits.max_input_chars, panel.limits.stage_timeout_s) == (10, 2)
    assert set(panel.everyone) == {"a", "b", "c"}


def test_the_id_may_differ_from_the_files_name(folder: PanelFolder) -> None:
    folder.write(p=BASE + "panel_id: other")
    assert list(folder.load().panels) == ["other"]


def test_variables_are_filled_in(folder: PanelFolder) -> None:
    text = (
        BASE + "title: ${env:T}\nrounds: ${env:R}\nlayers: ${env:L:-3}\nlimits: {max_input_chars: '${env:M}'}"
    )
    panel = folder.panel(text, {"T": "Mine", "R": "4", "M": "9"})
    assert (panel.title, panel.rounds, panel.layers, panel.limits.max_input_chars) == ("Mine", 4, 3, 9)


@pytest.mark.parametrize("text", ["start_when: all", "start_when: {all: true}", "start_when: {}", ""])
def test_a_panel_waits_for_all_unless_told(folder: PanelFolder, text: str) -> None:
    when = folder.panel(BASE + text).start_when
    assert (when.quorum, when.deadline_s) == (None, None)


def test_a_folder_without_panels_has_none(tmp_path: Path) -> None:
    assert Folder(tmp_path).load(a=OFFLINE).panels == {}


def test_what_is_no_panel_is_left_alone(folder: PanelFolder) -> None:
    (folder.path / "panels" / ".p.yaml").write_text("an editor's")
    (folder.path / "panels" / "README.md").write_text("words")
    (folder.path / "panels" / "sub.yaml").mkdir()
    assert folder.load().panels == {}


# ── what it may not ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ("nope: 1", "nope", "is not a known key; known are"),
        ("member: [a]", "member", "did you mean 'members'?"),
        ("quorum: 2", "quorum", "did you mean 'start_when.quorum'?"),
        ("fallback: [a]", "fallback", "did you mean 'moderator.fallback'?"),
        ("panel_id: Bad One", "panel_id", "'Bad One' should be 1 to 64 of a-z"),
        ("panel_id: 3", "panel_id", "3 should be text"),
        ("title: ''", "title", "should not be empty"),
        ("title: 3", "title", "3 should be text"),
        ("description: [x]", "description", "should be text"),
        ("start_when: soon", "start_when", "'soon' should be all, or keys such as {quorum: 2"),
        ("start_when: 3", "start_when", "3 should be all, or keys"),
        ("start_when: [all]", "start_when", "should be all, or keys"),
        ("start_when: {all: false}", "start_when", "should say `all`, `quorum` or `deadline_s`"),
        ("start_when: {all: 1}", "start_when.all", "1 should be true or false"),
        ("start_when: {quorum: 0}", "start_when.quorum", "0 should be greater than 0"),
        ("start_when: {quorum: 3}", "start_when", "has a `quorum` of 3 but 2 members; lower it"),
        ("start_when: {quorum: x}", "start_when.quorum", "'x' should be a whole number"),
        ("start_when: {deadline_s: -1}", "start_when.deadline_s", "-1 should be greater than 0"),
        ("start_when: {deadline_s: soon}", "start_when.deadline_s", "'soon' should be a number"),
        ("start_when: {deadline: 3}", "start_when.deadline", "did you mean 'deadline_s'?"),
        ("prompt: ''", "prompt", "should not be empty"),
        ("prompt: 3", "prompt", "3 should be text"),
        ("prompt: '{answer}'", "prompt", "unknown placeholder {answer}; known are {answers}, {missing}, {question}"),
        ("prompt: ${env:NOPE}", "prompt", "the variable NOPE is not set; set it or give a fallback"),
        ("revise: maybe", "revise", "'maybe' should be true or false"),
        ("revise: 1", "revise", "1 should be true or false"),
        ("rounds: 0", "rounds", "0 should be greater than 0"),
        ("rounds: 17", "rounds", "17 should be less than or equal to 16"),
        ("rounds: 2.5", "rounds", "2.5 should be a whole number"),
        ("layers: 0", "layers", "0 should be a number from 1 to 16, or a list"),
        ("layers: 17", "layers", "17 should be a number from 1 to 16"),
        ("layers: true", "layers", "true should be a number from 1 to 16"),
        ("layers: many", "layers", "'many' should be a number from 1 to 16"),
        ("layers: []", "layers", "should be a number from 1 to 16, or a list"),
        ("layers: [[]]", "layers", "should be a number from 1 to 16, or a list"),
        ("layers: [a, b]", "layers", "a list with a list of agents for each layer"),
        ("layers: [[a], [BAD]]", "layers", "names 'BAD', which should be 1 to 64"),
        ("layers: [[a, 3]]", "layers", "no text; put it in quotes"),
        ("layers: [[a, a]]", "layers", "names an agent twice in one layer; remove one"),
        ("valid: '('", "valid", "'(' is no regular expression"),
        ("valid: ''", "valid", "should not be empty"),
        ("limits: 3", "limits", "3 should hold keys and values"),
        ("limits: {nope: 1}", "limits.nope", "is not a known key; known are max_input_chars, stage_timeout_s"),
        ("limits: {max_input_chars: 0}", "limits.max_input_chars", "0 should be greater than 0"),
        ("limits: {stage_timeout_s: x}", "limits.stage_timeout_s", "'x' should be a number"),
        ("method: judge", "method", "stands twice, first in line 1; remove one"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_line_key_and_what_to_do(
    folder: PanelFolder, line: str, key: str, said: str
) -> None:
    found = folder.wrong(BASE + "# a comment\n" + line)
    assert (found.line, found.key) == (5, key)
    assert said in found.message


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("members: [a]\nmoderator: c", None, "method", "is missing; add it"),
        ("members: [a]\nmethod: nonsense", 2, "method", "'nonsense' should be one of moderator, judge"),
        ("members: [a]\nmethod: 3", 2, "method", "3 should be text"),
        ("method: moderator\nmoderator: c", None, "members", "is missing; name the agents that answer"),
        ("method: moderator\nmoderator: c\nmembers: []", 3, "members", "is missing; name the agents"),
        ("method: moderator\nmoderator: c\nmembers: a", 3, "members", "'a' should be a list, such as"),
        ("method: moderator\nmoderator: c\nmembers:\n- a\n- 3", 5, "members[1]", "3 should be text"),
        ("method: moderator\nmoderator: c\nmembers: [a, b, a]", 3, "members", "names a member twice; remove one"),
        ("method: race\nmembers: [a]", 2, "members", "has too few for `method: race`, which needs 2"),
        ("method: rank\nmembers: [a, b]", 2, "members", "has too few for `method: rank`, which needs 3"),
        ("method: rank\nmembers: [a, b, c]\nprompt: x", 3, "prompt", "is read by nobody in `method: rank` without"),
        ("method: moderator\nmembers: [a]", None, "moderator", "is missing, which `method: moderator` needs"),
        ("method: judge\nmembers: [a, b]", None, "moderator", "is missing, which `method: judge` needs"),
        ("method: layers\nmembers: [a, b]", None, "moderator", "is missing, which `method: layers` needs"),
        ("method: vote\nmembers: [a, b]\nmoderator: c", 3, "moderator", "has no part in `method: vote`; remove it"),
        ("method: race\nmembers: [a, b]\nmoderator: c", 3, "moderator", "has no part in `method: race`; remove it"),
    ],
)  # fmt: skip
def test_what_a_method_needs_is_told(
    folder: PanelFolder, text: str, line: int | None, key: str, said: str
) -> None:
    found = folder.wrong(text)
    assert (found.line, found.key) == (line, key)
    assert said in found.message
    assert "null" not in found.message


@pytest.mark.parametrize(
    ("moderator", "key", "said"),
    [
        ("BAD ID", "moderator", "'BAD ID' should be 1 to 64 of a-z"),
        ("panel", "moderator", "'panel' is reserved"),
        ("3", "moderator", "3 should be an agent's id, or keys such as {agent: first"),
        ("[c]", "moderator", "should be an agent's id, or keys"),
        ("{fallback: [c]}", "moderator.agent", "is missing; add it"),
        ("{agent: c, attempts: 0}", "moderator.attempts", "0 should be greater than 0"),
        ("{agent: c, nope: 1}", "moderator.nope", "is not a known key"),
        ("{agent: c, fallback: [a, c]}", "moderator", "names an agent twice; say `attempts`"),
        ("nobody", "moderator", "'nobody' is no agent here"),
        ("{agent: nobody}", "moderator.agent", "'nobody' is no agent here"),
        ("{agent: c, fallback: nobody}", "moderator.fallback", "'nobody' is no agent here"),
        ("{agent: c, fallback: [a, nobody]}", "moderator.fallback[1]", "'nobody' is no agent here"),
    ],
)
def test_a_wrong_moderator_is_told(folder: PanelFolder, moderator: str, key: str, said: str) -> None:
    found = folder.wrong(f"method: moderator\nmembers: [a, b]\nmoderator: {moderator}")
    assert (found.line, found.key) == (3, key)
    assert said in found.message


def test_unknown_agents_are_told_each_at_its_place(folder: PanelFolder) -> None:
    (folder.path / "skeptic.yaml").write_text(OFFLINE)
    folder.write(
        p="method: layers\nmoderator: c\nmembers:\n  - a\n  - skeptik\nlayers:\n  - [a]\n  - [b, nobody]"
    )
    found = folder.problems()
    assert [(p.line, p.key) for p in found] == [(5, "members[1]"), (8, "layers[1][1]")]
    assert "'skeptik' is no agent here; did you mean 'skeptic'? correct or remove it" in found[0].message


def test_every_problem_of_agents_and_panels_comes_at_once(folder: PanelFolder) -> None:
    folder.write(one="method: nonsense\nrounds: 0\nmembers: [x]", two="a: [", three=BASE + "nope: 1")
    found = folder.problems(d=OFFLINE + "seed: x")
    assert [(Path(p.file).name, p.line, p.key) for p in found] == [
        ("d.yaml", 2, "seed"),
        ("one.yaml", 1, "method"),
        ("one.yaml", 2, "rounds"),
        ("one.yaml", 3, "members[0]"),
        ("three.yaml", 4, "nope"),
        ("two.yaml", 1, ""),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "is empty; write at least `method: moderator`"), ("- a", "such as `method: moderator`")],
)
def test_a_file_without_keys_is_told_what_a_panel_needs(folder: PanelFolder, text: str, said: str) -> None:
    assert said in folder.wrong(text).message


def test_a_file_name_that_is_no_id_is_told(folder: PanelFolder) -> None:
    (folder.path / "panels" / "My Panel.yaml").write_text(BASE)
    (found,) = folder.problems()
    assert (found.key, found.message[:10]) == ("panel_id", "'My Panel'")


def test_one_id_in_two_files_is_told(folder: PanelFolder) -> None:
    folder.write(p=BASE, q=BASE + "panel_id: p")
    (found,) = folder.problems()
    assert (Path(found.file).name, found.line, found.key) == ("q.yaml", 4, "panel_id")
    assert "'p' is the id of another panel" in found.message


@pytest.mark.parametrize("name", ["p.yml", "p.YAML"])
def test_another_ending_is_told_and_not_passed_over(folder: PanelFolder, name: str) -> None:
    (folder.path / "panels" / name).write_text(BASE)
    (found,) = folder.problems()
    assert "rename it to p.yaml" in found.message


# ── agents that do not take part ──────────────────────────────────────────────────────────────


def test_a_panel_is_left_out_with_an_agent_that_is_and_says_why(folder: PanelFolder) -> None:
    folder.write(p="method: vote\nmembers: [a, d]", q=BASE)
    config = folder.load(d=OFFLINE + "enabled: auto\ntitle: ${env:KEY}")
    assert list(config.panels) == ["q"]
    (skipped,) = config.skipped_panels
    assert (skipped.panel_id, skipped.reason) == ("p", "agent 'd' is left out (KEY is not set)")
    assert list(folder.load({"KEY": "x"}).panels) == ["p", "q"]


def test_a_panel_is_left_out_with_an_agent_that_is_switched_off(folder: PanelFolder) -> None:
    folder.write(p="method: moderator\nmembers: [a]\nmoderator: d")
    config = folder.load(d=OFFLINE + "enabled: false")
    assert config.panels == {}
    assert "agent 'd' is switched off" in config.skipped_panels[0].reason


def test_a_fallback_counts_as_an_agent_of_the_panel(folder: PanelFolder) -> None:
    folder.write(p="method: moderator\nmembers: [a]\nmoderator: {agent: c, fallback: [d]}")
    config = folder.load(d=OFFLINE + "enabled: auto\ntitle: ${env:KEY}")
    assert config.skipped_panels[0].panel_id == "p"


# ── inline panels ─────────────────────────────────────────────────────────────────────────────


def test_an_inline_panel_needs_no_members() -> None:
    panel = check_panel({"method": "judge", "moderator": "c"})
    assert (panel.members, panel.name, panel.file) == ((), "judge", "")


def test_an_inline_panels_problems_say_where_in_it() -> None:
    with pytest.raises(ConfigError) as caught:
        check_panel({"method": "moderator", "limits": {"max_input_chars": 0}, "members": ["a", "a"]})
    assert [p.key for p in caught.value.problems] == ["members", "moderator", "limits.max_input_chars"]


# ── what is shipped ───────────────────────────────────────────────────────────────────────────


def test_the_shipped_panels_work_offline() -> None:
    config = load_config(SHIPPED, {})
    assert list(config.panels) == ["council", "jury"]
    assert config.skipped_panels == ()
    council = config.panels["council"]
    assert (council.method, council.members) == ("moderator", ("skeptic", "optimist", "analyst"))
    assert council.last_words == ("moderator",)
    for panel in config.panels.values():
        assert {config.agents[agent_id].backend for agent_id in panel.everyone} == {"offline"}
        assert panel.title
        assert panel.description
    assert not config.agents["moderator"].default


def test_the_shipped_council_explains_every_key() -> None:
    lines = (SHIPPED / "panels" / "council.yaml").read_text().splitlines()
    keys = {*PanelSettings.model_fields, *PanelLimits.model_fields} - {"limits"}
    for key in keys:
        (line,) = [line for line in lines if line.lstrip("# ").startswith(f"{key}:")]
        assert "  # " in line or key == "description", key


def test_every_method_of_the_table_has_its_function() -> None:
    from orchestrator.panels.loader import load_method

    assert all(callable(load_method(name)) for name in METHODS)


async def test_panel_whose_method_is_not_there_ends_the_server(tmp_path: Path) -> None:
    """`check` finds it before; whoever does not ask is told at the start, not in the middle of a run."""
    (tmp_path / "a.yaml").write_text("backend: offline\n")
    (tmp_path / "panels").mkdir()
    (tmp_path / "panels" / "own.yaml").write_text("method: os:nothing\nmembers: [a]\n")
    process = await asyncio.create_subprocess_exec(
        *command("serve", "--config", str(tmp_path), "--port", "0"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_SECONDS):
        _, said = await process.communicate()
    assert process.returncode == 2
    assert "own.yaml: method: module 'os' has no 'nothing'" in said.decode()
