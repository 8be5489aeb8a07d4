"""Every command and every example of the handbook and the README, run as it is written.

What a fenced block is stands in its first line: `sh` is run beside a server with the agents that ship, `sh serve`
starts one, `sh redis` needs a Redis, `sh install` installs; `json NAME` is of that schema, `sse` of the events';
files begin with a comment that names them, and are put into one folder per page, which `orchestrator check` then reads.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from playwright.sync_api import sync_playwright

from orchestrator.server.openapi.schemas import component_schemas
from orchestrator.server.options import ServerOptions
from tests.support.commands import ROOT, environment, orchestrate
from tests.support.parts import chromium_options, require
from tests.support.patience import PATIENCE_SECONDS
from tests.support.redis_server import RedisServer
from tests.support.served import orchestrator
from tests.support.zygote import command

from .layout import agents_that_ship, lay_out, run_python
from .pages import NAMES, Block, blocks

ADDRESS = "http://127.0.0.1:8080"
PAGES = (*NAMES, "the README")
SCHEMAS = component_schemas(ServerOptions())


def of(language: str, about: str | None = None, *pages: str) -> list[Any]:
    """Return the blocks of a language as parameters of a test; those about extending have tests of their own."""
    return [
        pytest.param(block, id=str(block))
        for block in blocks(*pages)
        if block.language == language
        and (about is None or block.about == about)
        and block.page != "extending"
    ]


# ── where it all runs ─────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: the agents that ship, and `orchestrator` on the PATH."""
    folder = agents_that_ship(tmp_path_factory.mktemp("place"))
    (writer,) = [block for block in blocks("configuration") if block.about == "agents_config/writer.yaml"]
    (folder / writer.about).write_text(writer.text)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    program = programs / "orchestrator"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command())} "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[str]:
    with orchestrator("--config", str(place / "agents_config")) as address:
        yield address


def variables(place: Path, **more: str) -> dict[str, str]:
    return environment(PATH=f"{place / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}", **more)


