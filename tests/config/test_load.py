"""What a folder of agents becomes, and what is said about mistakes in it, all at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.backends.offline.settings import OfflineSettings
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.config import load_config
from orchestrator.errors import ConfigError

from ..support.agentfolder import OFFLINE, OPENAI, Folder

SHIPPED = Path(__file__).parents[2] / "agents_config"
ALL_VARIABLES = {
    "OPENAI_API_KEY": "sk-openai",
    "OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:11434/v1",
    "LETTA_AGENT_ID": "agent-1",
}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_agents_come_in_the_order_of_their_file_names(folder: Folder) -> None:
    config = folder.load(b="agent_id: first\n" + OFFLINE, a="agent_id: second\n" + OFFLINE, c=OFFLINE)
    assert list(config.agents) == ["second", "first", "c"]


def test_settings_know_their_file_as_given(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative folder stays relative: messages name the path that the user typed."""
    folder.load(a=OFFLINE)
    monkeypatch.chdir(folder.path.parent)
    config = load_config(Path(folder.path.name), {})
    assert config.agents["a"].file == str(Path(folder.path.name) / "a.yaml")
    assert config.directory == Path(folder.path.name)


def test_default_agents_are_the_marked_ones_else_all(folder: Folder) -> None:
    assert folder.load(a=OFFLINE, b=OFFLINE).default_agents() == ["a", "b"]
    assert folder.load(b=OFFLINE + "default: true").default_agents() == ["b"]


def test_instructions_file_is_read_from_beside_the_yaml(folder: Folder) -> None:
    (folder.path / "prompts").mkdir()
    (folder.path / "prompts" / "p.md").write_text("Sei höflich.\n", encoding="utf-8")
    agent = folder.one(OPENAI + "model: m\ninstructions_file: prompts/p.md")
    assert agent.instructions == "Sei höflich."
    assert agent.file == str(folder.path / "a.yaml")


def test_subfolders_and_other_files_are_left_alone(folder: Folder) -> None:
    for name in ("prompts", "odd.yaml"):
        (folder.path / name).mkdir()
        (folder.path / name / "p.yaml").write_text("not: an agent")
    (folder.path / "README.md").write_text("hello")
    (folder.path / ".#a.yaml").write_text("an editor's lock")
    assert list(folder.load(a=OFFLINE).agents) == ["a"]


# ── variables ─────────────────────────────────────────────────────────────────────────────────


def test_variables_are_filled_in_everywhere(folder: Folder) -> None:
    agent = folder.one(
        OPENAI
        + """
model: "${env:VENDOR}/${env:MODEL:-small}"
api_key: ${env:KEY}
model_settings: {extra_headers: {X-Id: "${env:KEY}"}, extra_body: {deep: ["${env:VENDOR}"]}}
mcp_servers: [{command: c, args: ["--as=${env:VENDOR}"], env: {K: "${env:KEY}"}}]
instructions: |
  You are ${env:VENDOR}.
""",
        {"VENDOR": "acme", "KEY": "k-1"},
    )
    assert agent.model == "acme/small"
    assert agent.api_key.get_secret_value() == "k-1"
    assert agent.model_settings == {"extra_headers": {"X-Id": "k-1"}, "extra_body": {"deep": ["acme"]}}
    assert type(agent.model_settings["extra_body"]["deep"][0]) is str
    assert agent.mcp_servers[0].args == ("--as=acme",)
    assert agent.mcp_servers[0].env["K"].get_secret_value() == "k-1"
    assert agent.instructions == "You are acme.\n"


def test_variables_become_numbers_and_truths_where_the_key_wants_them(folder: Folder) -> None:
    agent = folder.one(
        OPENAI
        + """
model: m
max_turns: ${env:TURNS:-3}
tracing: ${env:TRACING}
enabled: ${env:ENABLED}
limits: {timeout_s: "${env:T}", mailbox: "${env:M:-8}"}
model_settings: {temperature: "${env:HEAT:-0.5}", store: "${env:STORE:-off}"}
""",
        {"T": "1.5", "TRACING": "true", "ENABLED": "auto"},
    )
    assert (agent.max_turns, agent.tracing, agent.enabled) == (3, True, "auto")
    assert (agent.limits.timeout_s, agent.limits.mailbox) == (1.5, 8)
    assert agent.model_settings == {"temperature": 0.5, "store": False}


