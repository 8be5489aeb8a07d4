"""Reads how a request wants its events: its cursor, its filter, its framing."""

from __future__ import annotations

from aiohttp import web

from ...errors import FieldProblem, InvalidRequest
from ...eventlog.subscription import parse_names
from ...events.encoding import clean_text
from ...framing.base import Carrier, Dialect, dialects


def requested_cursor(request: web.Request) -> str | None:
    """Return the cursor as it came: the header wins over the query; an empty one is none."""
    return request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or None


def wanted_dialect(request: web.Request, carrier: Carrier = "stream", *, of_channel: bool = False) -> Dialect:
    """Return the dialect that `framing` names; the carrier's first if it is left out.

    Raises:
        InvalidRequest: There is none of that name, or it cannot write what is asked for.
    """
    known = dialects(carrier, of_channels=of_channel)
    name = request.query.get("framing")
    for row in known:
        if name is None or row.name == name:
            return row
    names = ", ".join(row.name for row in known)
    raise InvalidRequest(
        f"framing={clean_text((name or '')[:40])!r} is unknown here; use one of {names}, or leave it out.",
        [FieldProblem("framing", f"must be one of {names}, or left out")],
    )


def wanted_agents(request: web.Request) -> frozenset[str] | None:
    """Return the agents whose events are wanted; None for all."""
    return parse_names(request.query.get("agents"))


def wanted_runs(request: web.Request) -> frozenset[str] | None:
    """Return the runs of a channel that are wanted; None for all."""
    return parse_names(request.query.get("runs"))


def wants_stream(request: web.Request, content_type: str) -> bool:
    """Whether the client accepts a stream of *content_type* as the answer to its POST."""
    for part in request.headers.get("Accept", "").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind == content_type:
            return not any(p.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters)
    return False
