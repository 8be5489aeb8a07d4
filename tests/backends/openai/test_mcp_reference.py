"""The MCP project's reference server from npm, unmodified: over stdio, streamable HTTP and the older HTTP with SSE."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from orchestrator.events import ToolCall
from tests.dialects.node import FOLDER, PROGRAM, install
from tests.support.listening import free_port
from tests.support.patience import eventually

from .replays.server import ReplayServer
from .replays.wire import ANSWER, CHAT
from .test_mcp import asked, asks, backend_of, results, tools_of

SERVER = FOLDER / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
LOCALLY = (
    "data:text/javascript,import net from 'node:net'; const listen = net.Server.prototype.listen;"
    "net.Server.prototype.listen = function (port, ...rest) {"
    " return listen.call(this, Number(port), '127.0.0.1', ...rest); };"
)
"""The server would listen on every interface."""
ECHO = ("echo", '{"message": "hello"}')
SUM = ("get-sum", '{"a": 1, "b": 2}')


@pytest.fixture(autouse=True, scope="module")
def _installed() -> None:
    install()


@pytest.fixture
async def model() -> AsyncIterator[ReplayServer]:
    async with ReplayServer([ANSWER[CHAT]]) as server:
        yield server


def program(**keys: Any) -> dict[str, Any]:
    return {"command": str(PROGRAM), "args": [str(SERVER), "stdio"], **keys}


def running() -> set[int]:
    """The reference servers that are descended from this process and still run."""
    found = set()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and str(SERVER).encode() in (folder / "cmdline").read_bytes():
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z" and _descends(int(parent)):
                    found.add(int(folder.name))
        except OSError:
            continue
    return found


def _descends(pid: int) -> bool:
    while pid > 1:
        if pid == os.getpid():
            return True
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
    return False


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@asynccontextmanager
async def listening(over: str, port: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), "--import", LOCALLY, str(SERVER), over,
        env={**os.environ, "PORT": str(port)}, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await eventually(lambda: listens(port))
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_its_tools_are_called_over_stdio(model: ReplayServer) -> None:
    """Two of them at once, told apart by a prefix; what it says of a failure is not passed on, what is missing is."""
    backend = backend_of(model, mcp_servers=[program(), program(prefix="second")])
    wrong = [
        ("get-sum", '{"a": 1}'),
        ("get-sum", '{"a": "one", "b": 2}'),
        ("get-resource-reference", '{"resourceType": "Text", "resourceId": -1}'),
    ]
    model.replies = asks(ECHO, ("second_echo", ECHO[1]), SUM, *wrong)
    emissions = await asked(backend)
    said, failures = results(emissions)[:3], results(emissions)[3:]
    assert said == [
        ("Echo: hello", False),
        ("Echo: hello", False),
        ("The sum of 1 and 2 is 3.", False),
    ]
    assert all(is_error for _, is_error in failures), failures
    assert "missing: b" in failures[0][0]
    assert "a should be of type number" in failures[1][0]
    assert failures[2][0].startswith("The tool failed")
    assert [call.name for call in emissions if isinstance(call, ToolCall)][:2] == ["echo", "second_echo"]
    names = tools_of(model)
    assert {"echo", "second_echo"} <= set(names)
    assert len(names) == len(set(names))
    await backend.aclose()
    await eventually(lambda: not running())


async def test_it_is_started_again_when_it_dies(model: ReplayServer) -> None:
    """Between two runs; and no process of it is left in the end."""
    backend = backend_of(model, mcp_servers=[program()])
    model.replies = [*asks(ECHO), *asks(ECHO)]
    assert results(await asked(backend)) == [("Echo: hello", False)]
    first = running()
    assert first
    for pid in first:
        with suppress(ProcessLookupError):  # it ended with whoever started it
            os.kill(pid, signal.SIGKILL)
    assert results(await asked(backend)) == [("Echo: hello", False)]
    assert running()
    assert not running() & first
    await backend.aclose()
    await eventually(lambda: not running())


@pytest.mark.parametrize(
    ("over", "transport", "path"), [("streamableHttp", "http", "mcp"), ("sse", "sse", "sse")]
)
async def test_it_is_asked_over_http_and_again_after_it_came_back(
    model: ReplayServer, over: str, transport: str, path: str
) -> None:
    port = free_port()
    server = {"url": f"http://127.0.0.1:{port}/{path}", "transport": transport}
    backend = backend_of(model, mcp_servers=[server])
    model.replies = [*asks(ECHO, ("get-sum", '{"a": 1}')), *asks(SUM)]
    async with listening(over, port):
        (echo, failed) = results(await asked(backend))
        assert echo == ("Echo: hello", False)
        assert failed[1]
        assert "missing: b" in failed[0]
    async with listening(over, port):
        assert results(await asked(backend)) == [("The sum of 1 and 2 is 3.", False)]
        await backend.aclose()