def test_an_enabled_variable_switches_off(folder: Folder) -> None:
    text = OFFLINE + "enabled: ${env:ON:-true}"
    assert list(folder.load({"ON": "false"}, a=text, b=OFFLINE).agents) == ["b"]


def test_text_in_quotes_is_no_number(folder: Folder) -> None:
    """Only a variable's text is read as another type: YAML itself can say what is a number."""
    found = folder.problem(OFFLINE + 'coalesce_ms: "3"')
    assert (found.key, found.message) == ("coalesce_ms", "'3' should be a whole number")


def test_an_empty_fallback_stands_for_leaving_the_key_out(folder: Folder) -> None:
    text = OPENAI + (
        "agent_id: ${env:ID:-}\nmodel: m\nbase_url: ${env:B:-}\napi_key: ${env:K:-}\n"
        "max_turns: ${env:T:-}\nlimits: {timeout_s: '${env:S:-}'}\nmodel_settings: {top_p: '${env:P:-}'}"
    )
    agent = folder.one(text)
    assert (agent.base_url, agent.api_key, agent.api, agent.max_turns) == (None, None, "responses", 10)
    assert (agent.limits.timeout_s, agent.model_settings) == (300, {})


def test_a_variable_in_a_comment_is_not_needed(folder: Folder) -> None:
    assert folder.one(OFFLINE + "# ${env:NOT_THERE}").agent_id == "a"


@pytest.mark.parametrize("environ", [{}, {"WANTED": ""}], ids=["missing", "empty"])
def test_a_missing_variable_names_file_line_and_key(folder: Folder, environ: dict[str, str]) -> None:
    text = OFFLINE + "limits:\n  timeout_s: 3\ninstructions: |\n  one\n  two ${env:WANTED}\n"
    found = folder.problem(text, environ)
    assert (found.file, found.line, found.key) == (str(folder.path / "a.yaml"), 6, "instructions")
    assert "WANTED is not set" in found.message
    assert "${env:WANTED:-…}" in found.message


def test_a_missing_variable_hides_no_other_problem_and_makes_none(folder: Folder) -> None:
    """`model` would be called missing, and is not: its variable is."""
    found = folder.problems(a=OPENAI + "model: ${env:M}\ncoalesce_ms: -1\ntools: ['${env:T}']")
    assert [(p.line, p.key) for p in found] == [(2, "model"), (3, "coalesce_ms"), (4, "tools[0]")]


def test_auto_leaves_an_agent_out_and_says_why(folder: Folder) -> None:
    text = (
        "backend: letta\nenabled: auto\nletta_agent_id: ${env:ID}\napi_key: ${env:KEY}\nbase_url: ${env:KEY}"
    )
    config = folder.load(a=text, b=OFFLINE)
    assert list(config.agents) == ["b"]
    (skipped,) = config.skipped
    assert (skipped.agent_id, skipped.reason) == ("a", "ID and KEY are not set")
    assert "\n" not in skipped.reason


def test_auto_with_its_variables_takes_part(folder: Folder) -> None:
    config = folder.load({"ID": "x"}, a="backend: letta\nenabled: auto\nletta_agent_id: ${env:ID}")
    assert list(config.agents) == ["a"]
    assert config.skipped == ()


def test_auto_does_not_excuse_other_mistakes(folder: Folder) -> None:
    """Otherwise a misspelt key would show only on the machine that has the variable."""
    text = "backend: letta\nenabled: auto\nletta_agent_id: ${env:ID}\nstream_token: true"
    found = folder.problem(text)
    assert (found.line, found.key) == (4, "stream_token")


def test_off_leaves_an_agent_out_silently(folder: Folder) -> None:
    config = folder.load(a="backend: nonsense\nenabled: false\nx: ${env:NOPE}", b="agent_id: a\n" + OFFLINE)
    assert list(config.agents) == ["a"]
    assert config.skipped == ()
    assert isinstance(config.agents["a"], OfflineSettings)


