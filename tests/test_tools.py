"""The addresses that people write into agents' files: the lasting ones, and those of a release before."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from orchestrator import tools
from orchestrator.config.check import check_agents
from orchestrator.references import load_attribute
from tests.support.patience import PATIENCE_SECONDS


def test_every_tool_has_a_docstring_that_tells_a_model_what_it_is_for() -> None:
    for name in tools.__all__:
        assert (getattr(tools, name).__doc__ or "").count("Args:") == 1, name


@pytest.mark.parametrize(
    ("old", "name"),
    [
        ("offline_tools", "calculator"),
        ("offline_tools", "clock"),
        ("offline_tools", "key_words"),
        ("offline_tools", "text_statistics"),
        ("offline_comparison", "compare_answers"),
    ],
)
def test_a_former_address_names_the_same_tool(old: str, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_attribute(f"orchestrator.backends.{old}:{name}") is getattr(tools, name)


def test_an_agent_with_former_addresses_is_well(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "backend: offline\ntools:\n- orchestrator.backends.offline_tools:clock\n"
        "- orchestrator.backends.offline_comparison:compare_answers\n"
    )
    report = check_agents(tmp_path, {})
    assert not report.problems
    assert report.lines[0].split()[:2] == ["a", "offline"]


def test_tools_need_no_sdk() -> None:
    code = (
        "import sys, orchestrator.tools; print(sorted({'agents', 'openai', 'pydantic'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    )
    assert run.stdout.strip() == "[]"
