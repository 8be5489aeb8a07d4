"""A real OpenAI-compatible HTTP server on 127.0.0.1 for tests and benchmarks: scripted models, faults, paces.

Tests put the real SDK in front of it::

    async with Upstream() as upstream:
        upstream.script("gpt-x", [[Reasoning("hm"), Call("clock")], ["It is ", "noon."]])
        client = AsyncOpenAI(base_url=upstream.url, api_key="k", max_retries=0)

Every model that is named ``echo-<n>`` or ``echo-<n>@<tokens per second>`` says n words without a script.
The steps and faults are in `upstream_script`, their wire form in `upstream_wire`.
As a program: ``python -m tests.support.upstream --port 0 --tokens-per-s 38``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import re
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from tests.support.listening import stop_listening
from tests.support.patience import PATIENCE_SECONDS
from tests.support.upstream_script import (
    SECRET,
    Abort,
    Answer,
    Call,
    Calls,
    Cut,
    ErrorChunk,
    Failed,
    Finish,
    Gate,
    HalfJson,
    NoDone,
    NoUse,
    Raw,
    Reasoning,
    Refusal,
    Script,
    Stall,
    Step,
    Text,
    Turn,
    Use,
    Wait,
    WrongShape,
    calls_of,
    dropped,
    echo_words,
    failed,
    hanging,
    html,
    nothing,
)
from tests.support.upstream_wire import (
    Action,
    ChatEncoder,
    Encoder,
    Frame,
    ResponsesEncoder,
    chat_whole,
    responses_whole,
)

__all__ = [
    "SECRET", "Abort", "Answer", "Call", "Calls", "Connection", "Cut", "ErrorChunk", "Failed", "Finish",
    "Gate", "HalfJson", "NoDone", "NoUse", "Raw", "Reasoning", "Received", "Refusal", "Script", "Stall",
    "Step", "Text", "Turn", "Upstream", "Use", "Wait", "WrongShape", "dropped", "failed", "hanging", "html",
    "nothing", "refusing_url",
]  # fmt: skip

ECHO = re.compile(r"echo-(\d+)(?:@([\d.]+))?")
MAX_BODY_BYTES = 64 * 1024 * 1024
BLOCK_FRAMES = 64
"""Frames joined into one write where nothing paces them: the kernel would join them anyway."""


@dataclass(eq=False)
class Connection:
    """One client connection; `closed` resolves to the loop time at which it went away."""

    opened_at: float
    closed: asyncio.Future[float]

    @property
    def is_open(self) -> bool:
        return not self.closed.done()


@dataclass(eq=False)
class Received:
    """One request as it came in. `sent` counts the frames of its answer that were written."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    connection: Connection
    sent: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))


class _Protocol(RequestHandler):
    """aiohttp's own, which also tells the upstream of connections."""

    __slots__ = ("_upstream", "connection")

    def __init__(self, upstream: Upstream, server: web.Server) -> None:
        super().__init__(server, loop=asyncio.get_running_loop())
        self._upstream = upstream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        loop = asyncio.get_running_loop()
        self.connection = Connection(loop.time(), loop.create_future())
        self._upstream.connections.append(self.connection)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if not self.connection.closed.done():
            self.connection.closed.set_result(asyncio.get_running_loop().time())
        super().connection_lost(exc)


