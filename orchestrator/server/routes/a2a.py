"""A2A 1.0 in both bindings: agent cards, HTTP+JSON below a model's address, JSON-RPC at it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, cast

from aiohttp import web

from ...errors import Conflict, FieldProblem, InvalidRequest, NotFound, OrchestratorError
from ...framing.a2a import A2aFraming
from ...framing.base import DIALECTS
from ...run.commands import Command
from ...supervisor.supervisor import AnyRun
from ..http.answers import json_response, send_json
from ..http.approvals import give_answers, read_approval_id, read_decision
from ..http.following import fold_run, require_stream, stream_run
from ..http.problem import Problem, ProblemError, problem_from, refuses_as
from ..http.proxies import SCHEME, outside
from ..http.question import Question, addressed, call_name, models, parts_of, start_asked
from ..http.requests import NAME_PATTERN
from ..keys import OPTIONS, READER, REGISTRY, SUPERVISOR
from ..openapi.operation import EVENT_STREAM, ResponseDoc, asset, operation

VERSION = "1.0"
CANCEL_SECONDS = 5.0
"""How long the answer to a cancel waits for the agents' streams to be closed."""

CARD = ".well-known/agent-card.json"
_TASK = ResponseDoc("The task.", {"type": "object"})
_STREAM = ResponseDoc("Updates of the task.", None, EVENT_STREAM, headers=("Run-Id",))
_STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_STATUSES |= {
    405: "UNIMPLEMENTED",
    409: "FAILED_PRECONDITION",
    410: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}
_REASONS = {400: "INVALID_REQUEST", 404: "INVALID_PARAMS", 405: "METHOD_NOT_FOUND", 422: "INVALID_PARAMS"}
_REASONS |= {409: "INVALID_REQUEST", 413: "INVALID_REQUEST", 415: "CONTENT_TYPE_NOT_SUPPORTED"}
"""Without one of A2A's own reasons its client shows a status and none of the words."""

_CODES = {"TASK_NOT_FOUND": -32001, "TASK_NOT_CANCELABLE": -32002, "UNSUPPORTED_OPERATION": -32004}
_CODES |= {"VERSION_NOT_SUPPORTED": -32009}

routes = web.RouteTableDef()


