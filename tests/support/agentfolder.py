"""A folder of agents made of texts, for the tests of the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config import Config, load_config
from orchestrator.errors import ConfigError, ConfigProblem

OPENAI = "backend: openai-agents\n"
OFFLINE = "backend: offline\n"


class Folder:
    """A folder of agents, made of texts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, environ: Mapping[str, str] | None = None, /, **files: str | bytes) -> Config:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            (self.path / f"{name}.yaml").write_bytes(data)
        return load_config(self.path, environ or {})

    def one(self, text: str | bytes, environ: Mapping[str, str] | None = None) -> Any:
        """Load *text* as the only agent, of the id `a`."""
        return self.load(environ, a=text).agents["a"]

    def problems(
        self, environ: Mapping[str, str] | None = None, /, **files: str | bytes
    ) -> tuple[ConfigProblem, ...]:
        with pytest.raises(ConfigError) as caught:
            self.load(environ, **files)
        return caught.value.problems

    def problem(self, text: str | bytes, environ: Mapping[str, str] | None = None) -> ConfigProblem:
        """The only problem of *text* as the only agent."""
        (found,) = self.problems(environ, a=text)
        return found
