"""The commands, run as a user runs them: as processes, in pipes and on terminals."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.config import load_config
from orchestrator.settings.serve import ServeSettings
from tests.support.commands import ROOT, environment, finish, finished, line_with, orchestrate, spawn
from tests.support.patience import PATIENCE_SECONDS
from tests.support.scripted_server import RUN_ID, Plan, ScriptedServer, scripted_server
from tests.support.zygote import command, program_command

STAND_INS = load_config(ROOT / "agents_config", {}).notice
"""The first line wherever the agents that ship answer in this process."""
EVENTS = f"/v1/runs/{RUN_ID}/events"


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as script:
        yield script


@pytest.fixture
def free_port() -> Iterator[int]:
    """A port of this machine at which nobody listens: it is bound, so nobody else takes it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


# ── help and misuse ───────────────────────────────────────────────────────────────────────────

HEAVY = {"aiohttp", "pydantic", "agents", "openai", "letta_client", "redis", "rich", "aiostream", "asyncio"}


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["run", "-h"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import atexit, sys\n"
        f"atexit.register(lambda: print('LOADED', *({HEAVY!r} & set(sys.modules))))\n"
        "from orchestrator.cli import main\n"
        f"main({arguments!r})\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, env=environment(), cwd=ROOT, check=True,
    )  # fmt: skip
    assert ran.stdout.rstrip().endswith("LOADED")
    assert len(ran.stdout) > 20