# ── commands ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("block", of("sh", ""))
def test_a_command_works_beside_a_server(block: Block, place: Path, server: str) -> None:
    require("curl")
    ran = subprocess.run(
        ["sh", "-ec", block.text.replace(ADDRESS, server).replace("curl -s", "curl -fs")],
        capture_output=True, text=True, cwd=place, env=variables(place), timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    who_answers = re.compile(
        f"asking {re.escape(server)}|[a-z, ]+ are offline stand-ins, not language models.*"
    )
    said = [line for line in ran.stderr.splitlines() if not who_answers.fullmatch(line)]
    assert (ran.returncode, said) == (0, []), ran.stdout
    if "-sN" in block.text:
        assert '"type":"done"' in ran.stdout


def serve(text: str, place: Path) -> None:
    """Run a command that serves until it listens, and see that SIGTERM ends it well."""
    words = shlex.split(re.sub(r"(--port |_PORT=)\d+", r"\g<1>0", text).replace("0.0.0.0", "127.0.0.1"))
    given = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    rest = [word for word in words if not re.match(r"[A-Z_]+=", word)]
    env = variables(place, **({"ORCHESTRATOR_PORT": "0"} | given))
    pipe = subprocess.PIPE
    with subprocess.Popen(rest, cwd=place, env=env, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line.startswith("Listening on http://127.0.0.1:"), process.stderr.read()
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0


@pytest.mark.parametrize("block", of("sh", "serve"))
def test_a_command_serves(block: Block, place: Path) -> None:
    serve(block.text, place)


@pytest.mark.parametrize("block", of("sh", "redis"))
def test_a_command_serves_with_a_redis(block: Block, place: Path, tmp_path: Path) -> None:
    redis = RedisServer(tmp_path / "redis")
    asyncio.run(redis.start())
    try:
        serve(block.text.replace("redis://127.0.0.1:6379/0", redis.url), place)
    finally:
        asyncio.run(redis.stop())


@pytest.mark.parametrize("block", of("sh", "install"))
def test_what_a_command_installs_is_there(block: Block) -> None:
    """Installing is `tests/run`'s; here only what such a command names."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"fanin-orchestrator\[([\w,-]+)\]", block.text):
        assert set(named.split(",")) <= set(extras)
    for file in re.findall(r"-qr (\S+)|^(tests/\S+)$", block.text, re.MULTILINE):
        assert (ROOT / "".join(file)).is_file()


def test_the_first_command_asks_as_it_says(place: Path) -> None:
    (block,) = [each for each in blocks("the README") if "python3 -m venv" in each.text]
    question = block.text.rpartition("&& .venv/bin/orchestrator ")[2]
    ran = orchestrate(*shlex.split(question), cwd=place)
    assert ran.returncode == 0
    assert "391" in ran.stdout


# ── what is on the wire ───────────────────────────────────────────────────────────────────────


def check(schema: str, value: Any) -> None:
    jsonschema.Draft202012Validator(
        {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": SCHEMAS}}
    ).validate(value)


@pytest.mark.parametrize("block", of("json"))
def test_json_is_of_the_schema_that_it_names(block: Block) -> None:
    value = json.loads(block.text)
    if block.about == "SocketProblem":
        assert list(value) == ["op", "ref", "problem"]
        check("ProblemDocument", value["problem"])
    else:
        check(block.about, value)


@pytest.mark.parametrize("block", of("sse"))
def test_events_are_as_the_server_would_send_them(block: Block) -> None:
    assert block.text.endswith("\n\n")
    by_name = {schema["x-event"]: schema for schema in SCHEMAS.values() if "x-event" in schema}
    frames = [frame for frame in block.text.split("\n\n") if "data: " in frame]
    assert frames
    for frame in frames:
        lines = dict(line.split(": ", 1) for line in frame.splitlines())
        data = json.loads(lines["data"])
        who, _, kind = lines["event"].partition(".")
        assert (data["type"], data.get("agent_id", who)) == (kind, who)
        assert data.get("agent_id") is None or who not in ("run", "panel")
        assert re.fullmatch(r"[a-z0-9]{4,16}-\d+", lines["id"]) if "id" in lines else kind == "gap"
        schema = by_name.get(f"<agent_id>.{kind}" if "agent_id" in data else lines["event"])
        assert schema is not None
        check("Event", data)
        unknown = data.keys() - schema["properties"].keys()
        assert not unknown, f"{lines['event']} has no {unknown}"


# ── files ─────────────────────────────────────────────────────────────────────────────────────

WITH_FILES = [
    page
    for page in PAGES
    if page != "extending" and any(block.language in ("yaml", "python") for block in blocks(page))
]


@pytest.mark.parametrize("page", WITH_FILES)
def test_the_files_of_a_page_are_a_configuration(page: str, tmp_path: Path) -> None:
    folder = lay_out(page, tmp_path)
    far = dict.fromkeys(
        ("BRANCH_URL", "OFFICE_AGENT_URL", "PLANNER_URL", "TRAVEL_AGENT_URL"), "http://127.0.0.1:9"
    )
    keys = {"OPENAI_API_KEY": "k", "LETTA_AGENT_ID": "agent-1", "TRAVEL_AGENT_KEY": "k", **far}
    ran = orchestrate("check", cwd=folder, **keys)
    assert (ran.stderr, ran.returncode) == ("", 0)
    for block in blocks(page):
        if block.language == "yaml":
            (row,) = [row for row in ran.stdout.splitlines() if row.split()[0] == Path(block.about).stem]
            assert "skipped" not in row


def run_json(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    ran = orchestrate("run", *arguments, "--json", cwd=folder, OPENAI_API_KEY="k", ORCHESTRATOR_OFFLINE="1")
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_function_of_the_configuration_page_answers(tmp_path: Path) -> None:
    folder = lay_out("configuration", tmp_path)
    events = run_json(folder, "Hello", "--agents", "greeter")
    (done,) = [event for event in events if event["event"] == "greeter.done"]
    assert (done["text"], done["usage"]) == ("Good day!", {"input_tokens": 1, "output_tokens": 3})
    ran = orchestrate(
        "run",
        "x" * 201,
        "--agents",
        "greeter",
        "--json",
        cwd=folder,
        OPENAI_API_KEY="k",
        ORCHESTRATOR_OFFLINE="1",
    )
    assert ran.returncode == 1
    assert "Please ask in 200 characters." in ran.stdout


def test_the_tool_of_the_configuration_page_works(tmp_path: Path) -> None:
    folder = lay_out("configuration", tmp_path)
    code = "import shop; print(shop.look_up_order('1001'))"
    assert run_python(folder, code) == "Order 1001 was sent yesterday.\n"


def test_the_application_of_the_configuration_page_answers(tmp_path: Path) -> None:
    folder = lay_out("configuration", tmp_path)
    code = """
import asyncio, json
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from embedded import build

async def main():
    async with TestServer(build()) as server, ClientSession(server.make_url("/")) as session:
        async with session.post("/ai/v1/runs", json={"message": "word", "agents": ["echo"]},
                                headers={"Accept": "text/event-stream"}) as stream:
            print(await stream.text())
        async with session.get("/ai/docs/protocol") as page:
            print(page.status)

asyncio.run(main())
"""
    out = run_python(folder, code, OPENAI_API_KEY="k", ORCHESTRATOR_OFFLINE="1")
    assert '"text":"word"' in out
    assert out.splitlines()[-1] == "200"


@pytest.mark.parametrize(
    ("page", "panel", "statuses"),
    [
        ("panels", "council", {"decided"}),
        ("panels", "jury", {"decided", "tie", "undecided"}),
        ("panels", "brief", {"decided"}),
        ("the README", "council", {"decided"}),
    ],
)
def test_the_panels_of_a_page_come_to_a_result(
    page: str, panel: str, statuses: set[str], tmp_path: Path
) -> None:
    events = run_json(lay_out(page, tmp_path), "What is 17 * 23?", "--panel", panel)
    (result,) = [event for event in events if event["event"] == "panel.result"]
    assert result["panel"] == panel
    assert result["status"] in statuses


@pytest.mark.parametrize(("agent", "said"), [("clerk_graph", "Filed."), ("weather", "It will be fine.")])
def test_the_agents_of_the_frameworks_page_answer(agent: str, said: str, tmp_path: Path) -> None:
    """What they ask first is approved."""
    folder = lay_out("frameworks", tmp_path)
    code = f"""
import asyncio
from pathlib import Path
from orchestrator.backends.base import AgentInput
from orchestrator.backends.registry import create_backend
from orchestrator.config import load_config
from orchestrator.events import Token

async def approve(call_id):
    return True

async def main():
    agents = load_config(Path("agents_config")).agents
    backend = create_backend(agents["{agent}"], agents)
    stream = backend.stream(AgentInput("What now?", approve=approve))
    print("".join([e if type(e) is str else e.text async for e in stream if isinstance(e, str | Token)]))

asyncio.run(main())
"""
    assert run_python(folder, code) == f"{said}\n"


# ── clients ───────────────────────────────────────────────────────────────────────────────────


def python_program(block: Block, server: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", block.text.replace(ADDRESS.partition("//")[2], server.partition("//")[2])],
        capture_output=True, text=True, env=environment(), timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.parametrize("block", of("python", None, "clients", "the README"))
def test_a_program_of_the_python_client_runs(block: Block, server: str) -> None:
    out = python_program(block, server)
    if 'panel="council"' in block.text:
        assert "compare the answers" in out
        assert "'method': 'judge'" in out.splitlines()[-1]
    else:
        assert "done" in out.splitlines()[-1] or "completed I have no calculator for 6 * 7." in out


def fetch_modules(server: str, path: str, folder: Path) -> None:
    """Save a served script, and all that it imports."""
    target = folder / path.removeprefix("/")
    if target.exists():
        return
    with urllib.request.urlopen(f"{server}{path}", timeout=PATIENCE_SECONDS) as answer:
        text = answer.read().decode()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    for relative in re.findall(r"(?:from|import\()\s*['\"](\.{1,2}/[^'\"]+)['\"]", text):
        inner = os.path.normpath(os.path.join(os.path.dirname(path), relative))
        fetch_modules(server, inner, folder)


@pytest.mark.parametrize("block", of("js", "ask.mjs"))
def test_the_served_javascript_client_runs(block: Block, server: str, tmp_path: Path) -> None:
    node = require("node")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    fetch_modules(server, "/web/client.js", tmp_path)
    program = block.text.replace(f"{ADDRESS}/web/", "./web/").replace(ADDRESS, server)
    (tmp_path / block.about).write_text(program)
    ran = subprocess.run(
        [node, block.about],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "\ncompleted " in ran.stdout


@pytest.mark.parametrize("block", of("js", "fetch-for-ai5.mjs"))
def test_a_lost_connection_is_no_network_error(block: Block, tmp_path: Path) -> None:
    """What came before is read, and then the error is not the one that `ai` 5 looks for."""
    around = """
        import { createServer } from "node:http";
        const server = createServer((_, answer) => { answer.write("one "); setTimeout(() => answer.destroy(), 50); });
        await new Promise((done) => server.listen(0, "127.0.0.1", done));
        const answer = await fetchForAi5(`http://127.0.0.1:${server.address().port}/`);
        try { for await (const piece of answer.body) process.stdout.write(piece); }
        catch (error) { console.log(`${error.name}: ${error.message}`); }
        server.close();
    """
    (tmp_path / block.about).write_text(block.text + around)
    ran = subprocess.run(
        [require("node"), block.about],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "one Error: The connection was lost.\n"), ran.stderr


@pytest.mark.parametrize("block", of("js", "stream.js"))
def test_the_native_event_source_reads_a_run_to_its_end(block: Block, server: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium_options())
        try:
            page = browser.new_page()
            page.goto(server)
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.evaluate(
                "text => Promise.race(["
                " new Promise(done => { const close = EventSource.prototype.close;"
                "   EventSource.prototype.close = function () { close.call(this); done(); }; }),"
                " eval('(async () => {' + text + '})()').then(() => new Promise(() => {}))])",
                block.text,
            )
        finally:
            browser.close()
    assert any(line.startswith("analyst ") for line in said)


def test_every_program_of_a_page_is_run_by_a_test() -> None:
    """A new one wants a test above, not only a place in a folder."""
    run_here = {
        "shop.py", "greeter.py", "embedded.py", "my_methods.py", "ask.py", "report.py", "socket_ask.py", "council.py",
        "clerk_graph.py", "weather_agent.py",
        "travel_server.py",  # with ADK, by tests/support/adk_program.py
        "ask.mjs", "fetch-for-ai5.mjs", "stream.js",
        "parrot.py", "lines.py", "countdown.py", "audit_log.py", "longest.py", "service.py",
    }  # fmt: skip
    assert {block.about for block in blocks() if block.language in ("python", "js")} <= run_here
