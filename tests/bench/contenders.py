"""Who takes part, each a server process of its own: how it is started, asked, and what it costs. Linux only."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from urllib.parse import quote, urlsplit

from ..support.commands import ROOT, environment
from .sources import Plan

REQUIREMENTS = "tests/bench/requirements.txt"
NEEDS = {"tutorial": ("fastapi", "sse_starlette", "uvicorn", "httptools"), "sse": ("aiohttp_sse",)}
"""What a rival imports beside what this service needs anyway."""

UVLOOP = "+uvloop"
"""Behind a contender's name: the same on uvloop."""

TITLES = {
    "ours": "this service",
    "tutorial": "tutorial (FastAPI, sse-starlette, Queue)",
    "stock": "stock aiostream.merge, aiohttp",
    "sse": "aiohttp-sse",
    "limit": "the limit (bare aiohttp, batches)",
    "hand": "a loop written by hand (aiohttp, msgspec)",
    "bare": "the limit (a Protocol on both sides)",
    "steps": "the agents' own steps, and nothing else",
    "langgraph": "LangGraph's server (langgraph-api, in memory)",
    "llamaindex": "LlamaIndex's server (llama-agents-server)",
    "ai_sdk": "an AI SDK route on node",
}


def title(name: str) -> str:
    base, plus, _ = name.partition(UVLOOP)
    return TITLES.get(base, base) + (", uvloop" if plus else "")


def missing(names: Sequence[str]) -> str | None:
    """Say what to install before *names* can take part; None where nothing is missing."""
    modules = {module for name in names for module in NEEDS.get(name.partition(UVLOOP)[0], ())}
    if any(UVLOOP in name for name in names):
        modules.add("uvloop")
    absent = sorted(module for module in modules if importlib.util.find_spec(module) is None)
    return f"{', '.join(absent)} missing: pip install -r {REQUIREMENTS}" if absent else None


@dataclass
class Contender:
    """One server process. Everything but `stop` may be called at any time."""

    name: str
    address: str
    process: subprocess.Popen[str]

    @property
    def ours(self) -> bool:
        return self.name.partition(UVLOOP)[0] == "ours"

    @property
    def host(self) -> str:
        return urlsplit(self.address).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.address).port or 0

    def cpu_s(self) -> float:
        """Return the seconds of CPU that the process has used, all its threads together."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def memory(self) -> dict[str, int]:
        """Return the resident bytes: now, and the peak since `forget_peak`."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in status.splitlines())
        return {
            "now": int(lines["VmRSS"].split()[0]) * 1024,
            "peak": int(lines["VmHWM"].split()[0]) * 1024,
        }

    def forget_peak(self) -> None:
        # "5" resets the peak of the resident set; see proc(5), clear_refs.
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    # ── how it is asked ──────────────────────────────────────────────────────────────────────

    def stream_request(self, plan: Plan) -> str:
        """Return the HTTP request that runs *plan* and streams it to the one who asks."""
        if not self.ours:
            return self._request("GET", f"/stream?plan={quote(plan.text())}")
        return self._request("POST", "/v1/runs", self._run(plan), accept="text/event-stream")

    def watch_request(self, room: str) -> str:
        """Return the request of one more subscriber; *room* is what `open_room` returned."""
        if not self.ours:
            return self._request("GET", f"/watch?room={room}")
        return self._request("GET", f"/v1/runs/{room}/events", accept="text/event-stream")

    def open_room(self, plan: Plan) -> tuple[str, str | None]:
        """Return the room in which *plan* can be watched, and what has to be sent once all watch."""
        if not self.ours:
            return "bench", self._request("POST", f"/rooms?room=bench&plan={quote(plan.text())}")
        return self.call("POST", "/v1/runs", self._run(plan))["run_id"], None

    def tidy(self) -> None:
        """Let our service forget its runs; the rivals keep nothing."""
        while self.ours and (runs := self.call("GET", "/v1/runs?limit=200")["runs"]):
            for run in runs:
                self.call("DELETE", f"/v1/runs/{run['run_id']}")

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.address + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def _run(self, plan: Plan) -> dict[str, Any]:
        letter = "m" if plan.kind == "sdk" else "a"
        return {"message": plan.text(), "agents": [f"{letter}{n}" for n in range(plan.agents)]}

    def _request(self, method: str, path: str, body: Any = None, *, accept: str = "*/*") -> str:
        text = "" if body is None else json.dumps(body)
        kind = "Content-Type: application/json\r\n" if text else ""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAccept: {accept}\r\n"
            f"Connection: close\r\n{kind}Content-Length: {len(text)}\r\n\r\n{text}"
        )


def read(
    contender: Contender,
    requests: Sequence[str],
    *,
    mode: str = "count",
    then: str | None = None,
    spread_s: float = 0,
    limit_s: float = 90,
) -> dict[str, Any]:
    """Let a client process of its own read all *requests* to their ends; return what it found.

    Raises:
        RuntimeError: A stream was refused or did not end in time.
    """
    job = {
        "host": contender.host, "port": contender.port, "requests": list(requests),
        "mode": mode, "then": then, "spread_s": spread_s, "limit_s": limit_s,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.client"],
        input=json.dumps(job) + "\n", capture_output=True, text=True, cwd=ROOT, env=environment(), check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{contender.name}: {done.stderr[-1500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def holding(contender: Contender, requests: Sequence[str]) -> Iterator[None]:
    """Keep *requests* open from a client process; enters when each has its headers."""
    job = {"host": contender.host, "port": contender.port, "requests": list(requests), "mode": "hold"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.client"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment(),
    ) as client:  # fmt: skip
        try:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(json.dumps(job) + "\n")
            client.stdin.flush()
            if client.stdout.readline().strip() != "held":
                raise RuntimeError(f"{contender.name} did not open {len(requests)} streams")
            yield
        finally:
            client.kill()


@contextmanager
def running(name: str, *options: str) -> Iterator[Contender]:
    """Start one contender and end it."""
    base, plus, _ = name.partition(UVLOOP)
    loop = "uvloop" if plus else "asyncio"
    command = [sys.executable, "-m", f"tests.bench.servers.{base}", "--loop", loop, *options]
    with TemporaryFile("w+") as errors, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment()
    ) as process:  # fmt: skip
        try:
            line = process.stdout.readline().strip() if process.stdout else ""
            if not line.startswith("http"):
                process.wait(10)
                errors.seek(0)
                raise RuntimeError(f"{name} did not start: {errors.read()[-2000:]}")
            yield Contender(name, line, process)
        finally:
            process.kill()


@contextmanager
def all_running(names: Sequence[str], *options: str) -> Iterator[list[Contender]]:
    """Start the contenders; they stay up for all rounds of a scenario."""
    with ExitStack() as stack:
        yield [stack.enter_context(running(name, *options)) for name in names]


def cores() -> int:
    return len(os.sched_getaffinity(0))
