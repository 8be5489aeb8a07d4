"""Which keys an agent has, their types and defaults, and what is said about a wrong one."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.backends.function.settings import FunctionSettings
from orchestrator.backends.letta.settings import LettaSettings
from orchestrator.backends.offline.settings import OfflineSettings
from orchestrator.backends.openai.settings import ModelSettings, OpenAIAgentsSettings

from ..support.agentfolder import OFFLINE, OPENAI, Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_common_keys_have_the_documented_defaults(folder: Folder) -> None:
    agent = folder.one(OFFLINE)
    assert (agent.agent_id, agent.title, agent.description) == ("a", "a", "")
    assert (agent.default, agent.enabled, agent.coalesce_ms) == (False, True, 0)
    assert agent.limits.model_dump() == {
        "timeout_s": 300,
        "first_token_timeout_s": 60,
        "idle_timeout_s": 60,
        "tool_timeout_s": None,
        "approval_timeout_s": 300,
        "max_output_chars": 200_000,
        "max_output_tokens": None,
        "max_cost": None,
        "max_chars_per_s": 0,
        "mailbox": 256,
    }
    assert agent.retry.model_dump() == {
        "attempts": 3,
        "backoff_s": 0.5,
        "max_backoff_s": 20,
        "after_first_token": False,
    }


def test_every_common_key_is_read(folder: Folder) -> None:
    agent = folder.load(
        file="""
        agent_id: other-name
        title: The Title
        description: what it does
        backend: offline
        default: true
        enabled: auto
        limits: {timeout_s: 1.5, first_token_timeout_s: 2, idle_timeout_s: 3, tool_timeout_s: 4,
                 approval_timeout_s: 5, max_output_chars: 6, max_output_tokens: 7, max_cost: 0.08,
                 max_chars_per_s: 9, mailbox: 10}
        retry: {attempts: 1, backoff_s: 0, max_backoff_s: 0, after_first_token: true}
        coalesce_ms: 25
        prices: {input: 1.5, output: 6}
        """
    ).agents["other-name"]
    assert (agent.title, agent.description) == ("The Title", "what it does")
    assert (agent.default, agent.enabled, agent.coalesce_ms) == (True, "auto", 25)
    assert list(agent.limits.model_dump().values()) == [1.5, 2, 3, 4, 5, 6, 7, 0.08, 9, 10]
    assert list(agent.retry.model_dump().values()) == [1, 0, 0, True]
    assert agent.prices is not None
    assert (agent.prices.input, agent.prices.output) == (1.5, 6)


def test_backend_chooses_the_class(folder: Folder) -> None:
    config = folder.load(
        a=OFFLINE,
        b="backend: function\nstream: my.module:answer",
        c="backend: letta\nletta_agent_id: agent-1",
        d=OPENAI + "model: m",
    )
    kinds = [OfflineSettings, FunctionSettings, LettaSettings, OpenAIAgentsSettings]
    assert [type(agent) for agent in config.agents.values()] == kinds
    assert [agent.backend for agent in config.agents.values()] == [
        "offline",
        "function",
        "letta",
        "openai-agents",
    ]


def test_offline_keys(folder: Folder) -> None:
    plain = folder.one(OFFLINE)
    assert (plain.instructions, plain.tools, plain.tokens_per_s) == ("", (), 30)
    agent = folder.one(OFFLINE + "instructions: hi\ntools: ['m:f', 'p.m:C.f']\ntokens_per_s: 2.5\nseed: 7")
    assert agent.instructions == "hi"
    assert agent.tools == ("m:f", "p.m:C.f")
    assert (agent.tokens_per_s, agent.seed) == (2.5, 7)


def test_letta_keys(folder: Folder) -> None:
    plain = folder.one("backend: letta\nletta_agent_id: agent-1")
    assert (plain.base_url, plain.api_key, plain.stream_tokens, plain.background) == (None, None, True, True)
    agent = folder.one(
        "backend: letta\nletta_agent_id: agent-1\nbase_url: http://127.0.0.1:8283\napi_key: k\n"
        "stream_tokens: false\nbackground: false"
    )
    assert (agent.letta_agent_id, agent.base_url) == ("agent-1", "http://127.0.0.1:8283")
    assert (agent.api_key.get_secret_value(), agent.stream_tokens, agent.background) == ("k", False, False)


def test_openai_keys(folder: Folder) -> None:
    agent = folder.one(
        OPENAI
        + """
model: gpt
instructions: be brief
api: responses
base_url: https://models.example/v1
api_key: k
model_settings: {temperature: 0.2, max_tokens: 9, reasoning: {effort: low}, extra_body: {a: [1, x]}}
tools: ["m:f"]
mcp_servers:
  - {command: server, args: [--stdio], env: {TOKEN: t}}
  - {url: "http://127.0.0.1:9/mcp", headers: {Authorization: Bearer t}}
