"""A real LiteLLM proxy for tests, in front of whatever listens at the address that its configuration names."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.environments import MissingPart, lack
from tests.support.listening import free_port
from tests.support.programs import answers, running, without_proxies

from .install import install

ROOT = Path(__file__).parents[3]
KEY = "sk-litellm-d41c8a6f02b94e7c"
"""The proxy wants one that is hard to guess."""


@dataclass(frozen=True)
class LitellmProxy:
    """A running proxy. Whoever asks it listens at `upstream_port` first.

    A model called `bridged/<name>` is one of a provider that has no Responses API of its own.

    Attributes:
        library: The Unix socket of a process that asks through LiteLLM as a library (`serve`).
    """

    url: str
    upstream_port: int
    library: Path
    log: Path


@pytest.fixture(scope="session")
def litellm_proxy() -> Iterator[LitellmProxy]:
    try:
        python = install()
    except MissingPart as exc:
        lack("LiteLLM proxy", exc)
    with _running_proxy(python) as proxy:
        yield proxy


@contextmanager
def _running_proxy(python: Path) -> Iterator[LitellmProxy]:
    with tempfile.TemporaryDirectory(prefix="litellm-") as folder:
        upstream_port, port, log = free_port(), free_port(), Path(folder) / "litellm.log"
        there = {"api_base": f"http://127.0.0.1:{upstream_port}/v1", "api_key": "k"}
        config = {
            "model_list": [
                {"model_name": "bridged/*", "litellm_params": {"model": "deepseek/*", **there}},
                {"model_name": "*", "litellm_params": {"model": "openai/*", **there}},
            ],
            "litellm_settings": {"num_retries": 0, "telemetry": False},
            "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        }
        (Path(folder) / "config.yaml").write_text(json.dumps(config))
        environment = {
            **without_proxies(os.environ),
            "HOME": folder,
            "PYTHONPATH": str(ROOT),
            "ORCHESTRATOR_LOG_LEVEL": "error",
            "CONFIG_FILE_PATH": str(Path(folder) / "config.yaml"),
            "LITELLM_MASTER_KEY": KEY,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # not fetched from elsewhere
        }
        library = Path(folder) / "library"
        command = [str(python), "-m", "tests.support.litellm.serve", str(port), str(library)]
        url = f"http://127.0.0.1:{port}"

        def is_ready() -> bool:
            return library.exists() and answers(f"{url}/health/liveliness")

        with running(command, log, environment=environment, ready=is_ready):
            yield LitellmProxy(f"{url}/v1", upstream_port, library, log)
