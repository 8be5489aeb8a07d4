"""Covers `orchestrator/cli/options.py`: options from the environment, and from files that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.commands import serve
from orchestrator.cli.options import take_files
from orchestrator.errors import ConfigError

VARIABLES = sorted({each.envvar for each in serve.params if isinstance(each.envvar, str)})


@pytest.mark.parametrize("variable", VARIABLES)
def test_each_option_comes_from_the_file_that_its_variable_names(variable: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("mounted\n")
    name = f"{variable}_FILE"
    environ = {name: str(file)}
    take_files(environ, serve.params)
    if name in VARIABLES:
        assert variable not in environ, "--token-file reads it itself, and again when it changes"
    else:
        assert environ[variable] == "mounted"


def test_a_variable_that_is_set_itself_stays(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("mounted")
    environ = {"ORCHESTRATOR_METRICS_TOKEN": "own", "ORCHESTRATOR_METRICS_TOKEN_FILE": str(file)}
    take_files(environ, serve.params)
    assert environ["ORCHESTRATOR_METRICS_TOKEN"] == "own"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named_and_its_content_is_not(
    content: bytes | None, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        take_files({"ORCHESTRATOR_LOG_FILE": str(file)}, serve.params)
    assert caught.value.problems[0].key == "ORCHESTRATOR_LOG_FILE"
    assert str(file) in str(caught.value)