@pytest.mark.parametrize("text", ["${env:}", "${env:1A}", "${env:A", "${env:A-b}", "${env:A:-${env:B}}"])
def test_a_malformed_reference_is_told(folder: Folder, text: str) -> None:
    found = folder.problem(OFFLINE + f"title: x\ndescription: '{text}'", {"A": "1", "B": "2"})
    assert (found.line, found.key) == (3, "description")
    assert "malformed" in found.message
    assert repr(text) in found.message


# ── mistakes ──────────────────────────────────────────────────────────────────────────────────


def test_every_problem_of_every_file_comes_at_once_in_order(folder: Folder) -> None:
    found = folder.problems(
        a=OFFLINE + "seed: x\nseed: 1\nlimits:\n  nope: 1\n  mailbox: -1\ntitle: ${env:NO}\ntools: [x]",
        b="a: [",
        c="backend: offlin\nlimits: {mailbox: 0}",
        run=OFFLINE,
    )
    assert [(Path(p.file).name, p.line, p.key) for p in found] == [
        ("a.yaml", 2, "seed"),
        ("a.yaml", 3, "seed"),
        ("a.yaml", 5, "limits.nope"),
        ("a.yaml", 6, "limits.mailbox"),
        ("a.yaml", 7, "title"),
        ("a.yaml", 8, "tools[0]"),
        ("b.yaml", 1, ""),
        ("c.yaml", 1, "backend"),
        ("c.yaml", 2, "limits.mailbox"),
        ("run.yaml", None, "agent_id"),
    ]


def test_an_instructions_file_that_is_empty_or_not_utf8_is_told(folder: Folder) -> None:
    (folder.path / "p.md").write_text(" \n")
    text = OPENAI + "model: m\ninstructions_file: p.md"
    assert "it is empty" in folder.problem(text).message
    (folder.path / "p.md").write_bytes(b"\xff")
    assert "is not UTF-8" in folder.problem(text).message


# ── mistakes of the folder ────────────────────────────────────────────────────────────────────


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "nowhere", {})
    (found,) = caught.value.problems
    assert found.file == str(tmp_path / "nowhere")
    assert "No such file or directory" in found.message


def test_a_file_instead_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with pytest.raises(ConfigError, match="Not a directory"):
        load_config(tmp_path / "f", {})


def test_an_empty_folder_is_told(folder: Folder) -> None:
    (found,) = folder.problems()
    assert found.file == str(folder.path)
    assert "holds no agent" in found.message


def test_a_folder_whose_agents_are_all_left_out_says_why(folder: Folder) -> None:
    (found,) = folder.problems(a="backend: letta\nenabled: auto\nletta_agent_id: ${env:ID}")
    assert "has no agent left (ID is not set)" in found.message
    (found,) = folder.problems(a=OFFLINE + "enabled: false")
    assert "enabled: false" in found.message


@pytest.mark.parametrize("name", ["b.yml", "b.YAML", "b.Yml"])
def test_another_ending_is_told_and_not_passed_over(folder: Folder, name: str) -> None:
    (folder.path / name).write_text(OFFLINE)
    (found,) = folder.problems(a=OFFLINE)
    assert found.file == str(folder.path / name)
    assert "rename it to b.yaml" in found.message


def test_a_file_that_cannot_be_read_is_told(folder: Folder) -> None:
    (folder.path / "b.yaml").symlink_to(folder.path / "gone")
    (found,) = folder.problems(a=OFFLINE)
    assert found.file == str(folder.path / "b.yaml")
    assert "cannot be read (No such file or directory)" in found.message


def test_one_id_in_two_files_names_both(folder: Folder) -> None:
    (found,) = folder.problems(a=OFFLINE, b=OFFLINE + "agent_id: a")
    assert (Path(found.file).name, found.line, found.key) == ("b.yaml", 2, "agent_id")
    assert f"'a' is the id of {folder.path / 'a.yaml'} too" in found.message


# ── handoffs ──────────────────────────────────────────────────────────────────────────────────


