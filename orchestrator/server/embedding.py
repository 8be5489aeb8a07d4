"""Serves an application that has ours in it, as `orchestrator serve` serves its own. Owns no route and no agent."""

from __future__ import annotations

import asyncio
import signal

from aiohttp import web

from .app import CLEANUP_SECONDS
from .app_keys import SUPERVISOR
from .drain import drain
from .fair_loop import fair_loop
from .http.guards.connections import CONNECTIONS
from .http.runner import ProblemRunner, site_of
from .listener import ServeSockets

DRAIN_SECONDS = 15.0


def run_app(
    app: web.Application, *, host: str = "127.0.0.1", port: int = 8080, drain_s: float = DRAIN_SECONDS
) -> None:
    """Serve *app* until SIGTERM or SIGINT, with what protects `orchestrator serve`; a second signal ends it at once.

    Headers are bounded in size and time, malformed requests are answered by problem documents, a client that takes
    nothing is cut off, and the bounds on connections hold. Not for a loop that runs already: there a `ProblemRunner`
    does the same.

    Args:
        app: As `create_app` returns it, or one that has it as a sub-application.
        port: 0 picks a free one; the address is printed.
        drain_s: Seconds that runs may take to end by themselves.
    Raises:
        ConfigError: The address cannot be bound.
    """
    listeners = ServeSockets.bind(host, port)
    try:
        with asyncio.Runner(loop_factory=fair_loop) as loop:
            loop.run(_serve(app, listeners, drain_s))
    finally:
        listeners.close()


async def _serve(app: web.Application, listeners: ServeSockets, drain_s: float) -> None:
    if CONNECTIONS in app:
        app[CONNECTIONS].fit_descriptors()
    runner = ProblemRunner(app, handler_cancellation=True, shutdown_timeout=CLEANUP_SECONDS)
    await runner.setup()
    try:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, _stop, stop, number)
        await site_of(runner, listeners.public).start()
        listeners.announce()
        await stop.wait()
        if SUPERVISOR in app:
            await drain(app, drain_s)
    finally:
        await runner.cleanup()


def _stop(stop: asyncio.Event, number: int) -> None:
    if stop.is_set():
        # As if nobody handled it.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stop.set()