max_turns: 3
tracing: true
transport: sdk
"""
    )
    assert (agent.model, agent.instructions, agent.api) == ("gpt", "be brief", "responses")
    assert agent.api_key.get_secret_value() == "k"
    assert agent.model_settings == {
        "temperature": 0.2,
        "max_tokens": 9,
        "reasoning": {"effort": "low"},
        "extra_body": {"a": [1, "x"]},
    }
    stdio, http = agent.mcp_servers
    assert (stdio.command, stdio.args, stdio.env["TOKEN"].get_secret_value()) == ("server", ("--stdio",), "t")
    assert (http.url, http.headers["Authorization"].get_secret_value()) == (
        "http://127.0.0.1:9/mcp",
        "Bearer t",
    )
    assert (agent.tools, agent.max_turns, agent.tracing, agent.transport) == (("m:f",), 3, True, "sdk")


def test_openai_defaults(folder: Folder) -> None:
    agent = folder.one(OPENAI + "model: gpt")
    assert (agent.max_turns, agent.tracing, agent.transport) == (10, False, "fast")
    assert (agent.model_settings, agent.tools, agent.handoffs, agent.mcp_servers) == ({}, (), (), ())


@pytest.mark.parametrize(
    ("extra", "api"),
    [
        ("", "responses"),
        ("base_url: http://127.0.0.1:1/v1", "chat_completions"),
        ("base_url: http://127.0.0.1:1/v1\napi: responses", "responses"),
        ("api: chat_completions", "chat_completions"),
    ],
)
def test_api_follows_the_base_url_unless_given(folder: Folder, extra: str, api: str) -> None:
    assert folder.one(OPENAI + f"model: m\n{extra}").api == api


def test_an_agent_object_of_the_users_own_goes_with_keys_that_say_how_it_runs(folder: Folder) -> None:
    agent = folder.one(OPENAI + "agent: pkg.mod:thing\nmax_turns: 2\nbase_url: http://127.0.0.1:1/v1")
    assert (agent.agent, agent.model, agent.max_turns, agent.api) == (
        "pkg.mod:thing",
        None,
        2,
        "chat_completions",
    )


def test_settings_can_be_built_without_a_file() -> None:
    agent = OfflineSettings(agent_id="x")
    assert (agent.file, agent.title, agent.backend) == ("", "x", "offline")


def test_settings_cannot_be_changed(folder: Folder) -> None:
    config = folder.load(a=OFFLINE)
    with pytest.raises(ValidationError):
        config.agents["a"].title = "other"
    with pytest.raises(ValidationError):
        config.agents["a"].limits.timeout_s = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.skipped = ()  # type: ignore[misc]  # that it fails is the point


# ── mistakes ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        (
            OPENAI + "model: m\nmodel_settings:\n  temperture: 1",
            4,
            "model_settings.temperture",
            "'temperature'?",
        ),
        (OFFLINE + "titel: x", 2, "titel", "did you mean 'title'?"),
        (OFFLINE + "limits:\n  timout_s: 3", 3, "limits.timout_s", "did you mean 'timeout_s'?"),
        (OFFLINE + "timeout_s: 3", 2, "timeout_s", "did you mean 'limits.timeout_s'?"),
        (OFFLINE + "attempt: 3", 2, "attempt", "did you mean 'retry.attempts'?"),
        (OFFLINE + "limits: {title: x}", 2, "limits.title", "did you mean 'title'?"),
        (OFFLINE + "letta_agent_id: x", 2, "letta_agent_id", "`backend: letta` only"),
        (OFFLINE + "file: x", 2, "file", "is not a known key"),
        (OFFLINE + "_file: x", 2, "_file", "is not a known key"),
        (OFFLINE + "prices: {'': 1, input: 1, output: 2}", 2, "prices.", "is not a known key"),
        (OFFLINE + "prices: {inputs: 1, output: 2, input: 1}", 2, "prices.inputs", "did you mean 'input'?"),
        (OFFLINE + "limits: {qqqqq: 1}", 2, "limits.qqqqq", "known are approval_timeout_s, "),
        (
            OPENAI + "model: m\nmodel_settings: {retry: {}}",
            3,
            "model_settings.retry",
            "did you mean 'retry'?",
        ),
        ("backend: offlin", 1, "backend", "'offlin' is no backend; did you mean 'offline'? choose one of"),
        ("backend: [offline]", 1, "backend", "is no backend"),
        ("title: x", None, "backend", "is missing; choose one of auto, openai-agents, letta, "),
        ("backend: letta", None, "letta_agent_id", "is missing; add it"),
        ("backend: function", None, "stream", "is missing; add it"),
        ("backend: function\nstream: 'no reference'", 2, "stream", "'no reference' should look like"),
        (OPENAI, None, "", "needs `model`, or `agent`"),
        (OPENAI + "agent: a:b\ntools: ['m:f']", None, "", "brings its own `tools`"),
        (OPENAI + "agent: a:b\nmodel: m", None, "", "brings its own `model`"),
        (OPENAI + "model: m\ntools: [clock]", 3, "tools[0]", "'clock' should look like"),
        (OPENAI + "model: m\ntools: clock:now", 3, "tools", "should be a list"),
        (OPENAI + "model: m\napi: chat", 3, "api", "'chat' should be 'responses' or 'chat_completions'"),
        (
            OPENAI + "model: m\nbase_url: localhost:11434",
            3,
            "base_url",
            "'localhost:11434' should be a whole",
        ),
        (OPENAI + "model: m\nbase_url: http://[::1/v1", 3, "base_url", "should be a whole address"),
        (OPENAI + "model: m\nbase_url: http://x:99999/v1", 3, "base_url", "should be a whole address"),
        (OPENAI + "model: m\nmcp_servers: [{args: [x]}]", 3, "mcp_servers[0]", "either `command`"),
        (
            OPENAI + "model: m\nmcp_servers: [{command: c, headers: {a: b}}]",
            3,
            "mcp_servers[0]",
            "`headers` mean",
        ),
        (
            OPENAI + "model: m\nmcp_servers: [{url: 'http://x', env: {a: b}}]",
            3,
            "mcp_servers[0]",
            "`env` mean",
        ),
        (OPENAI + "model: m\nmodel_settings: {top_p: 2}", 3, "model_settings.top_p", "2 should be less than"),
        (OPENAI + "model: m\ninstructions: x\ninstructions_file: a.yaml", None, "", "remove one"),
        (OPENAI + "model: m\ninstructions_file: nope.md", 3, "instructions_file", "'nope.md' cannot be read"),
        (OPENAI + 'model: m\ninstructions_file: "a\\0b"', 3, "instructions_file", "cannot be read"),
        (OPENAI + "model: m\ninstructions_file: .", 3, "instructions_file", "cannot be read"),
        (OFFLINE + "limits:", 2, "limits", "null should hold keys and values"),
        (OFFLINE + "limits: {timeout_s: 0}", 2, "limits.timeout_s", "0 should be greater than 0"),
        (OFFLINE + "limits: {timeout_s: .nan}", 2, "limits.timeout_s", "nan should be a finite number"),
        (OFFLINE + "limits: {timeout_s: .inf}", 2, "limits.timeout_s", "inf should be a finite number"),
        (OFFLINE + "limits: {timeout_s: true}", 2, "limits.timeout_s", "true should be a number"),
        (OFFLINE + "limits: {mailbox: 2.5}", 2, "limits.mailbox", "2.5 should be a whole number"),
        (
            OFFLINE + "limits: {max_chars_per_s: -1}",
            2,
            "limits.max_chars_per_s",
            "-1 should be greater than or",
        ),
        (OFFLINE + "limits: {max_cost: 0}", 2, "limits.max_cost", "0 should be greater than 0"),
        (OFFLINE + "retry: {backoff_s: 30}", 2, "retry", "`max_backoff_s` smaller"),
        (OFFLINE + "default: yes", 2, "default", "'yes' should be true or false"),
        (OFFLINE + "enabled: maybe", 2, "enabled", "'maybe' should be true, false or auto"),
        (OFFLINE + "enabled: 1", 2, "enabled", "1 should be true, false or auto"),
        (OFFLINE + "agent_id: Big One", 2, "agent_id", "'Big One' should be 1 to 64"),
        (OFFLINE + "agent_id: message", 2, "agent_id", "'message' is reserved"),
        (OFFLINE + "agent_id: 7", 2, "agent_id", "7 should be text; put it in quotes"),
        (OFFLINE + 'agent_id: "a\\n"', 2, "agent_id", "should be 1 to 64"),
        (OFFLINE + "title: ''", 2, "title", "should not be empty"),
        (OFFLINE + "seed: 1\ntitle: x\nseed: 2", 4, "seed", "stands twice, first in line 2"),
        (
            OFFLINE + "limits:\n  mailbox: 1\n  mailbox: 1",
            4,
            "limits.mailbox",
            "stands twice, first in line 3",
        ),
        (OFFLINE + "1: x", 2, "", "has a key that is no text"),
        (OFFLINE + "? [a]\n: x", 2, "", "has a key that is no text"),
        (OFFLINE + "title: !!python/none x", 2, "title", "has the tag"),
        (OFFLINE + "seed: !!int many", 2, "seed", "is no int"),
        (OFFLINE + "<<: {seed: 1}", 2, "<<", "is not a known key"),
    ],
)
def test_a_mistake_names_its_line_its_key_and_what_to_do(
    folder: Folder, text: str, line: int | None, key: str, said: str
) -> None:
    found = [p for p in folder.problems(a=text) if said in p.message]
    assert [(p.line, p.key) for p in found] == [(line, key)]
    assert found[0].file == str(folder.path / "a.yaml")


def test_a_files_name_that_is_no_id_is_told(folder: Folder) -> None:
    (folder.path / "My Agent.yaml").write_text(OFFLINE)
    (found,) = folder.problems()
    assert (found.line, found.key) == (None, "agent_id")
    assert found.message.startswith("'My Agent' should be 1 to 64")


def test_model_settings_are_those_of_the_installed_sdk() -> None:
    """All but `retry`: one layer retries, and that is ours."""
    agents = pytest.importorskip("agents")
    fields = {field.name for field in dataclasses.fields(agents.ModelSettings)}
    assert set(ModelSettings.__annotations__) == fields - {"retry"}
