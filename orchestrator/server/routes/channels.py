"""A channel's stream: every run of the channel on one connection, with one cursor, without an end."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from dataclasses import replace

from aiohttp import web

from ...errors import NotFound
from ...eventlog.subscription import follow
from ...eventlog.view import View
from ...events.snapshot import Snapshot
from ...framing.base import Subscriber
from ...run.channels import SYSTEM_CHANNEL
from ..app_keys import METRICS, STREAMS, SUPERVISOR
from ..http.guards.connections import CONNECTIONS
from ..http.stream_params import requested_cursor, wanted_agents, wanted_dialect, wanted_runs
from ..http.streams import EventStream
from ..openapi.operation import CHANNEL_PARAMETERS, STREAM, operation

CHANNEL = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

routes = web.RouteTableDef()


@routes.get("/v1/channels/{channel}/events", allow_head=False)
@operation(
    "Follow a channel",
    tag="streams",
    description=(
        "Every run of the channel on one connection, without an end; `data` also has `run_id`. "
        f"The channel `{SYSTEM_CHANNEL}` carries `run.started` and `run.done` of every run."
    ),
    answers={200: replace(STREAM, headers=())},
    parameters=CHANNEL_PARAMETERS,
    errors=(404, 422, 429, 503),
)
async def channel_events(request: web.Request) -> web.StreamResponse:
    supervisor, metrics = request.app[SUPERVISOR], request.app[METRICS]
    channel = request.match_info["channel"]
    if not CHANNEL.fullmatch(channel):
        raise NotFound("A channel's name has 1 to 64 of the characters A-Z, a-z, 0-9, _ and -.")
    view = View(channel, None, wanted_agents(request), wanted_runs(request))
    framing = wanted_dialect(request, of_channel=True).open(Subscriber(None, channel))

    async def snapshots() -> AsyncGenerator[Snapshot, None]:
        return supervisor.following.states(channel)

    items = follow(supervisor.log, view, requested_cursor(request), snapshots)
    stream = EventStream(request, framing, headers={}, on_drop=metrics.client_dropped)
    with (
        request.app[CONNECTIONS].holding("streams"),
        supervisor.watching(channel),
        metrics.subscribing("channel"),
    ):
        return await request.app[STREAMS].serve(stream, items, lambda: 0)
