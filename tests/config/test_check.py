"""`orchestrator check` names every mistake, in files and in what they refer to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.commands import environment, orchestrate


def agents_folder(folder: Path, **files: str) -> Path:
    config = folder / "agents_config"
    config.mkdir()
    for name, text in files.items():
        (config / f"{name}.yaml").write_text(text)
    return config


def test_check_passes_the_agents_that_are_shipped() -> None:
    ran = orchestrate("check")
    assert (ran.returncode, ran.stderr) == (0, "")
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert ["skeptic", "offline", "offline", "(default)"] in rows
    assert any(row[1] == "skipped" and "not set" in " ".join(row) for row in rows)
    assert (
        "council            panel    moderator: skeptic, optimist, analyst; last word: moderator"
        in ran.stdout
    )


def test_check_says_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    agents_folder(
        tmp_path,
        one="backend: offline\ntypo: 1\nanother: 2\n",
        two="backend: nothing\n",
        three="backend: offline\nlimits: {timeout_s: soon}\n",
    )
    ran = orchestrate("check", cwd=tmp_path)
    assert ran.returncode == 1
    for part in ("one.yaml:2: typo", "one.yaml:3: another", "two.yaml:1: backend", "three.yaml:2: limits"):
        assert part in ran.stderr
    assert ran.stderr.splitlines()[-1] == "4 problems"


def test_check_finds_references_that_cannot_be_loaded(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("async def good(request):\n    yield 'x'\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('at import')\n")
    (tmp_path / "script.py").write_text("raise SystemExit('bye')\n")
    agents_folder(
        tmp_path,
        good="backend: function\nstream: mine:good\n",
        bad="backend: function\nstream: mine:bad\n",
        gone="backend: function\nstream: nowhere:good\n",
        ill="backend: function\nstream: broken:good\n",
        ends="backend: function\nstream: script:good\n",
    )
    ran = orchestrate("check", cwd=tmp_path)
    assert ran.returncode == 1
    assert [line.split()[0] for line in ran.stdout.splitlines()] == ["good"]
    reasons = {"bad": "has no 'bad'", "gone": "cannot import 'nowhere'", "ill": "at import", "ends": "bye"}
    for name, why in reasons.items():
        [line] = [line for line in ran.stderr.splitlines() if f"{name}.yaml" in line]
        assert why in line
    unloaded = orchestrate("check", "--no-load", cwd=tmp_path)
    assert unloaded.returncode == 0
    assert len(unloaded.stdout.splitlines()) == 5


def test_check_finds_wrong_references_beside_files_that_cannot_be_read(tmp_path: Path) -> None:
    """All at once: nobody wants to mend one file to hear of the next."""
    agents_folder(
        tmp_path,
        typo="backend: offline\ntypo: 1\n",
        gone="backend: function\nstream: nowhere:good\n",
        tools="backend: offline\ntools: ['nowhere:one', 'os:two', 'os:sep']\n",
        follows="backend: openai-agents\nmodel: m\napi_key: k\nhandoffs: [brief]\n",
        brief="backend: openai-agents\nmodel: ''\n",
    )
    ran = orchestrate("check", cwd=tmp_path)
    assert ran.returncode == 1
    found = [line.partition(": ")[0].rpartition("/")[2] for line in ran.stderr.splitlines()[:-1]]
    assert found == [
        "brief.yaml:2",
        "gone.yaml:2",
        "tools.yaml:2",
        "tools.yaml:2",
        "tools.yaml:2",
        "typo.yaml:2",
    ]


def panels_folder(config: Path, **panels: str) -> None:
    (config / "panels").mkdir()
    for name, text in panels.items():
        (config / "panels" / f"{name}.yaml").write_text(text)


def test_check_lists_panels_and_says_why_one_is_left_out(tmp_path: Path) -> None:
    offline = "backend: offline\n"
    auto = "backend: offline\nenabled: auto\ntitle: ${env:NOT_SET_HERE}\n"
    panels_folder(
        agents_folder(tmp_path, a=offline, b=offline, c=auto),
        deep="method: layers\nlayers: [[a, b], [b]]\nmoderator: {agent: a, fallback: b}\n",
        late="method: vote\nmembers: [a, c]\n",
        quick="method: race\nmembers: [a, b]\n",
    )
    ran = orchestrate("check", cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [line.split(maxsplit=2) for line in ran.stdout.splitlines()][3:] == [
        ["deep", "panel", "layers: a, b → b; last word: a, then b"],
        ["quick", "panel", "race: a, b"],
        ["late", "skipped", "panel: agent 'c' is left out (NOT_SET_HERE is not set)"],
    ]


def test_check_says_everything_that_is_wrong_with_panels_and_agents(tmp_path: Path) -> None:
    config = agents_folder(tmp_path, a="backend: offline\nseed: x\n", b="backend: offline\n")
    panels_folder(
        config,
        one="method: judge\nmembers: [b, nobody]\nmoderator: b\nrounds: 0\n",
        two="method: vote\nmembers:\n- b\n- nobody\n",
    )
    ran = orchestrate("check", cwd=tmp_path)
    assert ran.returncode == 1
    unknown = "members[1]: 'nobody' is no agent here"
    for part in ("a.yaml:2: seed", "one.yaml:4: rounds", f"one.yaml:2: {unknown}", f"two.yaml:4: {unknown}"):
        assert part in ran.stderr
    assert ran.stderr.splitlines()[-1] == "4 problems"


def test_check_finds_methods_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("async def good(session): ...\ndef plain(session): ...\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('at import')\n")
    methods = {
        "fine": "mine:good",
        "bad": "mine:bad",
        "gone": "nowhere:good",
        "ill": "broken:good",
        "no": "mine:plain",
    }
    panels = {name: f"members: [a]\nmethod: {method}\n" for name, method in methods.items()}
    panels_folder(agents_folder(tmp_path, a="backend: offline\n"), **panels)
    ran = orchestrate("check", cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[1:] == ["fine  panel    mine:good (own): a"]
    for name, why in (
        ("bad", "has no 'bad'"),
        ("gone", "cannot import 'nowhere'"),
        ("ill", "at import"),
        ("no", "is not an `async def` function"),
    ):
        [line] = [line for line in ran.stderr.splitlines() if f"{name}.yaml" in line]
        assert f"{name}.yaml:2: method: " in line
        assert why in line
    assert orchestrate("check", "--no-load", cwd=tmp_path).returncode == 0


def test_check_tells_the_line_of_a_reference(tmp_path: Path) -> None:
    agents_folder(tmp_path, a="backend: offline\ntools:\n- orchestrator.tools:clock\n- nowhere:tool\n")
    ran = orchestrate("check", cwd=tmp_path)
    assert "a.yaml:4: tools[1]: " in ran.stderr


def test_check_of_no_folder_is_an_error(tmp_path: Path) -> None:
    ran = orchestrate("check", "--config", "nowhere", cwd=tmp_path)
    assert ran.returncode == 1
    assert "nowhere" in ran.stderr


def test_a_module_beside_the_config_is_found_by_the_installed_command(tmp_path: Path) -> None:
    """`python -m` looks into the present folder, a console script does not; both must find `mine:good`."""
    (tmp_path / "mine.py").write_text("async def good(request):\n    yield 'x'\n")
    agents_folder(tmp_path, good="backend: function\nstream: mine:good\n")
    script = "import sys; assert '' not in sys.path; from orchestrator.cli import main; main(['check'])"
    ran = subprocess.run(
        [sys.executable, "-P", "-c", script],
        capture_output=True, text=True, cwd=tmp_path, env=environment(), check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
