"""Holds one MCP server: started or connected once, for all runs of a backend, and started again if it dies.

Owns its lifetime, in a task of its own (its cancel scopes ask for that), its limits, and how its failures are reported.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx2
import structlog
from agents.mcp import MCPServer, MCPServerSse, MCPServerStdio, MCPServerStreamableHttp
from mcp.shared.exceptions import MCPError
from mcp.types import TextContent

from ....errors import AgentError, new_error_id
from ...upstream.redirects import RefuseOtherOrigin, refusal_in
from ..errors import without_words

log = structlog.get_logger(__name__)

START_SECONDS = 15.0
PING_SECONDS = 5.0
CLOSE_SECONDS = 5.0
CONNECTION_CLOSED = -32000
METHOD_NOT_FOUND = -32601
CLOSED = (anyio.ClosedResourceError, anyio.BrokenResourceError, anyio.EndOfStream, ConnectionError)
GUARD = str(Path(__file__).with_name("watchdog.py"))


class Keeper:
    """Holds one server connected, in a task of its own.

    Args:
        make: Makes the server, or returns the user's own; called again for each start.
        what: Names the server in a message. is_program: It is started, not only connected to.
        tells_errors: What the server says of a failed call is passed on.
    """

    def __init__(
        self,
        make: Callable[[], MCPServer],
        what: str,
        *,
        is_program: bool,
        start_s: float = START_SECONDS,
        call_s: float | None = None,
        tells_errors: bool = False,
    ) -> None:
        self.call_s = call_s
        self._tells_errors = tells_errors
        self._make = make
        self._what = what
        self.is_program = is_program
        self.start_s = start_s
        self._lock = asyncio.Lock()
        self._server: MCPServer | None = None
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def server(self) -> MCPServer:
        """The server as it is now; made, if it was not yet."""
        if self._server is None:
            self._server = self._make()
        return self._server

    async def ready(self) -> MCPServer:
        """Return the connected server, started if it is not, or no longer.

        Raises:
            AgentError: `tool_failed` if a program does not start, `upstream_unavailable` if an address does not
                answer as an MCP server, `upstream_rejected` if it redirects to another origin.
        """
        async with self._lock:
            if self._task is not None and await self._is_gone():
                await self._end()
            if self._task is None:
                await self._start()
            return self.server

    def shown(self, result: Any, tool: str) -> Any:
        """Return a call's *result* as model and clients may see it.

        What a server says of its own failure may hold anything, an exception's text for example, so an id is shown
        for it, as for that of any other tool, unless the configuration trusts the server.
        """
        if not result.is_error or self._tells_errors:
            return _readable(result)
        error_id = new_error_id()
        log.warning("tool_failed", tool=tool, error_id=error_id, error="isError", at=self._what)
        failed = TextContent(type="text", text=f"The tool failed ({error_id}).")
        return result.model_copy(update={"content": [failed], "structured_content": None})

    async def aclose(self) -> None:
        """End the server; no process of it is left."""
        async with self._lock:
            await self._end()

    async def _start(self) -> None:
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        # A context of its own: what the first run set is nothing of the others'.
        self._task = asyncio.create_task(
            self._hold(started, self._stop), name=f"MCP: {self._what}", context=contextvars.Context()
        )
        try:
            await asyncio.shield(started)
        except asyncio.CancelledError:
            started.add_done_callback(_look_at)
            await self._end()
            raise
        except BaseException as exc:  # noqa: BLE001 - it is translated
            await self._end()
            raise self.failed(exc) from quiet(exc)

    async def _hold(self, started: asyncio.Future[None], stop: asyncio.Event) -> None:
        server = self.server
        _keep_origin(server)
        if isinstance(server, MCPServerStdio):
            _guard(server, is_shown=self._tells_errors)
        try:
            async with asyncio.timeout(self.start_s):
                await server.connect()  # type: ignore[no-untyped-call]  # the SDK gives it no types
        except BaseException as exc:  # noqa: BLE001 - whoever waits for the start gets it
            if not started.done():
                started.set_exception(exc if isinstance(exc, Exception) else RuntimeError(type(exc).__name__))
        else:
            started.set_result(None)
            await stop.wait()
        finally:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await server.cleanup()  # type: ignore[no-untyped-call]
            except BaseException:  # noqa: S110, BLE001 - it is gone, or goes with its task
                pass

    async def _end(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        if self._stop is not None:
            self._stop.set()
        await asyncio.wait({task}, timeout=CLOSE_SECONDS + self.start_s)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_SECONDS)
        self._server = None

    async def _is_gone(self) -> bool:
        """Whether the connection is closed. One that is merely slow to answer is at work, not gone."""
        if self._task is None or self._task.done():
            return True
        ping = getattr(getattr(self.server, "session", None), "send_ping", None)
        if ping is None:
            return False
        try:
            async with asyncio.timeout(PING_SECONDS):
                await ping()
        except TimeoutError:
            return False
        except MCPError as exc:
            # A server over HTTP that has come back knows nothing of the session, and says so of every request.
            return is_closed(exc) or not (self.is_program or exc.error.code == METHOD_NOT_FOUND)
        except Exception as exc:  # noqa: BLE001 - whatever it is, a server that answers is there
            return is_closed(exc)
        return False

    def failed(self, exc: BaseException, program_words: str = "did not start") -> AgentError:
        """Return the error for *exc*, which came of starting, connecting or listing."""
        if (ours := refusal_in(exc)) is not None:
            return ours
        if self.is_program:
            return AgentError("tool_failed", f"The agent's {self._what} {program_words}.")
        return AgentError("upstream_unavailable", f"The agent's {self._what} did not answer.")


def _guard(server: MCPServerStdio, *, is_shown: bool) -> None:
    """Have the program of *server* end with this process, however that ends; *is_shown*: with its standard error."""
    params = server.params
    if os.name != "posix" or GUARD in params.args:
        return
    guarded = ["-I", GUARD, str(os.getpid()), str(int(is_shown)), params.command, *params.args]
    server.params = params.model_copy(update={"command": sys.executable, "args": guarded})


def _keep_origin(server: MCPServer) -> None:
    """Have a *server* over HTTP refuse redirects to other origins, and say which; the SDK says only that it failed."""
    if not isinstance(server, MCPServerSse | MCPServerStreamableHttp):
        return
    make = server.params.get("httpx_client_factory")
    if not isinstance(make, _KeepingOrigin):
        server.params["httpx_client_factory"] = _KeepingOrigin(make)


class _KeepingOrigin:
    """What an MCP server asks for its client: the user's own factory, or the plain one."""

    def __init__(self, make: Callable[..., httpx2.AsyncClient] | None) -> None:
        self._make = make

    def __call__(self, headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
        if self._make is not None:
            client = self._make(headers=headers, timeout=timeout, auth=auth)
        else:
            client = httpx2.AsyncClient(
                headers=headers, auth=auth, **({} if timeout is None else {"timeout": timeout})
            )
        hooks = client.event_hooks
        refuse = RefuseOtherOrigin("The agent's MCP server")
        client.event_hooks = {**hooks, "response": [*hooks.get("response", ()), refuse]}
        return client


def is_closed(exc: BaseException) -> bool:
    """Whether an exception says that the server's connection is closed."""
    if isinstance(exc, BaseExceptionGroup):
        return any(is_closed(each) for each in exc.exceptions)
    if isinstance(exc, MCPError):
        return bool(exc.error.code == CONNECTION_CLOSED)
    return isinstance(exc, CLOSED)


def quiet(exc: BaseException) -> BaseException:
    """Return *exc* for the log; without its words if they are a server's, which may hold anything."""
    if isinstance(exc, BaseExceptionGroup):
        return without_words(exc) if exc.subgroup(MCPError) else exc
    return without_words(exc) if isinstance(exc, MCPError) else exc


def _readable(result: Any) -> Any:
    """Return a *result* whose content model and clients can read: some servers send it in a structure alone."""
    structure = getattr(result, "structured_content", None)
    if result.content or structure is None:
        return result
    text = TextContent(type="text", text=json.dumps(structure, ensure_ascii=False))
    return result.model_copy(update={"content": [text]})


def _look_at(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()