def test_help_loads_nothing_that_takes_time() -> None:
    """It is what people ask first, and what a shell's completion runs; `tests/bench` says how long it takes."""
    code = (
        "import sys\n"
        "from orchestrator.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'agents', 'openai', 'letta_client', 'aiohttp', 'aiostream', 'pydantic', 'msgspec', 'structlog',"
        " 'ruamel', 'rich', 'redis', 'sqlite3', 'prometheus_client', 'asyncio', 'json', 'shlex', 'signal'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    subprocess.run(
        [sys.executable, "-c", code], env=environment(), cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["serve", "--port", "70000"], "70000 is not in the range"),
        (["serve", "--retention", "soon"], "'soon' is no duration"),
        (["serve", "--log", "postgres://x"], "--log 'postgres://x' is none of memory:"),
        (["serve", "--log", "redi://u:p@ss/w@h"], "--log 'redi://…@h' is none of memory:"),
        (["serve", "--log", "memory:x.db"], "--log 'memory:x.db' is none of memory:"),
        (["serve", "--workers", "2"], "--workers 2 need a log"),
        (["serve", "--workers", "0"], "0 is not in the range"),
        (["serve", "--host", "0.0.0.0"], "open to other machines; set ORCHESTRATOR_TOKEN"),
        (["serve", "--host", "example.org"], "open to other machines"),
        (["serve", "--log-format", "xml"], "'xml' is not one of"),
        (["run", " "], "the question is empty"),
        (["run", "hi", "--agents", "nobody,skeptic"], "there is no nobody in agents_config"),
        (["run", "hi", "--server", "localhost:1"], "is no http:// or https:// address"),
        (["tail"], "Missing argument 'RUN_ID'"),
    ],
)
def test_misuse_is_one_line_and_exit_2(arguments: list[str], said: str) -> None:
    ran = orchestrate(*arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert ran.stderr.startswith("orchestrator: ")
    assert len(ran.stderr.splitlines()) == 1


def test_no_command_shows_the_commands() -> None:
    ran = orchestrate()
    assert ran.returncode == 2
    assert "serve" in ran.stderr + ran.stdout


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_the_hosts_fault(host: str) -> None:
    ran = orchestrate("serve", "--host", host, "--port", "0", "--token", "6f1c9b0d4e8a27355bd0c41f9e7a8832")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"--host: '{host}' is no address of this machine" in ran.stderr


# ── serve's options ───────────────────────────────────────────────────────────────────────────


def served(monkeypatch: pytest.MonkeyPatch, *arguments: str, **env: str) -> ServeSettings:
    """Return what `serve` is called with."""
    import orchestrator.server.serve

    got: list[ServeSettings] = []
    monkeypatch.setattr(orchestrator.server.serve, "serve", lambda settings: got.append(settings) or 7)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exited:
        main(["serve", *arguments])
    assert exited.value.code == 7, "the server's exit code is the command's"
    return got[0]


def test_serve_has_the_defaults_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert served(monkeypatch) == ServeSettings()


WANTED = ServeSettings(
    config=Path("c"), host="0.0.0.0", port=0, log="redis://h:1/0", token="t", allow_hosts=("a", "b"),
    allow_origins=("https://c", "https://d"), retention_s=5400, max_runs=5, max_kept_runs=6, max_log_bytes=7,
    workers=2, log_format="json", drain_s=1.5,
)  # fmt: skip


def test_serve_hands_every_option_on(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (
        "--config c --host 0.0.0.0 --port 0 --log redis://h:1/0 --token t --allow-host a --allow-host b"
    )
    more = "--allow-origin https://c,https://d --retention 1h30m --max-runs 5 --workers 2 --log-format json"
    last = "--max-kept-runs 6 --max-log-bytes 7 --drain 1.5"
    assert served(monkeypatch, *arguments.split(), *more.split(), *last.split()) == WANTED


def test_every_option_of_serve_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "CONFIG": "c", "HOST": "0.0.0.0", "PORT": "0", "LOG": "redis://h:1/0", "TOKEN": "t", "WORKERS": "2",
        "ALLOW_HOST": "a,b", "ALLOW_ORIGIN": "https://c https://d", "RETENTION": "90m", "MAX_RUNS": "5",
        "MAX_KEPT_RUNS": "6", "MAX_LOG_BYTES": "7", "LOG_FORMAT": "json", "DRAIN": "1.5",
    }  # fmt: skip
    variables = {f"ORCHESTRATOR_{name}": value for name, value in values.items()}
    assert served(monkeypatch, **variables) == WANTED


def test_an_empty_token_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ORCHESTRATOR_TOKEN=` in a compose file must not make an empty password."""
    assert served(monkeypatch, ORCHESTRATOR_TOKEN="").token is None
    with pytest.raises(ValueError, match="--host"):
        ServeSettings(host="0.0.0.0", token="")


def test_what_kubernetes_says_of_a_service_of_our_name_is_no_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sets the variables of a Service `orchestrator` in every container of its namespace."""
    links = {
        "ORCHESTRATOR_PORT": "tcp://10.0.0.7:8080",
        "ORCHESTRATOR_HOST": "udp://[fd00::1]:53",
        "ORCHESTRATOR_SERVICE_HOST": "10.0.0.7",
        "ORCHESTRATOR_PORT_8080_TCP": "tcp://10.0.0.7:8080",
    }
    settings = served(monkeypatch, **links)
    passed_over = {name: links[name] for name in ("ORCHESTRATOR_PORT", "ORCHESTRATOR_HOST")}
    assert settings == ServeSettings(passed_over=passed_over)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1.5", 1.5), ("90s", 90.0), ("5m", 300.0), ("1h", 3600.0), ("0", 0.0)]
)
def test_drain_is_a_duration(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    assert served(monkeypatch, "--drain", text).drain_s == seconds


@pytest.mark.parametrize("path", ["/chat", "/chat/", "/a/b-c.d", ""])
def test_root_path_is_taken_with_a_slash_at_its_end_or_without(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    assert served(monkeypatch, "--root-path", path).root_path == path.rstrip("/")


@pytest.mark.parametrize("path", ["chat", "/chat?x", "//evil.example", "/a b", "http://h/chat", "/a/../"])
def test_root_path_that_is_none_is_misuse(path: str) -> None:
    with pytest.raises(ValueError, match="--root-path"):
        ServeSettings(root_path=path)


# ── check and schema ──────────────────────────────────────────────────────────────────────────


def test_schema_is_a_schema() -> None:
    import jsonschema

    ran = orchestrate("schema")
    schema = json.loads(ran.stdout)
    jsonschema.validators.validator_for(schema).check_schema(schema)
    assert "offline" in ran.stdout


# ── run, tail and cancel at a server ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "code"), [("completed", 0), ("partial", 3), ("cancelled", 1), ("failed", 1)]
)
async def test_the_exit_code_says_how_many_answered(server: ScriptedServer, status: str, code: int) -> None:
    finished(server, status)
    process = await spawn("run", "hi", "--agents", "a,b", "--server", server.base_url)
    exit_code, out, err = await finish(process)
    assert (exit_code, err) == (code, f"asking {server.base_url}\n")
    assert out.splitlines() == [
        "run │ run_scripted starts: a, b",
        "a   │ one",
        "a   │ two",
        "a   │ [done] 0.21 s to first token, 31 tok/s, 1.5 s",
        "b   │ ONE",
        "b   │ [done] 0.21 s to first token, 31 tok/s, 1.5 s",
        f"run │ {status} after 1.6 s",
    ]
    assert server.requests[0][2] == {"message": "hi", "agents": ["a", "b"]}


async def test_json_is_the_stream(server: ScriptedServer) -> None:
    finished(server)
    variables = {"ORCHESTRATOR_SERVER": server.base_url, "ORCHESTRATOR_TOKEN": "s3cret"}
    exit_code, out, err = await finish(await spawn("run", "hi", "--json", **variables))
    assert (exit_code, err) == (0, "")
    expected = [{"id": i, "event": name, **data} for i, name, data in server.entries]
    assert [json.loads(line) for line in out.splitlines()] == expected
    assert server.requests[0][3]["Authorization"] == "Bearer s3cret"


async def test_whom_a_run_asks_is_said_and_named_agents_go_before_a_variable(
    server: ScriptedServer, tmp_path: Path
) -> None:
    """A variable that happens to be set sends no question to other agents than those of a named folder."""
    finished(server)
    variables = {"ORCHESTRATOR_SERVER": server.base_url}
    _, _, err = await finish(await spawn("run", "hi", **variables))
    assert err == f"asking {server.base_url} (ORCHESTRATOR_SERVER)\n"
    asked = len(server.requests)
    (tmp_path / "own.yaml").write_text("backend: offline\ntokens_per_s: 1000\n")
    exit_code, out, err = await finish(await spawn("run", "hi", "--config", str(tmp_path), **variables))
    assert (exit_code, err, len(server.requests)) == (0, "", asked)
    assert "own │" in out
    both = ("--config", str(tmp_path), "--server", server.base_url)
    exit_code, _, err = await finish(await spawn("run", "hi", *both))
    assert exit_code == 2
    assert "leave --config or --server out" in err


async def test_an_unknown_word_for_a_panel_says_which_there_are(server: ScriptedServer) -> None:
    _, _, err = await finish(await spawn("run", "hi", "--panel", "nothing", "--server", server.base_url))
    assert "there is no 'nothing'; panels here: council; methods: judge, race" in err
    _, _, err = await finish(await spawn("run", "hi", "--panel", "nothing"))
    assert "panels here: council, jury; methods: moderator, judge" in err


async def test_a_question_can_come_from_the_input(server: ScriptedServer) -> None:
    finished(server)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", "run", "-", "--server", server.base_url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=ROOT, env=environment(),
    )  # fmt: skip
    async with asyncio.timeout(PATIENCE_SECONDS):
        await process.communicate(b"long\nquestion")
    assert server.requests[0][2] == {"message": "long\nquestion"}


async def test_a_lost_connection_is_not_seen(server: ScriptedServer) -> None:
    finished(server)
    server.plans.extend([Plan(events=4, end="abort"), Plan(events=1, end="close", cut_bytes=20)])
    exit_code, out, _ = await finish(await spawn("run", "hi", "--json", "--server", server.base_url))
    assert exit_code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == [entry[0] for entry in server.entries]


async def test_refusals_are_one_line(server: ScriptedServer) -> None:
    fields = [{"at": "agents[0]", "detail": "x\x1b[2J"}]
    problem = {"title": "T", "detail": "There is no agent.", "errors": fields}
    for status, code in ((422, 2), (401, 1), (503, 1)):
        server.refuse["/v1/runs"] = (status, problem, {})
        exit_code, out, err = await finish(await spawn("run", "hi", "--server", server.base_url))
        assert (exit_code, out) == (code, "")
        asked, refused = err.splitlines()
        assert asked == f"asking {server.base_url}"
        assert refused == f"orchestrator: {status}: There is no agent. (agents[0]: x)"


async def test_tail_follows_and_starts_where_it_is_told(server: ScriptedServer) -> None:
    finished(server)
    exit_code, out, _ = await finish(
        await spawn("tail", RUN_ID, "--server", server.base_url, "--after", "ep-6", "--json")
    )
    assert exit_code == 0
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["ep-7", "ep-8", "ep-9"]
    assert {request[0] for request in server.requests} == {"GET"}


async def test_tail_of_no_run_is_misuse(server: ScriptedServer) -> None:
    server.refuse[EVENTS] = (404, {"detail": "There is no such run."}, {})
    exit_code, _, err = await finish(await spawn("tail", RUN_ID, "--server", server.base_url))
    assert (exit_code, err) == (2, "orchestrator: 404: There is no such run.\n")


def test_tail_says_at_once_that_no_server_is_there(free_port: int) -> None:
    """A stream that was open comes back by itself; a command that never had one has a wrong address."""
    ran = orchestrate("tail", "run_x", "--server", f"http://127.0.0.1:{free_port}")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "does not answer" in ran.stderr


async def test_cancel_asks_for_one_agent_or_all(server: ScriptedServer) -> None:
    for arguments in ([RUN_ID], [RUN_ID, "a"]):
        exit_code, out, err = await finish(await spawn("cancel", *arguments, "--server", server.base_url))
        assert (exit_code, err) == (0, "")
        assert "asked to end" in out
    assert [request[1] for request in server.requests] == [
        f"/v1/runs/{RUN_ID}/cancel", f"/v1/runs/{RUN_ID}/agents/a/cancel",
    ]  # fmt: skip


# ── with the real thing ───────────────────────────────────────────────────────────────────────


def test_run_without_a_server_answers_in_this_process() -> None:
    ran = orchestrate("run", "What is 6*7?", "--agents", "analyst,skeptic")
    assert (ran.returncode, ran.stderr) == (0, f"{STAND_INS}\n")
    assert any(line.startswith("analyst │") and "42" in line for line in ran.stdout.splitlines())
    assert "skeptic │ [done]" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("run     │ completed after ")


def test_a_reader_that_goes_ends_a_run_of_this_process_quietly() -> None:
    """`orchestrator run … | head -1` is no failure to report."""
    program = command("run", "What is 6 * 7?")
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "starts:" in process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(PATIENCE_SECONDS) == 1


def test_an_agent_that_cannot_be_loaded_is_told_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "agents_config"
    folder.mkdir()
    (folder / "lost.yaml").write_text("backend: function\nstream: nowhere:good\n")
    ran = orchestrate("run", "hi", cwd=tmp_path)
    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("orchestrator: agents_config/lost.yaml: stream: cannot import 'nowhere'")


BROKEN_KIND = """
from typing import Literal

from orchestrator.backends.registry import KINDS, Kind
from orchestrator.cli import main
from orchestrator.settings.agent import AgentSettings


class BrokenSettings(AgentSettings):
    backend: Literal["broken"] = "broken"


class Broken:
    def __init__(self, settings, agents):
        raise RuntimeError("no server at https://me:hunter2hunter2@example.test, api_key=sk-0123456789abcdef")


KINDS["broken"] = Kind("__main__:BrokenSettings", "__main__:Broken")
main()
"""


@pytest.mark.parametrize(
    "command", ["check", "run hi", "serve --port 0", "serve --port 0 --workers 2 --log sqlite:///r.db"]
)
def test_a_backend_that_cannot_be_built_is_named_without_its_secrets(tmp_path: Path, command: str) -> None:
    """Its constructor may raise anything: on a screen and in the log stand the file, the error, and no credential."""
    (tmp_path / "agents_config").mkdir()
    (tmp_path / "agents_config" / "lost.yaml").write_text("backend: broken\n")
    (tmp_path / "service.py").write_text(BROKEN_KIND)
    ran = subprocess.run(
        program_command("service.py", *command.split()),
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False,
    )  # fmt: skip
    assert ran.returncode in (1, 2)
    said = ran.stdout + ran.stderr
    assert "agents_config/lost.yaml: " in said
    assert "RuntimeError: no server at https://[redacted]@example.test, api_key=[redacted]" in said
    assert "hunter2" not in said
    assert "0123456789abcdef" not in said


async def test_an_interrupt_cancels_a_run_of_this_process() -> None:
    process = await spawn("run", "What is 6*7?", "--json", "--agents", "analyst")
    await line_with(process.stdout, "analyst.reasoning")
    process.send_signal(signal.SIGINT)
    exit_code, out, err = await finish(process)
    assert (exit_code, err) == (1, f"{STAND_INS}\ncancelling … Ctrl-C again quits\n")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events[-2:]] == ["analyst.cancelled", "run.done"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of a real server, with the agents that are shipped."""
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "serve", "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT, env=environment(),
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def test_run_tail_and_cancel_work_with_a_real_server(address: str) -> None:
    ran = orchestrate("run", "What is 6*7?", "--json", "--server", address)
    assert (ran.returncode, ran.stderr) == (0, "")
    run_id = json.loads(ran.stdout.splitlines()[0])["run_id"]
    again = orchestrate("tail", run_id, "--json", "--server", address)
    assert (again.returncode, again.stdout) == (0, ran.stdout), "a replay is the same to the byte"
    assert orchestrate("cancel", run_id, "--server", address).returncode == 0, "an ended run is no error"
    assert orchestrate("cancel", run_id, "nobody", "--server", address).returncode == 2
    assert orchestrate("run", "hi", "--agents", "nobody", "--server", address).returncode == 2


async def test_the_client_stops_one_agent_of_a_real_run(address: str) -> None:
    """The siblings' texts stay whole, and the end says what became of each."""
    from orchestrator.client import Client

    async with asyncio.timeout(PATIENCE_SECONDS), Client(address) as client:
        run = await client.start("What is 6*7?", agents=["analyst", "optimist", "skeptic"])
        texts: dict[str, str] = {}
        async for event in run:
            if event.type == "token" and event.agent_id is not None:
                texts[event.agent_id] = texts.get(event.agent_id, "") + event.data["text"]
                if event.agent_id == "optimist" and run.agents["optimist"].status == "running":
                    await run.cancel("optimist")
        assert run.status == "partial"
        assert {name: view.status for name, view in run.agents.items()} == {
            "analyst": "done", "optimist": "cancelled", "skeptic": "done",
        }  # fmt: skip
        for name, view in run.agents.items():
            assert view.text == texts[name]
        snapshot = await client.snapshot(run.id)
        assert {name: state["text"] for name, state in snapshot["agents"].items()} == texts
        await client.delete(run.id)
