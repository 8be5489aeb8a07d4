"""The calls under `/v1/agents` and `/v1/runs`. Each checks everything before an answer begins."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, cast, get_args

from aiohttp import web

from ...errors import FieldProblem, InvalidRequest, NotFound
from ...eventlog.run_list import RunQuery
from ...events.base import RunStatus
from ...events.encoding import clean_text
from ...framing.base import Dialect
from ...run.blind import reveal
from ...run.commands import Command, Verb
from ...settings.variants import variable_keys
from ...supervisor.supervisor import AnyRun
from ..app_keys import OPTIONS, READER, REGISTRY, SUPERVISOR
from ..http.dialects.approvals import MAX_BY_CHARS, MAX_REASON_CHARS
from ..http.dialects.dialect_run import stream_run
from ..http.guards.connections import CONNECTIONS
from ..http.guards.proxies import outside
from ..http.hops import read_depth, read_traceparent
from ..http.json_response import json_response, snapshot_response
from ..http.problem import ProblemError
from ..http.requests import NAME_PATTERN, read_start
from ..http.stream_params import requested_cursor, wanted_dialect, wants_stream
from ..openapi.operation import (
    AGENTS_FILTER,
    DEPTH,
    FRAMING,
    IDEMPOTENCY_KEY,
    SNAPSHOT,
    STREAM,
    STREAM_PARAMETERS,
    Parameter,
    ResponseDoc,
    operation,
)

MAX_KEY_CHARS = 200
PAGE = 50
MAX_PAGE = 200
MAX_PLACE = 10**18
MAX_SEARCHED_CHARS = 200

routes = web.RouteTableDef()


async def run_of(request: web.Request) -> AnyRun:
    """Find the run that the path names.

    Raises:
        NotFound, Gone: As `Supervisor.get`.
    """
    return await request.app[SUPERVISOR].get(request.match_info["run_id"])


@routes.get("/v1/agents")
@operation(
    "List the configured agents",
    tag="agents",
    answers={200: ResponseDoc("The agents, in the order they are shown.", "AgentList")},
)
async def list_agents(request: web.Request) -> web.StreamResponse:
    registry = request.app[REGISTRY]
    return json_response(
        {
            "agents": [
                {
                    "agent_id": agent_id,
                    "title": settings.title,
                    "description": settings.description,
                    "backend": settings.backend,
                    "model": registry.model(agent_id),
                    "default": settings.default,
                    "variants": variable_keys(settings),
                }
                for agent_id, settings in registry.agents.items()
            ],
            "left_out": [
                {"agent_id": agent_id, "reason": reason} for agent_id, reason in registry.left_out.items()
            ],
        }
    )


@routes.post("/v1/runs")
@operation(
    "Start a run",
    description=(
        "One message goes to several agents at once. With `Accept: text/event-stream` the answer is the run's "
        "stream from its first event; otherwise 201 and the snapshot. Everything is checked before the stream "
        "begins; after that a failure is an event."
    ),
    answers={
        200: replace(STREAM, headers=("Run-Id", "Location")),
        201: replace(SNAPSHOT, headers=("Run-Id", "Location")),
    },
    parameters=(IDEMPOTENCY_KEY, DEPTH, AGENTS_FILTER, FRAMING),
    body="StartRequest",
    errors=(409, 429, 503),
)
async def start_run(request: web.Request) -> web.StreamResponse:
    run, dialect = await _started(request)
    headers = {
        "Run-Id": run.spec.run_id,
        "Location": outside(request, str(request.app.router["run"].url_for(run_id=run.spec.run_id))),
    }
    if wants_stream(request, dialect.framing.content_type):
        return await stream_run(request, run, dialect, headers=headers)
    return await snapshot_response(request, run.snapshot(), status=201, headers=headers)


async def _started(request: web.Request) -> tuple[AnyRun, Dialect]:
    """Start the run that the body asks for; what was read is let go, however long the run's stream is open."""
    options = request.app[OPTIONS]
    body = await request.app[READER].read(request, max_bytes=options.max_body_bytes)
    wanted = await read_start(body, request.app[READER], registry=request.app[REGISTRY], limits=options)
    if depth := read_depth(request):
        wanted = replace(wanted, depth=depth)
    dialect = wanted_dialect(request)
    if wants_stream(request, dialect.framing.content_type):
        request.app[CONNECTIONS].require_room("streams")
    run, _ = await request.app[SUPERVISOR].start(
        wanted, key=_idempotency_key(request), traceparent=read_traceparent(request)
    )
    return run, dialect


