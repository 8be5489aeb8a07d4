"""An MCP server over streamable HTTP. What its methods do is `http/mcp_calls`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ...framing.base import DIALECTS
from ..app_keys import OPTIONS, READER, REGISTRY, SUPERVISOR
from ..http.dialects import mcp_calls
from ..http.dialects.dialect_run import stream_run
from ..http.dialects.mcp_calls import (
    INTERNAL,
    INVALID_REQUEST,
    NO_METHOD,
    PARSE_ERROR,
    rpc_refusal,
    rpc_result,
)
from ..http.dialects.prompt import call_name
from ..http.json_response import json_response
from ..http.problem import MalformedJson, Problem, refuses_as
from ..openapi.operation import EVENT_STREAM, LAST_EVENT_ID, ResponseDoc, operation

routes = web.RouteTableDef()


def rpc_error(problem: Problem, code: int = INVALID_REQUEST) -> web.Response:
    """Return a failure as JSON-RPC, with its status: no call is known whose answer it is."""
    error = {"code": INTERNAL if problem.status >= 500 else code, "message": problem.words()}
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return json_response(body, status=problem.status, headers=dict(problem.headers))


@routes.post("/v1/mcp")
@refuses_as(rpc_error)
@operation(
    "Call as an MCP client does",
    tag="mcp",
    description="`initialize`, `ping`, `tools/list`, `tools/call`, and `notifications/cancelled`.",
    answers={
        200: (ResponseDoc("The answer.", {"type": "object"}), ResponseDoc("Its stream.", None, EVENT_STREAM)),
        202: ResponseDoc("A notification was taken."),
    },
    body="AnyObject",
    errors=(429, 503),
)
async def call(request: web.Request) -> web.StreamResponse:
    try:
        message = await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)
    except MalformedJson as exc:
        return rpc_error(exc.problem, PARSE_ERROR)
    method, params = message.get("method"), message.get("params")
    about: Mapping[str, Any] = params if isinstance(params, Mapping) else {}
    if "method" not in message:
        await mcp_calls.take_answer(request, message)
        return web.Response(status=202)
    if method != "initialize":
        mcp_calls.check_version(request)
    call_id = call_name(message.get("id"))
    if "id" not in message:
        if method == "notifications/cancelled":
            await mcp_calls.cancel(request, about)
        return web.Response(status=202)
    match method:
        case "initialize":
            return mcp_calls.initialize(call_id, about)
        case "ping":
            return rpc_result(call_id, {})
        case "tools/list":
            return rpc_result(call_id, {"tools": mcp_calls.tools(request.app[REGISTRY])})
        case "tools/call":
            return await mcp_calls.call_tool(request, call_id, about)
    return rpc_refusal(call_id, NO_METHOD, f"There is no method {str(method)[:80]!r}.")


@routes.get("/v1/mcp", allow_head=False)
@refuses_as(rpc_error)
@operation(
    "Take an MCP call's stream up again",
    tag="mcp",
    description="With the `Last-Event-ID` of a stream that was cut. The service says nothing of its own accord: 405.",
    answers={200: ResponseDoc("The rest of the stream.", None, EVENT_STREAM)},
    parameters=(LAST_EVENT_ID,),
    errors=(404, 410, 429, 503),
)
async def take_call_up(request: web.Request) -> web.StreamResponse:
    mcp_calls.check_version(request)
    event_id = request.headers.get("Last-Event-ID")
    if not event_id:
        raise web.HTTPMethodNotAllowed("GET", ["POST"])
    stream, _, cursor = event_id.rpartition("/")
    run_id, options = mcp_calls.read_stream(stream)
    run = await request.app[SUPERVISOR].get(run_id)
    return await stream_run(request, run, DIALECTS["mcp"], cursor=cursor, options=options)
