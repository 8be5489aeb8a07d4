"""Which files are readable at all, and that no bytes do worse than a ConfigError."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.backends.registry import settings_classes
from orchestrator.config import load_config
from orchestrator.config.yamlfile import MAX_FILE_BYTES, parse_yaml
from orchestrator.errors import ConfigError
from orchestrator.settings.agent import AgentSettings

from ..support.agentfolder import OFFLINE, Folder

SHIPPED = Path(__file__).parents[2] / "agents_config"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_yaml_1_2_words_stay_text(folder: Folder) -> None:
    """In YAML 1.1 these were a bool and a number in base 60, which surprised everybody."""
    agent = folder.one(OFFLINE + "title: no\ndescription: 12:30:45\ninstructions: 2024-01-01")
    assert (agent.title, agent.description, agent.instructions) == ("no", "12:30:45", "2024-01-01")


def test_a_byte_order_mark_is_no_mistake(folder: Folder) -> None:
    assert folder.one(b"\xef\xbb\xbf" + OFFLINE.encode()).backend == "offline"


def test_aliases_repeat_a_value(folder: Folder) -> None:
    agent = folder.one(OFFLINE + "title: &t Name\ndescription: *t")
    assert agent.description == "Name"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", None, "is empty"),
        ("# nothing\n", None, "is empty"),
        ("\n- a\n", 2, "keys and values at the top"),
        ("just text", 1, "keys and values at the top"),
        ("null", 1, "keys and values at the top"),
        ("a: 1\nb: [", 2, "is not valid YAML"),
        ("a: 1\n b: 2", 2, "is not valid YAML"),
        ("a: 1\n\tb: 2", 2, "is not valid YAML"),
        ("a: *nothing", 1, "is not valid YAML"),
        ("a: 1\n---\nb: 2", 2, "is not valid YAML"),
        ("a: {b: ${env:X}}", 1, "inside { } and [ ] a variable needs quotes"),
        ("a: 1\nb: \x01", 2, "is not valid YAML"),
        (b"a: 1\nb: \xff", 2, "is not UTF-8 (byte 0xff)"),
        ("a: 1".encode("utf-16"), 1, "is not UTF-8"),
        ("a: " + "[" * 3000, None, "levels deep"),
        ("a: " + "[" * 40 + "]" * 40, 1, "levels deep"),
        ('a: "\\UFFFFFFFF"', None, "is not valid YAML"),
        ('a: "\\U00110000"', None, "is not valid YAML"),
        ("%YAML " + "9" * 5000 + ".1\n---\na: 1", None, "is not valid YAML"),
        ("a: &x [*x]", 1, "levels deep"),
        ("a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
        ), None, "values; shorten it"),
        ("#" * (MAX_FILE_BYTES + 1), None, "is larger than"),
    ],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_a_file_that_is_no_mapping_of_yaml_is_one_clear_problem(
    folder: Folder, text: str | bytes, line: int | None, said: str
) -> None:
    found = folder.problem(text)
    assert found.file == str(folder.path / "a.yaml")
    assert said in found.message
    assert line is None or found.line == line


# ── whatever the bytes ────────────────────────────────────────────────────────────────────────

PIECES = [
    *"abc:-?[]{}&*!|>'\"%@`#,~ \n\t1.0", "\r\n", "\u2028", "\ufeff", "---\n", "...\n", "%YAML 1.1\n", "<<: ",
    "!!int ", "!!bool x", "!!float ", "!!binary ", "!!null x", "0x", "0o9", "1e9", "._", "+.inf", "-_",
    "1:2", "2024-01-01", "\\x", "\\u12", "null", "true", "&a ", "*a", "? ", "backend: ", "offline\n",
    "openai-agents\n", "limits:\n  ", "timeout_s: ", "model_settings: ", "tools: ", "- ", "${env:A}",
    "${env:", "enabled: auto\n", '"\\UFFFFFFFF"', "\\U00110000", "%YAML ", "%TAG ",
    "9" * 5000, "1" + "0" * 400,
]  # fmt: skip
yaml_ish = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)


def load_or_complain(source: bytes) -> None:
    with tempfile.TemporaryDirectory() as path:
        (Path(path) / "a.yaml").write_bytes(source)
        try:
            config = load_config(Path(path), {"A": "\udcff${env:A}"})
        except ConfigError as exc:
            problems = exc.problems
        else:
            assert len(config.agents) == 1
            assert all(isinstance(agent, AgentSettings) for agent in config.agents.values())
            return
        assert problems
        assert all(problem.message and problem.file.startswith(path) for problem in problems)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | yaml_ish.map(str.encode))
def test_arbitrary_bytes_end_in_settings_or_config_error(source: bytes) -> None:
    load_or_complain(source)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(SHIPPED.glob("*.yaml"))), st.integers(0, 2000), st.integers(0, 20), yaml_ish)
def test_a_damaged_file_ends_in_settings_or_config_error(path: Path, at: int, cut: int, patch: str) -> None:
    text = path.read_text(encoding="utf-8")
    load_or_complain((text[:at] + patch + text[at + cut :]).encode())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(settings_classes())), st.data())
def test_any_value_at_any_key_ends_in_settings_or_config_error(backend: str, data: st.DataObject) -> None:
    """JSON is YAML, but for NaN; so every key is given every kind of value."""
    keys = st.sampled_from(sorted(settings_classes()[backend].model_fields))
    values: dict[str, Any] = data.draw(st.dictionaries(keys, json_values, max_size=5))
    load_or_complain(json.dumps(values | {"backend": backend}).encode())


def test_lines_survive_any_line_end() -> None:
    for end in ("\n", "\r\n", "\r"):
        content = parse_yaml(end.join(["a: 1", "b:", "  c: ${env:X}"]).encode(), file="f", environ={})
        assert (content.line(("b", "c")), content.missing[0].line) == (3, 3)
