"""What a request says about how it wants to read: its cursor, its filter, its framing."""

from __future__ import annotations

from aiohttp import web

from ...errors import FieldProblem, InvalidRequest
from ...eventlog.subscription import parse_names


def requested_cursor(request: web.Request) -> str | None:
    """Return the cursor as it came: the header wins over the query; an empty one is none."""
    return request.headers.get("Last-Event-ID") or request.query.get("last_event_id") or None


def wants_names(request: web.Request) -> bool:
    """Whether frames carry an `event:` line.

    Raises:
        InvalidRequest: `framing` is neither `event` nor `message`.
    """
    framing = request.query.get("framing", "event")
    if framing not in ("event", "message"):
        raise InvalidRequest(
            f"framing={framing[:40]!r} is unknown; use framing=message or leave it out.",
            [FieldProblem("framing", "must be 'message' or left out")],
        )
    return framing == "event"


def wanted_agents(request: web.Request) -> frozenset[str] | None:
    """Return the agents whose events are wanted; None for all."""
    return parse_names(request.query.get("agents"))


def wanted_runs(request: web.Request) -> frozenset[str] | None:
    """Return the runs of a channel that are wanted; None for all."""
    return parse_names(request.query.get("runs"))


def wants_stream(request: web.Request) -> bool:
    """Whether the client accepts an event stream as the answer to its POST."""
    for part in request.headers.get("Accept", "").split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind == "text/event-stream":
            return not any(p.replace(" ", "") in ("q=0", "q=0.0", "q=0.00", "q=0.000") for p in parameters)
    return False
