"""The calls of the AI SDK's chats: ask, take up the stream again, stop."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ...errors import NotFound
from ...framing.base import DIALECTS
from ...run.commands import Command
from ...supervisor.supervisor import AnyRun
from ..app_keys import OPTIONS, READER, REGISTRY, SUPERVISOR
from ..http.dialects.approvals import ApprovalAnswer, give_answers, read_approval_id
from ..http.dialects.dialect_run import require_stream, stream_run
from ..http.dialects.prompt import ParsedPrompt, addressed, own_name, parts_of, read_flag, start_asked, wrong
from ..http.problem import Problem, refuses_as
from ..http.requests import NAME_PATTERN
from ..http.stream_params import requested_cursor
from ..openapi.operation import EVENT_STREAM, LAST_EVENT_ID, Parameter, ResponseDoc, operation

_STREAM = ResponseDoc("A UI message stream.", None, EVENT_STREAM, headers=("Run-Id",))

routes = web.RouteTableDef()


def plain_error(problem: Problem) -> web.Response:
    """Return a failure as words: the SDK shows the body of a refusal as it is."""
    headers = {"Cache-Control": "no-store", **problem.headers}
    return web.Response(text=problem.words(), status=problem.status, headers=headers)


@routes.post("/v1/ai-sdk/chat")
@refuses_as(plain_error)
@operation(
    "Ask as the AI SDK's chat does",
    tag="ai-sdk",
    description="The last user message asks; answers to approvals in the last assistant message let the run go on.",
    answers={200: _STREAM},
    body="AnyObject",
    errors=(404, 409, 410, 429, 503),
)
async def chat(request: web.Request) -> web.StreamResponse:
    body = await request.app[READER].read(request, max_bytes=request.app[OPTIONS].max_body_bytes)
    require_stream(request)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        raise wrong("messages", "must be a list of UI messages, of which the last one asks or answers")
    answers = _answers(messages[-1])
    options = {
        "labels": read_flag(body, "labels"),
        "approvals": read_flag(body, "approvals") or bool(answers),
    }
    if answers:
        run, cursor = await give_answers(request, answers)
        return await stream_run(request, run, DIALECTS["ai-sdk"], cursor=cursor, options=options)
    who = addressed(request.app[REGISTRY], body.get("model"), body)
    run = await start_asked(request, _question(messages), who, conversation_id=_conversation(body.get("id")))
    return await stream_run(request, run, DIALECTS["ai-sdk"], options=options)


@routes.get("/v1/ai-sdk/chat/{chat_id}/stream", allow_head=False)
@refuses_as(plain_error)
@operation(
    "Take up a chat's stream again",
    tag="ai-sdk",
    description="From its start, or after `Last-Event-ID`.",
    answers={200: _STREAM, 204: ResponseDoc("No run of the chat is under way.")},
    parameters=(
        LAST_EVENT_ID,
        Parameter("approvals", "query", "Whether to ask for approvals.", {"type": "boolean"}),
    ),
    errors=(429, 503),
)
async def take_up(request: web.Request) -> web.StreamResponse:
    run = await _running(request)
    if run is None:
        return web.Response(status=204)
    options = {"approvals": request.query.get("approvals") == "true"}
    cursor = requested_cursor(request)
    return await stream_run(request, run, DIALECTS["ai-sdk"], cursor=cursor, options=options)


@routes.post("/v1/ai-sdk/chat/{chat_id}/stop")
@refuses_as(plain_error)
@operation(
    "Stop a chat's run",
    tag="ai-sdk",
    description="The SDK's own `stop()` only closes the connection, which cannot be distinguished from a lost one.",
    answers={202: ResponseDoc("What runs is being cancelled.")},
    errors=(404, 503),
)
async def stop(request: web.Request) -> web.StreamResponse:
    run = await _running(request)
    if run is None:
        raise NotFound("No run of that chat is under way.")
    await request.app[SUPERVISOR].perform(Command("cancel", run.spec.run_id))
    return web.Response(status=202, headers={"Run-Id": run.spec.run_id})


async def _running(request: web.Request) -> AnyRun | None:
    supervisor, conversation = request.app[SUPERVISOR], _conversation(request.match_info["chat_id"])
    holder = None if conversation is None else await supervisor.log.holder_of(conversation)
    return None if holder is None else await supervisor.get(holder)


def _conversation(chat_id: object) -> str | None:
    """Return a chat's conversation: its id, or if that may not be a name, one that follows from it."""
    if chat_id is None or chat_id == "":
        return None
    chat_id = own_name(chat_id, "id")
    if re.fullmatch(NAME_PATTERN, chat_id, re.ASCII):
        return chat_id
    return f"chat-{hashlib.sha256(chat_id.encode('utf-8', 'replace')).hexdigest()[:40]}"


def _question(messages: list[Any]) -> ParsedPrompt:
    for message in reversed(messages):
        if isinstance(message, Mapping) and message.get("role") == "user":
            parts = parts_of(message)
            texts = [part.get("text") for part in parts if part.get("type") == "text"]
            text = "\n".join(each for each in texts if isinstance(each, str))
            images = [str(part.get("url")) for part in parts if part.get("type") == "file"]
            return ParsedPrompt(text, images)
    raise wrong("messages", "must have a message of the user's")


def _answers(message: Mapping[str, Any]) -> list[ApprovalAnswer]:
    """Return the answers that the last message, the assistant's, brings back."""
    if message.get("role") != "assistant":
        return []
    found = []
    for part in parts_of(message):
        approval = part.get("approval")
        if isinstance(approval, Mapping) and part.get("state") == "approval-responded":
            found.append(
                read_approval_id(approval.get("id"), approval.get("approved"), approval.get("reason"))
            )
    return found
