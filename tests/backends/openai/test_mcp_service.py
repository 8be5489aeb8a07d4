"""MCP servers of a whole service: what is left of them when it is killed, and what of their secrets."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from pathlib import Path

import yaml
from aiohttp import ClientSession

from tests.support.patience import eventually
from tests.workers.process import worker

from .replays.server import ReplayServer
from .replays.wire import ANSWER, CHAT, DONE, call, chunk, data, stream

CANARY = "canary-7f3a"


def config(folder: Path, model: ReplayServer, *args: str) -> Path:
    """Write one agent that has the test's MCP server."""
    server = {
        "command": sys.executable,
        "args": ["-m", "tests.support.mcp_server", *args],
        "env": {"TOKEN": f"{CANARY}-env"},
    }
    agent = {
        "backend": "openai-agents", "model": "m", "base_url": model.url, "api_key": f"{CANARY}-key",
        "model_settings": {"extra_headers": {"X-Own": f"{CANARY}-own"}}, "mcp_servers": [server],
    }  # fmt: skip
    folder.mkdir()
    (folder / "a.yaml").write_text(yaml.safe_dump(agent))
    return folder


def marked(mark: str) -> set[int]:
    """The processes that have *mark* among their arguments, but for those that are ended."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and mark.encode() in (folder / "cmdline").read_bytes():
                found.add(int(folder.name))
        except OSError:
            continue
    return found


async def test_a_killed_service_leaves_no_program(tmp_path: Path) -> None:
    """Not even one that goes on when its input has ended."""
    mark = uuid.uuid4().hex
    async with ReplayServer([ANSWER[CHAT]]) as model:
        folder = config(tmp_path / "agents", model, "stubborn", mark)
        async with worker(f"sqlite:///{tmp_path}/log.db", config=folder) as service, ClientSession() as http:
            async with http.post(f"{service.url}/v1/runs", json={"message": "go"}, headers=STREAM) as answer:
                assert b"event: a.done" in await answer.read()
            assert marked(mark)
            os.kill(service.pid, signal.SIGKILL)
            await eventually(lambda: not marked(mark))


STREAM = {"Accept": "text/event-stream"}


async def test_secrets_are_found_in_no_store_metric_or_answer(tmp_path: Path) -> None:
    """Those of headers, keys, environments and of a tool's failure, which all were really there."""
    calls = stream(data(chunk(call("leak", "{}")), chunk(finish="tool_calls")), DONE)
    async with ReplayServer([calls, ANSWER[CHAT]]) as model:
        folder = config(tmp_path / "agents", model)
        async with worker(f"sqlite:///{tmp_path}/log.db", config=folder) as service, ClientSession() as http:
            async with http.post(f"{service.url}/v1/runs", json={"message": "go"}, headers=STREAM) as answer:
                said = (await answer.read()).decode()
                run_id = answer.headers["Run-Id"]
            assert '"is_error":true' in said
            for path in (f"/v1/runs/{run_id}", "/v1/runs", "/v1/agents", "/metrics", "/openapi.json"):
                async with http.get(service.url + path) as answer:
                    assert answer.status == 200
                    said += await answer.text()
        assert CANARY in str(model.asked[0].headers)
        assert "The tool failed" in str(model.asked[1].body)
        assert CANARY not in str([asked.body for asked in model.asked])
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("log.db*"))
    assert b"The tool failed" in kept
    assert CANARY not in said
    assert CANARY.encode() not in kept
