"""The whole service for a test: in this process on a port of its own, or as `orchestrator serve` in another.

Also what an outside checker needs: a strict reader of the stream that shares no code with the package, and
agents that say what the test tells them to, when it tells them.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientTimeout, TCPConnector
from aiohttp.test_utils import TestClient

from orchestrator.backends.base import AgentInput, Emission
from orchestrator.config import Config
from orchestrator.eventlog.base import Store
from orchestrator.events import Reasoning, Status, ToolCall, ToolResult
from orchestrator.run.registry import AgentRegistry
from orchestrator.server.app import create_app
from orchestrator.server.app_keys import LOADED, METRICS, STREAMS, SUPERVISOR
from orchestrator.server.http.guards.security import SecuritySettings
from orchestrator.server.options import ServerOptions
from orchestrator.settings.limits import RunLimits
from orchestrator.supervisor.supervisor import AnyRun
from tests.support.patience import PATIENCE_SECONDS, eventually
from tests.support.zygote import command

from .probe import Answer, Client, ProblemServer
from .spine import Script, ScriptedRegistry

_EVENT_LINES = re.compile(
    rb"(?:id: (?P<id>[a-z0-9]{4,16}-[0-9]+)\n)?(?:event: (?P<name>[a-z0-9_.-]+)\n)?data: (?P<data>\{[^\n]*\})"
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream; `id` and `name` are None where there was no such line."""

    id: str | None
    name: str | None
    data: dict[str, Any]

    @property
    def type(self) -> str:
        return f"{self.data.get('agent_id', 'run')}.{self.data['type']}"


@dataclass(frozen=True, slots=True)
class Comment:
    text: str


@dataclass(frozen=True, slots=True)
class RetryLine:
    milliseconds: int


Frame = Event | Comment | RetryLine


def parse_frame(block: bytes) -> list[Frame]:
    """Read one block as this server writes them, and nothing else: any other line is an error."""
    lines = block.split(b"\n")
    if lines[0].startswith((b"retry: ", b": ")):
        return [_line(line) for line in lines]
    match = _EVENT_LINES.fullmatch(block)
    assert match is not None, block
    event_id, name, data = match["id"], match["name"], match["data"]
    return [
        Event(
            event_id.decode() if event_id is not None else None,
            name.decode() if name is not None else None,
            json.loads(data.decode("utf-8", "strict")),
        )
    ]


def _line(line: bytes) -> Frame:
    if line.startswith(b"retry: "):
        return RetryLine(int(line[7:]))
    assert line.startswith(b": "), line
    return Comment(line[2:].decode())


def parse_stream(body: bytes) -> list[Frame]:
    """Read a whole stream; a block without its blank line is an error, as the server has to end whole."""
    assert body.endswith(b"\n\n") or not body, body[-80:]
    return [frame for block in body[:-2].split(b"\n\n") for frame in parse_frame(block)] if body else []


def finished_part(body: bytes) -> bytes:
    """Return what a client may use of a stream that was cut anywhere: up to the last blank line."""
    return body[: body.rfind(b"\n\n") + 2] if b"\n\n" in body else b""


def events_in(body: bytes) -> list[Event]:
    return [frame for frame in parse_stream(body) if isinstance(frame, Event)]


class StreamReader:
    """Reads one open stream frame by frame."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.raw = b""
        self._rest = b""
        self._ready: list[Frame] = []

    async def frame(self, limit: float = PATIENCE_SECONDS) -> Frame:
        """Return the next frame; EOFError at the end."""
        while not self._ready:
            async with asyncio.timeout(limit):
                chunk = await self.response.content.readany()
            if not chunk:
                raise EOFError
            self.raw += chunk
            *blocks, self._rest = (self._rest + chunk).split(b"\n\n")
            self._ready = [frame for block in blocks for frame in parse_frame(block)]
        return self._ready.pop(0)

    async def event(self, limit: float = PATIENCE_SECONDS) -> Event:
        """Return the next event; skips comments and `retry:`."""
        while not isinstance(frame := await self.frame(limit), Event):
            pass
        return frame

    async def until(self, type_: str, limit: float = PATIENCE_SECONDS) -> list[Event]:
        """Return the events up to and with the first one of *type_*."""
        events = [await self.event(limit)]
        while events[-1].type != type_:
            events.append(await self.event(limit))
        return events

    async def rest(self, limit: float = PATIENCE_SECONDS) -> list[Frame]:
        """Return all frames until the server ends the stream, which it must do with a whole frame."""
        frames = []
        with suppress(EOFError):
            while True:
                frames.append(await self.frame(limit))
        assert not self._rest, self._rest
        return frames


class Puppet:
    """An agent that does what the test says. One run at a time; use a new one for each."""

    def __init__(self) -> None:
        self._orders: asyncio.Queue[Emission | BaseException | None] = asyncio.Queue()
        self.started = asyncio.Event()
        self.closed = asyncio.Event()
        self.requests: list[AgentInput] = []

    async def __call__(self, request: AgentInput) -> AsyncGenerator[Emission, None]:
        self.requests.append(request)
        self.started.set()
        try:
            while (order := await self._orders.get()) is not None:
                if isinstance(order, BaseException):
                    raise order
                yield order
        finally:
            self.closed.set()

    def say(self, *items: Emission) -> None:
        for item in items:
            self._orders.put_nowait(item)

    def end(self) -> None:
        self._orders.put_nowait(None)

    def fail(self, exc: BaseException) -> None:
        self._orders.put_nowait(exc)


def words(*pieces: str, pause: float = 0.0) -> Script:
    """Return an agent that says *pieces*, each an event of its own where *pause* lets the log keep up."""

    async def script(request: AgentInput) -> AsyncGenerator[Emission, None]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(pause)

    return script


async def endless(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Talk until somebody ends it, at a thousand pieces a second at most."""
    while True:
        yield "tick "
        await asyncio.sleep(0.001)


