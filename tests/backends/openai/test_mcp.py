"""MCP servers: held for all runs of a backend, started again when they die, told apart, and gone with it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from agents import Agent, handoff
from agents.mcp import MCPServerSse, MCPServerStdio, MCPServerStreamableHttp

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.backends.openai.backend import OpenAIAgentsBackend
from orchestrator.backends.openai.mcp.keeper import GUARD
from orchestrator.backends.openai.settings import OpenAIAgentsSettings
from orchestrator.errors import AgentError
from orchestrator.events import Token, ToolResult
from orchestrator.run.registry import AgentRegistry
from tests.support import programs
from tests.support.patience import eventually
from tests.support.service import serving
from tests.support.zygote import module_command, real_pid

from .replays.server import ReplayServer, Reply
from .replays.wire import ANSWER, CHAT, DONE, call, chunk, data, stream

SERVER = "tests.support.mcp_server"
HERE = "tests.backends.openai.test_mcp"


def local() -> MCPServerStdio:
    command, *arguments = module_command(SERVER)
    return MCPServerStdio({"command": command, "args": arguments})


def add(a: int, b: int) -> str:
    """Add two numbers in a way of one's own."""
    return "my own"


own = Agent[Any](name="own", model="m", mcp_servers=[local(), local()])

prefixed = Agent[Any](
    name="prefixed", mcp_servers=own.mcp_servers, mcp_config={"include_server_in_tool_names": True}
)
lead = Agent[Any](
    name="lead",
    mcp_servers=[
        MCPServerStdio({"command": "files"}, name="files"),
        MCPServerStreamableHttp({"url": "https://tools.example.org/mcp?key=sk-secret"}),
    ],
    handoffs=[handoff(own), prefixed],
)
own.tools.append(lead.as_tool("lead", "Leads."))


@pytest.fixture
async def model() -> AsyncIterator[ReplayServer]:
    async with ReplayServer([ANSWER[CHAT]]) as server:
        yield server


def asks(*calls: tuple[str, str]) -> list[Reply]:
    """A model that makes one call a turn, then answers."""
    turns = [
        stream(data(chunk(call(name, arguments)), chunk(finish="tool_calls")), DONE)
        for name, arguments in calls
    ]
    return [*turns, ANSWER[CHAT]]


def settings_of(model: ReplayServer, **keys: Any) -> OpenAIAgentsSettings:
    own = {} if "agent" in keys else {"model": "m"}
    return OpenAIAgentsSettings.model_validate(
        {"agent_id": "a", "base_url": model.url, "api_key": "k", **own, **keys}
    )


def backend_of(model: ReplayServer, **keys: Any) -> OpenAIAgentsBackend:
    settings = settings_of(model, **keys)
    return OpenAIAgentsBackend(settings, {"a": settings})


def following(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
    """A client of an app's own."""
    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, follow_redirects=True)


def program(**keys: Any) -> dict[str, Any]:
    command, *arguments = module_command(SERVER)
    return {"command": command, "args": arguments, **keys}


async def asked(backend: OpenAIAgentsBackend) -> list[Emission]:
    return [emission async for emission in backend.stream(AgentInput("go"))]


def results(emissions: list[Emission]) -> list[tuple[str, bool]]:
    return [(e.output, e.is_error) for e in emissions if isinstance(e, ToolResult)]


def tools_of(model: ReplayServer, request: int = 0) -> list[str]:
    return [tool["function"]["name"] for tool in model.asked[request].body["tools"]]


def children() -> set[int]:
    """The programs of tests.support.mcp_server that this process has started and that still run."""
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if parent == os.getpid() and b"tests.support.mcp_server" in words and state != "Z":
            found.add(int(folder.name))
    return found


ADD = ("add", '{"a": 1, "b": 2}')


async def test_a_program_starts_once_for_all_runs_and_leaves_nothing(model: ReplayServer) -> None:
    backend = backend_of(model, mcp_servers=[program()])
    model.replies = [*asks(ADD), *asks(ADD)]
    assert results(await asked(backend)) == [("3", False)]
    first = children()
    assert len(first) == 1
    assert results(await asked(backend)) == [("3", False)]
    assert children() == first
    await backend.aclose()
    await eventually(lambda: not children())


@pytest.mark.parametrize(
    ("shown", "script", "is_there"), [("0", "exit 3", True), ("0", "cat", False), ("1", "cat", True)]
)
def test_what_a_program_writes_beside_its_answers_is_shown_if_it_does_not_start(
    shown: str, script: str, is_there: bool
) -> None:
    """Its tools' exceptions stand there: the service's log must not have them."""
    command = [sys.executable, "-I", GUARD, str(os.getpid()), shown, "sh", "-c", f"echo canary >&2; {script}"]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (ran.stderr == "canary\n") is is_there
    assert ran.returncode == (3 if script == "exit 3" else 0)


