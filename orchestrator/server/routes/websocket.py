"""`GET /v1/ws`: start, follow and cancel many runs over one WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType, web

from ...errors import InvalidRequest, LimitReached, RequestError
from ...eventlog.gap import Snapshots
from ...eventlog.subscription import Item, follow
from ...eventlog.view import View
from ...events.snapshot import Snapshot
from ...framing.base import Dialect, Framing, Subscriber
from ...framing.websocket import Operation, encode_problem, encode_state, operation_of
from ...run.commands import Command
from ...supervisor.supervisor import AnyRun, Supervisor
from ..app_keys import METRICS, OPTIONS, READER, REGISTRY, STREAMS, SUPERVISOR
from ..http.guards.connections import CONNECTIONS
from ..http.guards.tokens import WEBSOCKET_PROTOCOL
from ..http.problem import ProblemError, problem_from
from ..http.requests import read_start
from ..http.stream_params import wanted_dialect
from ..http.streams import PAGE_EVENTS, SEND_SECONDS, ClientTooSlow, limit_socket, render
from ..openapi.operation import ResponseDoc, operation
from .channels import CHANNEL

PING_SECONDS = 15.0
MAX_RUNS_PER_SOCKET = 256
CLOSE_SECONDS = 2.0

routes = web.RouteTableDef()


@routes.get("/v1/ws", allow_head=False)
@operation(
    "Open a WebSocket",
    tag="streams",
    description=(
        "Both ways, for many runs at once: the client sends `SocketOperation`s, the server the `data` with "
        '`id` and `run_id`, or `{"op": "error", "ref": …, "problem": …}`. Subprotocol: `orchestrator.v1`.'
    ),
    answers={101: ResponseDoc("The socket is open.")},
    errors=(400, 426),
)
async def open_socket(request: web.Request) -> web.StreamResponse:
    options, dialect = request.app[OPTIONS], wanted_dialect(request, "websocket")
    ws = web.WebSocketResponse(
        heartbeat=PING_SECONDS, max_msg_size=options.max_body_bytes, protocols=(WEBSOCKET_PROTOCOL,)
    )
    if not ws.can_prepare(request):
        raise ProblemError(426, "This is a WebSocket's address.", headers={"Upgrade": "websocket"})
    with request.app[CONNECTIONS].holding("websockets"), request.app[METRICS].subscribing("websocket"):
        limit_socket(request.transport)
        await ws.prepare(request)
        streams = request.app[STREAMS]
        streams.sockets.add(ws)
        try:
            await Socket(request, ws, dialect).run()
        finally:
            streams.sockets.discard(ws)
            await _end(ws)
    return ws


async def _end(ws: web.WebSocketResponse) -> None:
    """Stop the socket's own timers: a client that vanished without a close frame would keep them for a while."""
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await ws.close()


@dataclass(frozen=True, slots=True)
class _Followed:
    """One run, or one channel, that a socket follows."""

    key: str
    view: View
    snapshots: Snapshots
    clock: Callable[[], int]


