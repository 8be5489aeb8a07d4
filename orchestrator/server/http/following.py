"""Answers a request with a run's stream in one of the dialects. Owns neither the bytes nor the socket."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from aiohttp import web

from ...eventlog.base import Entry, parse_cursor
from ...eventlog.subscription import View, follow, history
from ...events.snapshot import Snapshot
from ...framing.base import Dialect, Subscriber
from ...supervisor.supervisor import AnyRun
from ..keys import METRICS, STREAMS, SUPERVISOR
from .reading import wanted_agents
from .streams import EventStream


async def stream_run(
    request: web.Request,
    run: AnyRun,
    dialect: Dialect,
    *,
    cursor: str | None = None,
    headers: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> web.StreamResponse:
    """Send *run* from *cursor* on, as *dialect* writes it, until its end, the client's, or the server's.

    Args:
        cursor: The last event that the client has seen, as it came; None starts at the first.
        options: What the dialect's own request said.
    """
    supervisor, metrics, spec = request.app[SUPERVISOR], request.app[METRICS], run.spec
    view = View(spec.channel, spec.run_id, wanted_agents(request))
    newest = parse_cursor(run.state.last_event_id or "")
    framing = dialect.open(
        Subscriber(spec.run_id, newest=newest.seq if newest is not None else 0, options=options or {})
    )
    stream = EventStream(
        request,
        framing,
        headers={"Run-Id": spec.run_id, **(headers or {})},
        on_drop=metrics.client_dropped,
    )

    async def snapshots() -> list[Snapshot]:
        return [(await supervisor.get(spec.run_id)).snapshot()]

    seen: AsyncGenerator[list[Entry], None] | None = None
    if cursor is not None and framing.folds:
        seen = history(supervisor.log, view, cursor)
    with supervisor.watching(spec.channel, spec.run_id), metrics.subscribing("sse"):
        items = follow(supervisor.log, view, cursor, snapshots)
        return await request.app[STREAMS].serve(stream, items, lambda: run.t, seen=seen)
