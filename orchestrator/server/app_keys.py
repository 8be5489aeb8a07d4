"""The typed places where the application keeps what its handlers share."""

from __future__ import annotations

import asyncio

from aiohttp import web

from ..run.registry import AgentRegistry
from ..supervisor.supervisor import Supervisor
from ..telemetry.metrics import Metrics
from .http.dialects.fold_cache import Checkpoints
from .http.json_body import JsonReader
from .http.streams import Streams
from .options import ServerOptions
from .sibling_metrics import SiblingMetrics

CHECKPOINTS = web.AppKey("checkpoints", Checkpoints)
LOADED = web.AppKey("loaded", asyncio.Future[None])
METRICS = web.AppKey("metrics", Metrics)
OPTIONS = web.AppKey("options", ServerOptions)
READER = web.AppKey("reader", JsonReader)
REGISTRY = web.AppKey("registry", AgentRegistry)
SIBLINGS = web.AppKey("siblings", SiblingMetrics)
STREAMS = web.AppKey("streams", Streams)
SUPERVISOR = web.AppKey("supervisor", Supervisor)
