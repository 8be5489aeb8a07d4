"""The composition root: builds the application from its parts, listens, drains, stops."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping

import structlog
from aiohttp import web

from ..backends.base import Backend
from ..backends.function.backend import FunctionBackend, StreamFunction
from ..backends.function.settings import FunctionSettings
from ..config.load import Config, load_config
from ..errors import ConfigError, ConfigProblem
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.open import open_log
from ..panels.loader import load_method
from ..process import run_and_leave
from ..run.registry import AgentRegistry
from ..settings.agent import AgentSettings
from ..settings.limits import RunLimits
from ..settings.serve import ServeSettings
from ..supervisor.supervisor import Supervisor
from ..telemetry.logs import configure_logging
from ..telemetry.metrics import LoopLag, Metrics
from ..telemetry.observer import Observer, Observers
from .access_log import AccessLog
from .http.json_body import JsonReader
from .http.problem import setup_problems
from .http.runner import ProblemRunner
from .http.security import SecuritySettings, check_bind, mark_api, setup_security
from .http.streams import Streams
from .keys import LOADED, METRICS, OPTIONS, READER, REGISTRY, STREAMS, SUPERVISOR
from .options import ServerOptions
from .routes import a2a, ag_ui, ai_sdk, channels, mcp, openai, operations, panels, runs, websocket
from .routes.docs import ApiDocs
from .routes.handbook import Handbook
from .routes.pages import Pages
from .routes.websocket import close_sockets
from .workers import CONFIG_EXIT, run_workers

log = structlog.get_logger(__name__)

BACKLOG = 1024
CLEANUP_SECONDS = 5.0


def create_app(
    config: Config | None = None,
    *,
    agents: Mapping[str, StreamFunction | Backend] | None = None,
    event_log: Store | None = None,
    security: SecuritySettings | None = None,
    options: ServerOptions | None = None,
    limits: RunLimits | None = None,
    registry: AgentRegistry | None = None,
    cluster: Cluster | None = None,
) -> web.Application:
    """Build the application; its agents load in a thread once it has started.

    Args:
        config: The agents of a folder, as `load_config` gives them.
        agents: Agents made in Python, beside those of *config*: a `Backend`, or whatever returns an async
            iterator when it is called with an `AgentInput`, such as an async generator function.
        event_log: Where events go; memory unless given. Closed with the application.
        cluster: What this process shares with other workers on the same log.
        registry: Another registry than the one of *config*, for embedding agents made in Python.
    Raises:
        ConfigError: An allow-list cannot be read.
    """
    app = web.Application()
    setup_problems(app)
    setup_security(app, security or SecuritySettings())
    metrics = app[METRICS] = Metrics()
    app[OPTIONS] = options or ServerOptions()
    app[REGISTRY] = registry or _registry(config, agents or {})
    app[STREAMS] = Streams()
    app[READER] = JsonReader()
    app[SUPERVISOR] = Supervisor(
        app[REGISTRY],
        event_log or open_log("memory:"),
        limits=limits,
        observer=_observer(app, metrics),
        cluster=cluster,
    )
    for module in (runs, panels, channels, websocket, openai, ai_sdk, ag_ui, a2a, mcp, operations):
        app.add_routes(module.routes)
    app.add_routes(Pages().routes())
    app.add_routes(ApiDocs(app[OPTIONS]).routes())
    app.add_routes(Handbook().routes())
    mark_api(app)
    app.cleanup_ctx.append(LoopLag(metrics.loop_lag))
    app.cleanup_ctx.append(_supervise)
    app.cleanup_ctx.append(_load_agents)
    app.on_cleanup.append(_close_reader)
    return app


def _observer(app: web.Application, metrics: Metrics) -> Observer:
    """Return who hears of runs: the metrics, and traces where somebody has set a provider for them."""
    try:
        from ..telemetry.tracing import find_tracing
    except ImportError:
        return metrics
    tracing = find_tracing()
    if tracing is None:
        return metrics
    # Before the runs' own, as the last to be cleaned up comes first.
    app.cleanup_ctx.append(tracing)
    return Observers(metrics, tracing)


def _registry(config: Config | None, made: Mapping[str, StreamFunction | Backend]) -> AgentRegistry:
    settings: dict[str, AgentSettings] = dict(config.agents) if config else {}
    backends: dict[str, Backend] = {}
    for agent_id, agent in made.items():
        settings[agent_id] = FunctionSettings(agent_id=agent_id, stream="python:agent")
        backends[agent_id] = FunctionBackend.of(agent) if callable(agent) else agent
    return AgentRegistry(settings, backends=backends, panels=config.panels if config else None)


async def _close_reader(app: web.Application) -> None:
    app[READER].close()


async def _supervise(app: web.Application) -> AsyncIterator[None]:
    supervisor = app[SUPERVISOR]
    async with supervisor:
        yield
    await supervisor.log.aclose()


async def _load(registry: AgentRegistry) -> None:
    """Load what agents and panels refer to. Raises ConfigError."""
    await registry.load()
    for panel in registry.panels.values():
        await asyncio.to_thread(load_method, panel.method, file=panel.file)


async def _load_agents(app: web.Application) -> AsyncIterator[None]:
    loading = app[LOADED] = asyncio.create_task(_load(app[REGISTRY]), name="load-agents")
    yield
    loading.cancel()
    await asyncio.wait((loading,), timeout=CLEANUP_SECONDS)
    if loading.done() and not loading.cancelled():
        loading.exception()
    await app[REGISTRY].aclose()


def serve(settings: ServeSettings) -> int:
    """Run the service until a signal ends it; return the exit code.

    The first SIGTERM or SIGINT drains, a second one quits at once.

    Raises:
        ConfigError: The configuration or an option is wrong; nothing was started.
    """
    configure_logging(settings.log_format)
    check_bind(settings.host, settings.token)
    config = load_config(settings.config, os.environ)
    for skipped in config.skipped:
        log.info("agent_left_out", agent_id=skipped.agent_id, reason=skipped.reason)
    for panel in config.skipped_panels:
        log.info("panel_left_out", panel_id=panel.panel_id, reason=panel.reason)
    listener = _listen(settings.host, settings.port)
    try:
        if settings.workers > 1:
            listener.listen(BACKLOG)
            return run_workers(
                settings.workers,
                lambda: _serve_one(config, listener, settings),
                announce=lambda: print(
                    f"Listening on {_address(listener)} with {settings.workers} workers", flush=True
                ),
            )
        return _serve_one(config, listener, settings)
    finally:
        listener.close()


def _serve_one(config: Config, listener: socket.socket, settings: ServeSettings) -> int:
    """Serve in this process, until a signal ends it."""
    event_log = open_log(settings.log)
    app = create_app(
        config,
        event_log=event_log,
        cluster=event_log.cluster(),
        security=SecuritySettings(
            host=settings.host,
            token=settings.token,
            allow_hosts=settings.allow_hosts,
            allow_origins=settings.allow_origins,
        ),
        limits=RunLimits(
            max_runs=settings.max_runs,
            max_kept_runs=settings.max_kept_runs,
            max_log_bytes=settings.max_log_bytes,
            retention_s=settings.retention_s,
            max_run_tokens=settings.max_run_tokens,
            max_run_cost=settings.max_run_cost,
        ),
    )
    return run_and_leave(_run(app, listener, settings), loop_factory=_loop_factory())


async def _run(app: web.Application, listener: socket.socket, settings: ServeSettings) -> int:
    runner = ProblemRunner(
        app, handler_cancellation=True, access_log_class=AccessLog, shutdown_timeout=CLEANUP_SECONDS
    )
    await runner.setup()
    stop = _stop_signal()
    try:
        await web.SockSite(runner, listener, backlog=BACKLOG).start()
        if settings.workers == 1:
            print(f"Listening on {_address(listener)}", flush=True)
        await asyncio.wait((app[LOADED], stop), return_when=asyncio.FIRST_COMPLETED)
        if not stop.done() and app[LOADED].exception() is not None:
            exc = app[LOADED].exception()
            print(f"An agent or a panel cannot be loaded: {exc}", file=sys.stderr)
            return CONFIG_EXIT
        if not stop.done():
            keep_loaded()
        await stop
        await _drain(app, settings.drain_s)
    finally:
        await runner.cleanup()
    return 0


def keep_loaded() -> None:
    """Hide what is loaded by now from the garbage collector: it stays, and each walk over an SDK takes 0.3 s.

    For a whole process, so only a command may call it.
    """
    gc.collect()
    gc.freeze()


async def _drain(app: web.Application, seconds: float) -> None:
    """Let clients know, runs end, and streams close, in this order."""
    supervisor, streams = app[SUPERVISOR], app[STREAMS]
    log.info("draining", runs=supervisor.running, seconds=seconds)
    supervisor.refuse_new()
    await streams.announce_drain()
    if supervisor.cluster is not None:
        # Any other worker goes on with these streams.
        streams.close_all()
    await supervisor.drain(seconds)
    streams.close_all()
    await close_sockets(streams.sockets)
    await streams.wait_closed(CLEANUP_SECONDS)
    log.info("drained")


def _stop_signal() -> asyncio.Future[None]:
    """Return a future that the first SIGTERM or SIGINT resolves; the next one ends the process at once."""
    loop = asyncio.get_running_loop()
    stop: asyncio.Future[None] = loop.create_future()

    def on_signal(number: int) -> None:
        if stop.done():
            os._exit(128 + number)
        stop.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    return stop


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _listen(host: str, port: int) -> socket.socket:
    """Bind, so that a wrong address or a taken port is said before anything starts.

    Raises:
        ConfigError: The address cannot be bound.
    """
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and not host:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
    except OSError as exc:
        if isinstance(exc, socket.gaierror) or exc.errno == errno.EADDRNOTAVAIL:
            key, message = "--host", f"{host!r} is no address of this machine ({exc.strerror})"
        else:
            advice = "choose another --port, 0 picks a free one"
            key, message = "--port", f"cannot listen on {host}:{port} ({exc.strerror}); {advice}"
        raise ConfigError([ConfigProblem("orchestrator serve", None, key, message)]) from exc
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