class Upstream:
    """The server; an async context manager that listens from enter to exit.

    Args:
        tokens_per_s: Pace of every model that has none of its own; 0 is as fast as it can.
        write_bytes: Cuts the body into writes of this many bytes, to try a client's parser; 0 writes
            each frame by itself, None joins frames that no pace keeps apart.
        api_key: Answers 401 to requests with another one; None takes any.
        port: 0 picks one.
    """

    def __init__(
        self,
        *,
        tokens_per_s: float = 0.0,
        write_bytes: int | None = None,
        api_key: str | None = None,
        port: int = 0,
    ) -> None:
        self.tokens_per_s = tokens_per_s
        self.write_bytes = write_bytes
        self.api_key = api_key
        self.port = port
        self.url = ""
        self.requests: list[Received] = []
        self.connections: list[Connection] = []
        self.scripts: dict[str, Script] = {}
        self.arrived = asyncio.Condition()
        self.record = True

    def script(self, model: str, turns: Sequence[Turn], **options: Any) -> Script:
        """Say what *model* answers; *options* are those of `Script`."""
        self.scripts[model] = Script(turns, **options)
        return self.scripts[model]

    @property
    def open_connections(self) -> int:
        return sum(connection.is_open for connection in self.connections)

    async def wait_requests(self, count: int, *, limit: float = PATIENCE_SECONDS) -> Received:
        """Wait until *count* requests have come in, and return the last of them."""
        async with asyncio.timeout(limit), self.arrived:
            await self.arrived.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def wait_all_closed(self, *, limit: float = PATIENCE_SECONDS) -> float:
        """Wait until no connection is open; return the loop time at which the last one closed."""
        async with asyncio.timeout(limit):
            while still := [c.closed for c in self.connections if c.is_open]:
                await asyncio.wait(still)
        return max((c.closed.result() for c in self.connections), default=asyncio.get_running_loop().time())

    async def __aenter__(self) -> Upstream:
        self._web_server: web.Server = web.Server(
            self._handle, request_factory=_request, handler_cancellation=True
        )
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: _Protocol(self, self._web_server), "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await stop_listening(self._listener)
        for received in self.requests:
            received.ended.set()
        await self._web_server.shutdown(0.5)
        await self._listener.wait_closed()

    # one request
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path not in ("/v1/chat/completions", "/v1/responses") or request.method != "POST":
            return web.json_response({"error": {"message": "no such path"}}, status=404)
        body: dict[str, Any] = msgspec.json.decode(await request.read())
        protocol = request.protocol
        if not isinstance(protocol, _Protocol):
            raise TypeError(f"served by {type(protocol)}")
        received = Received(request.path, request.headers, body, protocol.connection)
        if self.record:
            async with self.arrived:
                self.requests.append(received)
                self.arrived.notify_all()
        try:
            return await self._answer(request, received)
        except ConnectionError:  # the client left in the middle
            return web.Response()
        finally:
            received.ended.set()

    async def _answer(self, request: web.BaseRequest, received: Received) -> web.StreamResponse:
        if self.api_key is not None and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            return await self._whole(request, received, failed(401))
        script = self.scripts.get(received.model)
        if fault := script and script.next_fault():
            return await self._whole(request, received, fault)
        pace = self.tokens_per_s
        if echo := ECHO.fullmatch(received.model):
            pace = float(echo[2] or pace)
        if script is None and echo is None:
            return await self._whole(request, received, failed(404))
        if script is not None and script.tokens_per_s is not None:
            pace = script.tokens_per_s
        turn = list(echo_words(int(echo[1]))) if script is None and echo else script.next_turn(received.body)  # type: ignore[union-attr]  # one of the two is there
        chat = request.path.endswith("completions")
        if not received.body.get("stream"):
            return await self._json(request, received, turn, chat)
        use = not chat or bool((received.body.get("stream_options") or {}).get("include_usage"))
        if script is None and echo:
            plan = _echo_plan(received.model, int(echo[1]), chat, use)
        else:
            plan = _plan(received.model, turn, chat, use, calls_of(received.body))
        return await self._stream(request, received, plan, pace)

    async def _whole(
        self, request: web.BaseRequest, received: Received, answer: Answer
    ) -> web.StreamResponse:
        if answer.drop:
            _abort(request)
        if answer.drop or answer.hang:
            await received.connection.closed
        return web.Response(status=answer.status, body=answer.body, headers=answer.all_headers())

    async def _json(
        self, request: web.BaseRequest, received: Received, turn: Turn, chat: bool
    ) -> web.StreamResponse:
        for step in turn:
            match step:
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case Gate():
                    step.reached.set()
                    await step.open.wait()
                case Stall():
                    await received.connection.closed
                case ErrorChunk() | Failed():
                    return web.json_response({"error": {"message": step.message, "code": step.code}})
                case WrongShape(data):
                    return web.json_response({"choices": "none today"} if data is None else data)
        body = msgspec.json.encode(
            (chat_whole if chat else responses_whole)(received.model, turn, calls_of(received.body))
        )
        if not any(isinstance(step, Abort | Cut | HalfJson) for step in turn):
            return web.Response(body=body, content_type="application/json", headers={"x-request-id": "req_1"})
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(body[: len(body) // 2])
        if any(isinstance(step, Abort) for step in turn):
            _abort(request)
        return response

    async def _stream(
        self, request: web.BaseRequest, received: Received, plan: Sequence[Frame | Action], pace: float
    ) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream; charset=utf-8", "x-request-id": "req_1"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        due = asyncio.get_running_loop().time()
        for together, group in itertools.groupby(plan, key=lambda action: _joinable(action, pace)):
            if together:
                await self._write_all(response, received, [a.data for a in group if isinstance(a, Frame)])
                continue
            for action in group:
                if isinstance(action, Frame):
                    due = await _until(due + 1 / pace)
                    await self._write(response, action.data)
                    received.sent += 1
                elif await self._act(request, received, action):
                    return response
        await response.write_eof()
        return response

    async def _act(self, request: web.BaseRequest, received: Received, action: Action) -> bool:
        """Do what is not sending; True where nothing more follows."""
        match action:
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Gate():
                action.reached.set()
                await action.open.wait()
            case Abort():
                _abort(request)
                return True
            case Stall():
                await received.connection.closed
        return False

    async def _write_all(
        self, response: web.StreamResponse, received: Received, frames: Sequence[bytes]
    ) -> None:
        size = 1 if self.write_bytes == 0 else BLOCK_FRAMES
        for at in range(0, len(frames), size):
            block = frames[at : at + size]
            await self._write(response, b"".join(block))
            received.sent += len(block)

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        if not self.write_bytes:
            await response.write(data)
            return
        for at in range(0, len(data), self.write_bytes):
            await response.write(data[at : at + self.write_bytes])
            await asyncio.sleep(0)  # lets the kernel hand on this piece before the next


def _request(*parts: Any) -> web.BaseRequest:
    message, payload, protocol, writer, task = parts
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY_BYTES)


def _joinable(action: Frame | Action, pace: float) -> bool:
    return isinstance(action, Frame) and not (pace and action.paced)


async def _until(due: float) -> float:
    await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
    return due


def _abort(request: web.BaseRequest) -> None:
    """Reset the connection: what is still buffered is lost, as when a process dies."""
    transport = request.transport
    if isinstance(transport, asyncio.Transport):
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        transport.abort()


def _plan(model: str, turn: Turn, chat: bool, use: bool, calls_before: int = 0) -> list[Frame | Action]:
    kind: type[Encoder] = ChatEncoder if chat else ResponsesEncoder
    return kind(model, use, calls_before=calls_before).run(turn)


@lru_cache(maxsize=32)
def _echo_plan(model: str, words: int, chat: bool, use: bool) -> list[Frame | Action]:
    return _plan(model, list(echo_words(words)), chat, use)


@contextlib.contextmanager
def refusing_url() -> Iterator[str]:
    """A base URL at which every connection is refused: its port is bound, so nobody else gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


async def serve(port: int, tokens_per_s: float) -> None:
    """Serve ``echo-<n>`` models until SIGINT or SIGTERM; prints the base URL in one line."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Upstream(port=port, tokens_per_s=tokens_per_s) as upstream:
        upstream.record = False
        print(upstream.url, flush=True)
        await stop.wait()


def main() -> None:
    """The program's entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.upstream", description=serve.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens-per-s", type=float, default=0.0, help="0 is as fast as it can")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.tokens_per_s))


if __name__ == "__main__":
    main()
