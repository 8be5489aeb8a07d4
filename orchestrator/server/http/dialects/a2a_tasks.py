"""What A2A clients may ask of tasks, whichever binding they speak, and how they are refused. Owns no route."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from aiohttp import web

from ....errors import FieldProblem, InvalidRequest, NotFound
from ....eventlog.run_list import RunQuery
from ....framing.a2a import STATES, A2aFraming
from ....framing.base import DIALECTS
from ....run.commands import Command
from ....supervisor.supervisor import AnyRun
from ...app_keys import REGISTRY, SUPERVISOR
from ..json_response import json_response
from ..problem import Problem, ProblemError
from ..requests import NAME_PATTERN
from .approvals import give_answers, read_approval_id, read_decision
from .dialect_run import fold_run, require_stream, stream_run
from .prompt import ParsedPrompt, addressed, parts_of, read_flag, read_object, start_asked, wrong

VERSION = "1.0"
CANCEL_SECONDS = 5.0
"""How long the answer to a cancel waits for the agents' streams to be closed."""

MOST_LISTED, LISTED = 100, 50

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

RPC_CODES = {
    "PUSH_NOTIFICATION_NOT_SUPPORTED": -32003,
    "TASK_NOT_FOUND": -32001,
    "TASK_NOT_CANCELABLE": -32002,
    "UNSUPPORTED_OPERATION": -32004,
}
RPC_CODES |= {"VERSION_NOT_SUPPORTED": -32009}


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
    error = {"code": problem.status, "status": status, "message": problem.words(), "details": [info]}
    return json_response({"error": error}, status=problem.status, headers=dict(problem.headers))


def check_version(request: web.Request) -> None:
    version = request.headers.get("A2A-Version", "")
    if version.partition(".")[0] != VERSION.partition(".")[0]:
        raise Refused(
            400, "VERSION_NOT_SUPPORTED", "This speaks A2A 1.0: send the header `A2A-Version: 1.0`."
        )


async def _task_run(request: web.Request, task_id: object, *, at: str = "id") -> AnyRun:
    if not isinstance(task_id, str):
        raise wrong(at, "must be a task's id, a string")
    try:
        return await request.app[SUPERVISOR].get(task_id)
    except NotFound as exc:
        raise Refused(404, "TASK_NOT_FOUND", f"There is no task {task_id[:80]!r}.") from exc


def _options(run: AnyRun, rpc: Mapping[str, Any]) -> dict[str, Any]:
    return {"context_id": run.spec.conversation_id or run.spec.run_id, **rpc}


async def _send(request: web.Request, params: Mapping[str, Any]) -> tuple[AnyRun, str | None]:
    """Start a run, or answer what one waits for; return it, and where its stream goes on."""
    message = params.get("message")
    if not isinstance(message, Mapping):
        raise wrong("message", "must be a message: an object with parts")
    parts = parts_of(message)
    text = "\n".join(str(part["text"]) for part in parts if isinstance(part.get("text"), str))
    if message.get("taskId"):
        return await _answer(
            request, await _task_run(request, message["taskId"], at="message.taskId"), parts, text
        )
    about = message.get("metadata")
    own = about if isinstance(about, Mapping) else {}
    who = addressed(request.app[REGISTRY], request.match_info["model"], own)
    context = message.get("contextId") or None
    if context is not None and (
        not isinstance(context, str) or re.fullmatch(NAME_PATTERN, context, re.ASCII) is None
    ):
        raise wrong("message.contextId", "must have 1 to 64 of the characters A-Z, a-z, 0-9, _ and -")
    run = await start_asked(request, ParsedPrompt(text), who, at="message.parts", conversation_id=context)
    return run, None


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


async def send_message(request: web.Request, params: Mapping[str, Any]) -> dict[str, Any]:
    at_once = read_flag(read_object(params, "configuration"), "returnImmediately", below="configuration")
    run, cursor = await _send(request, params)
    return {"task": (await _fold(request, run, {}, to_end=not at_once, cursor=cursor)).task()}


async def stream_message(
    request: web.Request, params: Mapping[str, Any], rpc: Mapping[str, Any]
) -> web.StreamResponse:
    require_stream(request)
    run, cursor = await _send(request, params)
    return await stream_run(request, run, DIALECTS["a2a"], cursor=cursor, options=_options(run, rpc))


async def show_task(request: web.Request, task_id: object) -> dict[str, Any]:
    return (await _fold(request, await _task_run(request, task_id), {}, to_end=False)).task()


async def cancel_task(request: web.Request, task_id: object) -> dict[str, Any]:
    run = await _task_run(request, task_id)
    if run.status != "running":
        raise Refused(400, "TASK_NOT_CANCELABLE", "The task has ended.")
    await request.app[SUPERVISOR].perform(Command("cancel", run.spec.run_id))
    try:
        async with asyncio.timeout(CANCEL_SECONDS):
            return (await _fold(request, run, {}, to_end=True)).task()
    except TimeoutError:
        return (await _fold(request, run, {}, to_end=False)).task()


async def follow_task(request: web.Request, task_id: object, rpc: Mapping[str, Any]) -> web.StreamResponse:
    run = await _task_run(request, task_id)
    if run.status != "running":
        raise Refused(400, "UNSUPPORTED_OPERATION", "The task has ended; get it instead.")
    options = _options(run, rpc) | {"with_task": True}
    cursor = run.state.last_event_id
    return await stream_run(request, run, DIALECTS["a2a"], cursor=cursor, options=options)


async def list_tasks(request: web.Request, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return tasks, the newest first, without what agents said. They are not counted: `totalSize` is left out."""
    size, token = params.get("pageSize") or LISTED, params.get("pageToken") or None
    if not str(size).isdecimal() or not 0 < int(size) <= MOST_LISTED:
        raise wrong("pageSize", f"must be a whole number from 1 to {MOST_LISTED}")
    if token is not None and not (str(token).isdecimal() and len(str(token)) < 17):
        raise wrong("pageToken", "must be the nextPageToken of the page before")
    context, state = params.get("contextId") or None, params.get("status")
    query = RunQuery(
        int(size),
        None if token is None else int(str(token)),
        conversation_id=None if context is None else str(context),
    )
    page = await request.app[SUPERVISOR].page(query)
    tasks = [
        {
            "id": run.run_id,
            "contextId": run.conversation_id or run.run_id,
            "status": {"state": STATES[run.status]},
            "metadata": {"run_status": run.status},
        }
        for run in page.runs
        if state in (None, "TASK_STATE_UNSPECIFIED", STATES[run.status])
    ]
    return {"tasks": tasks, "nextPageToken": page.next or "", "pageSize": int(size)}


def refuse_push() -> NoReturn:
    """Refuse to call a client back: it follows the task. Raises Refused."""
    raise Refused(400, "PUSH_NOTIFICATION_NOT_SUPPORTED", "No task calls back: subscribe to it instead.")
