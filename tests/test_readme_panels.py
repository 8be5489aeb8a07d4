"""The README's section about panels: its commands, its file and its method work as they are written."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from orchestrator.panelsettings import METHODS, PanelLimits, PanelSettings
from tests.commands import ROOT, environment, orchestrate
from tests.parts import require
from tests.served import orchestrator
from tests.support.patience import PATIENCE_SECONDS

README = (ROOT / "README.md").read_text()
SECTION = README.split("\n## Panels\n")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with orchestrator() as address:
        yield address


def sh(command: str, server: str, **variables: str) -> str:
    require("curl")
    command = command.replace("http://127.0.0.1:8080", server).replace("curl ", "curl -sS ")
    ran = subprocess.run(
        ["sh", "-ec", command],
        capture_output=True, text=True, env=environment(**variables), timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def events(stream: str) -> list[tuple[str, dict[str, Any]]]:
    found = re.findall(r"^event: (\S+)\ndata: (.*)$", stream, re.MULTILINE)
    return [(name, json.loads(data)) for name, data in found]


def test_the_file_is_the_shipped_one_without_its_comments() -> None:
    (text,) = blocks("yaml")
    shown = YAML(typ="safe", pure=True).load(text)
    shipped = YAML(typ="safe", pure=True).load((ROOT / "agents_config/panels/council.yaml").read_text())
    assert shown.items() <= shipped.items()


def test_the_commands_ask_the_council_and_then_a_judge(server: str) -> None:
    first, second = blocks("sh")
    told = events(sh(first, server))
    names = [name for name, _ in told]
    assert (names[0], names[-1]) == ("run.started", "run.done")
    for name in ("panel.stage", "moderator.token", "panel.result"):
        assert name in names
    assert "17 * 23 = 391" in next(data["text"] for name, data in told if name == "moderator.done")
    run_id = told[0][1]["run_id"]
    snapshot = json.loads(sh(second, server, RUN_ID=run_id))
    assert snapshot["panel"]["of"] == run_id
    assert snapshot["panel"]["method"] == "judge"
    follow = events(sh(f"curl -N {server}/v1/runs/{snapshot['run_id']}/events", server))
    (result,) = [data for name, data in follow if name == "panel.result"]
    assert result["status"] in ("decided", "tie")


def test_the_own_method_decides(tmp_path: Path) -> None:
    (code,) = blocks("python")
    (tmp_path / "my_methods.py").write_text(code)
    panels = tmp_path / "agents_config" / "panels"
    panels.mkdir(parents=True)
    for name in ("a", "b"):
        (panels.parent / f"{name}.yaml").write_text("backend: offline\ntokens_per_s: 1000\n")
    (panels / "own.yaml").write_text("method: my_methods:shortest\nmembers: [a, b]\n")
    assert orchestrate("check", cwd=tmp_path).returncode == 0
    ran = orchestrate("run", "hello there", "--panel", "own", "--json", cwd=tmp_path)
    (result,) = [
        json.loads(line)
        for line in ran.stdout.splitlines()
        if '"event":"panel.result"' in line.replace(" ", "")
    ]
    assert result["status"] == "decided"
    assert result["winner"] in ("a", "b")
    assert ran.returncode == 0


def test_the_tables_name_every_method_and_every_key() -> None:
    first_cells = [row.split("|")[1] for row in SECTION.splitlines() if row.startswith("| `")]
    named = set(re.findall(r"`([\w.:\"]+)`", " ".join(first_cells)))
    assert named >= set(METHODS)
    assert named >= set(PanelSettings.model_fields) - {"limits"}
    assert named >= {f"limits.{key}" for key in PanelLimits.model_fields}