def test_handoffs_may_name_agents_of_the_sdk(folder: Folder) -> None:
    config = folder.load(a=OPENAI + "model: m\nhandoffs: [b]", b=OPENAI + "model: m\nhandoffs: [a]")
    agent = config.agents["a"]
    assert isinstance(agent, OpenAIAgentsSettings)
    assert agent.hands_off_to == ("b",)


@pytest.mark.parametrize(
    ("target", "other", "said"),
    [
        ("nobody", OFFLINE, "'nobody' is no agent here"),
        ("othr", OPENAI + "model: m", "'othr' is no agent here; did you mean 'other'?"),
        ("a", OFFLINE, "'a' is the agent itself"),
        ("other", OFFLINE + "enabled: false", "'other' is switched off"),
        (
            "other",
            "backend: function\nstream: m:f",
            "'other' has `backend: function`, and only agents of openai-",
        ),
        ("other", OFFLINE, "'other' has `backend: offline`, and only agents of openai-agents can take over"),
        ("other", OFFLINE + "enabled: auto\ntitle: ${env:NO}", "'other' is left out (NO is not set)"),
    ],
)
def test_a_handoff_to_nobody_is_told(folder: Folder, target: str, other: str, said: str) -> None:
    (found,) = folder.problems(a=OPENAI + f"model: m\nhandoffs:\n  - {target}", other=other)
    assert (found.line, found.key) == (4, "handoffs[0]")
    assert said in found.message


def test_a_handoff_to_an_agent_with_problems_is_no_second_problem(folder: Folder) -> None:
    (found,) = folder.problems(a=OPENAI + "model: m\nhandoffs: [b]", b=OFFLINE + "seed: x")
    assert found.key == "seed"


def test_auto_agents_are_left_out_with_the_agents_they_hand_off_to(folder: Folder) -> None:
    def handing(to: str) -> str:
        return OPENAI + f"model: m\nenabled: auto\nhandoffs: [{to}]"

    config = folder.load(
        a=handing("b"), b=handing("c"), c=OPENAI + "model: m\nenabled: auto\ntitle: ${env:NO}", d=OFFLINE
    )
    assert list(config.agents) == ["d"]
    assert [agent.agent_id for agent in config.skipped] == ["a", "b", "c"]
    assert all("NO is not set" in agent.reason for agent in config.skipped)


# ── what is shipped ───────────────────────────────────────────────────────────────────────────


def test_the_shipped_agents_work_without_any_variable() -> None:
    config = load_config(SHIPPED, {})
    offline = [agent for agent in config.agents.values() if isinstance(agent, OfflineSettings)]
    assert config.default_agents() == ["analyst", "optimist", "skeptic"]
    assert [agent.agent_id for agent in offline if not agent.default] == ["moderator"]
    assert {agent.agent_id for agent in config.skipped} == {"openai", "openai-compatible", "letta"}


def test_the_shipped_offline_agents_are_distinct() -> None:
    agents = [a for a in load_config(SHIPPED, {}).agents.values() if isinstance(a, OfflineSettings)]
    for key in ("title", "description", "instructions", "tools", "seed"):
        values = [getattr(agent, key) for agent in agents]
        assert all(values)
        assert len(set(values)) == len(agents), key


def test_the_shipped_examples_join_in_with_their_variables() -> None:
    config = load_config(SHIPPED, ALL_VARIABLES)
    assert config.skipped == ()
    assert {"openai", "openai-compatible", "letta"} <= set(config.default_agents())
    compatible = config.agents["openai-compatible"]
    assert isinstance(compatible, OpenAIAgentsSettings)
    assert compatible.api == "chat_completions"
    assert compatible.api_key is not None, "else the SDK would send OPENAI_API_KEY to a foreign server"
    assert compatible.api_key.get_secret_value() != "sk-openai"


# ── what the module costs and promises others ─────────────────────────────────────────────────


def test_importing_and_loading_needs_no_server_and_no_sdk() -> None:
    program = (
        "import sys; from pathlib import Path; from orchestrator.config import load_config\n"
        f"load_config(Path({str(SHIPPED)!r}), {ALL_VARIABLES!r})\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root
    )
    loaded = set(done.stdout.split())
    assert "pydantic" in loaded
    assert not loaded & {"aiohttp", "agents", "openai", "letta_client", "aiostream", "redis"}