def kill_children() -> None:
    """Kill the programs, and wait until they are gone: one that still ran would answer the next call."""
    for pid in children():
        servers = [real_pid(each) for each in programs.children(pid)]
        os.kill(pid, signal.SIGKILL)
        for server in servers:
            programs.wait_for_end(server)


async def test_runs_at_once_share_it(model: ReplayServer) -> None:
    backend = backend_of(model, mcp_servers=[program()])
    answers = await asyncio.gather(*(asked(backend) for _ in range(5)))
    assert ["".join(e.text for e in one if isinstance(e, Token)) for one in answers] == ["done"] * 5
    assert len(children()) == 1
    await backend.aclose()
    assert not children()


@pytest.mark.parametrize("between", ["runs", "calls"])
async def test_a_program_that_died_is_started_again(model: ReplayServer, between: str) -> None:
    """Between two runs, or between two calls of one."""
    backend = backend_of(model, mcp_servers=[program()])
    if between == "runs":
        model.replies = [*asks(ADD), *asks(ADD)]
        await asked(backend)
        kill_children()
        assert results(await asked(backend)) == [("3", False)]
    else:
        model.replies = asks(ADD, ADD)
        model.before_answer = lambda number: kill_children() if number == 2 else None
        assert results(await asked(backend)) == [("3", False), ("3", False)]
    assert len(children()) == 1
    await backend.aclose()
    assert not children()


async def test_a_prefix_tells_two_servers_apart(model: ReplayServer) -> None:
    backend = backend_of(model, mcp_servers=[program(prefix="one"), program(prefix="two")])
    model.replies = asks(("two_add", ADD[1]))
    assert results(await asked(backend)) == [("3", False)]
    assert {"one_add", "two_add"} <= set(tools_of(model))
    await backend.aclose()


async def test_without_a_prefix_the_second_gets_its_number(model: ReplayServer) -> None:
    """Through the whole service: both are called, each with its own arguments."""
    settings = settings_of(model, mcp_servers=[program(), program()])
    model.replies = asks(ADD, ("server2_add", '{"a": 3, "b": 4}'))
    registry = AgentRegistry({"a": settings})
    async with serving(registry=registry) as service:
        run_id = await service.start(agents=["a"])
        told = [event.data for event in await service.events(run_id)]
    calls = [(each["name"], json.loads(each["arguments"])) for each in told if each["type"] == "tool_call"]
    assert calls == [("add", {"a": 1, "b": 2}), ("server2_add", {"a": 3, "b": 4})]
    assert [each["output"] for each in told if each["type"] == "tool_result"] == ["3", "7"]
    assert {"add", "server2_add"} <= set(tools_of(model))
    await eventually(lambda: not children())


def test_check_names_servers_without_a_prefix_of_their_own(model: ReplayServer) -> None:
    secret = {"url": "https://tools.example.org/mcp?key=sk-secret"}
    hints = settings_of(model, mcp_servers=[program(prefix="a"), program(), secret]).hints
    python = Path(module_command(SERVER)[0]).name
    assert hints == (
        f"mcp_servers[1] ({python}) and mcp_servers[2] (tools.example.org) have one prefix; "
        "a tool of one name is server3_<name> of the second",
    )


async def test_check_names_an_apps_own_servers_too(model: ReplayServer) -> None:
    """Of the agent and of whoever it reaches; an agent whose `mcp_config` has the SDK prefix all is left out."""
    backend = backend_of(model, agent=f"{HERE}:lead")
    try:
        first, second = backend.hints
    finally:
        await backend.aclose()
    assert "'lead': the MCP servers 'files' and 'tools.example.org' have no prefix" in first
    assert "server2_<name> of the second" in first
    assert "'own'" in second
    assert "sk-secret" not in first


async def test_one_prefix_twice_and_a_tool_of_ones_own_are_told_apart_too(model: ReplayServer) -> None:
    """Else the model would get two tools of one name, which its provider refuses, or the SDK does."""
    servers = [program(prefix="my"), program(prefix="my"), program()]
    backend = backend_of(model, mcp_servers=servers, tools=[f"{HERE}:add"])
    model.replies = asks(ADD, ("my_add", ADD[1]), ("server2_my_add", ADD[1]), ("server3_add", ADD[1]))
    assert results(await asked(backend)) == [("my own", False), *[("3", False)] * 3]
    names = tools_of(model)
    assert len(names) == len(set(names))
    await backend.aclose()


