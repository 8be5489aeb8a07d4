"""AG-UI's call: a run, the same run again by its id, and answers to interrupts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from aiohttp import web

from ...errors import NotFound
from ...framing.base import DIALECTS
from ...run.commands import Command
from ..app_keys import OPTIONS, READER, REGISTRY, SUPERVISOR
from ..http.dialects.approvals import ApprovalAnswer, give_answers, read_approval_id
from ..http.dialects.dialect_run import require_stream, stream_run
from ..http.dialects.prompt import addressed, own_name, read_messages, start_asked, wrong
from ..http.requests import NAME_PATTERN
from ..http.stream_params import requested_cursor
from ..openapi.operation import EVENT_STREAM, LAST_EVENT_ID, ResponseDoc, operation

_STREAM = ResponseDoc("AG-UI events.", None, EVENT_STREAM, headers=("Run-Id",))

routes = web.RouteTableDef()


@routes.post("/v1/ag-ui")
@operation(
    "Run as an AG-UI client does",
    tag="ag-ui",
    description=(
        "Takes a `RunAgentInput`. The same `runId` again streams the first run, from its start or after "
        "`Last-Event-ID`; `resume` answers interrupts, and the stream goes on from there."
    ),
    answers={200: _STREAM},
    parameters=(LAST_EVENT_ID,),
    body="AnyObject",
    errors=(404, 409, 410, 429, 503),
)
async def run_default(request: web.Request) -> web.StreamResponse:
    return await _run(request, None)


@routes.post("/v1/ag-ui/{model}")
@operation(
    "Run a model as an AG-UI client does",
    tag="ag-ui",
    answers={200: _STREAM},
    parameters=(LAST_EVENT_ID,),
    body="AnyObject",
    errors=(404, 409, 410, 429, 503),
)
async def run_model(request: web.Request) -> web.StreamResponse:
    return await _run(request, request.match_info["model"])


@routes.post("/v1/ag-ui/runs/{run_id}/cancel")
@operation(
    "Cancel an AG-UI run",
    tag="ag-ui",
    description="`run_id` is the client's `runId`. `abortRun()` only closes the connection.",
    answers={202: ResponseDoc("What runs is being cancelled.")},
    errors=(404, 410, 503),
)
async def cancel(request: web.Request) -> web.StreamResponse:
    supervisor = request.app[SUPERVISOR]
    run_id = await supervisor.following.running_by_key(_key(request.match_info["run_id"]))
    if run_id is None:
        raise NotFound("No run of that id is under way.")
    await supervisor.perform(Command("cancel", run_id))
    return web.Response(status=202, headers={"Run-Id": run_id})


async def _run(request: web.Request, model: str | None) -> web.StreamResponse:
    body = await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)
    require_stream(request)
    thread, client_run = own_name(body.get("threadId"), "threadId"), own_name(body.get("runId"), "runId")
    options = {
        "thread_id": thread,
        "client_run_id": client_run,
        "subagents": isinstance(body.get("protocolVersion"), str),
    }
    answers = _answers(body.get("resume"))
    if answers:
        run, cursor = await give_answers(request, answers)
    else:
        asked = body.get("forwardedProps")
        own = asked if isinstance(asked, Mapping) else {}
        who = addressed(request.app[REGISTRY], model or own.get("model"), own)
        question = read_messages(body.get("messages"))
        question.earlier = [each for each in question.earlier if each[0] == "Instructions"]
        run = await start_asked(
            request, question, who, key=_key(client_run), conversation_id=_conversation(thread)
        )
        cursor = requested_cursor(request)
    return await stream_run(request, run, DIALECTS["ag-ui"], cursor=cursor, options=options)


def _key(client_run: str) -> str:
    """Return the idempotency key under which the client's run was started."""
    return f"ag-ui:{hashlib.sha256(client_run.encode('utf-8', 'replace')).hexdigest()}"


def _conversation(thread: str) -> str:
    if re.fullmatch(NAME_PATTERN, thread, re.ASCII):
        return thread
    return f"thread-{hashlib.sha256(thread.encode('utf-8', 'replace')).hexdigest()[:40]}"


def _answers(resume: object) -> list[ApprovalAnswer]:
    """Read `[{interruptId, status, payload: {approved}}]`; a cancelled interrupt is a refusal."""
    found = []
    if resume is not None and not isinstance(resume, list):
        raise wrong("resume", "must be a list of answers to interrupts")
    for each in resume or ():
        if isinstance(each, Mapping):
            payload = each.get("payload")
            said = payload.get("approved") if isinstance(payload, Mapping) else None
            approve = said if each.get("status") != "cancelled" else False
            reason = payload.get("reason") if isinstance(payload, Mapping) else None
            found.append(read_approval_id(each.get("interruptId"), approve, reason))
    return found