@routes.get("/v1/runs")
@operation(
    "List runs, newest first",
    description=(
        "A list holds no texts: `GET /v1/runs/{run_id}` does. A page may be shorter than its limit and have a "
        "`next` all the same: it looks at a bounded number of runs."
    ),
    answers={200: ResponseDoc("The runs.", "RunList")},
    parameters=(
        Parameter(
            "limit",
            "query",
            "How many.",
            {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": PAGE},
        ),
        Parameter("cursor", "query", "The `next` of the page before."),
        Parameter("before", "query", "Only runs older than the run of this id."),
        Parameter("status", "query", "Only runs of this status.", {"enum": list(get_args(RunStatus))}),
        Parameter("channel", "query", "Only runs of this channel."),
        Parameter("conversation_id", "query", "Only runs of this conversation."),
        Parameter("q", "query", "Only runs whose title has this in it, in whatever case."),
    ),
    errors=(400, 404, 410),
)
async def list_runs(request: web.Request) -> web.StreamResponse:
    limit = _whole(request, "limit", PAGE, 1, MAX_PAGE)
    before = request.query.get("before")
    cursor = request.query.get("cursor")
    query = RunQuery(
        limit,
        None if cursor is None else _whole(request, "cursor", 0, 0, MAX_PLACE),
        status=_status(request),
        channel=request.query.get("channel"),
        conversation_id=request.query.get("conversation_id"),
        text=clean_text(request.query["q"])[:MAX_SEARCHED_CHARS] if request.query.get("q") else None,
    )
    return json_response(await request.app[SUPERVISOR].page(query, before=before))


@routes.get("/v1/runs/{run_id}", name="run")
@operation("Show a run", answers={200: SNAPSHOT}, errors=(404, 410))
async def show_run(request: web.Request) -> web.StreamResponse:
    run = await run_of(request)
    snapshot = run.snapshot()
    if run.spec.blind:
        reveal(snapshot, await request.app[SUPERVISOR].revealed(run))
    return await snapshot_response(request, snapshot)


@routes.delete("/v1/runs/{run_id}")
@operation(
    "Cancel and forget a run",
    description=(
        "Its events go too, its turns leave the conversation, and a panel that sat over its answers in a run of its "
        "own is forgotten with it. Afterwards the run is answered with 410. While "
        "another run of its conversation is open: 409."
    ),
    answers={204: ResponseDoc("It is forgotten.")},
    errors=(404, 409, 410),
)
async def delete_run(request: web.Request) -> web.StreamResponse:
    await request.app[SUPERVISOR].forget((await run_of(request)).spec.run_id)
    return web.Response(status=204)


@routes.delete("/v1/conversations/{conversation_id}")
@operation(
    "Forget a conversation",
    description="Its turns go, and its runs with all their events.",
    answers={204: ResponseDoc("It is forgotten.")},
    errors=(404, 409),
)
async def delete_conversation(request: web.Request) -> web.StreamResponse:
    conversation_id = request.match_info["conversation_id"]
    if re.fullmatch(NAME_PATTERN, conversation_id) is None:
        raise NotFound("A conversation's name has 1 to 64 of the characters A-Z, a-z, 0-9, _ and -.")
    await request.app[SUPERVISOR].forget_conversation(conversation_id)
    return web.Response(status=204)


@routes.get("/v1/runs/{run_id}/events", allow_head=False)
@operation(
    "Follow a run",
    tag="streams",
    description="From the cursor on. A cursor that cannot be used gives `run.gap`, then `run.snapshot`.",
    answers={
        200: STREAM,
        204: ResponseDoc("The cursor stands at the end of a run that has ended.", headers=("Run-Id",)),
    },
    parameters=STREAM_PARAMETERS,
    errors=(404, 410, 422, 429, 503),
)
async def run_events(request: web.Request) -> web.StreamResponse:
    run = await run_of(request)
    dialect = wanted_dialect(request)
    cursor = requested_cursor(request)
    if cursor is not None and await request.app[SUPERVISOR].nothing_after(run, cursor):
        return web.Response(status=204, headers={"Run-Id": run.spec.run_id})
    return await stream_run(request, run, dialect, cursor=cursor)


@routes.post("/v1/runs/{run_id}/cancel")
@operation(
    "Cancel all that still runs",
    description="Acknowledged at once; each agent's `cancelled` follows when its own stream is really closed.",
    answers={202: SNAPSHOT},
    errors=(404, 410),
)
async def cancel_run(request: web.Request) -> web.StreamResponse:
    return await _command(request, "cancel")


@routes.post("/v1/runs/{run_id}/agents")
@operation(
    "Add an agent to an open run",
    tag="agents",
    answers={202: SNAPSHOT},
    body="AddAgent",
    errors=(404, 409, 410),
)
async def add_agent(request: web.Request) -> web.StreamResponse:
    run = await run_of(request)
    body = await request.app[READER].read(request)
    agent_id = body.get("agent_id")
    if not isinstance(agent_id, str) or agent_id not in request.app[REGISTRY].agents or len(body) != 1:
        raise InvalidRequest(
            'The body must be {"agent_id": …} with an id that GET /v1/agents lists.',
            [FieldProblem("agent_id", request.app[REGISTRY].why_not(str(agent_id)))],
        )
    if len(run.participants) >= request.app[OPTIONS].max_agents_per_run:
        raise InvalidRequest(
            "The run has as many agents as it may.", [FieldProblem("agent_id", "is one too many")]
        )
    return await _command(request, "add", agent_id=agent_id)


@routes.post("/v1/runs/{run_id}/agents/{agent_id}/cancel")
@operation("Cancel one agent", tag="agents", answers={202: SNAPSHOT}, errors=(404, 410))
async def cancel_agent(request: web.Request) -> web.StreamResponse:
    return await _command(request, "cancel", agent_id=request.match_info["agent_id"])


@routes.post("/v1/runs/{run_id}/agents/{agent_id}/retry")
@operation(
    "Let an agent that has ended try again", tag="agents", answers={202: SNAPSHOT}, errors=(404, 409, 410)
)
async def retry_agent(request: web.Request) -> web.StreamResponse:
    return await _command(request, "retry", agent_id=request.match_info["agent_id"])


@routes.post("/v1/runs/{run_id}/agents/{agent_id}/approvals/{call_id}")
@operation(
    "Answer an agent that waits for approval",
    tag="agents",
    answers={202: SNAPSHOT},
    body="ApprovalBody",
    errors=(404, 410),
)
async def answer_approval(request: web.Request) -> web.StreamResponse:
    await run_of(request)
    body = await request.app[READER].read(request)
    approve = body.get("approve")
    reason = body.get("reason")
    faults = [] if isinstance(approve, bool) else [FieldProblem("approve", "must be a bool")]
    if reason is not None and not (isinstance(reason, str) and len(reason) <= MAX_REASON_CHARS):
        faults.append(FieldProblem("reason", f"must be a string of at most {MAX_REASON_CHARS} characters"))
    by = body.get("by")
    if by is not None and not (isinstance(by, str) and 0 < len(by) <= MAX_BY_CHARS):
        faults.append(FieldProblem("by", f"must be a string of 1 to {MAX_BY_CHARS} characters"))
    faults += [FieldProblem(key, "is not known") for key in body if key not in ("approve", "reason", "by")]
    if faults:
        raise InvalidRequest(
            'The body must be {"approve": true or false, "reason"?: text, "by"?: name}.', faults
        )
    path = request.match_info
    about = {"agent_id": path["agent_id"], "call_id": path["call_id"]}
    return await _command(request, "approve", **about, approve=approve, why=reason, by=by)


async def _command(request: web.Request, verb: Verb, **about: Any) -> web.StreamResponse:
    """Ask something of the path's run and answer with its snapshot."""
    command = Command(verb, request.match_info["run_id"], **about)
    return await snapshot_response(request, await request.app[SUPERVISOR].perform(command), status=202)


def _idempotency_key(request: web.Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isascii()):
        raise ProblemError(400, f"Idempotency-Key must have 1 to {MAX_KEY_CHARS} ASCII characters.")
    return key


def _status(request: web.Request) -> RunStatus | None:
    text = request.query.get("status")
    if text is None:
        return None
    for status in get_args(RunStatus):
        if text == status:
            return cast(RunStatus, status)
    raise ProblemError(400, f"status must be one of {', '.join(get_args(RunStatus))}.")


def _whole(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 17 and least <= int(text) <= most):
        raise ProblemError(400, f"{name} must be a whole number from {least} to {most}.")
    return int(text)