class Socket:
    """One client's socket: a reader of operations, and one task for each run it follows."""

    def __init__(self, request: web.Request, ws: web.WebSocketResponse, dialect: Dialect) -> None:
        self._request = request
        self._dialect = dialect
        self._ws = ws
        self._supervisor: Supervisor = request.app[SUPERVISOR]
        self._following: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve until the client leaves; then stop following, which cancels no run."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                await self._read()
            except (ClientTooSlow, ConnectionError):
                pass
            finally:
                for task in self._following.values():
                    task.cancel()

    async def _read(self) -> None:
        async for message in self._ws:
            if message.type is not WSMsgType.TEXT:
                if message.type is WSMsgType.BINARY:
                    await self._refuse(None, ProblemError(400, "Send text messages, not binary ones."))
                continue
            try:
                operation = operation_of(await self._request.app[READER].parse(message.data))
            except (ProblemError, InvalidRequest) as exc:
                # It has no `ref` to answer to.
                await self._refuse(None, exc)
                continue
            try:
                await self._do(operation)
            except (RequestError, ProblemError) as exc:
                await self._refuse(operation.ref, exc)

    async def _do(self, operation: Operation) -> None:
        operation.check()
        if operation.op == "start":
            await self._start(operation)
            return
        channel = operation.text("channel", required=False)
        if channel is not None and operation.op == "attach":
            followed = self._whole_channel(channel, operation)
            await self._detach(followed.key)
            self._check_room()
            self._follow(followed, operation)
            return
        if channel is not None and operation.op == "detach":
            await self._detach(_key(channel))
            return
        run = await self._supervisor.get(operation.text("run_id") or "")
        if operation.op == "attach":
            await self._attach(run, operation)
        elif operation.op == "cancel":
            agent_id = operation.text("agent_id", required=False)
            await self._supervisor.perform(Command("cancel", run.spec.run_id, agent_id))
        else:
            await self._detach(run.spec.run_id)

    async def _start(self, operation: Operation) -> None:
        self._check_room()
        app = self._request.app
        wanted = await read_start(operation.body, app[READER], registry=app[REGISTRY], limits=app[OPTIONS])
        run, _ = await self._supervisor.start(wanted)
        self._follow(self._one_run(run), operation)

    async def _attach(self, run: AnyRun, operation: Operation) -> None:
        after = operation.text("after", required=False)
        followed = self._one_run(run, operation.names("agents"))
        await self._detach(run.spec.run_id)
        self._check_room()
        if after is not None and await self._supervisor.nothing_after(run, after):
            # HTTP says 204; here the state says that nothing more comes.
            state, cursor = run.snapshot(), run.state.last_event_id
            await self._send(await self._made(encode_state(state, run.t, event_id=cursor)))
            return
        self._follow(followed, operation)

    async def _detach(self, run_id: str) -> None:
        task = self._following.pop(run_id, None)
        if task is not None:
            task.cancel()
            await asyncio.wait((task,))

    def _check_room(self) -> None:
        if len(self._following) >= MAX_RUNS_PER_SOCKET:
            raise LimitReached(f"One socket follows at most {MAX_RUNS_PER_SOCKET} runs; detach from one.")

    def _one_run(self, run: AnyRun, agents: frozenset[str] | None = None) -> _Followed:
        spec = run.spec

        async def snapshots() -> list[Snapshot]:
            return [(await self._supervisor.get(spec.run_id)).snapshot()]

        view = View(spec.channel, spec.run_id, agents)
        return _Followed(spec.run_id, view, snapshots, lambda: run.t)

    def _whole_channel(self, channel: str, operation: Operation) -> _Followed:
        if not CHANNEL.fullmatch(channel):
            raise InvalidRequest("A channel's name has 1 to 64 of the characters A-Z, a-z, 0-9, _ and -.")

        async def snapshots() -> AsyncGenerator[Snapshot, None]:
            return self._supervisor.following.states(channel)

        view = View(channel, None, operation.names("agents"), operation.names("runs"))
        return _Followed(_key(channel), view, snapshots, lambda: 0)

    def _follow(self, followed: _Followed, operation: Operation) -> None:
        after = operation.text("after", required=False) if operation.op == "attach" else None
        task = self._tasks.create_task(self._forward(followed, after, operation.ref))
        self._following[followed.key] = task

    async def _forward(self, followed: _Followed, after: str | None, ref: object) -> None:
        view = followed.view
        framing = self._dialect.open(Subscriber(view.run_id, view.channel, ref))
        try:
            with self._supervisor.watching(view.channel, view.run_id):
                async with aclosing(follow(self._supervisor.log, view, after, followed.snapshots)) as items:
                    async for item in items:
                        await self._tell(framing, item, followed.clock)
        except RequestError as exc:
            with suppress(ClientTooSlow, ConnectionError):
                await self._refuse(ref, exc)
        except (ClientTooSlow, ConnectionError):
            await self._ws.close()
        finally:
            if self._following.get(followed.key) is asyncio.current_task():
                del self._following[followed.key]

    async def _tell(self, framing: Framing, item: Item, clock: Callable[[], int]) -> None:
        """Send an item, one message for each entry."""
        share = self._request.app[STREAMS].share
        if not isinstance(item, list):
            for message in render(item, framing, clock):
                await share.take()
                await self._send(message)
            return
        for n, entry in enumerate(item, 1):
            if n % PAGE_EVENTS == 0:
                await share.take()
            for message in render([entry], framing, clock):
                await self._send(message)

    async def _made(self, making: Generator[bytes, None, bytes]) -> bytes:
        """Return what *making* returns, and let others go on after each piece of it."""
        share = self._request.app[STREAMS].share
        while True:
            await share.take()
            try:
                next(making)
            except StopIteration as done:
                return bytes(done.value)

    async def _refuse(self, ref: object, exc: Exception) -> None:
        problem = problem_from(exc)
        if problem is not None:
            await self._send(encode_problem(ref, problem.document()))

    async def _send(self, data: bytes) -> None:
        if not data:
            return
        try:
            async with asyncio.timeout(SEND_SECONDS), self._sending:
                await self._ws.send_frame(data, WSMsgType.TEXT)
        except TimeoutError:
            self._request.app[METRICS].client_dropped("too_slow")
            if self._request.transport is not None:
                self._request.transport.abort()
            raise ClientTooSlow from None


def _key(channel: str) -> str:
    """Name a whole channel among what a socket follows; no run has a space in its id."""
    return f"channel {channel}"


async def close_sockets(sockets: set[web.WebSocketResponse]) -> None:
    """Ask every client to come back: the server goes."""
    async with asyncio.TaskGroup() as group:
        for ws in list(sockets):
            group.create_task(_close(ws))


async def _close(ws: web.WebSocketResponse) -> None:
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(SEND_SECONDS):
            await ws.close(code=WSCloseCode.SERVICE_RESTART, message=b"the server restarts")