FLOOD_PIECE = "x" * 8000
FLOOD_KEYS: dict[str, Any] = {"limits": {"max_output_chars": 10**9}}
"""Settings that let `flood` go on."""


async def flood(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Say more than any slow client takes: up to 8 MB a second."""
    while True:
        yield FLOOD_PIECE
        await asyncio.sleep(0.001)


async def silent(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Say nothing until somebody ends it."""
    await asyncio.Event().wait()
    yield ""


async def talkative(request: AgentInput) -> AsyncGenerator[Emission, None]:
    for n in range(6):
        yield Status("thinking", f"step {n}")
        yield Reasoning(f"hm {n} ")
        yield ToolCall(f"c{n}", "clock", "{}")
        yield ToolResult(f"c{n}", "noon\n", is_error=False)
        yield f"word {n} "
        await asyncio.sleep(0)


class Service:
    """The service as a client sees it, and its inner parts for what no client can see."""

    def __init__(self, client: Client) -> None:
        assert client.server.runner is not None
        assert client.port is not None
        self.app = app = client.app
        self.runner = client.server.runner
        self.port = client.port
        self.session = client.session
        self.url = f"http://{client.host}:{client.port}"
        self.supervisor = app[SUPERVISOR]
        self.streams = app[STREAMS]
        self.metrics = app[METRICS]
        self._seen: dict[str, AnyRun] = {}

    async def call(self, method: str, path: str, **options: Any) -> Answer:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with self.session.request(method, self.url + path, **options) as response:
                body = await response.read()
                return Answer(response.status, response.headers, response.content_type, body)

    async def start(self, message: str = "hi", **keys: Any) -> str:
        """Start a run, return its id."""
        answer = await self.call("POST", "/v1/runs", json={"message": message, **keys})
        assert answer.status == 201, answer
        run_id = str(answer.json["run_id"])
        self._seen[run_id] = await self.supervisor.get(run_id)
        return run_id

    def run(self, run_id: str) -> AnyRun:
        """Return a run that was started here, as it stands: also after its end."""
        return self.supervisor._executor.find(run_id) or self._seen[run_id]

    async def find(self, run_id: str) -> AnyRun:
        """Return any run, read back from the log where it has ended."""
        return await self.supervisor.get(run_id)

    async def body(self, path: str, **headers: str) -> bytes:
        """Read a stream to its end; the bytes as they came."""
        answer = await self.call("GET", path, headers=headers)
        assert answer.status == 200, answer
        return answer.body

    async def events(self, run_id: str, query: str = "", **headers: str) -> list[Event]:
        """Read a run's stream to its end."""
        return events_in(await self.body(f"/v1/runs/{run_id}/events{query}", **headers))

    @asynccontextmanager
    async def stream(self, path: str, method: str = "GET", **options: Any) -> AsyncIterator[StreamReader]:
        async with self.session.request(method, self.url + path, **options) as response:
            assert response.status == 200, (response.status, await response.text())
            yield StreamReader(response)

    @property
    def transports(self) -> list[asyncio.Transport]:
        """The server's side of every open connection."""
        assert self.runner.server is not None
        return [c.transport for c in self.runner.server.connections if c.transport is not None]

    def dropped(self) -> int:
        """How many clients were cut off for being slow."""
        labels = {"reason": "too_slow"}
        return int(self.metrics.registry.get_sample_value("orchestrator_clients_dropped_total", labels) or 0)

    async def ended(self, run_id: str) -> None:
        """Wait until a run has ended."""
        self._seen.setdefault(run_id, await self.supervisor.get(run_id))
        await eventually(lambda: self.run(run_id).status != "running")


async def finished_run(service: Service, **keys: Any) -> tuple[str, bytes]:
    """Return an ended run's id and the bytes of its whole stream."""
    run_id = await service.start(**keys)
    await service.ended(run_id)
    return run_id, await service.body(f"/v1/runs/{run_id}/events")


Serve = Callable[..., Awaitable[Service]]
"""The fixture `serve`: `service = await serve(scripts, …)`, with what `server_of` takes."""


def server_of(
    scripts: dict[str, Script] | None = None,
    *,
    keys: dict[str, dict[str, Any]] | None = None,
    registry: AgentRegistry | None = None,
    limits: RunLimits | None = None,
    log: Store | None = None,
    security: SecuritySettings | None = None,
    options: ServerOptions | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> ProblemServer:
    """Return the service as `orchestrator serve` runs it, with scripted agents; it is not started yet."""
    registry = registry or ScriptedRegistry(scripts or {}, keys)
    app = create_app(
        Config(registry.agents, (), Path()),
        event_log=log,
        security=security,
        options=options,
        limits=limits,
        registry=registry,
    )
    return ProblemServer(app, host=host, port=port, shutdown_timeout=1.0)


def client_options() -> dict[str, Any]:
    """Return what a `TestClient` of the service takes, in the loop in which it is used."""
    return {
        # No pool: every connection that a test sees at the server is one that it opened.
        "connector": TCPConnector(force_close=True, limit=0),
        "timeout": ClientTimeout(),
        "headers": {"Accept-Encoding": "identity"},
        "auto_decompress": False,
    }


async def started(client: Client) -> Service:
    """Return the service of a client that was started, once its agents are loaded."""
    await client.app[LOADED]
    return Service(client)


async def leave(client: Client) -> None:
    """Close a client's connections, then what streams are left, so that the server need not wait for them."""
    await client.session.close()
    client.app[STREAMS].close_all()


@asynccontextmanager
async def serving(scripts: dict[str, Script] | None = None, **keys: Any) -> AsyncIterator[Service]:
    """Serve while inside: for tests that need several services, or one that has ended before they look.

    So are those of spans that the end of a service exports, of files and tasks that nothing may be left of, of a store
    that is opened again, and fixtures that keep one service for several tests. Any other test of one application takes
    the fixture `serve`, which is pytest-aiohttp's `aiohttp_client`. Takes what `server_of` takes.
    """
    client: Client = TestClient(server_of(scripts, **keys), **client_options())
    try:
        await client.start_server()
        yield await started(client)
    finally:
        await leave(client)
        await client.close()


@dataclass
class Process:
    """`orchestrator serve` as another process."""

    url: str
    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def wait(self, limit: float = PATIENCE_SECONDS) -> int:
        """Return the exit code."""
        async with asyncio.timeout(limit):
            return await self.process.wait()


@asynccontextmanager
async def serving_process(
    folder: Path, *arguments: str, environ: dict[str, str] | None = None
) -> AsyncIterator[Process]:
    """Start `orchestrator serve --port 0` and wait until it listens. Ends it by force if the test did not."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ORCHESTRATOR_")}
    process = await asyncio.create_subprocess_exec(
        *command("serve", "--port", "0", "--config", str(folder), *arguments),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env=environment | {"PYTHONPATH": os.getcwd()} | (environ or {}),
    )  # fmt: skip
    service = Process("", process)
    listening = asyncio.get_running_loop().create_future()
    reading = asyncio.create_task(_read_output(service, listening))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            service.url = await listening
        yield service
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


async def _read_output(service: Process, listening: asyncio.Future[str]) -> None:
    assert service.process.stdout is not None
    async for line in service.process.stdout:
        service.lines.append(line.decode(errors="replace"))
        if (match := re.search(rb"Listening on (\S+)", line)) and not listening.done():
            listening.set_result(match[1].decode())
    if not listening.done():
        listening.set_exception(AssertionError(f"it never listened: {service.lines}"))


# ── agents for a process of its own, named in its YAML as "tests.support.service:…" ───────────────────


async def steady(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Say ten words, and take a second for it."""
    for n in range(10):
        yield f"{n} "
        await asyncio.sleep(0.1)


async def until_file(request: AgentInput) -> AsyncGenerator[Emission, None]:
    """Say a word, and end when there is the file that the message names."""
    yield "waiting "
    while not Path(request.message).exists():
        await asyncio.sleep(0.02)


def write_agents(folder: Path, **streams: str) -> Path:
    """Write a file for each function agent; *streams* maps ids to functions of this module."""
    for agent_id, stream in streams.items():
        text = f"backend: function\nstream: tests.support.service:{stream}\ndefault: true\n"
        (folder / f"{agent_id}.yaml").write_text(text)
    return folder
