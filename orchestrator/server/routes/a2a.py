"""A2A 1.0's calls in both bindings: HTTP+JSON below a model's address, JSON-RPC at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ...errors import Conflict, InvalidRequest, OrchestratorError
from ..app_keys import OPTIONS, READER
from ..http.dialects import a2a_tasks
from ..http.dialects.a2a_tasks import a2a_error
from ..http.dialects.prompt import call_name
from ..http.json_response import json_response, send_json
from ..http.problem import MalformedJson, problem_from, refuses_as
from ..openapi.operation import EVENT_STREAM, Parameter, ResponseDoc, asset, operation

_TASK = ResponseDoc("The task.", {"type": "object"})
_STREAM = ResponseDoc("Updates of the task.", None, EVENT_STREAM, headers=("Run-Id",))

routes = web.RouteTableDef()


# ── HTTP+JSON ─────────────────────────────────────────────────────────────────────────────────


async def _body(request: web.Request) -> dict[str, Any]:
    a2a_tasks.check_version(request)
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
    return await send_json(request, await a2a_tasks.send_message(request, await _body(request)))


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
    return await a2a_tasks.stream_message(request, await _body(request), {})


@routes.get("/v1/a2a/{model}/tasks")
@refuses_as(a2a_error)
@operation(
    "List A2A tasks, newest first",
    tag="a2a",
    description="Of the whole service, without what agents said. `totalSize` is left out: they are not counted.",
    answers={200: ResponseDoc("The tasks.", {"type": "object"})},
    parameters=(
        Parameter(
            "pageSize",
            "query",
            "How many.",
            {"type": "integer", "minimum": 1, "maximum": a2a_tasks.MOST_LISTED},
        ),
        Parameter("pageToken", "query", "The `nextPageToken` of the page before."),
        Parameter("contextId", "query", "Only tasks of this conversation."),
        Parameter("status", "query", "Only tasks of this state."),
    ),
    errors=(400, 422),
)
async def list_tasks(request: web.Request) -> web.StreamResponse:
    a2a_tasks.check_version(request)
    return json_response(await a2a_tasks.list_tasks(request, request.query))


@routes.route("*", "/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}/pushNotificationConfigs/{config_id}")
@routes.route("*", "/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}/pushNotificationConfigs")
@asset
@refuses_as(a2a_error)
async def refuse_push(request: web.Request) -> web.StreamResponse:
    a2a_tasks.refuse_push()


@routes.get("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}")
@refuses_as(a2a_error)
@operation("Show an A2A task", tag="a2a", answers={200: _TASK}, errors=(400, 404, 410))
async def get_task(request: web.Request) -> web.StreamResponse:
    a2a_tasks.check_version(request)
    return await send_json(request, await a2a_tasks.show_task(request, request.match_info["task_id"]))


@routes.post("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}:cancel")
@refuses_as(a2a_error)
@operation("Cancel an A2A task", tag="a2a", answers={200: _TASK}, errors=(400, 404, 410))
async def cancel_task(request: web.Request) -> web.StreamResponse:
    a2a_tasks.check_version(request)
    return await send_json(request, await a2a_tasks.cancel_task(request, request.match_info["task_id"]))


@routes.post("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}:subscribe")
@refuses_as(a2a_error)
@operation("Follow an A2A task", tag="a2a", answers={200: _STREAM}, errors=(400, 404, 410, 429))
async def subscribe_task(request: web.Request) -> web.StreamResponse:
    a2a_tasks.check_version(request)
    return await a2a_tasks.follow_task(request, request.match_info["task_id"], {})


@routes.get("/v1/a2a/{model}/tasks/{task_id:[A-Za-z0-9_-]+}:subscribe", allow_head=False)
@asset
@refuses_as(a2a_error)
async def subscribe_task_by_get(request: web.Request) -> web.StreamResponse:
    a2a_tasks.check_version(request)
    return await a2a_tasks.follow_task(request, request.match_info["task_id"], {})


# ── JSON-RPC ──────────────────────────────────────────────────────────────────────────────────


@routes.post("/v1/a2a/{model}")
@refuses_as(a2a_error)
@operation(
    "A2A's JSON-RPC",
    tag="a2a",
    description="`SendMessage`, `SendStreamingMessage`, `GetTask`, `ListTasks`, `CancelTask`, `SubscribeToTask`.",
    answers={200: (ResponseDoc("The result.", {"type": "object"}), _STREAM)},
    body="AnyObject",
)
async def rpc(request: web.Request) -> web.StreamResponse:
    call_id: object = None
    try:
        body = await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)
        call_id, params = call_name(body.get("id")), body.get("params")
        a2a_tasks.check_version(request)
        about: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
        result = await _call(request, body.get("method"), about, {"rpc_id": call_id})
    except (OrchestratorError, Conflict) as exc:
        problem = problem_from(exc)
        if problem is None:
            raise
        code = a2a_tasks.RPC_CODES.get(
            getattr(exc, "reason", ""), -32600 if problem.status == 400 else -32602
        )
        if isinstance(exc, MalformedJson):
            code = -32700
        if problem.status >= 500 or problem.status == 429:
            code = -32603
        if isinstance(exc, _UnknownMethod):
            code = -32601
        error = {"code": code, "message": problem.words()}
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
            return await a2a_tasks.send_message(request, params)
        case "SendStreamingMessage":
            return await a2a_tasks.stream_message(request, params, rpc)
        case "GetTask":
            return await a2a_tasks.show_task(request, params.get("id"))
        case "CancelTask":
            return await a2a_tasks.cancel_task(request, params.get("id"))
        case "ListTasks":
            return await a2a_tasks.list_tasks(request, params)
        case str() if method.endswith(("TaskPushNotificationConfig", "TaskPushNotificationConfigs")):
            a2a_tasks.refuse_push()
        case "SubscribeToTask":
            return await a2a_tasks.follow_task(request, params.get("id"), rpc)
    raise _UnknownMethod(f"There is no method {str(method)[:80]!r}.")
