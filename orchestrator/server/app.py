"""The composition root: builds the application from its parts. The process around it is `serve`'s."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from aiohttp import web

from ..backends.base import Backend, StreamFunction
from ..backends.registry import wrap_agent
from ..config.load import Config
from ..eventlog.base import Store
from ..eventlog.cluster import Cluster
from ..eventlog.open import open_log
from ..panels.loader import load_method
from ..run.registry import AgentRegistry
from ..settings.agent import AgentSettings
from ..settings.limits import RunLimits
from ..supervisor.supervisor import Supervisor
from ..telemetry.metrics import LoopLag, Metrics
from ..telemetry.observer import Observer, Observers
from .app_keys import CHECKPOINTS, LOADED, METRICS, OPTIONS, READER, REGISTRY, STREAMS, SUPERVISOR
from .http.dialects.fold_cache import Checkpoints
from .http.guards.connections import Connections, setup_connections
from .http.guards.request_scheduler import RequestScheduler, setup_turns
from .http.guards.security import SecuritySettings, mark_api, setup_security
from .http.json_body import JsonReader
from .http.problem import setup_problems
from .http.streams import Streams
from .options import ServerOptions
from .routes import (  # fmt: skip
    a2a,
    ag_ui,
    agent_cards,
    ai_sdk,
    channels,
    chat_completions,
    mcp,
    models,
    operations,
    panels,
    responses,
    runs,
    scores,
    websocket,
)
from .routes.docs import ApiDocs
from .routes.handbook import Handbook
from .routes.pages import Pages, redirect_below

CLEANUP_SECONDS = 2.0

ROUTES = (
    runs, scores, panels, channels, websocket, models, chat_completions, responses, ai_sdk, ag_ui, agent_cards, a2a,
    mcp, operations,
)  # fmt: skip


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
    app[OPTIONS] = options or ServerOptions()
    turns = RequestScheduler()
    setup_turns(app, turns)
    connections = Connections(app[OPTIONS].connections)
    setup_connections(app, connections)
    setup_security(app, security or SecuritySettings())
    metrics = app[METRICS] = Metrics()
    connections.on_drop = metrics.client_dropped
    app[REGISTRY] = registry or _registry(config, agents or {})
    app[CHECKPOINTS], app[STREAMS] = Checkpoints(), Streams()
    app[READER] = JsonReader(max_bytes_in_flight=app[OPTIONS].connections.max_request_bytes, turns=turns)
    app[SUPERVISOR] = Supervisor(
        app[REGISTRY],
        event_log or open_log("memory:"),
        limits=limits,
        observer=_observer(app, metrics),
        cluster=cluster,
    )
    for module in ROUTES:
        app.add_routes(module.routes)
    app.add_routes(Pages().routes())
    if root := app[OPTIONS].root_path:
        app.router.add_get(root, redirect_below)
    app.add_routes(ApiDocs(app[OPTIONS]).routes())
    app.add_routes(Handbook().routes())
    mark_api(app)
    app.cleanup_ctx.append(LoopLag(metrics.loop_lag))
    app.cleanup_ctx.append(_supervise)
    app.cleanup_ctx.append(_load_agents)
    app.on_cleanup.append(_close_reader)
    return app


def _observer(app: web.Application, metrics: Metrics) -> Observer:
    """Return who hears of runs: the metrics, and traces if somebody has set a provider for them."""
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
        settings[agent_id], backends[agent_id] = wrap_agent(agent_id, agent)
    return AgentRegistry(
        settings,
        backends=backends,
        panels=config.panels if config else None,
        left_out=config.left_out if config else None,
        left_out_panels=config.left_out_panels if config else None,
    )


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
