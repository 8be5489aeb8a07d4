"""Peers as contenders: how each is started, and asked for the same agents as everybody else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import quote

from ...support.commands import environment
from ..contenders import Contender
from ..sources import Plan
from .environment import HERE, program_of, python_of

PEERS = ("langgraph", "llamaindex", "ai_sdk")


class Peer(Contender):
    """One server of another framework; it keeps what its makers let it keep in memory."""

    def stream_request(self, plan: Plan) -> str:
        asked = {"agents": plan.agents, "model": plan.model}
        if self.name == "langgraph":
            body: dict[str, Any] = {
                "assistant_id": "fanin",
                "input": asked,
                "stream_mode": ["messages-tuple"],
            }
            return self._request("POST", "/runs/stream", body)
        if self.name == "llamaindex":
            # Its runs are begun by one request and read by another; both are in what it costs.
            begun = self.call("POST", "/workflows/fanin/run-nowait", {"start_event": asked})
            return self._request("GET", f"/events/{begun['handler_id']}?after_sequence=-1")
        return self._request("GET", f"/stream?plan={quote(json.dumps(asked))}")

    def tidy(self) -> None:
        """Leave all as it is: none is asked to forget."""


def command(folder: Path, name: str, url: str) -> list[str]:
    """Return what starts a peer whose agents ask the model server at *url*."""
    started = ["node", program_of(folder)] if name == "ai_sdk" else _python(folder, name)
    return [*map(str, started), "--upstream", url]


def _python(folder: Path, name: str) -> list[Path]:
    return [python_of(folder, name), HERE / f"{name}_server.py"]


@contextmanager
def peers(folder: Path, url: str, names: Sequence[str] = PEERS) -> Iterator[list[Peer]]:
    """Start the peers whose environments are in *folder*, and end them.

    Raises:
        RuntimeError: One did not start.
    """
    with ExitStack() as stack:
        yield [stack.enter_context(_started(folder, name, url)) for name in names]


@contextmanager
def _started(folder: Path, name: str, url: str) -> Iterator[Peer]:
    with TemporaryFile("w+") as errors, subprocess.Popen(
        command(folder, name, url), stdout=subprocess.PIPE, stderr=errors, text=True, cwd=HERE,
        env=environment(PYTHONPATH="", NODE_ENV="production"),
    ) as process:  # fmt: skip
        try:
            line = process.stdout.readline().strip() if process.stdout else ""
            if not line.startswith("http"):
                process.kill()
                process.wait()
                errors.seek(0)
                raise RuntimeError(f"{name} did not start: {errors.read()[-2000:]}")
            yield Peer(name, line, process)
        finally:
            process.kill()