class Refused(ProblemError):
    """A refusal that A2A has a reason for."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(status, detail)
        self.reason = reason
        self.problem = Problem(status, detail, extra={"reason": reason})


def a2a_error(problem: Problem) -> web.Response:
    """Return a failure as a `google.rpc.Status`, whose reason the clients map to their own errors."""
    status = _STATUSES.get(problem.status, "INTERNAL" if problem.status >= 500 else "INVALID_ARGUMENT")
    reason = problem.extra.get("reason") or _REASONS.get(problem.status, status)
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "a2a-protocol.org",
    }
    error = {"code": problem.status, "status": status, "message": _words(problem), "details": [info]}
    return json_response({"error": error}, status=problem.status, headers=dict(problem.headers))


def _words(problem: Problem) -> str:
    return " ".join([problem.document()["detail"], *(f"{each.at}: {each.detail}" for each in problem.errors)])


# ── cards ─────────────────────────────────────────────────────────────────────────────────────


@routes.get(f"/{CARD}")
@refuses_as(a2a_error)
@operation(
    "The service's A2A agent card", tag="a2a", answers={200: ResponseDoc("The card.", {"type": "object"})}
)
async def show_card(request: web.Request) -> web.StreamResponse:
    return _card(request, "default", "Orchestrator", "Several agents answer at once.")


@routes.get("/v1/a2a/{model}/" + CARD)
@refuses_as(a2a_error)
@operation(
    "A model's A2A agent card",
    tag="a2a",
    answers={200: ResponseDoc("The card.", {"type": "object"})},
    errors=(404,),
)
async def show_model_card(request: web.Request) -> web.StreamResponse:
    model = request.match_info["model"]
    addressed(request.app[REGISTRY], model, {})
    found = {name: (title, about) for name, title, about in models(request.app[REGISTRY])}
    title, about = found.get(model, (model, ""))
    return _card(request, model, title, about)


def _card(request: web.Request, model: str, title: str, about: str) -> web.Response:
    url = f"{request[SCHEME]}://{request.host}{outside(request, f'/v1/a2a/{model}')}"
    skills = [
        {
            "id": name,
            "name": each,
            "description": words or each,
            "tags": ["panel" if ":" in name else "agent"],
        }
        for name, each, words in models(request.app[REGISTRY])
        if model in ("default", name) or name in model.split("+")
    ]
    return json_response(
        {
            "name": title,
            "description": about or title,
            "version": VERSION,
            "capabilities": {"streaming": True},
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": skills,
            "supportedInterfaces": [
                {"url": url, "protocolBinding": binding, "protocolVersion": VERSION}
                for binding in ("JSONRPC", "HTTP+JSON")
            ],
        }
    )


# ── what is asked ─────────────────────────────────────────────────────────────────────────────


def _check_version(request: web.Request) -> None:
    version = request.headers.get("A2A-Version", "")
    if version.partition(".")[0] != VERSION.partition(".")[0]:
        raise Refused(
            400, "VERSION_NOT_SUPPORTED", "This speaks A2A 1.0: send the header `A2A-Version: 1.0`."
        )


async def _task_run(request: web.Request, task_id: object) -> AnyRun:
    try:
        return await request.app[SUPERVISOR].get(str(task_id))
    except NotFound as exc:
        raise Refused(404, "TASK_NOT_FOUND", f"There is no task {str(task_id)[:80]!r}.") from exc


def _options(run: AnyRun, rpc: Mapping[str, Any]) -> dict[str, Any]:
    return {"context_id": run.spec.conversation_id or run.spec.run_id, **rpc}


async def _send(request: web.Request, params: Mapping[str, Any]) -> tuple[AnyRun, str | None]:
    """Start a run, or answer what one waits for; return it, and where its stream goes on."""
    message = params.get("message")
    if not isinstance(message, Mapping):
        raise InvalidRequest("message is required.", [FieldProblem("message", "must be a message")])
    parts = parts_of(message)
    text = "\n".join(str(part["text"]) for part in parts if isinstance(part.get("text"), str))
    if message.get("taskId"):
        return await _answer(request, await _task_run(request, message["taskId"]), parts, text)
    about = message.get("metadata")
    own = about if isinstance(about, Mapping) else {}
    who = addressed(request.app[REGISTRY], request.match_info["model"], own)
    context = message.get("contextId")
    conversation = (
        context if isinstance(context, str) and re.fullmatch(NAME_PATTERN, context, re.ASCII) else None
    )
    return await start_asked(request, Question(text), who, conversation_id=conversation), None


async def _answer(
    request: web.Request, run: AnyRun, parts: list[Mapping[str, Any]], text: str
) -> tuple[AnyRun, str | None]:
    """Answer every call that waits, or the one that the message names."""
    said: Mapping[str, Any] = next(
        (part["data"] for part in parts if isinstance(part.get("data"), Mapping)), {}
    )
    decided, why = read_decision(text)
    approve, reason = said.get("approve", decided), said.get("reason", why)
    if not isinstance(approve, bool):
        raise InvalidRequest(
            "The task waits for an approval: answer with data {approve: true} or false, or yes or no.",
            [FieldProblem("message.parts", "must have a decision")],
        )
    framing = await _fold(request, run, {}, to_end=False)
    answers = [
        read_approval_id(f"{run.spec.run_id}/{voice.agent_id}/{call_id}", approve, reason)
        for voice in framing.voices.values()
        for call_id in voice.waiting
        if said.get("call_id", call_id) == call_id and said.get("agent_id", voice.agent_id) == voice.agent_id
    ]
    if not answers:
        raise Refused(400, "UNSUPPORTED_OPERATION", "The task waits for nothing.")
    return await give_answers(request, answers)


async def _fold(
    request: web.Request, run: AnyRun, rpc: Mapping[str, Any], *, to_end: bool, cursor: str | None = None
) -> A2aFraming:
    options = _options(run, rpc) | {"with_task": True}
    return cast(
        A2aFraming,
        await fold_run(request, run, DIALECTS["a2a"], to_end=to_end, cursor=cursor, options=options),
    )


async def _send_message(request: web.Request, params: Mapping[str, Any]) -> dict[str, Any]:
    run, cursor = await _send(request, params)
    wants = params.get("configuration")
    at_once = isinstance(wants, Mapping) and wants.get("returnImmediately") is True
    return {"task": (await _fold(request, run, {}, to_end=not at_once, cursor=cursor)).task()}


async def _stream_message(
    request: web.Request, params: Mapping[str, Any], rpc: Mapping[str, Any]
) -> web.StreamResponse:
    require_stream(request)
    run, cursor = await _send(request, params)
    return await stream_run(request, run, DIALECTS["a2a"], cursor=cursor, options=_options(run, rpc))


async def _get_task(request: web.Request, task_id: object) -> dict[str, Any]:
    return (await _fold(request, await _task_run(request, task_id), {}, to_end=False)).task()


async def _cancel_task(request: web.Request, task_id: object) -> dict[str, Any]:
    run = await _task_run(request, task_id)
    if run.status != "running":
        raise Refused(400, "TASK_NOT_CANCELABLE", "The task has ended.")
    await request.app[SUPERVISOR].perform(Command("cancel", run.spec.run_id))
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            return (await _fold(request, run, {}, to_end=True)).task()
    except TimeoutError:
        return (await _fold(request, run, {}, to_end=False)).task()


async def _subscribe(request: web.Request, task_id: object, rpc: Mapping[str, Any]) -> web.StreamResponse:
    run = await _task_run(request, task_id)
    if run.status != "running":
        raise Refused(400, "UNSUPPORTED_OPERATION", "The task has ended; get it instead.")
    options = _options(run, rpc) | {"with_task": True}
    cursor = run.state.last_event_id
    return await stream_run(request, run, DIALECTS["a2a"], cursor=cursor, options=options)


# ── HTTP+JSON ─────────────────────────────────────────────────────────────────────────────────


async def _body(request: web.Request) -> dict[str, Any]:
    _check_version(request)
    return await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)


@routes.post("/v1/a2a/{model}/message:send")
@refuses_as(a2a_error)
@operation(
    "Send an A2A message, wait for the task",
    tag="a2a",
    answers={200: _TASK},
    body="AnyObject",
    errors=(404, 429),
)
async def send_message(request: web.Request) -> web.StreamResponse:
    return await send_json(request, await _send_message(request, await _body(request)))


@routes.post("/v1/a2a/{model}/message:stream")
@refuses_as(a2a_error)
@operation(
    "Send an A2A message, follow the task",
    tag="a2a",
    answers={200: _STREAM},
    body="AnyObject",
    errors=(404, 429),
)
async def stream_message(request: web.Request) -> web.StreamResponse:
    return await _stream_message(request, await _body(request), {})


@routes.get("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}")
@refuses_as(a2a_error)
@operation("Show an A2A task", tag="a2a", answers={200: _TASK}, errors=(400, 404, 410))
async def get_task(request: web.Request) -> web.StreamResponse:
    _check_version(request)
    return await send_json(request, await _get_task(request, request.match_info["task_id"]))


@routes.post("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}:cancel")
@refuses_as(a2a_error)
@operation("Cancel an A2A task", tag="a2a", answers={200: _TASK}, errors=(400, 404, 410))
async def cancel_task(request: web.Request) -> web.StreamResponse:
    _check_version(request)
    return await send_json(request, await _cancel_task(request, request.match_info["task_id"]))


@routes.post("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}:subscribe")
@refuses_as(a2a_error)
@operation("Follow an A2A task", tag="a2a", answers={200: _STREAM}, errors=(400, 404, 410, 429))
async def subscribe_task(request: web.Request) -> web.StreamResponse:
    _check_version(request)
    return await _subscribe(request, request.match_info["task_id"], {})


@routes.get("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}:subscribe", allow_head=False)
@asset
@refuses_as(a2a_error)
async def subscribe_task_by_get(request: web.Request) -> web.StreamResponse:
    _check_version(request)
    return await _subscribe(request, request.match_info["task_id"], {})


# ── JSON-RPC ──────────────────────────────────────────────────────────────────────────────────


@routes.post("/v1/a2a/{model}")
@refuses_as(a2a_error)
@operation(
    "A2A's JSON-RPC",
    tag="a2a",
    description="`SendMessage`, `SendStreamingMessage`, `GetTask`, `CancelTask`, `SubscribeToTask`.",
    answers={200: (ResponseDoc("The result.", {"type": "object"}), _STREAM)},
    body="AnyObject",
)
async def rpc(request: web.Request) -> web.StreamResponse:
    call_id: object = None
    try:
        body = await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)
        call_id, params = call_name(body.get("id")), body.get("params")
        _check_version(request)
        about: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
        result = await _call(request, body.get("method"), about, {"rpc_id": call_id})
    except (OrchestratorError, Conflict) as exc:
        problem = problem_from(exc)
        if problem is None:
            raise
        code = _CODES.get(getattr(exc, "reason", ""), -32700 if problem.status == 400 else -32602)
        if problem.status >= 500 or problem.status == 429:
            code = -32603
        if isinstance(exc, _UnknownMethod):
            code = -32601
        error = {"code": code, "message": _words(problem)}
        return json_response({"jsonrpc": "2.0", "id": call_id, "error": error})
    if isinstance(result, web.StreamResponse):
        return result
    return await send_json(request, {"jsonrpc": "2.0", "id": call_id, "result": result})


class _UnknownMethod(InvalidRequest):
    """A JSON-RPC method that is none of A2A's."""


async def _call(
    request: web.Request, method: object, params: Mapping[str, Any], rpc: Mapping[str, Any]
) -> dict[str, Any] | web.StreamResponse:
    match method:
        case "SendMessage":
            return await _send_message(request, params)
        case "SendStreamingMessage":
            return await _stream_message(request, params, rpc)
        case "GetTask":
            return await _get_task(request, params.get("id"))
        case "CancelTask":
            return await _cancel_task(request, params.get("id"))
        case "SubscribeToTask":
            return await _subscribe(request, params.get("id"), rpc)
    raise _UnknownMethod(f"There is no method {str(method)[:80]!r}.")
