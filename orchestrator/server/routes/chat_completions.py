"""OpenAI's chat completions. A model is an agent, several (`a+b`), or a panel."""

from __future__ import annotations

from typing import cast

from aiohttp import web

from ...framing.base import DIALECTS
from ...framing.chat import ChatFraming
from ..app_keys import OPTIONS, READER, REGISTRY
from ..http.dialects.approvals import give_answers, read_chat_answers
from ..http.dialects.dialect_run import fold_run, require_stream, stream_run
from ..http.dialects.openai_error import openai_error
from ..http.dialects.prompt import (
    addressed,
    check_model,
    read_flag,
    read_messages,
    read_object,
    start_asked,
    wrong,
)
from ..http.json_response import json_response, send_json
from ..http.problem import refuses_as
from ..openapi.operation import EVENT_STREAM, ResponseDoc, operation

_ANY = {"type": "object"}

routes = web.RouteTableDef()


@routes.post("/v1/chat/completions")
@refuses_as(openai_error)
@operation(
    "Ask as with OpenAI's chat completions",
    tag="openai",
    description="One choice per agent; a panel's last word is the only one. Earlier messages are the client's history.",
    answers={200: (ResponseDoc("The completion.", _ANY), ResponseDoc("Its chunks.", None, EVENT_STREAM))},
    body="AnyObject",
    errors=(404, 409, 429, 503),
)
async def chat_completions(request: web.Request) -> web.StreamResponse:
    body = await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)
    check_model(body.get("model"))
    if body.get("n") not in (None, 1):
        raise wrong("n", "must be 1: each agent that is asked is one choice")
    streams = read_flag(body, "stream")
    usage = read_flag(read_object(body, "stream_options"), "include_usage", below="stream_options")
    if streams:
        require_stream(request)
    answers, cursor = read_chat_answers(body.get("messages")), None
    if answers:
        run, cursor = await give_answers(request, answers)
    else:
        who = addressed(request.app[REGISTRY], body.get("model"), body)
        run = await start_asked(request, read_messages(body.get("messages")), who, on_disconnect="cancel")
    options = {
        "model": body.get("model") or "default",
        "created": run.state.created_at // 1000,
        "include_usage": usage,
        "fresh": bool(answers),
    }
    if streams:
        return await stream_run(request, run, DIALECTS["chat"], cursor=cursor, options=options)
    folded = await fold_run(request, run, DIALECTS["chat"], to_end=True, cursor=cursor, options=options)
    framing = cast(ChatFraming, folded)
    headers = {"Run-Id": run.spec.run_id}
    if framing.status == "failed":
        return json_response({"error": framing.failure()}, status=502, headers=headers)
    return await send_json(request, framing.completion(), headers=headers)