async def test_the_servers_of_a_users_own_agent_are_connected_and_closed(model: ReplayServer) -> None:
    backend = backend_of(model, agent=f"{HERE}:own")
    model.replies = asks(ADD, ("server2_add", ADD[1]))
    assert results(await asked(backend)) == [("3", False), ("3", False)]
    assert len(children()) == 2
    await backend.aclose()
    await eventually(lambda: not children())


@pytest.mark.parametrize("kind", ["yaml", "own"])
async def test_the_model_hears_which_argument_is_missing(model: ReplayServer, kind: str) -> None:
    keys: dict[str, Any] = {"mcp_servers": [program()]} if kind == "yaml" else {"agent": f"{HERE}:own"}
    backend = backend_of(model, **keys)
    model.replies = asks(("add", '{"a": 1}'))
    [(output, failed)] = results(await asked(backend))
    assert failed
    assert "missing: b" in output
    assert "UserError" not in output
    assert "missing: b" in model.asked[1].body["messages"][-1]["content"]
    await backend.aclose()


async def test_the_model_hears_which_argument_is_of_another_type(model: ReplayServer) -> None:
    backend = backend_of(model, mcp_servers=[program()])
    model.replies = asks(("add", '{"a": 1, "b": "two"}'))
    [(output, failed)] = results(await asked(backend))
    assert failed
    assert "b should be of type integer" in output
    await backend.aclose()


@pytest.mark.parametrize("trusted", [False, True])
async def test_what_a_server_says_of_a_failure_is_told_only_if_it_is_trusted(
    model: ReplayServer, trusted: bool
) -> None:
    """An exception's text may hold anything: `int(password)` puts the password there."""
    backend = backend_of(model, mcp_servers=[program(tell_errors=trusted)])
    model.replies = asks(("leak", "{}"), ADD)
    leaked, after = results(await asked(backend))
    assert leaked[1]
    assert ("canary" in leaked[0]) is trusted
    assert ("canary" in str(model.asked[1].body)) is trusted
    assert trusted or re.fullmatch(r"The tool failed \([\w-]+\)\.", leaked[0])
    assert after == ("3", False)
    await backend.aclose()


async def test_a_call_has_a_limit_and_the_server_lives_on(model: ReplayServer) -> None:
    backend = backend_of(model, mcp_servers=[program(call_timeout_s=0.5)])
    model.replies = asks(("wait", "{}"), ADD)
    (slow, quick) = results(await asked(backend))
    assert slow == ("The tool failed: wait took longer than 0.5 s.", True)
    assert quick == ("3", False)
    assert len(children()) == 1
    await backend.aclose()


async def test_a_start_has_a_limit(model: ReplayServer) -> None:
    mute = {"command": sys.executable, "args": ["-c", "import time; time.sleep(60)"], "start_timeout_s": 0.5}
    backend = backend_of(model, mcp_servers=[mute])
    with pytest.raises(AgentError, match="MCP server 1 did not start") as caught:
        await asked(backend)
    assert caught.value.code == "tool_failed"
    await backend.aclose()


@pytest.mark.parametrize("transport", ["http", "sse"])
async def test_servers_over_http(model: ReplayServer, transport: str) -> None:
    """The older transport too: an event stream down, posts up."""
    process = await asyncio.create_subprocess_exec(
        *module_command(SERVER, transport), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    try:
        backend = backend_of(model, mcp_servers=[{"url": url, "transport": transport}])
        model.replies = asks(ADD, ("fail", "{}"))
        (sum_, failed) = results(await asked(backend))
        assert sum_ == ("3", False)
        assert failed[1]
        await backend.aclose()
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("transport", ["http", "sse"])
@pytest.mark.parametrize("whose", ["ours", "an app's", "an app's client"])
async def test_a_redirect_to_another_origin_is_refused(
    model: ReplayServer, transport: str, whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Reply([b""], status=307, headers=[("Location", f"{model.origin}/secret/path")])
    async with ReplayServer([away]) as server:
        keys: dict[str, Any] = {"mcp_servers": [{"url": f"{server.origin}/mcp", "transport": transport}]}
        if whose != "ours":
            make = MCPServerSse if transport == "sse" else MCPServerStreamableHttp
            client = {"httpx_client_factory": following} if "client" in whose else {}
            theirs: Any = make({"url": f"{server.origin}/mcp", **client})  # type: ignore[arg-type]
            monkeypatch.setitem(globals(), "moving", Agent[Any](name="moving", mcp_servers=[theirs]))
            keys = {"agent": f"{HERE}:moving"}
        backend = backend_of(model, **keys)
        with pytest.raises(AgentError) as caught:
            await asked(backend)
        await backend.aclose()
    assert caught.value.code == "upstream_rejected"
    assert model.origin in caught.value.message
    assert "/secret" not in caught.value.message
    assert model.asked == []
