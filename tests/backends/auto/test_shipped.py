"""The agents that ship, with a model and without: who answers, with what, and what is said about it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.auto.settings import AutoSettings
from orchestrator.backends.base import AgentInput
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.backends.registry import create_backend
from orchestrator.config import Config, load_config
from orchestrator.config.check import check_agents
from orchestrator.errors import ConfigError
from orchestrator.events import Token, ToolResult

from ...support.commands import ROOT, finish, orchestrate, spawn
from ...support.ollama import ollama
from ...support.service import serving_process
from ...support.upstream import Call, Upstream

SHIPPED = ROOT / "agents_config"
OPEN = ["analyst", "moderator", "optimist", "skeptic"]
TOOLS = {"capabilities": ["tools"]}


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as made:
        for model in ("llama3.2", "gpt-5-mini"):
            made.script(model, [[Call("calculator", '{"expression": "17*23"}')], ["A model says 391."]] * 3)
        yield made


def kinds(config: Config) -> dict[str, str]:
    return {agent_id: config.agents[agent_id].backend for agent_id in OPEN}


async def test_a_model_answers_with_the_same_instructions_and_tools(upstream: Upstream) -> None:
    environ = {"OPENAI_COMPATIBLE_BASE_URL": upstream.url, "OPENAI_API_KEY": "sk-meant-for-openai"}
    config = load_config(SHIPPED, environ)
    assert set(kinds(config).values()) == {"openai-agents"}
    analyst, offline = config.agents["analyst"], load_config(SHIPPED, {}).agents["analyst"]
    assert isinstance(analyst, OpenAIAgentsSettings)
    for key in ("title", "description", "default", "instructions", "tools", "limits", "retry", "file"):
        assert getattr(analyst, key) == getattr(offline, key), key
    backend = create_backend(analyst, config.agents)
    async with aclosing(backend.stream(AgentInput("What is 17 * 23?"))) as stream:
        said = [each async for each in stream]
    await backend.aclose()
    assert "".join(each.text for each in said if isinstance(each, Token)) == "A model says 391."
    assert [each.output for each in said if isinstance(each, ToolResult)] == ["391"], (
        "the tool is the real one"
    )
    first = upstream.requests[0]
    assert first.body["messages"][0]["content"].strip() == str(analyst.instructions).strip()
    assert {tool["function"]["name"] for tool in first.body["tools"]} == {
        name.rpartition(":")[2] for name in analyst.tools
    }
    assert first.body["max_tokens"] == analyst.limits.max_output_tokens
    assert "sk-meant-for-openai" not in str(first.headers)


def test_an_ollama_that_answers_is_asked_once_for_all_of_them() -> None:
    with ollama({"qwen3:8b": TOOLS}) as here:
        config = load_config(SHIPPED, {"OLLAMA_HOST": here.host})
        assert here.asked == ["/api/tags", "/api/show qwen3:8b"]
    assert set(kinds(config).values()) == {"openai-agents"}
    assert {config.agents[agent_id].named_model for agent_id in OPEN} == {"qwen3:8b"}
    assert config.notice.startswith(
        f"qwen3:8b (Ollama at http://{here.host}, as it runs here) answers for analyst, "
    )
    assert "--offline" in config.notice


def test_nobody_is_asked_if_no_file_leaves_it_open(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("backend: offline\n")
    (tmp_path / "b.yaml").write_text("backend: auto\nenabled: false\n")
    with ollama({"m": TOOLS}) as here:
        config = load_config(tmp_path, {"OLLAMA_HOST": here.host})
        assert (here.asked, config.notice) == ([], "")


def test_an_address_that_is_none_is_a_problem_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("title: A\nbackend: auto\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, {"OPENAI_COMPATIBLE_BASE_URL": "localhost:s3cret"})
    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (2, "backend")
    assert "OPENAI_COMPATIBLE_BASE_URL is set" in problem.message
    assert "base_url" in problem.message
    assert "s3cret" not in str(caught.value)


def test_the_stand_ins_keys_are_checked_with_a_model_too(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("backend: auto\ntokens_per_s: fast\nmodel: m\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, {"OPENAI_API_KEY": "k"})
    assert {problem.key for problem in caught.value.problems} == {"tokens_per_s", "model"}


def test_settings_made_in_python_are_settled_when_a_backend_is_made() -> None:
    assert create_backend(AutoSettings(agent_id="a"), {}).model == "offline"


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({}, "are offline stand-ins, not language models. For real answers set OPENAI_API_KEY or"),
        (
            {"ORCHESTRATOR_OFFLINE": "1", "OPENAI_API_KEY": "k"},
            "are offline stand-ins, as --offline or ORCHESTR",
        ),
        (
            {"OPENAI_API_KEY": "k"},
            "gpt-5-mini (OpenAI, as OPENAI_API_KEY is set) answers for analyst, moderator,",
        ),
    ],
    ids=["nothing", "offline", "key"],
)
def test_check_begins_with_who_answers(environ: dict[str, str], line: str) -> None:
    report = check_agents(SHIPPED, environ, load=False)
    assert line in report.lines[0]
    for agent_id in OPEN:
        assert agent_id in report.lines[0]
    assert report.problems == []


# ── as commands ───────────────────────────────────────────────────────────────────────────────


async def test_run_asks_the_model_of_a_key_and_says_so_first(upstream: Upstream) -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": upstream.url}
    asked = await spawn("run", "What is 17 * 23?", "--agents", "analyst", "--json", **environ)
    code, out, err = await finish(asked)
    assert (code, err.count("\n")) == (0, 1), err
    assert err.startswith(
        f"gpt-5-mini ({upstream.url.removesuffix('/v1')}, as OPENAI_API_KEY is set) answers for "
    )
    done = next(event for event in map(json.loads, out.splitlines()) if event["event"] == "analyst.done")
    assert done["text"] == "A model says 391."
    assert upstream.requests[0].headers["Authorization"] == "Bearer sk-1"


async def test_offline_asks_nobody_whatever_is_set(upstream: Upstream) -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": upstream.url}
    asked = await spawn("run", "What is 17 * 23?", "--agents", "analyst", "--offline", **environ)
    code, out, err = await finish(asked)
    assert (code, upstream.requests) == (0, [])
    assert "offline stand-ins, as --offline" in err.splitlines()[0]
    assert "391" in out


@pytest.mark.parametrize("form", ["console", "json"])
async def test_serve_says_it_first(form: str) -> None:
    with ollama({"qwen3:8b": TOOLS}) as here:
        options = ("--log-format", form)
        async with serving_process(SHIPPED, *options, environ={"OLLAMA_HOST": here.host}) as service:
            first = service.lines[0] if form == "console" else json.loads(service.lines[0])["notice"]
            assert first.startswith(
                f"qwen3:8b (Ollama at http://{here.host}, as it runs here) answers for analyst, "
            )
            assert first.strip().endswith("--offline asks no model.")
        assert here.asked == ["/api/tags", "/api/show qwen3:8b"]


def test_help_asks_nobody() -> None:
    with ollama({"m": TOOLS}) as here:
        shown = orchestrate("serve", "--help", OLLAMA_HOST=here.host)
        assert "--offline" in shown.stdout
        assert here.asked == []


def test_the_shipped_files_say_how_it_is_chosen() -> None:
    words = (SHIPPED / "skeptic.yaml").read_text()
    wanted: list[Any] = ["OPENAI_API_KEY", "OPENAI_COMPATIBLE_BASE_URL", "Ollama", "--offline"]
    assert [word for word in wanted if word not in words] == []
