"""How a service ends in good order: clients hear of it, runs end, streams close. Owns neither runs nor streams."""

from __future__ import annotations

import structlog
from aiohttp import web

from .app import CLEANUP_SECONDS
from .app_keys import STREAMS, SUPERVISOR
from .routes.websocket import close_sockets

log = structlog.get_logger(__name__)


async def drain(app: web.Application, seconds: float) -> None:
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
