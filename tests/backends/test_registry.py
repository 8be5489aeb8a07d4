"""The table of kinds: one file and one row are a new kind of agent, everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_aiohttp import AiohttpClient

from orchestrator.backends.registry import KINDS, Kind, settings_classes
from orchestrator.config import load_config
from orchestrator.config.check import check_agents
from orchestrator.config.schema import json_schema
from orchestrator.errors import ConfigError
from orchestrator.server.app import create_app
from tests.support.patience import PATIENCE_SECONDS

MODULE = '''
from typing import ClassVar, Literal

from orchestrator import Finish
from orchestrator.settings.agent import AgentSettings
from orchestrator.settings.scalars import PositiveInt


class MirrorSettings(AgentSettings):
    """An agent that says the question backwards."""

    takes_over: ClassVar[bool] = True
    backend: Literal["mirror"] = "mirror"
    times: PositiveInt
    """How often."""


class MirrorBackend:
    """Says the question backwards."""

    def __init__(self, settings, agents):
        self._times = settings.times

    @property
    def model(self):
        return f"mirror-{self._times}"

    async def stream(self, request, /):
        for _ in range(self._times):
            yield request.message[::-1]
        yield Finish("mirrored")

    async def aclose(self):
        """Holds nothing."""
'''


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Add the kind `mirror`: one file and one row; return an empty folder of agents."""
    (tmp_path / "mirror_kind.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mirror_kind", raising=False)
    monkeypatch.setitem(KINDS, "mirror", Kind("mirror_kind:MirrorSettings", "mirror_kind:MirrorBackend"))
    agents = tmp_path / "agents"
    agents.mkdir()
    return agents


async def test_an_added_kind_answers_through_the_running_server(
    mirror: Path, aiohttp_client: AiohttpClient
) -> None:
    (mirror / "m.yaml").write_text("backend: mirror\ntimes: 2\n")
    client = await aiohttp_client(create_app(load_config(mirror)))
    answer = await client.post("/v1/runs", json={"message": "abc "}, headers={"Accept": "text/event-stream"})
    stream = (await answer.read()).decode()
    data = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line[:5] == "data:"]
    (done,) = (each for each in data if each["type"] == "done" and "agent_id" in each)
    assert (done["text"], done["finish_reason"]) == (" cba cba", "mirrored")
    shown = await (await client.get("/v1/agents")).json()
    assert [(agent["backend"], agent["model"]) for agent in shown["agents"]] == [("mirror", "mirror-2")]


def test_an_added_kind_is_checked_described_and_named_in_messages(mirror: Path) -> None:
    (mirror / "m.yaml").write_text("backend: mirror\ntimes: 2\n")
    (mirror / "a.yaml").write_text("backend: openai-agents\nmodel: m\nhandoffs: [b]\napi_key: k\n")
    (mirror / "b.yaml").write_text("backend: function\nstream: a:b\n")
    (mirror / "c.yaml").write_text("backend: miror\n")
    (mirror / "d.yaml").write_text("backend: offline\ntimes: 2\n")
    report = check_agents(mirror, {})
    assert [line.split() for line in report.lines] == [["m", "mirror", "mirror-2", "(default)"]]
    said = {Path(problem.file).stem: problem.message for problem in report.problems}
    assert "only agents of openai-agents and mirror can take over" in said["a"]
    assert "did you mean 'mirror'?" in said["c"]
    assert said["d"] == "is a key of `backend: mirror` only; remove it or change `backend`"
    described = json_schema()["$defs"]["MirrorSettings"]
    assert described["required"] == ["backend", "times"]
    assert described["properties"]["backend"]["const"] == "mirror"


def test_a_backend_that_is_not_there_is_a_problem_of_its_file(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "mirror", Kind("mirror_kind:MirrorSettings", "mirror_kind:Nothing"))
    (mirror / "m.yaml").write_text("backend: mirror\ntimes: 2\n")
    (problem,) = check_agents(mirror, {}).problems
    assert str(problem) == f"{mirror / 'm.yaml'}:1: backend: module 'mirror_kind' has no 'Nothing'"


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("mirror", "mirror_kind:Nothing", "mirror: module 'mirror_kind' has no 'Nothing'"),
        ("mirror", "mirror_kind:MirrorBackend", "is no subclass of AgentSettings"),
        ("glass", "mirror_kind:MirrorSettings", 'write backend: Literal["glass"] = "glass"'),
    ],
)
def test_a_row_with_the_wrong_settings_is_named(
    mirror: Path, monkeypatch: pytest.MonkeyPatch, name: str, settings: str, why: str
) -> None:
    monkeypatch.setitem(KINDS, name, Kind(settings, "mirror_kind:MirrorBackend"))
    (mirror / "m.yaml").write_text(f"backend: {name}\ntimes: 2\n")
    (problem,) = check_agents(mirror, {}).problems
    assert str(problem).startswith(f"KINDS of orchestrator.backends.registry: {name}: ")
    assert why in str(problem)


def test_a_class_that_is_no_backend_is_refused_before_it_is_asked(
    mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mirror / "m.yaml").write_text("backend: mirror\ntimes: 2\n")
    monkeypatch.setitem(KINDS, "mirror", Kind("mirror_kind:MirrorSettings", f"{__name__}:Deaf"))
    (problem,) = check_agents(mirror, {}).problems
    assert str(problem).endswith(
        "m.yaml: Deaf lacks stream, aclose; see `Backend` in orchestrator.backends.base"
    )
    with pytest.raises(ConfigError, match="Deaf lacks stream, aclose"):
        create_app(agents={"deaf": Deaf()})  # type: ignore[dict-item]


class Deaf:
    model = None

    def __init__(self, *_: object) -> None:
        """Take what a backend is built from."""


def test_each_row_names_settings_of_its_own_kind() -> None:
    for kind, settings in settings_classes().items():
        assert settings.model_fields["backend"].default == kind


SDKS = [
    "agents",
    "openai",
    "letta_client",
    "langgraph",
    "langchain_core",
    "pydantic_ai",
    "litellm",
    "any_llm",
    "mcp",
]


def test_sdks_are_imported_late() -> None:
    """`check --no-load` and the schema ask all settings; a service pays for the kinds that it has, and for no other."""
    code = (
        "import sys; from orchestrator.backends.registry import KINDS, settings_classes\n"
        f"sdks = {SDKS}\n"
        "settings_classes(); print(sorted({*sdks, 'httpx2', 'aiohttp'} & set(sys.modules)))\n"
        "import orchestrator.server.app; from orchestrator.references import load_attribute\n"
        "for kind in ('function', 'a2a', 'ag-ui', 'remote', 'langgraph', 'pydantic-ai'):\n"
        "    load_attribute(KINDS[kind].backend); print(kind, sorted(set(sdks) & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    settings, *backends = run.stdout.splitlines()
    assert settings == "[]"
    assert [each.partition(" ")[2] for each in backends] == ["[]"] * 6


def test_an_unknown_kind_is_refused_with_all_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("backend: nonesuch\n")
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path, {})
    for kind in KINDS:
        assert kind in str(caught.value)
