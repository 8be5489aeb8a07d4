"""Records what the service says on the wire, without what differs from run to run.

``python -m tests.server.recorded.record DIR`` writes a file for each answer.

The recordings beside this file were made by the release before the rooms (0.1.0); `test_recorded` makes them again and
compares. Only HTTP is used, so the same program records any release: ``ORCHESTRATOR="python -m orchestrator"``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

AGENTS = """
from orchestrator import AgentError, Handoff, Reasoning, Status, Token, ToolCall, ToolResult
from orchestrator.backends.base import Finish
from orchestrator.events import Usage


async def plain(request):
    yield "Hello, "
    yield Status("thinking", "between two words")
    yield "world \\u2028 \\U0001f600."


async def rich(request):
    yield Reasoning("Let me see.")
    yield ToolCall("call_1", "add", '{"a": 1}')
    yield ToolResult("call_1", "2", False)
    yield Handoff("other")
    yield Token("Two.", speaker="other")
    yield Finish(Usage(3, 4), "stop")


async def broken(request):
    yield "Half a "
    raise AgentError("upstream_unavailable", "It is gone.", retryable=False)


async def again(request):
    if request.attempt == 1:
        raise AgentError("upstream_rate_limited", "Slow down.", retryable=True)
    yield "Second try."


async def echo(request):
    yield "I read: "
    yield Status("thinking", "")
    yield str(len(request.message) > 0)
"""
NAMES = ("plain", "rich", "broken", "again", "echo", "chair")

RUNS: dict[str, dict[str, Any]] = {
    "plain": {"agents": ["plain"]},
    "rich": {"agents": ["rich"]},
    "broken": {"agents": ["broken"]},
    "again": {"agents": ["again"]},
    "several": {"agents": ["plain", "rich", "broken"]},
    "blind": {"agents": ["plain", "plain2"], "blind": True},
    "moderator": {"panel": {"method": "moderator", "members": ["plain", "rich"], "moderator": "chair"}},
    "judge": {"panel": {"method": "judge", "members": ["plain", "rich"], "moderator": "chair"}},
    "rank": {"panel": {"method": "rank", "members": ["plain", "rich", "echo"]}},
    "vote": {"panel": {"method": "vote", "members": ["plain", "echo"]}},
    "debate": {"panel": {"method": "debate", "members": ["plain", "echo"], "rounds": 2}},
    "layers": {
        "panel": {"method": "layers", "members": ["plain", "echo"], "layers": 2, "moderator": "chair"}
    },
}
VIEWS = {"": "", "message": "?framing=message", "filtered": "?agents=plain,chair"}

VARYING = [
    (re.compile(r"run_[A-Za-z0-9_-]{20,}"), "run_X"),
    (re.compile(r"^id: [a-z0-9]{4,16}-(\d+)$", re.M), r"id: E-\1"),
    (re.compile(r'"(last_event_id)":"[a-z0-9]{4,16}-(\d+)"'), r'"\1":"E-\2"'),
    (
        re.compile(
            r'"(t|queue_ms|ttft_ms|duration_ms|created_at|ended_at|delay_s|tokens_per_s)":-?[0-9.e+-]+'
        ),
        r'"\1":0',
    ),
    (re.compile(r'"error_id":"[^"]+"'), '"error_id":"X"'),
]


@contextmanager
def served() -> Iterator[str]:
    """Serve the agents above; yield the address."""
    program = os.environ.get("ORCHESTRATOR", f"{sys.executable} -m orchestrator").split()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "recorded_agents.py").write_text(AGENTS)
        config = root / "agents_config"
        config.mkdir()
        for name in (*NAMES, "plain2"):
            stream = {"chair": "echo", "plain2": "plain"}.get(name, name)
            retry = "retry: {attempts: 2, backoff_s: 0}\n" if name == "again" else ""
            text = f"backend: function\nstream: recorded_agents:{stream}\n{retry}"
            (config / f"{name}.yaml").write_text(text)
        command = [*program, "serve", "--config", str(config), "--port", "0"]
        process = subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=os.environ | {"PYTHONPATH": f"{root}:{os.environ.get('PYTHONPATH', '')}"},
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield re.search(r"http://[0-9.:]+", line)[0]  # type: ignore[index]
        finally:
            process.terminate()
            process.communicate()


def call(url: str, body: dict[str, Any] | None = None, **headers: str) -> str:
    data = None if body is None else json.dumps(body).encode()
    heads = {"Content-Type": "application/json", **headers}
    with urlopen(Request(url, data, heads), timeout=120) as answer:
        return str(answer.read().decode())


def normal(text: str) -> str:
    """Return *text* without what differs from run to run; each agent's events together, in their order.

    Agents of one run race, so only the order within an agent, and that of the run's and panel's own, is kept; ids count
    the log's events, so they go when several agents speak.
    """
    for pattern, instead in VARYING:
        text = pattern.sub(instead, text)
    return text


def grouped(stream: str) -> str:
    blocks = [block for block in normal(stream).split("\n\n") if "data:" in block]
    voices: dict[str, list[str]] = {}
    for block in blocks:
        data = json.loads(block.split("data: ", 1)[1].split("\n")[0])
        lines = [line for line in block.split("\n") if not line.startswith("id:")]
        voices.setdefault(data.get("agent_id") or "(run)", []).append("\n".join(lines))
    return "\n\n".join("\n\n".join(voices[name]) for name in sorted(voices)) + "\n"


def record() -> dict[str, str]:
    """Return each recording's name and text."""
    found: dict[str, str] = {}
    with served() as url:
        # The first run of an agent may tell that it loads.
        call(
            f"{url}/v1/runs",
            {"message": "Wake up.", "agents": [*NAMES, "plain2"]},
            Accept="text/event-stream",
        )
        for name, keys in RUNS.items():
            body = {"message": "What is it?", **keys}
            stream = call(f"{url}/v1/runs", body, Accept="text/event-stream")
            run_id = re.search(r'"run_id":"(run_[^"]+)"', stream)[1]  # type: ignore[index]
            alone = len(keys.get("agents", ())) == 1
            found[f"{name}.sse"] = normal(stream) if alone else grouped(stream)
            for view, query in VIEWS.items():
                text = call(f"{url}/v1/runs/{run_id}/events{query}")
                found[f"{name}.{view or 'again'}.sse"] = normal(text) if alone else grouped(text)
            snapshot = json.loads(normal(call(f"{url}/v1/runs/{run_id}")))
            if not alone:
                snapshot.pop("last_event_id")
            found[f"{name}.json"] = json.dumps(snapshot, indent=1, sort_keys=True) + "\n"
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for name, text in record().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
